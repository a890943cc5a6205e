"""Who a registered person is in Salesforce, what is taken over of them, and who may be told it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from consumers.rules.enriched import Enriched, Known
from consumers.rules.filters import unasked
from consumers.rules.kinds import Kind
from consumers.rules.matching import CREATED, in_order
from consumers.rules.retry import GiveUp, RetryPolicy, Wait
from consumers.rules.state import DocumentState
from schemas.enrichment import EnrichedField, EnrichmentMapping
from schemas.people import LookFailed, PeopleQuery, PersonRows, Row, parent_ids
from schemas.place import Place

GIVEN_UP: Final = "ENRICHMENT_FAILED"
CUSTOMER: Final = "isExistingCustomer"
UNVERIFIED: Final[Mapping[str, Any]] = {"verified": False}
"""What a visitor may be shown before their address is verified, and whoever only types an address."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The record that is taken for the person's, and what is taken over from it."""

    record_id: str
    parents: tuple[str, ...]
    within: Mapping[str, Any]
    beside: Mapping[str, Any]


def email_field(kind: Kind) -> str:
    """The Salesforce field of the kind that holds the e-mail address.

    Raises:
        ValueError: the kind is not looked up in Salesforce.
    """
    return kind.by_path[_mapping(kind).by].name


def email_of(state: DocumentState, kind: Kind) -> str:
    """The address that the document shows, in the form in which it is compared; empty where it shows none."""
    rule = kind.by_name[email_field(kind)]
    field = state.fields.get(rule.name)
    return "" if field is None or field.value is None else comparable(str(rule.outgoing(field.value)))


def comparable(address: str) -> str:
    """As Salesforce compares addresses: whatever the case, without the white space around."""
    return address.strip().casefold()


def queries(kind: Kind) -> tuple[PeopleQuery, ...]:
    """What is asked: Contacts, and Leads that were not converted where the kind knows them, in one go."""
    by = email_field(kind)
    made = []
    for place in kind.places():
        if by not in place.names:
            continue
        wanted = [place.names[by], place.external_id, CREATED, *(each.field for each in _prefer(kind, place))]
        wanted += [path for each in _mapping(kind).fields if (path := _path(each, place)) is not None]
        fields = tuple(dict.fromkeys(["Id", *wanted, *parent_ids(wanted)]))
        made.append(PeopleQuery(place.sobject, place.names[by], fields, only_unconverted=place.is_lead))
    return tuple(made)


def shown_fields(kind: Kind) -> set[str]:
    """The fields of Contacts and Leads that are taken over, without those of their parents."""
    named = {path for each in _mapping(kind).fields for path in (each.contact, each.lead) if path is not None}
    return {path for path in named if "." not in path}


def shown_of_parents(kind: Kind) -> set[str]:
    """The fields of parents that are taken over, by their own names: `Name` of `Account.Name`."""
    named = {path for each in _mapping(kind).fields for path in (each.contact, each.lead) if path is not None}
    return {path.rpartition(".")[2] for path in named if "." in path}


def profile(state: DocumentState, kind: Kind, found: PersonRows) -> Profile | None:
    """The person's record: the one that the document is linked to, if it is among them; else the primary Contact by the
    mapping's preferences, a record that has the document's id first; without any Contact the primary Lead."""
    linked = "" if state.record is None else state.record.record_id
    places = [place for place in kind.places() if email_field(kind) in place.names]
    for place, rows in zip(places, found.rows, strict=True):
        for row in rows:
            if row["Id"] == linked:
                return _taken(kind, place, row)
    for place, rows in zip(places, found.rows, strict=True):
        ordered = in_order(rows, _prefer(kind, place))
        own = [row for row in ordered if row.get(place.external_id) == state.id]
        if ordered:
            return _taken(kind, place, (own or ordered)[0])
    return None


def await_look(state: DocumentState, *, due: int) -> None:
    """Salesforce is to be asked about the person, by whoever waits for the answer or else from `due` on.

    What was found before stands until then. A look that was given up is begun anew.
    """
    known = state.enriched or Enriched()
    known.due, known.tries, known.code = due, 0, ""
    if not known.at or known.status is Known.ERROR:
        known.status = Known.PENDING
    state.enriched = known


def made_old(state: DocumentState, *, now: int) -> None:
    """Something that is shown of the person has changed in Salesforce: what was asked for before now is no answer."""
    await_look(state, due=now)
    if state.enriched is not None:
        state.enriched.old = now


def first_look(state: DocumentState, kind: Kind, *, due: int) -> bool:
    """Whoever has registered or consented is to be looked up from `due` on, unless that is under way or done, or they
    may not be; whether that is news."""
    known = state.enriched
    if known is not None and (known.at or known.due is not None or known.status is not Known.PENDING):
        return False
    if not email_of(state, kind) or unasked(state, kind):
        return False
    await_look(state, due=due)
    return True


def verify(state: DocumentState, kind: Kind) -> bool:
    """The address that the document shows is the person's own, says the platform; whether that is news."""
    address = email_of(state, kind)
    if not address or (state.enriched is not None and state.enriched.verified == address):
        return False
    if state.enriched is None:
        state.enriched = Enriched()
    state.enriched.verified = address
    return True


def is_verified(state: DocumentState, kind: Kind) -> bool:
    """Whether the platform said so of the address that the document shows now."""
    address = email_of(state, kind)
    return bool(address) and state.enriched is not None and state.enriched.verified == address


def take_over(state: DocumentState, kind: Kind, email: str, found: PersonRows) -> None:
    """Salesforce has told what it knows of this address."""
    known = state.enriched or Enriched()
    taken = profile(state, kind, found)
    names = [each.name for each in _mapping(kind).fields if each.beside]
    known.status = Known.NOT_FOUND if taken is None else Known.SYNCED
    known.email, known.at, known.tries, known.code = email, found.at, 0, ""
    # An answer on its way when the change was heard may know nothing of it: it is shown, and asked for once more, by
    # whoever's clock this was, so that clocks that differ ask no more than that.
    known.due, known.old = (found.at, found.at + 1) if found.at < known.old else (None, 0)
    known.record_id = "" if taken is None else taken.record_id
    known.parents = () if taken is None else taken.parents
    known.within = {} if taken is None else dict(taken.within)
    known.beside = {**dict.fromkeys(names), CUSTOMER: False} if taken is None else dict(taken.beside)
    state.enriched = known


def no_more_looks(state: DocumentState) -> bool:
    """Nobody is to ask about the person; whether that is news."""
    if state.enriched is None or state.enriched.due is None:
        return False
    state.enriched.due = None
    return True


def look_failed(state: DocumentState, failed: LookFailed, policy: RetryPolicy, *, now: int) -> Wait | GiveUp:
    """Salesforce has not told. What follows; the state says so."""
    known = state.enriched or Enriched()
    state.enriched = known
    known.code = failed.code
    step = policy.after(known.tries, org_wide=failed.org_wide)
    if not failed.org_wide:
        known.tries += 1
    match step:
        case Wait(milliseconds):
            known.due = now + milliseconds
        case GiveUp():
            known.status, known.due, known.code = Known.ERROR, None, failed.code or GIVEN_UP
    return step


def visitor_view(state: DocumentState, kind: Kind, shown: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What the person themselves may be shown of what Salesforce knows: nothing before their address is verified.

    Otherwise anybody could learn who is a customer by typing addresses. `shown` is the document; `name` their name.
    """
    if not is_verified(state, kind):
        return dict(UNVERIFIED)
    known = state.enriched
    if known is None or known.status is not Known.SYNCED:
        return {"verified": True}
    beside = {each: shown[each] for each in known.beside if shown.get(each) is not None}
    return {"verified": True, "welcomeBack": name, **beside}


def _mapping(kind: Kind) -> EnrichmentMapping:
    if kind.enrichment is None:
        raise ValueError(f"{kind.name} is not looked up in Salesforce")
    return kind.enrichment


def _prefer(kind: Kind, place: Place) -> Sequence[Any]:
    if place.is_lead:
        return kind.lead_prefer
    return () if kind.matching is None else kind.matching.prefer


def _path(field: EnrichedField, place: Place) -> str | None:
    return field.lead if place.is_lead else field.contact


def _taken(kind: Kind, place: Place, row: Row) -> Profile:
    """Its values by their names in the document. A placeholder of ours is no value."""
    within: dict[str, Any] = {}
    beside: dict[str, Any] = {CUSTOMER: not place.is_lead}
    ours = _placeholders(place)
    for field in _mapping(kind).fields:
        path = _path(field, place)
        value = None if path is None else row.get(path)
        if path is not None and value is not None and ours.get(path) == value:
            value = None
        if isinstance(value, str) and field.picklist:
            value = next((name for name, called in field.picklist.items() if called == value), value)
        if field.beside:
            beside[field.name] = value
        elif value not in (None, ""):
            within[field.name] = value
    parents = dict.fromkeys(str(row[path]) for path in parent_ids(row) if row.get(path))
    return Profile(str(row["Id"]), tuple(parents), within, beside)


def _placeholders(place: Place) -> dict[str, str]:
    return {place.names[name]: text for name, text in place.placeholders.items() if name in place.names}


def names_of(rows: Iterable[Row], by: str) -> dict[str, list[Row]]:
    """Rows by the address that they hold, in the form in which addresses are compared."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(comparable(str(row.get(by) or "")), []).append(row)
    return found
