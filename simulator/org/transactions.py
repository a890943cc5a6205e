"""One transaction: rows are created, changed and deleted under the object's rules, seen by nobody until it commits.

The order of a save: the caller's values, triggers, then required fields, each changed field's own rules, uniqueness. A
row that is refused leaves the transaction as it was.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from simulator.org.bodies import Reader, Values
from simulator.org.errors import SalesforceError
from simulator.org.objects import MASTER, FieldDefinition, FieldType, ObjectDefinition, Objects
from simulator.org.store import Row, Store
from simulator.org.tokens import User
from simulator.org.triggers import Triggers
from simulator.org.values import Stored
from simulator.org.working_set import Operation, Source, TouchedRecord, WorkingSet

_MOST_LOSERS = 2
"""As in Salesforce's pages and its SOAP merge()."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and how. `origin` is the change events' `changeOrigin`."""

    user: User
    source: Literal["api", "user"]
    origin: str
    client: str = ""


class Rules:
    """What every transaction of an org goes by."""

    def __init__(self, objects: Objects, triggers: Triggers) -> None:
        self.objects = objects
        self.triggers = triggers
        self.readers = {one.name: Reader(one, objects) for one in objects}


class Transaction:
    """What one API call, or one user's save, does."""

    def __init__(self, rules: Rules, store: Store, next_id: Callable[[ObjectDefinition], str], actor: Actor) -> None:
        self._rules = rules
        self._next_id = next_id
        self.actor = actor
        self.records = WorkingSet(store)

    def load(self, definition: ObjectDefinition, record_ids: Iterable[str]) -> None:
        """Read records ahead, in one query."""
        self.records.load(definition, record_ids)

    def load_keys(self, definition: ObjectDefinition, key: FieldDefinition, values: Iterable[Stored]) -> None:
        """Look keys up ahead, in one query."""
        self.records.load_keys(definition, key, values)

    def read(
        self, definition: ObjectDefinition, body: Mapping[str, Any], leave_out: frozenset[str] = frozenset()
    ) -> Values:
        """A JSON object as values of this object's fields; raises as `Reader.read` does."""
        return self._rules.readers[definition.name].read(body, leave_out)

    def create(self, definition: ObjectDefinition, values: Values) -> str:
        """Make a record; its id.

        Raises:
            SalesforceError: a rule refuses it.
        """
        changes: Values = {name: value for name, value in values.items() if value is not None}
        by: dict[str, Source] = dict.fromkeys(changes, self.actor.source)
        self._trigger(definition, None, changes, by)
        missing = [name for name in definition.required_on_create if changes.get(name) is None]
        if missing:
            raise _missing(missing)
        row: Row = {**definition.defaults, **dict.fromkeys(definition.actor_fields, self.actor.user.id), **changes}
        self._check(definition, "", changes)
        record_id = self._next_id(definition)
        row["Id"] = record_id
        self.records.put(TouchedRecord(definition, record_id, "CREATE", None, row, by, values))
        return record_id

    def update(self, definition: ObjectDefinition, record_id: str, values: Values) -> None:
        """Change a record. One that ends as it was is touched all the same.

        Raises:
            SalesforceError: it is not there, or a rule refuses the change.
        """
        before = self._alive(definition, record_id)
        changes = {name: value for name, value in values.items() if before[name] != value}
        by: dict[str, Source] = dict.fromkeys(changes, self.actor.source)
        self._trigger(definition, before, changes, by)
        changes = {name: value for name, value in changes.items() if before[name] != value}
        missing = [name for name in definition.required_on_create if name in changes and changes[name] is None]
        if missing:
            raise _missing(missing)
        self._check(definition, record_id, changes)
        by = {name: by[name] for name in changes}
        self.records.put(TouchedRecord(definition, record_id, "UPDATE", before, {**before, **changes}, by, values))

    def delete(self, definition: ObjectDefinition, record_id: str) -> None:
        """Put a record in the recycle bin.

        Raises:
            SalesforceError: it is not there.
        """
        self._mark(definition, record_id, self._alive(definition, record_id), "DELETE", {"IsDeleted": 1})

    def undelete(self, definition: ObjectDefinition, record_id: str) -> None:
        """Take a record out of the recycle bin. What a merge took from it, its children and its values, stays taken.

        Raises:
            SalesforceError: it is not in it, or another record has its unique value by now.
        """
        row = self.records.row(definition, record_id)
        if row is None or not row["IsDeleted"]:
            raise SalesforceError("UNDELETE_FAILED", "Entity is not in the recycle bin", [])
        self._check_unique(definition, record_id, row)
        alone: Values = {MASTER: None} if definition.mergeable else {}
        self._mark(definition, record_id, row, "UNDELETE", {"IsDeleted": 0, **alone})

    def merge(self, definition: ObjectDefinition, master_id: str, loser_ids: Sequence[str], values: Values) -> None:
        """Merge up to two records into a third: it takes these values, theirs are lost with them, children move to it.

        In the order of the Apex Developer Guide, "Triggers and Merge Statements": the losers are deleted, their
        children move without triggers, the master is updated as ever.

        Raises:
            SalesforceError: it cannot be done. The transaction may be half done then, and must not be committed.
        """
        if not definition.mergeable:
            raise SalesforceError("INVALID_TYPE", f"{definition.label} records cannot be merged")
        if not 1 <= len(loser_ids) <= _MOST_LOSERS or len({master_id, *loser_ids}) != len(loser_ids) + 1:
            raise SalesforceError("MERGE_FAILED", f"one or two other records are merged into a master: {loser_ids}", [])
        self._alive(definition, master_id)
        for loser_id in loser_ids:
            loser = self._alive(definition, loser_id)
            self._mark(definition, loser_id, loser, "DELETE", {"IsDeleted": 1, MASTER: master_id})
        for child, field in self._rules.objects.references_to(definition.name):
            for loser_id in loser_ids:
                self._move_children(child, field, loser_id, master_id)
        self.update(definition, master_id, values)

    def _move_children(self, child: ObjectDefinition, field: FieldDefinition, parent_id: str, new_id: str) -> None:
        for record_id in self.records.matches(child, field, parent_id):
            before = self._alive(child, record_id)
            own_parent = None if record_id == new_id else new_id
            self._mark(child, record_id, before, "UPDATE", {field.name: own_parent})

    def _mark(
        self, definition: ObjectDefinition, record_id: str, before: Row, operation: Operation, values: Values
    ) -> None:
        by: dict[str, Source] = dict.fromkeys(values, self.actor.source)
        self.records.put(TouchedRecord(definition, record_id, operation, before, {**before, **values}, by))

    def _alive(self, definition: ObjectDefinition, record_id: str) -> Row:
        row = self.records.row(definition, record_id)
        if row is None:
            raise SalesforceError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [])
        if row["IsDeleted"]:
            raise SalesforceError("ENTITY_IS_DELETED", "entity is deleted", [], status=404)
        return row

    def _trigger(
        self, definition: ObjectDefinition, before: Row | None, changes: Values, by: dict[str, Source]
    ) -> None:
        made = self._rules.triggers.run(
            definition.name,
            before,
            changes,
            who=self.actor.source,
            parse=self._rules.readers[definition.name].parse,
        )
        for name, value in made.items():
            if name not in changes or changes[name] != value:
                changes[name] = value
                by[name] = "trigger"

    def _check(self, definition: ObjectDefinition, record_id: str, changes: Values) -> None:
        checks = self._rules.readers[definition.name].checks
        for name, value in changes.items():
            if name in checks:
                checks[name](value)
            field = definition.by_name[name]
            if field.type is FieldType.REFERENCE and value is not None:
                self._check_reference(field, str(value))
        self._check_unique(definition, record_id, changes)

    def _check_reference(self, field: FieldDefinition, value: str) -> None:
        row = self.records.row(self._rules.objects[field.to], value)
        if row is None or row["IsDeleted"]:
            raise SalesforceError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [field.name])

    def _check_unique(self, definition: ObjectDefinition, record_id: str, changes: Values) -> None:
        for field in definition.unique_fields:
            value = changes.get(field.name)
            if value is None:
                continue
            others = [one for one in self.records.matches(definition, field, value) if one != record_id]
            if others:
                raise SalesforceError(
                    "DUPLICATE_VALUE",
                    f"duplicate value found: {field.name} duplicates value on record with id: {others[0][:15]}",
                    [],
                )


def _missing(names: list[str]) -> SalesforceError:
    return SalesforceError("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(names)}]", names)
