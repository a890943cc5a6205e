"""Rows of one transaction, each with its own outcome: what Collections and Bulk jobs have in common.

A record that is named twice fails in both its rows, as Salesforce's own articles tell of update ("Duplicate id
specified") and upsert ("Duplicate external id specified").
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from simulator.org import ids
from simulator.org.bodies import Reader
from simulator.org.errors import SalesforceError, Unreadable
from simulator.org.ledger import Ledger
from simulator.org.objects import FieldDefinition, ObjectDefinition
from simulator.org.store import fold
from simulator.org.transactions import Actor, Transaction
from simulator.org.values import Stored

_ID = frozenset({"id"})


@dataclass(slots=True)
class BatchRow:
    """One row: what it is about, and what becomes of it."""

    definition: ObjectDefinition
    body: dict[str, Any]
    id: str | None = None
    error: SalesforceError | None = None
    created: bool | None = None
    """For an upsert: whether the row made its record."""
    new: bool = False
    key: Stored = None
    """For an upsert: the value its record is known by."""

    def result(self) -> dict[str, Any]:
        """The row's outcome as Collections tell it."""
        told: dict[str, Any] = {} if self.id is None else {"id": self.id}
        told["success"] = self.error is None
        told["errors"] = [] if self.error is None else [self.error.of_row()]
        if self.created is not None:
            told["created"] = self.created
        return told


class Batch:
    """Rows to be run together. `check_row(id)` raises where one may not run; an unreadable one fails call or row."""

    def __init__(
        self,
        ledger: Ledger,
        actor: Actor,
        *,
        check_row: Callable[[str], None],
        unreadable: Literal["call", "row"] = "row",
        all_or_none: bool = False,
    ) -> None:
        self._ledger = ledger
        self._actor = actor
        self._check_row = check_row
        self._unreadable = unreadable
        self._all_or_none = all_or_none

    def create(self, rows: Sequence[BatchRow]) -> None:
        """Make records."""
        self._run(rows, _create)

    def update(self, rows: Sequence[BatchRow]) -> None:
        """Change records by the Id in their bodies."""
        for row in rows:
            _take_id(row)
        _refuse_twice(rows, [row.id for row in rows], lambda value: f"Duplicate id specified: {value}", [])
        self._run(rows, _update)

    def delete(self, rows: Sequence[BatchRow], *, hard: bool = False) -> None:
        """Delete records by `id`; for good, past the recycle bin, where `hard`."""
        _refuse_twice(rows, [row.id for row in rows], lambda value: f"Duplicate id specified: {value}", [])
        self._run(rows, _delete_for_good if hard else _delete)

    def upsert(self, rows: Sequence[BatchRow], key: FieldDefinition, reader: Reader) -> None:
        """Make or change records of one object by an external id."""
        for row in rows:
            row.created = False
            row.key = _key_value(row, key, reader)
        keys = [fold(row.key) if isinstance(row.key, str) else row.key for row in rows]
        _refuse_twice(rows, keys, lambda value: f"Duplicate external id specified: {value}", [key.name])
        wanted = [row.key for row in rows if row.key is not None]

        def run(transaction: Transaction, row: BatchRow) -> None:
            _upsert(transaction, row, key)

        self._run(rows, run, load=lambda one: one.load_keys(reader.definition, key, wanted))

    def _run(
        self,
        rows: Sequence[BatchRow],
        run: Callable[[Transaction, BatchRow], None],
        load: Callable[[Transaction], None] | None = None,
    ) -> None:
        transaction = self._ledger.begin(self._actor)
        if load is not None:
            load(transaction)
        for definition, group in groupby(rows, key=lambda row: row.definition):
            transaction.load(definition, [row.id for row in group if row.id is not None and row.error is None])
        for row in rows:
            if row.error is not None:
                continue
            try:
                self._check_row(row.id or "")
                run(transaction, row)
            except Unreadable as error:
                if self._unreadable == "call":
                    raise
                row.error = error
            except SalesforceError as error:
                row.error = error
        if self._all_or_none and any(row.error is not None for row in rows):
            _roll_back(rows)
        else:
            self._ledger.commit(transaction)


def _create(transaction: Transaction, row: BatchRow) -> None:
    if any(name.lower() == "id" for name in row.body):
        message = "cannot specify Id in an insert call"
        raise SalesforceError("INVALID_FIELD_FOR_INSERT_UPDATE", message, ["Id"])
    row.id = transaction.create(row.definition, transaction.read(row.definition, row.body))
    row.new = True


def _update(transaction: Transaction, row: BatchRow) -> None:
    transaction.update(row.definition, row.id or "", transaction.read(row.definition, row.body, _ID))


def _delete(transaction: Transaction, row: BatchRow) -> None:
    transaction.delete(row.definition, row.id or "")


def _delete_for_good(transaction: Transaction, row: BatchRow) -> None:
    transaction.delete_for_good(row.definition, row.id or "")


def _upsert(transaction: Transaction, row: BatchRow, key: FieldDefinition) -> None:
    values = transaction.read(row.definition, row.body, _ID if key.name == "Id" else frozenset())
    matches = [str(row.key)] if key.name == "Id" else transaction.records.matches(row.definition, key, row.key)
    if len(matches) > 1:
        message = f"{key.name}: more than one record found for external id field: [{', '.join(matches)}]"
        raise SalesforceError("DUPLICATE_EXTERNAL_ID", message, [key.name])
    if matches:
        row.id = matches[0]
        transaction.update(row.definition, row.id, values)
    else:
        row.id = transaction.create(row.definition, values)
        row.new = row.created = True


def _take_id(row: BatchRow) -> None:
    text = next((value for name, value in row.body.items() if name.lower() == "id"), None)
    if not isinstance(text, str) or not text:
        row.error = SalesforceError("MISSING_ARGUMENT", "Id not specified in an update call", [])
        return
    row.id = ids.normalise(text)
    if row.id is None or not row.id.startswith(row.definition.key_prefix):
        row.error = SalesforceError(
            "MALFORMED_ID", f"{row.definition.label} ID: id value of incorrect type: {text}", ["Id"]
        )
        row.id = text


def _key_value(row: BatchRow, key: FieldDefinition, reader: Reader) -> Stored:
    value = next((value for name, value in row.body.items() if name.lower() == key.name.lower()), None)
    if value is None or value == "":
        row.error = SalesforceError("MISSING_ARGUMENT", f"{key.name} not specified", [])
        return None
    try:
        return reader.parse(key.name, value)
    except SalesforceError as error:
        # An unreadable one is met again when the row is read, but for an Id, which is not read with it.
        if key.name == "Id" or not isinstance(error, Unreadable):
            row.error = error
        return None


def _refuse_twice(
    rows: Sequence[BatchRow], keys: Sequence[Any], message: Callable[[Any], str], fields: list[str]
) -> None:
    counted = Counter(key for key in keys if isinstance(key, str | int | float))
    for row, key in zip(rows, keys, strict=True):
        if row.error is None and counted[key] > 1:
            row.error = SalesforceError("DUPLICATE_VALUE", message(key), fields)


def _roll_back(rows: Iterable[BatchRow]) -> None:
    for row in rows:
        if row.new:
            row.id = None
        if row.created:
            row.created = False
        if row.error is None:
            row.error = SalesforceError(
                "ALL_OR_NONE_OPERATION_ROLLED_BACK",
                "Record rolled back because not all records were valid and the request was using AllOrNone header",
                [],
            )
