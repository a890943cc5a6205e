"""sObject Collections: up to 200 rows in a call, each with its own outcome, in order."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from aiohttp import web

from simulator.org import ids
from simulator.org.batch import Batch, BatchRow
from simulator.org.errors import SalesforceError
from simulator.org.objects import ObjectDefinition
from simulator.org.replies import json_reply, listed, read_json, read_object
from simulator.org.rest.call import Call, Resources
from simulator.org.rest.records import RecordView, fields_named
from simulator.org.rest.rowfaults import check_row_faults
from simulator.org.rest.rows import external_id

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


async def create(call: Call) -> web.Response:
    """Make records."""
    rows, all_or_none = await _rows(call)
    async with call.org.locks.during(rows):
        _batch(call, all_or_none).create(rows)
    return _results(rows)


async def update(call: Call) -> web.Response:
    """Change records by id."""
    rows, all_or_none = await _rows(call)
    async with call.org.locks.during(rows):
        _batch(call, all_or_none).update(rows)
    return _results(rows)


async def delete(call: Call) -> web.Response:
    """Delete records by id."""
    texts = listed(call.request.query.get("ids"))
    _check_number(len(texts))
    rows = []
    for text in texts:
        record_id = ids.normalise(text)
        definition = None if record_id is None else call.org.objects.of_id(record_id)
        row = BatchRow(definition or call.org.objects["Contact"], {}, record_id or text)
        if record_id is None or definition is None:
            row.error = SalesforceError("MALFORMED_ID", f"malformed id {text}", [])
        rows.append(row)
    all_or_none = call.request.query.get("allOrNone", "false").lower() == "true"
    async with call.org.locks.during(rows):
        _batch(call, all_or_none).delete(rows)
    return _results(rows)


async def upsert(call: Call) -> web.Response:
    """Make or change records of one object by an external id."""
    definition = call.sobject()
    key = external_id(definition, call.request.match_info["key"])
    rows, all_or_none = await _rows(call)
    if any(row.definition is not definition for row in rows):
        raise SalesforceError("INVALID_TYPE", f"All records must be of type {definition.name}")
    async with call.org.locks.during(rows, key):
        _batch(call, all_or_none).upsert(rows, key, call.org.rules.readers[definition.name])
    return _results(rows)


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


def _batch(call: Call, all_or_none: bool) -> Batch:
    def check_row(record_id: str) -> None:
        check_row_faults(call.org.faults, call.request.path, call.request.method, record_id)

    return Batch(
        call.org.ledger,
        call.actor(collections=True),
        check_row=check_row,
        unreadable=call.org.settings.unreadable_row,
        all_or_none=all_or_none,
    )


def _results(rows: Iterable[BatchRow]) -> web.Response:
    return json_reply([row.result() for row in rows])


async def _rows(call: Call) -> tuple[list[BatchRow], bool]:
    body = read_json(await call.request.read())
    records = body.get("records") if isinstance(body, dict) else None
    if not isinstance(records, list) or not all(isinstance(one, dict) for one in records):
        raise SalesforceError("JSON_PARSER_ERROR", "A list of records is expected at [line:1, column:1]")
    _check_number(len(records))
    rows = [BatchRow(_definition(call, record), record) for record in records]
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


def _texts(body: dict[str, Any], name: str) -> list[str]:
    values = body.get(name)
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise SalesforceError("JSON_PARSER_ERROR", f"{name}: a list of texts is expected at [line:1, column:1]")
    return values
