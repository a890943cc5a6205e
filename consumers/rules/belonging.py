"""Which campaign membership a person's document names: that of their newest registration that has one. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from consumers.rules.enriched import Enriched, Known
from consumers.rules.state import DocumentState
from schemas.change import Change, ChangeType

Registration = Mapping[str, Any]
"""The document of one as it is stored: `_id`, and of `_sync` the link and the existence."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a change says of its member. The reconciler hears the same one, and may have stored it already or not."""

    member: str
    goes: bool = False
    comes: bool = False
    """It was deleted, and is there again."""
    registration: str = ""
    """The registration whose id it bears; empty where the change names none."""


def told_of(change: Change, external_id: str) -> Told:
    """As a change says it; `external_id` is the member's field that holds its registration's id."""
    bears = change.fields.get(external_id)
    return Told(
        change.record_id,
        goes=change.type in (ChangeType.DELETE, ChangeType.GAP_DELETE),
        comes=change.type in (ChangeType.UNDELETE, ChangeType.GAP_UNDELETE),
        registration=bears if isinstance(bears, str) else "",
    )


def name_member(state: DocumentState, theirs: Sequence[Registration], told: Told, *, named: bool) -> bool:
    """Have the document of a person with these registrations name their newest member; whether that is news.

    Where no registration has one, it is one that sales have made: the one that is told of, if the change names this
    person (`named`), else the one that the document names already, as long as nobody has told that it is gone.
    """
    before = "" if state.enriched is None else state.enriched.member_id
    after = _newest(theirs, told)
    if not after and named and not told.goes:
        after = told.member
    elif not after and not (told.goes and before == told.member) and not _is_of(theirs, before):
        after = before
    if after == before:
        return False
    state.enriched = state.enriched or Enriched(status=Known.PENDING if state.record is None else Known.SYNCED)
    state.enriched.member_id = after
    return True


def _newest(theirs: Sequence[Registration], told: Told) -> str:
    """The member of the registration that was made last, as the platform told; empty where none has one."""
    there = [(_made(one), str(one["_id"]), member) for one in theirs if (member := _member(one, told))]
    return max(there, default=(0, "", ""))[2]


def _member(registration: Registration, told: Told) -> str:
    link = _link(registration)
    if not link:
        return told.member if told.registration == registration["_id"] and not told.goes else ""
    if link.get("merged_into"):
        return ""
    is_gone = bool(link.get("gone"))
    if link["id"] == told.member:
        is_gone = told.goes or (is_gone and not told.comes)
    return "" if is_gone else str(link["id"])


def _is_of(theirs: Sequence[Registration], member: str) -> bool:
    """Whether one of the registrations has, or had, this member."""
    links = [_link(one) for one in theirs]
    return any(member in (link.get("id"), *link.get("former", ())) for link in links)


def _link(registration: Registration) -> Mapping[str, Any]:
    link: Mapping[str, Any] = registration.get("_sync", {}).get("link", {})
    return link


def _made(registration: Registration) -> int:
    """When, epoch milliseconds; of one that no event has told of, when its member was linked."""
    known = registration.get("_sync", {}).get("existence") or {}
    return int(known.get("first") or known.get("heard") or _link(registration).get("at", 0))
