"""The records a transaction has touched, as they would be if it committed now."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from simulator.org.objects import FieldDefinition, ObjectDefinition
from simulator.org.store import Row, Store, fold
from simulator.org.values import Stored

Source = Literal["api", "user", "trigger"]
Operation = Literal["CREATE", "UPDATE", "DELETE", "UNDELETE", "HARD_DELETE"]


@dataclass(slots=True)
class TouchedRecord:
    """One record in a transaction."""

    definition: ObjectDefinition
    id: str
    operation: Operation
    """The first thing done to it."""
    before: Row | None
    """As it was before the transaction; None where it was made in it."""
    row: Row
    """As it is now."""
    by: dict[str, Source] = field(default_factory=dict)
    """Who set each field that was set to something new."""
    written: dict[str, Stored] = field(default_factory=dict)
    """What the caller sent, changed or not."""

    def changed(self) -> list[str]:
        """The fields whose value differs from before, in the order in which they were set."""
        if self.before is None:
            return [name for name in self.by if self.row[name] is not None]
        return [name for name in self.by if self.before[name] != self.row[name]]


class WorkingSet:
    """Records by id and by key: those of the store, overlaid by those the transaction has touched."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rows: dict[tuple[str, str], Row | None] = {}
        self._keys: dict[tuple[str, str, Stored], list[str]] = {}
        self._touched_keys: dict[tuple[str, str, Stored], dict[str, None]] = {}
        self.touched: dict[str, TouchedRecord] = {}

    def load(self, definition: ObjectDefinition, record_ids: Iterable[str]) -> None:
        """Read these records in one query, so that `row` need not."""
        wanted = {one for one in record_ids if (definition.name, one) not in self._rows}
        if wanted:
            found = self._store.read(definition, wanted)
            self._rows.update({(definition.name, one): found.get(one) for one in wanted})

    def load_keys(self, definition: ObjectDefinition, key: FieldDefinition, values: Iterable[Stored]) -> None:
        """Look these values of a key up in one query, so that `matches` need not."""
        wanted = {folded(one): one for one in values}
        for one in list(wanted):
            if (definition.name, key.name, one) in self._keys:
                del wanted[one]
        if not wanted:
            return
        for one in wanted:
            self._keys[definition.name, key.name, one] = []
        for record_id, row in self._store.find(definition, key, wanted.values()).items():
            self._keys[definition.name, key.name, folded(row[key.name])].append(record_id)
            self._rows.setdefault((definition.name, record_id), row)

    def row(self, definition: ObjectDefinition, record_id: str) -> Row | None:
        """The record as it is now, deleted or not; None if it never was."""
        touched = self.touched.get(record_id)
        if touched is not None:
            return touched.row
        self.load(definition, (record_id,))
        return self._rows[definition.name, record_id]

    def matches(self, definition: ObjectDefinition, key: FieldDefinition, value: Stored) -> list[str]:
        """Ids of the records, not deleted, whose key has this value now."""
        self.load_keys(definition, key, (value,))
        wanted = folded(value)
        place = (definition.name, key.name, wanted)
        stored = [one for one in self._keys[place] if one not in self.touched]
        # Only keys are noted as records are touched; another field's touched records are gone through one by one.
        noted = self._touched_keys.get(place, {}) if key.unique or key.external_id else self.touched
        return stored + [record_id for record_id in noted if self._holds(record_id, definition, key, wanted)]

    def put(self, record: TouchedRecord) -> None:
        """Take a record over as it is now; earlier touches of it in this transaction are kept in mind."""
        earlier = self.touched.get(record.id)
        if earlier is not None:
            record.operation, record.before = earlier.operation, earlier.before
            record.by = earlier.by | record.by
            record.written = earlier.written | record.written
        self.touched[record.id] = record
        for key in record.definition.key_fields:
            value = record.row[key.name]
            if value is not None:
                place = (record.definition.name, key.name, folded(value))
                self._touched_keys.setdefault(place, {})[record.id] = None

    def _holds(self, record_id: str, definition: ObjectDefinition, key: FieldDefinition, wanted: Stored) -> bool:
        record = self.touched[record_id]
        if record.definition is not definition or record.row["IsDeleted"]:
            return False
        return folded(record.row[key.name]) == wanted


def folded(value: Stored) -> Stored:
    """A value as comparisons see it."""
    return fold(value) if isinstance(value, str) else value
