"""What is known of a person from Salesforce, as it stands in the document: looked up once, by e-mail, while somebody
waits or soon after. It is no register: nothing of it is ever written to Salesforce, and the merge does not ask it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Known(StrEnum):
    """How a look at Salesforce ended, in the words of the product's participant document."""

    PENDING = "pending"
    """Salesforce has still to be asked."""
    SYNCED = "synced"
    """A Contact or a Lead has been found."""
    NOT_FOUND = "not_found"
    """Salesforce knows nobody of this address."""
    ERROR = "error"
    """Asking has been given up: a person has to look."""


@dataclass(slots=True)
class Enriched:
    """Of one document. `due` is when Salesforce is to be asked, epoch milliseconds; None where nobody is to ask."""

    status: Known = Known.PENDING
    email: str = ""
    """The address that was looked up, in the form in which it is compared."""
    record_id: str = ""
    """The Contact or Lead that was found, of 18 characters."""
    within: dict[str, Any] = field(default_factory=dict)
    """What stands under `salesforce`."""
    beside: dict[str, Any] = field(default_factory=dict)
    """What stands beside it."""
    at: int = 0
    """When Salesforce answered, epoch milliseconds."""
    due: int | None = None
    tries: int = 0
    code: str = ""
    """Why the last try failed, a stable word."""
    member_id: str = ""
    """The newest campaign membership of the person, 18 characters."""
    verified: str = ""
    """The address that the platform said is that person's own. Of another one nothing is verified."""
    parents: tuple[str, ...] = ()
    """The parents of the record of which something is shown, as its Account: a change there has it looked up again."""
    old: int = 0
    """When a change was heard of which no answer that was asked for before can know, epoch milliseconds; 0 where what
    is known is newer than any."""


def load(stored: Mapping[str, Any]) -> Enriched:
    """As `dump` stored it."""
    return Enriched(
        status=Known(stored["status"]),
        email=stored.get("email", ""),
        record_id=stored.get("record", ""),
        parents=tuple(stored.get("parents", ())),
        old=stored.get("old", 0),
        within=dict(stored.get("within", {})),
        beside=dict(stored.get("beside", {})),
        at=stored.get("at", 0),
        due=stored.get("due"),
        tries=stored.get("tries", 0),
        code=stored.get("code", ""),
        member_id=stored.get("member", ""),
        verified=stored.get("verified", ""),
    )


def dump(known: Enriched) -> dict[str, Any]:
    """The form in which it is stored; what is empty is left out."""
    stored = {
        "email": known.email,
        "record": known.record_id,
        "parents": list(known.parents),
        "within": known.within,
        "beside": known.beside,
        "at": known.at,
        "due": known.due,
        "tries": known.tries,
        "code": known.code,
        "member": known.member_id,
        "verified": known.verified,
        "old": known.old,
    }
    return {
        "status": str(known.status),
        **{name: value for name, value in stored.items() if value not in ("", 0, {}, [], None)},
    }


def shown_within(known: Enriched, *, is_linked: bool) -> dict[str, Any]:
    """What `salesforce` says of it. The link, once there is one, is the better word on which record it is."""
    shown = dict(known.within)
    if known.record_id and not is_linked:
        shown[id_name(known.record_id)] = known.record_id
    if known.member_id:
        shown["campaignMemberId"] = known.member_id
    if known.status is Known.ERROR and known.code:
        shown["syncError"] = known.code
    return shown


def id_name(record_id: str) -> str:
    """`leadId` or `contactId`, by the record's own prefix."""
    return "leadId" if record_id.startswith("00Q") else "contactId"


def shown_status(known: Enriched | None, status: str, *, is_linked: bool) -> str:
    """`syncStatus`: of the sync, but where that has nothing to tell yet, what the look found.

    A document that is not linked is `pending` to the sync until the writer has been there; a person who waits is told
    what was found in the meantime. A look that was given up is told unless the sync itself is in worse trouble.
    """
    if known is None or status not in ("pending", "synced"):
        return status
    if known.status is Known.ERROR:
        return str(Known.ERROR)
    return str(known.status) if not is_linked else status
