"""Python values as Salesforce's JSON takes them.

Source: "Valid Date and DateTime Formats" in the REST API guide. Null clears a field, and so does empty text.
"""

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any


class Unrenderable(ValueError):
    """Salesforce has no form for this value; the message names its type, never the value."""


def render(value: Any) -> str | int | float | bool | None:
    """One field's value.

    A moment becomes UTC with milliseconds, a date or time ISO 8601, several texts one multi-select value (`A;B`).

    Raises:
        Unrenderable: a moment without a zone, a number that is not finite, an object, or any other type.
    """
    match value:
        case None | "":
            return None
        case bool():
            return value
        case int():
            return _whole(value)
        case str():
            return _text(value)
        case float():
            return _finite(value)
        case Decimal():
            return _decimal(value)
        case datetime():
            return _moment(value)
        case date():
            return value.isoformat()
        case time():
            return _time(value)
        case list() | tuple():
            return _multi_select(value)
    raise Unrenderable(f"no form for {type(value).__name__}")


def render_all(values: Mapping[str, Any]) -> dict[str, Any]:
    """Every field's value.

    Raises:
        Unrenderable: as `render`; the message names the field.
    """
    rendered = {}
    for field, value in values.items():
        try:
            rendered[field] = render(value)
        except Unrenderable as error:
            raise Unrenderable(f"{field}: {error}") from None
    return rendered


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Unrenderable("text that is not valid Unicode") from None
    return value


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise Unrenderable("a number that is not finite")
    return value


def _whole(value: int) -> int:
    if abs(value) >= 2**63:
        raise Unrenderable("a number of more than 18 digits")
    return value


def _decimal(value: Decimal) -> int | float:
    if not value.is_finite():
        raise Unrenderable("a number that is not finite")
    return _whole(int(value)) if value == value.to_integral_value() else _finite(float(value))


def _moment(value: datetime) -> str:
    if value.tzinfo is None:
        raise Unrenderable("a moment without a time zone")
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _time(value: time) -> str:
    if value.tzinfo is not None:
        raise Unrenderable("a time of day with a time zone")
    return value.isoformat(timespec="milliseconds") + "Z"


def _multi_select(values: list[Any] | tuple[Any, ...]) -> str | None:
    if not all(isinstance(value, str) and ";" not in value for value in values):
        raise Unrenderable("a list of anything but text without semicolons")
    return ";".join(_text(value) for value in values if value) or None
