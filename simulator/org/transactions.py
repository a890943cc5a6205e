"""One transaction: rows are created, changed and deleted under the object's rules, seen by nobody until it commits.

The order of a save: the caller's values, triggers, then required fields, each changed field's own rules, uniqueness. A
row that is refused leaves the transaction as it was.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from simulator.org.bodies import Reader, Values, not_writable
from simulator.org.duplicates import DuplicateRule, duplicates_detected
from simulator.org.errors import SalesforceError
from simulator.org.objects import MASTER, FieldDefinition, FieldType, ObjectDefinition, Objects
from simulator.org.objects.listing import Listing
from simulator.org.persons import PersonAccounts
from simulator.org.store import Row, Store
from simulator.org.tokens import User
from simulator.org.triggers import Triggers
from simulator.org.values import Stored
from simulator.org.working_set import Operation, Source, TouchedRecord, WorkingSet, folded

_MOST_LOSERS = 2
"""As in Salesforce's pages and its SOAP merge()."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and how. `origin` is the change events' `changeOrigin`."""

    user: User
    source: Literal["api", "user"]
    origin: str
    client: str = ""
    saves_duplicates: bool = False
    """Insists where a duplicate rule lets one insist."""
    root: str = "/services/data/v60.0"
    """What leads the addresses of records."""


class Rules:
    """What every transaction of an org goes by."""

    def __init__(self, objects: Objects, triggers: Triggers, duplicates: Sequence[DuplicateRule] = ()) -> None:
        self.objects = objects
        self.triggers = triggers
        self.duplicates = list(duplicates)
        self.persons = PersonAccounts(objects) if "IsPersonAccount" in objects["Account"].by_name else None
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
        """A JSON object as values of this object's fields; raises as `Reader.read` does.

        A parent may be named by its external id, `"Account": {"Legacy_Id__c": "A1"}`; one that is not there is refused.
        """
        nested = {name: value for name, value in body.items() if isinstance(value, dict) and name != "attributes"}
        parents: Values = {}
        for name, named in nested.items():
            reference = definition.relationships.get(name.lower())
            if reference is not None and not reference.read_only:
                parents[reference.name] = self._parent(reference, named)
                body = {key: value for key, value in body.items() if key != name}
        return self._rules.readers[definition.name].read(body, leave_out) | parents

    def _parent(self, reference: FieldDefinition, named: Mapping[str, Any]) -> str:
        parent = self._rules.objects[reference.to]
        wanted = {name: value for name, value in named.items() if name != "attributes"}
        key = parent.field(next(iter(wanted), ""))
        if len(wanted) != 1 or key is None or not key.external_id:
            message = f"Foreign key external ID field is expected for {reference.relationship}"
            raise SalesforceError("INVALID_FIELD", message, [])
        (value,) = wanted.values()
        stored = self._rules.readers[parent.name].parse(key.name, value)
        matches = [] if stored is None else self.records.matches(parent, key, stored)
        if len(matches) != 1:
            problem = "not found" if not matches else "more than one record found"
            message = f"Foreign key external ID: {value} {problem} for field {key.name} in entity {parent.name}"
            raise SalesforceError("INVALID_FIELD", message, [])
        return matches[0]

    def create(self, definition: ObjectDefinition, values: Values) -> str:
        """Make a record; its id.

        Raises:
            SalesforceError: a rule refuses it.
        """
        persons = self._rules.persons
        given = values if persons is None else persons.completed(definition, None, values)
        changes: Values = {name: value for name, value in given.items() if value is not None}
        by: dict[str, Source] = dict.fromkeys(changes, self.actor.source)
        self._trigger(definition, None, changes, by)
        missing = [name for name in definition.required_on_create if changes.get(name) is None]
        if missing:
            raise _missing(missing)
        if definition.one_of and not any(changes.get(name) for name in definition.one_of):
            raise _missing(list(definition.one_of))
        row: Row = {**definition.defaults, **dict.fromkeys(definition.actor_fields, self.actor.user.id), **changes}
        row |= self._implied(definition, row, changes, by, definition.implying)
        row |= self._listed(definition, row, by, definition.listed)
        self._check(definition, "", row, changes)
        record_id = self._next_id(definition)
        row["Id"] = record_id
        self.records.put(TouchedRecord(definition, record_id, "CREATE", None, row, by, values))
        if persons is not None:
            persons.follow(self, definition, record_id, changes)
        for brought in definition.brings:
            child = self._rules.objects[brought.object]
            for one in brought.records:
                self.create(child, {**self.read(child, one), brought.parent: record_id})
        return record_id

    def update(self, definition: ObjectDefinition, record_id: str, values: Values) -> None:
        """Change a record. One that ends as it was is touched all the same.

        Raises:
            SalesforceError: it is not there, or a rule refuses the change.
        """
        before = self.alive(definition, record_id)
        if definition.closed_by and before[definition.closed_by]:
            raise SalesforceError("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead", [])
        fixed = [name for name in values if definition.by_name[name].create_only]
        if fixed:
            raise not_writable(fixed)
        persons = self._rules.persons
        given = values if persons is None else persons.completed(definition, before, values)
        changes = {name: value for name, value in given.items() if before[name] != value}
        by: dict[str, Source] = dict.fromkeys(changes, self.actor.source)
        self._trigger(definition, before, changes, by)
        changes = {name: value for name, value in changes.items() if before[name] != value}
        missing = [name for name in definition.required_on_create if name in changes and changes[name] is None]
        if missing:
            raise _missing(missing)
        stages = [field for field in definition.implying if field.name in changes]
        made = self._implied(definition, changes, changes, by, stages)
        changes |= {name: value for name, value in made.items() if before[name] != value}
        lists = [(field, listing) for field, listing in definition.listed if field.name in changes]
        changes |= self._listed(definition, {**before, **changes}, by, lists)
        changes = {name: value for name, value in changes.items() if before[name] != value}
        self._check(definition, record_id, {**before, **changes}, changes)
        by = {name: by[name] for name in changes}
        self.records.put(TouchedRecord(definition, record_id, "UPDATE", before, {**before, **changes}, by, values))
        if persons is not None:
            persons.follow(self, definition, record_id, changes)

    def delete(self, definition: ObjectDefinition, record_id: str) -> None:
        """Put a record in the recycle bin.

        Raises:
            SalesforceError: it is not there.
        """
        row = self.alive(definition, record_id)
        if self._rules.persons is not None:
            self._rules.persons.delete_other(self, definition, row)
        self.mark(definition, record_id, "DELETE", {"IsDeleted": 1})

    def delete_for_good(self, definition: ObjectDefinition, record_id: str) -> None:
        """Delete a record past the recycle bin. No change event tells of it (Change Data Capture guide).

        Raises:
            SalesforceError: it is not there.
        """
        self.alive(definition, record_id)
        self.mark(definition, record_id, "HARD_DELETE", {"IsDeleted": 1})

    def empty(self, definition: ObjectDefinition, record_id: str) -> None:
        """Take a deleted record out of the recycle bin for good.

        Raises:
            SalesforceError: it is not in it.
        """
        row = self.records.row(definition, record_id)
        if row is None or not row["IsDeleted"]:
            raise SalesforceError("INVALID_ID_FIELD", "record not in recycle bin", [])
        self.mark(definition, record_id, "HARD_DELETE", {"IsDeleted": 1})

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
        self.mark(definition, record_id, "UNDELETE", {"IsDeleted": 0, **alone})

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
        self.alive(definition, master_id)
        for loser_id in loser_ids:
            self.alive(definition, loser_id)
            self.mark(definition, loser_id, "DELETE", {"IsDeleted": 1, MASTER: master_id})
        for child, field in self._rules.objects.references_to(definition.name):
            for loser_id in loser_ids:
                self._move_children(child, field, loser_id, master_id)
        self.update(definition, master_id, values)

    def _move_children(self, child: ObjectDefinition, field: FieldDefinition, parent_id: str, new_id: str) -> None:
        for record_id in self.records.matches(child, field, parent_id):
            before = self.alive(child, record_id)
            own_parent = None if record_id == new_id else new_id
            if self._twin(child, record_id, {**before, field.name: own_parent}, {field.name}) is not None:
                self.mark(child, record_id, "DELETE", {"IsDeleted": 1})
            else:
                self.mark(child, record_id, "UPDATE", {field.name: own_parent})

    def mark(self, definition: ObjectDefinition, record_id: str, operation: Operation, values: Values) -> None:
        """Set fields of a record that is there, by no rule but the caller's: no trigger runs, nothing is checked."""
        before = self.records.row(definition, record_id)
        if before is None:
            raise AssertionError("marked a record that never was")
        by: dict[str, Source] = dict.fromkeys(values, self.actor.source)
        self.records.put(TouchedRecord(definition, record_id, operation, before, {**before, **values}, by))

    def alive(self, definition: ObjectDefinition, record_id: str) -> Row:
        """A record as it is now.

        Raises:
            SalesforceError: it is deleted, or never was.
        """
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

    def _implied(
        self,
        definition: ObjectDefinition,
        row: Values,
        changes: Values,
        by: dict[str, Source],
        fields: Iterable[FieldDefinition],
    ) -> Values:
        """What the values of these fields make of others that this save does not set itself."""
        reader = self._rules.readers[definition.name]
        made: Values = {}
        for field in fields:
            for name, value in field.implies.get(str(row[field.name]), {}).items():
                if name not in changes:
                    made[name] = reader.parse(name, value)
                    by[name] = "trigger"
        return made

    def _listed(
        self,
        definition: ObjectDefinition,
        row: Row,
        by: dict[str, Source],
        fields: Iterable[tuple[FieldDefinition, Listing]],
    ) -> Values:
        """What the lists of the record's parents make of these fields, and of those that the lists tell of as well."""
        made: Values = {}
        for field, listing in fields:
            child = self._rules.objects[listing.object]
            there = self.records.matches(child, child.by_name[listing.parent], row[listing.parent])
            rows = [self.alive(child, one) for one in there]
            wanted = [one for one in rows if folded(one[listing.value]) == folded(row[field.name])]
            for one in (wanted or [one for one in rows if one[listing.default]])[:1]:
                told: Values = {name: one[source] for name, source in listing.tells.items()}
                if one[listing.value] != row[field.name]:
                    told[field.name] = one[listing.value]
                made |= told
                by |= dict.fromkeys(told, "trigger")
        return made

    def _check(self, definition: ObjectDefinition, record_id: str, row: Row, changes: Values) -> None:
        checks = self._rules.readers[definition.name].checks
        for name, value in changes.items():
            if name in checks:
                checks[name](value)
            field = definition.by_name[name]
            if field.type is FieldType.REFERENCE and value is not None:
                self._check_reference(field, str(value))
        self._check_unique(definition, record_id, changes)
        if self._twin(definition, record_id, row, changes.keys()) is not None:
            raise SalesforceError("DUPLICATE_VALUE", f"Already a {definition.label.lower()}.", [])
        self._check_duplicates(definition, record_id, row, changes)

    def _twin(self, definition: ObjectDefinition, record_id: str, row: Row, changed: Collection[str]) -> str | None:
        """Another record with the same values in fields that no two records may share."""
        for names in definition.unique_together:
            if not any(name in changed for name in names) or any(row[name] is None for name in names):
                continue
            for other in self._alike(definition, record_id, row, names):
                return other
        return None

    def _alike(self, definition: ObjectDefinition, record_id: str, row: Row, names: Sequence[str]) -> Iterator[str]:
        """Other records that hold these values, in any case."""
        for other in self.records.matches(definition, definition.by_name[names[-1]], row[names[-1]]):
            if other == record_id:
                continue
            held = self.alive(definition, other)
            if all(folded(held[name]) == folded(row[name]) for name in names):
                yield other

    def _check_duplicates(self, definition: ObjectDefinition, record_id: str, row: Row, changes: Values) -> None:
        operation = "update" if record_id else "create"
        for rule in self._rules.duplicates:
            if rule.object != definition.name or operation not in rule.on:
                continue
            if not any(name in changes for name in rule.fields) or any(row[name] is None for name in rule.fields):
                continue
            if self.actor.saves_duplicates and rule.allow_save:
                continue
            found = list(self._alike(definition, record_id, row, rule.fields))
            if found:
                raise duplicates_detected(rule, found, self.actor.root)

    def _check_reference(self, field: FieldDefinition, value: str) -> None:
        row = self.records.row(self._rules.objects.of_id(value) or self._rules.objects[field.to], value)
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
