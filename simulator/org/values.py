"""Field values: read from JSON, checked, and written as REST and CometD write them.

Stored forms: texts, dates (`2025-01-02`) and ids as text, ids with 18 characters; numbers as numbers; booleans as 0 and
1; dateTimes as epoch milliseconds. Nothing else knows these forms but the SOQL compiler.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any

from simulator.org import ids
from simulator.org.errors import SalesforceError, Unreadable
from simulator.org.objects import IDS, NUMBERS, TEXTS, FieldDefinition, FieldType, Objects

Stored = str | float | int | None
Parser = Callable[[Any], Stored]
Check = Callable[[Stored], None]
Renderer = Callable[[Any], Any]

_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)+")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DATETIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?:Z|[+-]\d{2}:?\d{2})")
_ENDLESS_NUMBER = 1e18
_JSON_TOKENS = {
    "str": "VALUE_STRING",
    "int": "VALUE_NUMBER_INT",
    "float": "VALUE_NUMBER_FLOAT",
    "bool": "VALUE_BOOLEAN",
    "dict": "START_OBJECT",
    "list": "START_ARRAY",
}


def parser_of(field: FieldDefinition) -> Parser:
    """How a JSON value of this field becomes its stored form.

    The parser raises `Unreadable` where the JSON type is wrong. An empty text is null; white space around a text goes.
    """
    if field.type is FieldType.MULTIPICKLIST:
        return lambda value: _chosen(field, value)
    if field.type in TEXTS:
        return lambda value: _text(field, value)
    if field.type in IDS:
        return lambda value: _reference(field, value)
    if field.type is FieldType.BOOLEAN:
        return _boolean
    if field.type is FieldType.INT:
        return _integer
    if field.type in NUMBERS:
        return lambda value: _number(field, value)
    if field.type is FieldType.DATE:
        return _date
    return _datetime


def check_of(field: FieldDefinition, objects: Objects) -> Check | None:
    """What raises SalesforceError for a stored value that this field may not hold; None: nothing to check."""
    if field.type is FieldType.EMAIL:
        return lambda value: _check_email(field, value)
    if field.type in {FieldType.PICKLIST, FieldType.MULTIPICKLIST} and field.restricted:
        return lambda value: _check_picklist(field, value)
    if field.type in TEXTS:
        return lambda value: _check_length(field, value)
    if field.type in NUMBERS:
        return lambda value: _check_range(field, value)
    if field.type is FieldType.REFERENCE:
        prefixes = tuple(objects[name].key_prefix for name in field.targets)
        return lambda value: _check_prefix(field, prefixes, value)
    return None


def rest_renderer(field: FieldDefinition) -> Renderer | None:
    """How a stored value that is not null is written in REST JSON; None: as it is."""
    if field.type is FieldType.BOOLEAN:
        return bool
    return rest_datetime if field.type is FieldType.DATETIME else None


def event_renderer(field: FieldDefinition) -> Renderer | None:
    """How a stored value that is not null is written in a CometD change event; None: as it is."""
    if field.type is FieldType.BOOLEAN:
        return bool
    return event_datetime if field.type is FieldType.DATETIME else None


@lru_cache(maxsize=4096)
def rest_datetime(milliseconds: int) -> str:
    """`2025-01-02T03:04:05.000+0000`."""
    return _iso(milliseconds) + "+0000"


@lru_cache(maxsize=4096)
def event_datetime(milliseconds: int) -> str:
    """`2025-01-02T03:04:05.000Z`."""
    return _iso(milliseconds) + "Z"


def read_datetime(text: str) -> int | None:
    """Epoch milliseconds of `yyyy-MM-ddTHH:mm:ss[.SSS](Z|±HH:mm)`; None if it is none."""
    if not _DATETIME.fullmatch(text):
        return None
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def read_date(text: str) -> str | None:
    """The date if it is one, `yyyy-MM-dd`."""
    if not _DATE.fullmatch(text):
        return None
    try:
        date.fromisoformat(text)
    except ValueError:
        return None
    return text


def _iso(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{milliseconds % 1000:03d}"


def _wrong(kind: str, value: Any) -> Unreadable:
    told = _JSON_TOKENS.get(type(value).__name__, "VALUE")
    shown = value if told.startswith("VALUE") else ""
    return Unreadable(
        "JSON_PARSER_ERROR",
        f"Cannot deserialize instance of {kind} from {told} value {shown}"
        " or request may be missing a required field at [line:1, column:1]",
    )


def _text(field: FieldDefinition, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise _wrong("string" if field.type is not FieldType.PICKLIST else "picklist", value)
    return value.strip() or None


def _chosen(field: FieldDefinition, value: Any) -> str | None:
    """Several values of a picklist: each once, in the picklist's own order, those it does not know behind."""
    text = _text(field, value)
    if text is None:
        return None
    chosen = dict.fromkeys(part.strip() for part in text.split(";") if part.strip())
    places = {known: place for place, known in enumerate(field.values)}
    return ";".join(sorted(chosen, key=lambda one: places.get(one, len(places)))) or None


def _reference(field: FieldDefinition, value: Any) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise _wrong("reference", value)
    record_id = ids.normalise(value)
    if record_id is None:
        raise SalesforceError("MALFORMED_ID", f"{field.label}: id value of incorrect type: {value}", [field.name])
    return record_id


def _boolean(value: Any) -> int:
    if value is None:
        raise SalesforceError("INVALID_TYPE_ON_FIELD_IN_RECORD", "value not of required type: null")
    if not isinstance(value, bool):
        raise _wrong("boolean", value)
    return int(value)


def _integer(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong("int", value)
    return value


def _number(field: FieldDefinition, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(str(field.type), value)
    if abs(value) >= _ENDLESS_NUMBER:
        return float(value)
    return (
        float(Decimal(repr(value)).quantize(Decimal(1).scaleb(-field.scale), rounding=ROUND_HALF_UP)) + 0.0
    )  # no -0.0


def _date(value: Any) -> str | None:
    if value is None:
        return None
    read = read_date(value) if isinstance(value, str) else None
    if read is None:
        raise _wrong("date", value)
    return read


def _datetime(value: Any) -> int | None:
    if value is None:
        return None
    read = read_datetime(value) if isinstance(value, str) else None
    if read is None:
        raise _wrong("datetime", value)
    return read


def _check_length(field: FieldDefinition, value: Any) -> None:
    if value is not None and len(value) > field.length:
        raise SalesforceError(
            "STRING_TOO_LONG", f"{field.label}: data value too large: {value} (max length={field.length})", [field.name]
        )


def _check_email(field: FieldDefinition, value: Any) -> None:
    if value is None:
        return
    _check_length(field, value)
    if not _EMAIL.fullmatch(value):
        raise SalesforceError("INVALID_EMAIL_ADDRESS", f"{field.label}: invalid email address: {value}", [field.name])


def _check_picklist(field: FieldDefinition, value: Any) -> None:
    if value is None:
        return
    for one in value.split(";") if field.type is FieldType.MULTIPICKLIST else [value]:
        if one in field.values:
            continue
        raise SalesforceError(
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            f"{field.label}: bad value for restricted picklist field: {one}",
            [field.name],
        )


def _check_range(field: FieldDefinition, value: Any) -> None:
    whole_digits = 10 if field.type is FieldType.INT else field.precision - field.scale
    if value is not None and abs(value) >= 10**whole_digits:
        raise SalesforceError(
            "NUMBER_OUTSIDE_VALID_RANGE",
            f"{field.label}: value outside of valid range on numeric field: {value}",
            [field.name],
        )


def _check_prefix(field: FieldDefinition, prefixes: tuple[str, ...], value: Any) -> None:
    if value is not None and not value.startswith(prefixes):
        raise SalesforceError(
            "FIELD_INTEGRITY_EXCEPTION", f"{field.label}: id value of incorrect type: {value}", [field.name]
        )
