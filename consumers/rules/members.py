"""Records that their parents alone make one: Salesforce lets a person be a member of a campaign once.

Where two people who both were are merged, it keeps the membership of the one that stays and deletes the other. That
one is in no merge itself, so nothing in it says what has taken its place: what its document names does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from consumers.rules.kinds import FieldRule, Kind
from consumers.rules.lookups import Parents
from consumers.rules.state import DocumentState
from schemas.mapping import PlatformDeletion

MERGES_AND_CONVERSIONS: Final = 3
"""So many, one after the other, are asked for of a person whose own document has not heard of them yet."""
ONCE: Final = {"CampaignMember": ("CampaignId", "ContactId")}
"""By object: what it is a member of, and who. No two records of it name the same."""
STATUS: Final = "Status"
CANCELLED: Final = "cancelled"
"""The status of who takes part no more: as the platform says it, or as the mapping's picklist writes it."""


@dataclass(frozen=True, slots=True)
class Membership:
    """The fields by which a kind's records are one, and how a record is asked for by them."""

    whole: FieldRule
    """Names what it is a member of."""
    person: FieldRule
    """Names who is."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of the object that name a person."""
        return (self.person.name, self.person.lead) if self.person.lead else (self.person.name,)


def membership_of(kind: Kind) -> Membership | None:
    """How the kind's records are one by their parents; nothing where they are not, or it maps those as no lookups."""
    names = ONCE.get(kind.sobject, ())
    rules = [rule for rule in kind.lookups if rule.name in names]
    if len(rules) != len(names) or not rules:
        return None
    by_name = {rule.name: rule for rule in rules}
    whole, person = (by_name[name] for name in names)
    return Membership(whole, person)


def is_over(state: DocumentState, kind: Kind) -> bool:
    """Whether the document stands for nobody's taking part any more, though its record stays as it is."""
    if membership_of(kind) is None:
        return False
    if state.deleted:
        return kind.on_delete.platform is not PlatformDeletion.DELETE
    rule, field = kind.by_name.get(STATUS), state.fields.get(STATUS)
    if rule is None or field is None or field.value is None:
        return False
    return CANCELLED in (str(field.value).casefold(), str(rule.outgoing(field.value)).casefold())


def named(state: DocumentState, rule: FieldRule) -> dict[str, Any]:
    """What the document names by a lookup, as values of its kind; nothing where it names nothing."""
    field = state.fields.get(rule.name)
    return {rule.name: field.value} if field is not None and rule.key(field.value) is not None else {}


def records_named(membership: Membership, state: DocumentState, parents: Parents) -> tuple[str, str] | None:
    """The records that the document says it is a member of and who is; the person's may be gone by now."""
    whole, person = named(state, membership.whole), named(state, membership.person)
    if not whole or not person:
        return None
    member_of = parents.outgoing(membership.whole, whole[membership.whole.name])
    who = parents.last_record(membership.person, person[membership.person.name])
    return (member_of, who) if member_of and who else None


def members(membership: Membership, row: Mapping[str, Any]) -> tuple[str, str]:
    """What a row of the object is a member of, and who is."""
    who = next((str(row[name]) for name in membership.fields if row.get(name)), "")
    return str(row.get(membership.whole.name) or ""), who
