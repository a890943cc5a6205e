"""What came of each event, as values: who came, who was a lead and is none any more, and which deals. No I/O."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from consumers.rules.members import CANCELLED
from schemas.mapping import KindMapping
from schemas.mapping import Mapping as FieldsMapping
from schemas.place import LEAD_PREFIX

Row = Mapping[str, Any]

CAMPAIGN: Final = "Campaign"
MEMBER: Final = "CampaignMember"
ATTENDED: Final = "attended"


class NoEvents(Exception):
    """The mapping keeps no events in Campaigns with members, so that there is nothing to report."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Where the mapping has events and who takes part in them: kinds, and the paths of a member's document."""

    event: str
    member: str
    person: str
    event_path: str
    person_path: str
    status_path: str


@dataclass(frozen=True, slots=True)
class EventReport:
    """One event. Amounts are in the org's own currency; `forecast` is what open deals are expected to bring."""

    event: str
    name: str
    campaign: str
    registered: int = 0
    attended: int = 0
    converted: Sequence[str] = ()
    """Ids of people who took part, were leads when they registered, and have been converted since."""
    deals: int = 0
    pipeline: Decimal = Decimal(0)
    forecast: Decimal = Decimal(0)
    won: Decimal = Decimal(0)


def shape_of(mapping: FieldsMapping) -> Shape:
    """Where the mapping has events.

    Raises:
        NoEvents: it has none.
    """
    events = [name for name, kind in mapping.kinds.items() if kind.sobject == CAMPAIGN]
    members = [name for name, kind in mapping.kinds.items() if kind.sobject == MEMBER]
    if not events or not members:
        raise NoEvents("the mapping has no kind in Campaign with one in CampaignMember")
    member = mapping.kinds[members[0]]
    paths = {each.salesforce: each for each in member.fields}
    if not {"CampaignId", "ContactId", "Status"} <= paths.keys() or not paths["ContactId"].lookups:
        raise NoEvents("the kind in CampaignMember maps no CampaignId, ContactId and Status")
    return Shape(
        event=events[0],
        member=members[0],
        person=paths["ContactId"].lookups[0],
        event_path=paths["CampaignId"].platform,
        person_path=paths["ContactId"].platform,
        status_path=paths["Status"].platform,
    )


def reports(
    shape: Shape, events: Iterable[Row], members: Iterable[Row], people: Iterable[Row], deals: Iterable[Row]
) -> list[EventReport]:
    """One for each event, by id. `deals` are Opportunities as Salesforce has them; deleted documents do not count."""
    converted = {str(person["_id"]): at for person in people if (at := _converted(person)) is not None}
    by_event: dict[str, list[list[Row]]] = {}
    for group in _one_each([member for member in members if not _deleted(member)]):
        by_event.setdefault(str(_at(group[0], shape.event_path)), []).append(group)
    by_campaign: dict[str, list[Row]] = {}
    for deal in deals:
        by_campaign.setdefault(str(deal.get("CampaignId")), []).append(deal)
    found = []
    for event in sorted(events, key=lambda each: str(each["_id"])):
        campaign = str((event.get("salesforce") or {}).get("recordId", ""))
        groups = by_event.get(event["_id"], ())
        taking_part = [left for group in groups if (left := [one for one in group if _status(one, shape) != CANCELLED])]
        since = {
            person
            for group in taking_part
            for one in group
            if (person := str(_at(one, shape.person_path))) in converted and _made(one) <= converted[person]
        }
        own = by_campaign.get(campaign, []) if campaign else []
        found.append(
            EventReport(
                event=event["_id"],
                name=str(event.get("name", "")),
                campaign=campaign,
                registered=len(taking_part),
                attended=sum(any(_status(one, shape) == ATTENDED for one in group) for group in taking_part),
                converted=tuple(sorted(since)),
                deals=len(own),
                pipeline=_sum(own, "Amount", lambda deal: not deal.get("IsClosed")),
                forecast=_sum(own, "ExpectedRevenue", lambda deal: not deal.get("IsClosed")),
                won=_sum(own, "Amount", lambda deal: bool(deal.get("IsWon"))),
            )
        )
    return found


def collections_of(shape: Shape, mapping: FieldsMapping) -> tuple[KindMapping, KindMapping, KindMapping]:
    """The kinds of events, members and people."""
    return mapping.kinds[shape.event], mapping.kinds[shape.member], mapping.kinds[shape.person]


def _one_each(members: Sequence[Row]) -> list[list[Row]]:
    """Registrations together with those that were merged into them: they are one person's, who takes part once."""
    into = {str(one["_id"]): _merged_into(one) for one in members}
    groups: dict[str, list[Row]] = {}
    for member in members:
        stands, seen = str(member["_id"]), set[str]()
        while (further := into.get(stands, "")) and further not in seen:
            seen.add(further)
            stands = further
        groups.setdefault(stands, []).append(member)
    return list(groups.values())


def _merged_into(member: Row) -> str:
    return str(((member.get("_sync") or {}).get("link") or {}).get("merged_into", ""))


def _sum(deals: Iterable[Row], field: str, wanted: Any) -> Decimal:
    return sum((Decimal(str(deal.get(field) or 0)) for deal in deals if wanted(deal)), Decimal(0))


def _status(member: Row, shape: Shape) -> str:
    return str(_at(member, shape.status_path) or "").casefold()


def _converted(person: Row) -> int | None:
    """When it was learned that the Lead which they were is converted, epoch milliseconds; None where they were none.

    Of one that an earlier release has moved it is when their record was linked.
    """
    link: Row = (person.get("_sync") or {}).get("link") or {}
    before = [str(each) for each in link.get("former", ())]
    was_lead = any(each.startswith(LEAD_PREFIX) for each in before)
    if not was_lead or str(link.get("id", "")).startswith(LEAD_PREFIX):
        return None
    return int(link.get("converted_at") or link.get("at", 0))


def _made(member: Row) -> int:
    """When somebody registered, epoch milliseconds; 0 where nobody told."""
    existence: Row = (member.get("_sync") or {}).get("existence") or {}
    return int(existence.get("first") or existence.get("heard", 0))


def _deleted(document: Row) -> bool:
    return not ((document.get("_sync") or {}).get("existence") or {"exists": True})["exists"]


def _at(document: Row, path: str) -> Any:
    value: Any = document
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
