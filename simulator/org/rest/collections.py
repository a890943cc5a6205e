"""sObject Collections: up to 200 rows in a call, each with its own outcome, in order.

A record that is in a call twice fails in both its rows, as Salesforce's own articles tell of update ("Duplicate id
specified") and upsert ("Duplicate external id specified").
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from aiohttp import web

from simulator.org import ids
from simulator.org.bodies import Reader
from simulator.org.errors import SalesforceError, Unreadable
from simulator.org.objects import FieldDefinition, ObjectDefinition
from simulator.org.replies import json_reply, listed, read_json, read_object
from simulator.org.rest.call import Call, Resources
from simulator.org.rest.records import RecordView, fields_named
from simulator.org.rest.rowlock import check_row_lock
from simulator.org.rest.rows import external_id
from simulator.org.store import fold
from simulator.org.transactions import Transaction
from simulator.org.values import Stored

MOST_ROWS = 200
MOST_READ = 2000
_MOST_CHUNKS = 10


def add_resources(resources: Resources) -> None:
    """Serve them."""
    resources.add("POST", "/composite/sobjects", create)
    resources.add("PATCH", "/composite/sobjects", update)
    resources.add("DELETE", "/composite/sobjects", delete)
    resources.add("GET", "/composite/sobjects/{sobject}", retrieve)
    resources.add("POST", "/composite/sobjects/{sobject}", retrieve)
    resources.add("PATCH", "/composite/sobjects/{sobject}/{key}", upsert)


@dataclass(slots=True)
class _Row:
    """One row of a call: what it is about, and what becomes of it."""

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
        told: dict[str, Any] = {} if self.id is None else {"id": self.id}
        told["success"] = self.error is None
        told["errors"] = [] if self.error is None else [self.error.of_row()]
        if self.created is not None:
            told["created"] = self.created
        return told


async def create(call: Call) -> web.Response:
    """Make records."""
    rows, all_or_none = await _rows(call)
    return _run(call, rows, all_or_none, _create)


async def update(call: Call) -> web.Response:
    """Change records by id."""
    rows, all_or_none = await _rows(call)
    for row in rows:
        _take_id(row)
    _refuse_twice(rows, [row.id for row in rows], lambda value: f"Duplicate id specified: {value}", [])
    return _run(call, rows, all_or_none, _update)


async def delete(call: Call) -> web.Response:
    """Delete records by id."""
    texts = listed(call.request.query.get("ids"))
    _check_number(len(texts))
    rows = []
    for text in texts:
        record_id = ids.normalise(text)
        definition = None if record_id is None else call.org.objects.of_id(record_id)
        row = _Row(definition or call.org.objects["Contact"], {}, record_id or text)
        if record_id is None or definition is None:
            row.error = SalesforceError("MALFORMED_ID", f"malformed id {text}", [])
        rows.append(row)
    all_or_none = call.request.query.get("allOrNone", "false").lower() == "true"
    _refuse_twice(rows, [row.id for row in rows], lambda value: f"Duplicate id specified: {value}", [])
    return _run(call, rows, all_or_none, _delete)


async def upsert(call: Call) -> web.Response:
    """Make or change records of one object by an external id."""
    definition = call.sobject()
    key = external_id(definition, call.request.match_info["key"])
    rows, all_or_none = await _rows(call)
    if any(row.definition is not definition for row in rows):
        raise SalesforceError("INVALID_TYPE", f"All records must be of type {definition.name}")
    reader = call.org.rules.readers[definition.name]
    for row in rows:
        row.created = False
        row.key = _key_value(row, key, reader)
    keys = [fold(row.key) if isinstance(row.key, str) else row.key for row in rows]
    _refuse_twice(rows, keys, lambda value: f"Duplicate external id specified: {value}", [key.name])
    wanted = [row.key for row in rows if row.key is not None]

    def run(transaction: Transaction, row: _Row) -> None:
        _upsert(call, transaction, row, key)

    return _run(call, rows, all_or_none, run, load=lambda one: one.load_keys(definition, key, wanted))


async def retrieve(call: Call) -> web.Response:
    """The records of these ids, null for each that is not there."""
    definition = call.sobject()
    if call.request.method == "GET":
        texts, names = listed(call.request.query.get("ids")), listed(call.request.query.get("fields"))
    else:
        body = read_object(await call.request.read())
        texts, names = _texts(body, "ids"), _texts(body, "fields")
    if not texts or not names:
        raise SalesforceError("MISSING_ARGUMENT", "ids and fields must be given")
    if len(texts) > MOST_READ:
        raise SalesforceError(
            "EXCEEDED_ID_LIMIT", f"record limit reached. cannot retrieve more than {MOST_READ} records"
        )
    view = RecordView(definition, fields_named(definition, ["Id", *names]), call.root)
    wanted = [ids.normalise(text) for text in texts]
    if None in wanted:
        raise SalesforceError("MALFORMED_ID", f"malformed id {texts[wanted.index(None)]}")
    found = call.org.store.read(definition, [one for one in wanted if one is not None])
    alive = {record_id: view.render(row) for record_id, row in found.items() if not row["IsDeleted"]}
    return json_reply([alive.get(one or "") for one in wanted])


def _run(
    call: Call,
    rows: list[_Row],
    all_or_none: bool,
    run: Callable[[Transaction, _Row], None],
    load: Callable[[Transaction], None] | None = None,
) -> web.Response:
    transaction = call.org.ledger.begin(call.actor(collections=True))
    if load is not None:
        load(transaction)
    for definition, group in groupby(rows, key=lambda row: row.definition):
        transaction.load(definition, [row.id for row in group if row.id is not None and row.error is None])
    for row in rows:
        if row.error is not None:
            continue
        try:
            check_row_lock(call, row.id or "")
            run(transaction, row)
        except Unreadable as error:
            if call.org.settings.unreadable_row == "call":
                raise
            row.error = error
        except SalesforceError as error:
            row.error = error
    if all_or_none and any(row.error is not None for row in rows):
        _roll_back(rows)
    else:
        call.org.ledger.commit(transaction)
    return json_reply([row.result() for row in rows])


def _create(transaction: Transaction, row: _Row) -> None:
    if any(name.lower() == "id" for name in row.body):
        message = "cannot specify Id in an insert call"
        raise SalesforceError("INVALID_FIELD_FOR_INSERT_UPDATE", message, ["Id"])
    row.id = transaction.create(row.definition, transaction.read(row.definition, row.body))
    row.new = True


def _update(transaction: Transaction, row: _Row) -> None:
    transaction.update(row.definition, row.id or "", transaction.read(row.definition, row.body, _ID))


def _delete(transaction: Transaction, row: _Row) -> None:
    transaction.delete(row.definition, row.id or "")


def _upsert(call: Call, transaction: Transaction, row: _Row, key: FieldDefinition) -> None:
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


_ID = frozenset({"id"})


async def _rows(call: Call) -> tuple[list[_Row], bool]:
    body = read_json(await call.request.read())
    records = body.get("records") if isinstance(body, dict) else None
    if not isinstance(records, list) or not all(isinstance(one, dict) for one in records):
        raise SalesforceError("JSON_PARSER_ERROR", "A list of records is expected at [line:1, column:1]")
    _check_number(len(records))
    rows = [_Row(_definition(call, record), record) for record in records]
    chunks = sum(1 for _ in groupby(rows, key=lambda row: row.definition.name))
    if chunks > _MOST_CHUNKS:
        raise SalesforceError("LIMIT_EXCEEDED", f"cannot submit more than {_MOST_CHUNKS} chunks of records of one type")
    return rows, body.get("allOrNone") is True


def _definition(call: Call, record: dict[str, Any]) -> ObjectDefinition:
    attributes = record.get("attributes")
    name = attributes.get("type") if isinstance(attributes, dict) else None
    if not isinstance(name, str):
        raise SalesforceError("INVALID_TYPE", "Each record must name its type in attributes")
    definition = call.org.objects.get(name)
    if definition is None:
        raise SalesforceError("INVALID_TYPE", f"sObject type '{name}' is not supported.")
    return definition


def _check_number(rows: int) -> None:
    if rows > MOST_ROWS:
        message = f"record limit reached. cannot submit more than {MOST_ROWS} records into this call"
        raise SalesforceError("EXCEEDED_ID_LIMIT", message)


def _take_id(row: _Row) -> None:
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


def _key_value(row: _Row, key: FieldDefinition, reader: Reader) -> Stored:
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


def _refuse_twice(rows: list[_Row], keys: Sequence[Any], message: Callable[[Any], str], fields: list[str]) -> None:
    counted = Counter(key for key in keys if isinstance(key, str | int | float))
    for row, key in zip(rows, keys, strict=True):
        if row.error is None and counted[key] > 1:
            row.error = SalesforceError("DUPLICATE_VALUE", message(key), fields)


def _roll_back(rows: list[_Row]) -> None:
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


def _texts(body: dict[str, Any], name: str) -> list[str]:
    values = body.get(name)
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise SalesforceError("JSON_PARSER_ERROR", f"{name}: a list of texts is expected at [line:1, column:1]")
    return values
