"""Commits: numbered, timed, stored with their change events and log rows in one database transaction."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import orjson

from simulator.org import ids
from simulator.org.changes import ChangeBus, StoredChange
from simulator.org.clock import Clock
from simulator.org.events import CommitHeader, EventRenderer, NoChangeEvent, events_of, header_only
from simulator.org.faults import FaultKind, FaultRegistry
from simulator.org.objects import ObjectDefinition
from simulator.org.store import Row, Store
from simulator.org.tokens import User
from simulator.org.transactions import Actor, Rules, Transaction
from simulator.org.values import Renderer, rest_renderer
from simulator.org.working_set import TouchedRecord

_FIRST_COMMIT_NUMBER = 11_000_000_000_000
_SECOND = 1000
_NOT_LOGGED = frozenset({"Id", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp"})


@dataclass(frozen=True, slots=True)
class EventHabits:
    """How this org tells its changes, where Salesforce's documents leave it open."""

    no_change: NoChangeEvent = "none"
    merge_identical: bool = False
    delay_ms: int = 0


class Ledger:
    """Where transactions begin and end. Commit numbers and times only grow."""

    def __init__(
        self,
        rules: Rules,
        store: Store,
        bus: ChangeBus,
        faults: FaultRegistry,
        habits: EventHabits,
        clock: Clock,
        seed: int,
    ) -> None:
        self._rules = rules
        self._store = store
        self._bus = bus
        self._faults = faults
        self._habits = habits
        self._clock = clock
        self._random = random.Random(seed)
        self._renderers = {one.name: EventRenderer(one) for one in rules.objects}
        self._log_renderers = {one.name: _log_renderers(one) for one in rules.objects}
        self._log_number, commit_number, self._timestamp = store.last_commit()
        self._commit_number = commit_number or _FIRST_COMMIT_NUMBER
        self._sequences = {one.name: _sequence_after(store.last_id(one)) for one in rules.objects}

    def begin(self, actor: Actor) -> Transaction:
        """Start a transaction."""
        return Transaction(self._rules, self._store, self._next_id, actor)

    def _next_id(self, definition: ObjectDefinition) -> str:
        sequence = self._sequences[definition.name]
        self._sequences[definition.name] = sequence + 1
        return ids.encode(definition.key_prefix, sequence)

    def commit(self, transaction: Transaction) -> None:
        """Store what the transaction did; its events are on the bus when this returns. Does nothing for nothing."""
        records = list(transaction.records.touched.values())
        if not records:
            return
        actor = transaction.actor
        header = self._header(actor.user, actor.origin)
        for record in records:
            _stamp(record, header)
        events = events_of(
            records,
            header,
            self._renderers,
            no_change=self._habits.no_change,
            merge_identical=self._habits.merge_identical,
            is_gap=lambda entity: self._faults.take(FaultKind.GAP_EVENT, entity) is not None,
            is_overflow=lambda entity: self._faults.take(FaultKind.OVERFLOW_EVENT, entity) is not None,
        )
        with self._store.transaction():
            self._write(records)
            self._store.log([self._log_entry(record, header, actor) for record in records])
            if events:
                self._bus.publish_all(events, header.timestamp, header.timestamp + self._habits.delay_ms)

    def publish_gap(self, entity: str, change_type: str, record_ids: list[str], user: User) -> StoredChange:
        """Put a gap or overflow event on the bus that names these records."""
        header = self._header(user, "")
        payload = header_only(entity, change_type, record_ids, header)
        return self._bus.publish(entity, payload, header.timestamp, header.timestamp + self._habits.delay_ms)

    def _header(self, user: User, origin: str) -> CommitHeader:
        self._timestamp = max(self._clock(), self._timestamp)
        self._commit_number += self._random.randint(1, 4000)
        digits = self._random.randbytes(16).hex()
        key = f"0001{digits[4:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
        return CommitHeader(key, self._timestamp, self._commit_number, user.id, origin)

    def _write(self, records: list[TouchedRecord]) -> None:
        created = [one for one in records if one.before is None]
        for name, group in groupby(sorted(created, key=_object_name), key=_object_name):
            self._store.insert(self._rules.objects[name], [one.row for one in group])
        updates: dict[tuple[str, tuple[str, ...]], list[Row]] = {}
        for record in records:
            if record.operation == "HARD_DELETE":
                self._store.remove(record.definition, record.id)
            elif record.before is not None:
                before, row = record.before, record.row
                names = tuple(name for name in row if before[name] != row[name])
                if names:
                    updates.setdefault((record.definition.name, names), []).append(row)
        for (name, names), rows in updates.items():
            self._store.update(self._rules.objects[name], names, rows)

    def _log_entry(self, record: TouchedRecord, header: CommitHeader, actor: Actor) -> tuple[int, int, int, bytes]:
        self._log_number += 1
        renderers = self._log_renderers[record.definition.name]
        changed = record.changed()
        body = {
            "number": self._log_number,
            "commit_number": header.number,
            "timestamp": header.timestamp,
            "transaction_key": header.transaction_key,
            "origin": header.origin,
            "client": actor.client,
            "user": actor.user.username,
            "user_id": actor.user.id,
            "entity": record.definition.name,
            "record_id": record.id,
            "type": record.operation,
            "before": _rendered(renderers, record.before or {}, changed if record.before else ()),
            "after": _rendered(renderers, record.row, changed if record.before else renderers),
            "by": {name: record.by[name] for name in changed},
            "written": _rendered(renderers, record.written, record.written),
        }
        return self._log_number, header.number, header.timestamp, orjson.dumps(body)


def _object_name(record: TouchedRecord) -> str:
    return record.definition.name


def _sequence_after(record_id: str | None) -> int:
    return 1 if record_id is None else ids.sequence_of(record_id) + 1


def _log_renderers(definition: ObjectDefinition) -> dict[str, Renderer | None]:
    return {one.name: rest_renderer(one) for one in definition.written if one.name not in _NOT_LOGGED}


def _rendered(renderers: Mapping[str, Renderer | None], row: Mapping[str, Any], names: Any) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name in names:
        value = row[name]
        if value is None and names is renderers:
            continue
        render = renderers[name]
        told[name] = value if value is None or render is None else render(value)
    return told


def _stamp(record: TouchedRecord, header: CommitHeader) -> None:
    """Set what the system sets: audit fields, in whole seconds, and the name made of its parts."""
    row = record.row
    second = header.timestamp // _SECOND * _SECOND
    if record.before is None:
        row["CreatedDate"], row["CreatedById"] = second, header.user_id
    row["LastModifiedDate"], row["LastModifiedById"], row["SystemModstamp"] = second, header.user_id, second
    name = record.definition.by_name.get("Name")
    if name is not None and name.full_name:
        row["Name"] = " ".join(str(part) for part in (row["FirstName"], row["LastName"]) if part)
