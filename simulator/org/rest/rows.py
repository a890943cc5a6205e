"""sObject rows: one record created, read, changed, deleted, by id or by external id."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import quote

from aiohttp import web

from simulator.org import ids
from simulator.org.errors import SalesforceError, not_found
from simulator.org.objects import FieldDefinition, ObjectDefinition
from simulator.org.replies import empty_reply, json_reply, listed, read_object
from simulator.org.rest.call import Call, Resources
from simulator.org.rest.records import RecordView, fields_named
from simulator.org.rest.rowfaults import check_row_faults
from simulator.org.store import Row


def add_resources(resources: Resources) -> None:
    """Serve them."""
    resources.add("POST", "/sobjects/{sobject}", create)
    for verb, resource in (("GET", read), ("PATCH", update), ("DELETE", delete), ("POST", tunnelled)):
        resources.add(verb, "/sobjects/{sobject}/{id}", resource)
    for verb, resource in (
        ("GET", read_by_key),
        ("PATCH", upsert),
        ("DELETE", delete_by_key),
        ("POST", tunnelled_by_key),
    ):
        resources.add(verb, "/sobjects/{sobject}/{key}/{value}", resource)


async def create(call: Call) -> web.Response:
    """201 with the new id."""
    definition = call.sobject()
    body = read_object(await call.request.read())
    transaction = call.org.ledger.begin(call.actor())
    record_id = transaction.create(definition, transaction.read(definition, body))
    call.org.ledger.commit(transaction)
    return _created(call, definition, record_id)


async def read(call: Call) -> web.Response:
    """200 with the fields asked for, or all."""
    definition = call.sobject()
    row = _row(call, definition, call.request.match_info["id"])
    unmet = _unmet_condition(call, row)
    return unmet if unmet is not None else _shown(call, definition, row)


async def update(call: Call) -> web.Response:
    """204."""
    definition = call.sobject()
    row = _row(call, definition, call.request.match_info["id"])
    unmet = _unmet_condition(call, row)
    if unmet is not None:
        return unmet
    _change(call, definition, str(row["Id"]), read_object(await call.request.read()))
    return empty_reply()


async def delete(call: Call) -> web.Response:
    """204."""
    definition = call.sobject()
    return _delete(call, definition, _row(call, definition, call.request.match_info["id"]))


async def tunnelled(call: Call) -> web.Response:
    """POST with `_HttpMethod` in the query is that method instead."""
    method = call.request.query.get("_HttpMethod", "POST").upper()
    handlers = {"GET": read, "PATCH": update, "DELETE": delete}
    if method not in handlers:
        raise _not_allowed("POST", "DELETE,GET,HEAD,PATCH")
    return await handlers[method](call)


async def read_by_key(call: Call) -> web.Response:
    """200 with the record that has this external id; 300 with the list of several."""
    definition, key, value = _key(call)
    matches = _matches(call, definition, key, value)
    if len(matches) > 1:
        return _several(call, definition, matches)
    if not matches:
        raise not_found()
    return _shown(call, definition, matches[0])


async def upsert(call: Call) -> web.Response:
    """201 where it made a record, 200 where it changed one, 300 where several match; both with `created`."""
    definition, key, value = _key(call)
    body = read_object(await call.request.read())
    if any(name.lower() == key.name.lower() for name in body):
        message = f"The {key.name} field should not be specified in the sobject data."
        raise SalesforceError("INVALID_FIELD", message)
    matches = _matches(call, definition, key, value)
    if len(matches) > 1:
        return _several(call, definition, matches)
    if matches:
        record_id = str(matches[0]["Id"])
        _change(call, definition, record_id, body)
        return json_reply({"id": record_id, "success": True, "errors": [], "created": False})
    if key.name == "Id" or call.request.query.get("updateOnly") == "true":
        raise not_found()
    reader = call.org.rules.readers[definition.name]
    transaction = call.org.ledger.begin(call.actor())
    values = transaction.read(definition, body) | {key.name: reader.parse(key.name, value)}
    record_id = transaction.create(definition, values)
    call.org.ledger.commit(transaction)
    return _created(call, definition, record_id, upserted=True)


async def delete_by_key(call: Call) -> web.Response:
    """204."""
    definition, key, value = _key(call)
    matches = _matches(call, definition, key, value)
    if len(matches) > 1:
        return _several(call, definition, matches)
    if not matches:
        raise not_found()
    return _delete(call, definition, matches[0])


async def tunnelled_by_key(call: Call) -> web.Response:
    """POST with `_HttpMethod` in the query is that method instead."""
    method = call.request.query.get("_HttpMethod", "POST").upper()
    handlers = {"GET": read_by_key, "PATCH": upsert, "DELETE": delete_by_key}
    if method not in handlers:
        raise _not_allowed("POST", "DELETE,GET,HEAD,PATCH")
    return await handlers[method](call)


def _change(call: Call, definition: ObjectDefinition, record_id: str, body: dict[str, object]) -> None:
    transaction = call.org.ledger.begin(call.actor())
    values = transaction.read(definition, body)
    check_row_faults(call.org.faults, call.request.path, call.request.method, record_id)
    transaction.update(definition, record_id, values)
    call.org.ledger.commit(transaction)


def _delete(call: Call, definition: ObjectDefinition, row: Row) -> web.Response:
    check_row_faults(call.org.faults, call.request.path, call.request.method, str(row["Id"]))
    transaction = call.org.ledger.begin(call.actor())
    transaction.delete(definition, str(row["Id"]))
    call.org.ledger.commit(transaction)
    return empty_reply()


def _row(call: Call, definition: ObjectDefinition, text: str) -> Row:
    record_id = ids.normalise(text)
    if record_id is None or not record_id.startswith(definition.key_prefix):
        raise not_found()
    row = call.org.store.read(definition, [record_id]).get(record_id)
    if row is None:
        raise not_found()
    if row["IsDeleted"]:
        raise SalesforceError("ENTITY_IS_DELETED", "entity is deleted", [], status=404)
    return row


def _key(call: Call) -> tuple[ObjectDefinition, FieldDefinition, str]:
    definition = call.sobject()
    key = external_id(definition, call.request.match_info["key"])
    return definition, key, call.request.match_info["value"]


def external_id(definition: ObjectDefinition, name: str) -> FieldDefinition:
    """The external id field of this name, or Id.

    Raises:
        SalesforceError: there is none.
    """
    field = definition.field(name)
    if field is None or not (field.external_id or field.name == "Id"):
        raise not_found(f"Provided external ID field does not exist or is not accessible: {name}")
    return field


def _matches(call: Call, definition: ObjectDefinition, key: FieldDefinition, text: str) -> list[Row]:
    value = call.org.rules.readers[definition.name].parse(key.name, text)
    return list(call.org.store.find(definition, key, [value]).values())


def _several(call: Call, definition: ObjectDefinition, rows: list[Row]) -> web.Response:
    return json_reply([f"{call.root}/sobjects/{definition.name}/{row['Id']}" for row in rows], 300)


def _created(call: Call, definition: ObjectDefinition, record_id: str, *, upserted: bool = False) -> web.Response:
    body = {"id": record_id, "success": True, "errors": []} | ({"created": True} if upserted else {})
    location = f"{call.root}/sobjects/{definition.name}/{quote(record_id)}"
    return json_reply(body, 201, {"Location": location})


def _shown(call: Call, definition: ObjectDefinition, row: Row) -> web.Response:
    names = listed(call.request.query.get("fields"))
    fields = fields_named(definition, ["Id", *names]) if names else list(definition.fields)
    return json_reply(
        RecordView(definition, fields, call.root).render(row),
        headers={"Last-Modified": _http_date(row)},
    )


def _http_date(row: Row) -> str:
    moment = datetime.fromtimestamp(float(row["SystemModstamp"] or 0) / 1000, UTC)
    return moment.strftime("%a, %d %b %Y %H:%M:%S GMT")


def _unmet_condition(call: Call, row: Row) -> web.Response | None:
    modified = float(row["SystemModstamp"] or 0) / 1000
    since = _moment(call.request.headers.get("If-Modified-Since"))
    if since is not None and call.request.method == "GET" and modified <= since:
        return empty_reply(304)
    until = _moment(call.request.headers.get("If-Unmodified-Since"))
    if until is not None and modified > until:
        message = "Precondition of the request was not met: the record was modified after If-Unmodified-Since"
        raise SalesforceError("PRECONDITION_FAILED", message, status=412)
    return None


def _moment(header: str | None) -> float | None:
    try:
        return None if header is None else parsedate_to_datetime(header).timestamp()
    except ValueError as problem:
        raise SalesforceError("INVALID_HEADER", "A date as RFC 1123 has it is expected") from problem


def _not_allowed(method: str, allowed: str) -> SalesforceError:
    message = f"HTTP Method '{method}' not allowed. Allowed are {allowed}"
    return SalesforceError("METHOD_NOT_ALLOWED", message, status=405)
