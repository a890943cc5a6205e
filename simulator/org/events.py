"""Change events of one commit, rendered as CometD sends them. Pure.

Bodies and headers: Change Data Capture guide, "Change Event Message Structure" and "Change Event Fields".
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from simulator.org.objects import MASTER, FieldDefinition, ObjectDefinition
from simulator.org.store import Row
from simulator.org.values import Renderer, event_renderer
from simulator.org.working_set import TouchedRecord

NoChangeEvent = Literal["none", "last_modified"]
"""What an update that changes no value brings: no event, or one with LastModifiedDate alone."""

NO_RECORD = "000000000000000AAA"
"""What an overflow event names: the guide, "Overflow Events"."""
_NEVER_IN_EVENTS = frozenset({"Id", "IsDeleted", MASTER, "SystemModstamp"})


@dataclass(frozen=True, slots=True)
class CommitHeader:
    """What all events of a transaction share."""

    transaction_key: str
    timestamp: int
    number: int
    user_id: str
    origin: str


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a field's value goes in an event."""

    name: str
    compound: str
    part: str
    render: Renderer | None

    @property
    def path(self) -> str:
        return f"{self.compound}.{self.part}" if self.compound else self.name


class EventRenderer:
    """The events of one object."""

    def __init__(self, definition: ObjectDefinition) -> None:
        parts = {
            field.name: (compound.name, part)
            for compound in definition.fields
            for part, field in definition.parts(compound.name)
        }
        self._places = {
            field.name: _place(field, *parts.get(field.name, ("", "")))
            for field in definition.written
            if field.name not in _NEVER_IN_EVENTS and not field.full_name
        }

    def whole(self, row: Row) -> dict[str, Any]:
        """Every field that is not empty: the body of CREATE and UNDELETE."""
        return self._body(row, (name for name in self._places if row[name] is not None))

    def changed(self, before: Row, row: Row, names: Iterable[str]) -> tuple[dict[str, Any], list[str]]:
        """The body of UPDATE, null where a field was cleared, and `changedFields`."""
        told = [name for name in names if name in self._places]
        told.append("LastModifiedDate")
        if before["LastModifiedById"] != row["LastModifiedById"]:
            told.append("LastModifiedById")
        return self._body(row, told), [self._places[name].path for name in told]

    def _body(self, row: Row, names: Iterable[str]) -> dict[str, Any]:
        body: dict[str, Any] = {}
        for name in names:
            place, value = self._places[name], row[name]
            if value is not None and place.render is not None:
                value = place.render(value)
            if place.compound:
                body.setdefault(place.compound, {})[place.part] = value
            else:
                body[name] = value
        return body


@dataclass(slots=True)
class _Event:
    definition: ObjectDefinition
    type: str
    record_ids: list[str]
    body: dict[str, Any]
    changed_fields: list[str] | None


def events_of(
    records: Sequence[TouchedRecord],
    header: CommitHeader,
    renderers: dict[str, EventRenderer],
    *,
    no_change: NoChangeEvent,
    merge_identical: bool,
    is_gap: Callable[[str], bool],
    is_overflow: Callable[[str], bool],
) -> list[tuple[str, dict[str, Any]]]:
    """(entity, payload) of each event of a commit, numbered from 1.

    `is_gap` says whether a record of this entity is told by a GAP event instead; `is_overflow` whether all of them are
    told by one overflow event, which names none.
    """
    events: list[_Event] = []
    for record in records:
        event = _event_of(record, renderers[record.definition.name], no_change)
        if event is None:
            continue
        if is_gap(record.definition.name):
            event = _Event(event.definition, f"GAP_{event.type}", event.record_ids, {}, None)
        events.append(event)
    if merge_identical:
        events = _merged(events)
    events = _overflowing(events, is_overflow)
    return [
        (event.definition.name, _payload(event, header, sequence)) for sequence, event in enumerate(events, start=1)
    ]


def header_only(entity: str, change_type: str, record_ids: Sequence[str], header: CommitHeader) -> dict[str, Any]:
    """The payload of a gap or overflow event that stands for no commit of this org."""
    return {"ChangeEventHeader": _header(entity, change_type, record_ids, header, 1)}


def _place(field: FieldDefinition, compound: str, part: str) -> _Place:
    return _Place(field.name, compound, part, event_renderer(field))


def _event_of(record: TouchedRecord, renderer: EventRenderer, no_change: NoChangeEvent) -> _Event | None:
    if record.operation == "HARD_DELETE":
        return None
    created = record.operation == "CREATE"
    if bool(record.row["IsDeleted"]) == (record.operation != "DELETE"):
        return None  # made and deleted, or deleted and restored, in one transaction
    if created or record.operation == "UNDELETE":
        return _Event(record.definition, record.operation, [record.id], renderer.whole(record.row), None)
    if record.operation == "DELETE" or record.before is None:
        return _Event(record.definition, record.operation, [record.id], {}, None)
    changed = record.changed()
    if not changed and no_change == "none":
        return None
    body, names = renderer.changed(record.before, record.row, changed)
    return _Event(record.definition, record.operation, [record.id], body, names)


def _overflowing(events: list[_Event], is_overflow: Callable[[str], bool]) -> list[_Event]:
    """Of objects that overflow one event alone, in the place of their first."""
    kept: list[_Event] = []
    asked: dict[str, bool] = {}
    for event in events:
        name = event.definition.name
        if name not in asked:
            asked[name] = is_overflow(name)
            if asked[name]:
                kept.append(_Event(event.definition, "GAP_OVERFLOW", [NO_RECORD], {}, None))
        if not asked[name]:
            kept.append(event)
    return kept


def _merged(events: list[_Event]) -> list[_Event]:
    kept: dict[tuple[str, str, bytes], _Event] = {}
    for event in events:
        # A CREATE stands alone: no two records are made alike in every field.
        own = event.record_ids[0] if event.type == "CREATE" else ""
        key = (event.definition.name, event.type + own, orjson.dumps(event.body, option=orjson.OPT_SORT_KEYS))
        if key in kept:
            kept[key].record_ids.extend(event.record_ids)
        else:
            kept[key] = event
    return list(kept.values())


def _payload(event: _Event, header: CommitHeader, sequence: int) -> dict[str, Any]:
    told = _header(event.definition.name, event.type, event.record_ids, header, sequence)
    if event.changed_fields is not None:
        told["changedFields"] = event.changed_fields
    return {**event.body, "ChangeEventHeader": told}


def _header(
    entity: str, change_type: str, record_ids: Sequence[str], header: CommitHeader, sequence: int
) -> dict[str, Any]:
    return {
        "entityName": entity,
        "recordIds": list(record_ids),
        "changeType": change_type,
        "changeOrigin": header.origin,
        "transactionKey": header.transaction_key,
        "sequenceNumber": sequence,
        "commitTimestamp": header.timestamp,
        "commitNumber": header.number,
        "commitUser": header.user_id,
    }
