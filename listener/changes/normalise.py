"""From the data of a CometD event to changes: one for each record, field names as in REST. No I/O.

Source: the Change Data Capture Developer Guide (event header, compound fields, merged, gap and overflow events, large
text fields). What CometD leaves out was left alone; what it sends as null was cleared.
"""

from collections.abc import Iterator
from typing import Any, Final

from pydantic import ValidationError

from schemas.change import Change, ChangeType
from schemas.codec import Undecodable, wrong_places
from schemas.position import LATEST_MS, CommitPosition
from schemas.record_id import is_id, to_18
from schemas.stream import ReplayId

HEADER: Final = "ChangeEventHeader"
_CLIENT: Final = ";client="

_ADDRESS_PARTS: Final = (
    "Street",
    "City",
    "State",
    "PostalCode",
    "Country",
    "StateCode",
    "CountryCode",
    "Latitude",
    "Longitude",
    "GeocodeAccuracy",
)
_ADDRESSES: Final = frozenset(
    {
        "Address",
        "AdditionalAddress",
        "BillingAddress",
        "MailingAddress",
        "OtherAddress",
        "PersonMailingAddress",
        "PersonOtherAddress",
        "QuoteToAddress",
        "ShippingAddress",
    }
)
"""Standard compounds, needed where one is null as a whole: `IpAddress` and the like are plain texts."""


def normalise(data: object, replay_id: ReplayId | None) -> list[Change]:
    """The changes of one event, in the order of its record ids.

    Record ids come out in their 18 characters; wildcard and overflow ids (`001*`, `000000000000000AAA`) stay as they
    are.

    Raises:
        Undecodable: not a change event, or one of a sort that is not known here. The message holds no value.
    """
    payload = data.get("payload") if isinstance(data, dict) else None
    if not isinstance(payload, dict):
        raise Undecodable("payload: missing")
    header = payload.get(HEADER)
    if not isinstance(header, dict):
        raise Undecodable(f"{HEADER}: missing")
    record_ids = _record_ids(header)
    fields, differences = _fields(payload)
    shared = {
        "entity": _text(header, "entityName"),
        "type": _type(header),
        "position": CommitPosition(
            _number(header, "commitTimestamp", LATEST_MS),
            _number(header, "commitNumber"),
            _number(header, "sequenceNumber"),
        ),
        "transaction_key": _text(header, "transactionKey"),
        "fields": fields,
        "differences": differences,
        "client": client_of(header.get("changeOrigin")),
        "commit_user": header.get("commitUser") or "",
        "replay_id": replay_id,
    }
    try:
        return [Change(record_id=record_id, **shared) for record_id in record_ids]
    except ValidationError as error:
        raise Undecodable("; ".join(wrong_places(error))) from None


def commit_timestamp(data: object) -> int | None:
    """When an event was committed, epoch milliseconds, where it tells at all."""
    payload = data.get("payload") if isinstance(data, dict) else None
    header = payload.get(HEADER) if isinstance(payload, dict) else None
    try:
        return _number(header, "commitTimestamp", LATEST_MS) if isinstance(header, dict) else None
    except Undecodable:
        return None


def schema_of(data: object) -> tuple[str, str] | None:
    """The object of an event, and the id of the schema by which it was written, where it tells both.

    The id is another one whenever the object's definition has changed.
    """
    payload = data.get("payload") if isinstance(data, dict) else None
    header = payload.get(HEADER) if isinstance(payload, dict) else None
    entity = header.get("entityName") if isinstance(header, dict) else None
    schema = data.get("schema") if isinstance(data, dict) else None
    told = isinstance(entity, str) and isinstance(schema, str) and entity and schema
    return (str(entity), str(schema)) if told else None


def client_of(origin: object) -> str:
    """The client mark of a `changeOrigin`: `CRMSync` of `com/salesforce/api/rest/60.0;client=CRMSync`."""
    if not isinstance(origin, str):
        return ""
    return origin.partition(_CLIENT)[2].rstrip("/")


def _record_ids(header: dict[str, Any]) -> list[str]:
    record_ids = header.get("recordIds")
    if not isinstance(record_ids, list) or not record_ids:
        raise Undecodable("recordIds: missing")
    if not all(isinstance(record_id, str) and record_id for record_id in record_ids):
        raise Undecodable("recordIds: not all are texts")
    return [to_18(record_id) if is_id(record_id) else record_id for record_id in record_ids]


def _type(header: dict[str, Any]) -> ChangeType:
    try:
        return ChangeType(_text(header, "changeType"))
    except ValueError:
        raise Undecodable("changeType: not known") from None


def _text(header: dict[str, Any], name: str) -> str:
    value = header.get(name)
    if not isinstance(value, str) or not value:
        raise Undecodable(f"{name}: not a text")
    return value


def _number(header: dict[str, Any], name: str, limit: int = 2**63 - 1) -> int:
    value = header.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= limit:
        raise Undecodable(f"{name}: not a number of its range")
    return value


def _fields(payload: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    fields: dict[str, Any] = {}
    differences: list[str] = []
    for name, value in payload.items():
        if name == HEADER:
            continue
        for flat, part in _flat(name, value):
            if isinstance(part, dict) and part.keys() == {"diff"}:
                differences.append(flat)
            else:
                fields[flat] = part
    return fields, tuple(differences)


def _flat(name: str, value: object) -> Iterator[tuple[str, object]]:
    """A field under its REST name, a compound as its parts."""
    if value is None and name in _ADDRESSES:
        prefix = name.removesuffix("Address")
        yield from ((f"{prefix}{part}", None) for part in _ADDRESS_PARTS)
    elif not isinstance(value, dict) or value.keys() == {"diff"}:
        yield name, value
    elif name == "Name":
        yield from value.items()
    elif name.endswith("Address"):
        prefix = name.removesuffix("Address")
        yield from ((f"{prefix}{part}", each) for part, each in value.items())
    elif name.endswith("__c"):
        # Custom addresses and geolocations: Venue__c {"Latitude": …} is Venue__Latitude__s in REST.
        yield from ((f"{name[:-1]}{part}__s", each) for part, each in value.items())
    else:
        yield name, value
