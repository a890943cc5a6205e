"""Which record of Salesforce's is that of a document that none names: by the mapping's fields, and its preferences."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from consumers.rules.kinds import FieldRule, Kind
from consumers.rules.state import DocumentState, WriteState
from schemas.mapping import Preference
from schemas.place import IS_CONVERTED, Place

CREATED = "CreatedDate"

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Matched:
    """The record to take, and the others that would have done, best first."""

    record_id: str
    runners_up: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """All records that match belong to other documents: by record id, whose they are."""

    owners: Mapping[str, str]


def fields_to_read(
    place: Place, prefer: Sequence[Preference], field: str, before: Sequence[str] = ()
) -> tuple[str, ...]:
    """What has to be known of each record that matches by this field, by the object's own names.

    `before` are the fields that were tried before it.
    """
    wanted = [place.names[field], *(place.names[each] for each in before if each in place.names)]
    wanted += [place.external_id, CREATED, *(preference.field for preference in prefer)]
    return tuple(dict.fromkeys([*wanted, IS_CONVERTED] if place.is_lead else wanted))


def texts_to_match(state: DocumentState, kind: Kind, field: str) -> tuple[str, ...]:
    """The texts of which a record has to hold one in this field; none where the document says nothing."""
    known, rule = state.fields.get(field), kind.by_name[field]
    if known is None or rule.key(known.value) is None:
        return ()
    return rule.values.spellings(str(rule.outgoing(known.value)).strip())


def shown_text(rule: FieldRule, row: Row) -> str:
    """The text that a document shows if it is of this record; empty where the record says nothing."""
    shown = rule.values.pull(row.get(rule.name))
    return "" if shown is None else str(shown).strip()


def is_of(state: DocumentState, rule: FieldRule, text: str) -> bool:
    """Whether a document that has no record yet shows this text, in whatever case, and may be given one."""
    known = state.fields.get(rule.name)
    if known is None or state.record is not None or state.deleted or (state.link is not None and state.link.gone):
        return False
    return str(known.value or "").strip().casefold() == text.casefold()


def tried_before(kind: Kind, field: str) -> tuple[str, ...]:
    """The fields by which a match is looked for before it is looked for by this one."""
    return () if kind.matching is None else tuple(takewhile(lambda each: each != field, kind.matching.by))


def is_another(state: DocumentState, kind: Kind, field: str, held: Callable[[str], Any]) -> bool:
    """Whether a record that matches by this field is another thing all the same, by a domain that was tried before.

    Companies of one name are two where both have a domain, and not the same one. `held` tells what the record has in a
    field.
    """
    for name in tried_before(kind, field):
        rule, known = kind.by_name[name], state.fields.get(name)
        ours, theirs = _domain(rule, None if known is None else known.value), _domain(rule, held(name))
        if ours and theirs and ours != theirs:
            return True
    return False


def _domain(rule: FieldRule, value: Any) -> str:
    """The domain that a value is; empty for what is none. A domain alone has several spellings."""
    key = rule.key(value)
    return key if isinstance(key, str) and len(rule.values.spellings(key)) > 1 else ""


def may_be_made(state: DocumentState) -> bool:
    """Rule 20: whether a first write of the document that nobody answered may have made a record, or may yet."""
    return any(write.first and write.state in (WriteState.OPEN, WriteState.UNKNOWN) for write in state.writes)


def matches(texts: Iterable[str], row: Row, field: str) -> bool:
    """As Salesforce compares text: whatever the case."""
    held = str(row.get(field) or "").strip().casefold()
    return any(text.casefold() == held for text in texts)


def choose(
    rows: Sequence[Row], prefer: Sequence[Preference], external_id: str, document_id: str, owners: Mapping[str, str]
) -> Matched | Taken | None:
    """Which of the records that match is taken.

    `owners` are documents by the record that they are linked to or have claimed. A record with another
    document's external id is that document's, whether we know of it or not.
    """
    taken: dict[str, str] = {}
    free: list[Row] = []
    for row in rows:
        named = str(row.get(external_id) or "")
        owner = owners.get(row["Id"], "") or named
        if owner and owner != document_id:
            taken[row["Id"]] = owner
        else:
            free.append(row)
    if free:
        best, *others = [row["Id"] for row in in_order(free, prefer)]
        return Matched(best, tuple(others))
    return Taken(taken) if taken else None


def in_order(rows: Sequence[Row], preferences: Sequence[Preference]) -> list[Row]:
    """Best first. Dates compare as Salesforce writes them; what holds nothing comes last."""
    ordered = sorted(rows, key=lambda row: (str(row.get(CREATED) or ""), row["Id"]))
    for preference in reversed(preferences):
        held = [row for row in ordered if row.get(preference.field) not in (None, "")]
        empty = [row for row in ordered if row.get(preference.field) in (None, "")]
        if preference.take != "present":
            held.sort(key=_comparable(preference.field), reverse=preference.take == "latest")
        ordered = held + empty
    return ordered


def _comparable(field: str) -> Any:
    def key(row: Row) -> tuple[int, float, str]:
        value = row[field]
        if isinstance(value, (int, float)):
            return 0, float(value), ""
        return 1, 0.0, str(value)

    return key
