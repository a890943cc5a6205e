"""Transforms: a value of either side in the form that is written, shown, and compared (merge rule 27).

What Tandem writes to Salesforce and what it shows in a document has gone through the field's transforms; what either
side said is kept raw and compared by `key`. White space at the ends never makes a difference, and null, a missing value
and blank text are the same, because Salesforce stores them so.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from typing import Any, Final

import phonenumbers

from schemas.mapping import FieldMapping, Transform

_PHONES_KEPT: Final = 65_536
_DAYS_KEPT: Final = 32_768
_INT64: Final = 2**63
_DEPTH: Final = 16
_TRUE: Final = ("true",)
_FALSE: Final = ("false",)

# Only what is nothing but a number is rewritten: "office 0712 345 678" would lose its first word.
_PHONE: Final = re.compile(r"[+\uff0b]?[0-9\s().\-/\u2010-\u2015]+(?:(?:;ext=|ext\.?|x|#)\s*[0-9]+)?", re.IGNORECASE)
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ].*)?", re.DOTALL)

Form = Callable[[Any], Any]
"""Takes a value that is not blank; raises `_Unfit` for one that it cannot take. Applied twice, it equals once."""


class _Unfit(Exception):
    """The reason, without the value."""


class InvalidValue(ValueError):
    """A platform value that cannot be written: names the platform path and the reason, never the value."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True)
class CompiledField:
    """One field's transforms as plain functions."""

    push: Callable[[Any], Any]
    """A platform value as it is written to Salesforce; raises `InvalidValue`."""
    pull: Callable[[Any], Any]
    """A Salesforce value as the document shows it. A value that the transform cannot take is shown as it is."""
    key: Callable[[Any], Any]
    """A raw value of either side as it is compared: hashable, None for nothing. Never raises.

    `key(push(v)) == key(v)` and `key(pull(s)) == key(s)`.
    """
    takes: frozenset[type]
    """Types of JSON values that `push` takes, whatever the value: nothing need be worked out to know that one can be
    written. JSON's whole numbers have 64 bits here, and no number is infinite."""


def compile_field(field: FieldMapping) -> CompiledField:
    """The functions of one mapped field."""
    transforms = frozenset(field.transform)
    form = _form(field)
    path = field.platform

    def push(value: Any) -> Any:
        if _blank(value):
            return None
        try:
            return form(value)
        except _Unfit as unfit:
            raise InvalidValue(path, str(unfit)) from None

    def pull(value: Any) -> Any:
        if _blank(value):
            return None
        try:
            return form(value)
        except _Unfit:
            return value

    # Nearly all values are of one of two forms that need no more than this; what follows gives the same, at more cost.
    plain_text = transforms <= {Transform.TRIM}
    plain_number = form is _number or form is _plain

    def key(value: Any) -> Any:
        if value.__class__ is str:
            value = value.strip()
            if plain_text:
                return value or None
        elif plain_number and value.__class__ is int and -_INT64 <= value < _INT64:
            return float(value)
        if value is None or value == "":
            return None
        try:
            return _comparable(form(value))
        except _Unfit:
            return _comparable(value)

    return CompiledField(push=push, pull=pull, key=key, takes=_takes(transforms))


def _takes(transforms: frozenset[Transform]) -> frozenset[type]:
    if Transform.DATE in transforms:
        return frozenset({type(None)})
    takes: set[type] = {type(None), int, float}
    if Transform.NUMBER not in transforms:
        takes.add(str)
    return frozenset(takes)


def _form(field: FieldMapping) -> Form:
    transforms = frozenset(field.transform)
    if Transform.PHONE_E164 in transforms:
        region = field.region
        return lambda value: _phone(_as_text(value).strip(), region)
    if Transform.DATE in transforms:
        return _date
    if Transform.NUMBER in transforms:
        return _number
    if Transform.LOWER in transforms:
        return lambda value: value if isinstance(value, bool) else _as_text(value).strip().lower()
    if Transform.UPPER in transforms:
        return lambda value: value if isinstance(value, bool) else _as_text(value).strip().upper()
    if Transform.TRIM in transforms:
        return lambda value: value if isinstance(value, bool) else _as_text(value).strip()
    return _plain


def _blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _plain(value: Any) -> Any:
    if isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float) and isfinite(value):
        return value
    if isinstance(value, (date, datetime)):
        return _as_text(value)
    decimal = _as_decimal(value)
    if decimal is not None:
        return _number(decimal)
    raise _Unfit("must be a text, a number, true or false")


def _as_text(value: Any) -> str:
    """Text fields refuse JSON numbers, so a number is written as text: 42, not 42.0."""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return _as_instant(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool):
        raise _Unfit("must be a text")
    number = _finite(value)
    if number is None:
        raise _Unfit("must be a text")
    if isinstance(value, int):
        return str(int(value))
    return str(int(number)) if number.is_integer() and abs(number) < _INT64 else repr(number)


def _as_instant(value: datetime) -> str:
    """A date and time as Salesforce's REST shows it, `2026-11-22T10:00:00.000+0000`; without a zone it is in UTC."""
    try:
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:  # in UTC it would be before year 1 or after 9999
        moment = value.replace(tzinfo=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "+0000")


def _date(value: Any) -> str:
    """`YYYY-MM-DD`; an instant counts at the calendar date of its own offset."""
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    day = _day(value.strip()) if isinstance(value, str) else None
    if day is None:
        raise _Unfit("must be a date, YYYY-MM-DD")
    return day


@lru_cache(maxsize=_DAYS_KEPT)
def _day(text: str) -> str | None:
    if not _DATE.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text).date().isoformat()
    except ValueError:
        return None


def _number(value: Any) -> int | float:
    if isinstance(value, str):
        text = value.strip()
        if _INTEGER.fullmatch(text):
            return int(text)
        if _NUMBER.fullmatch(text):
            value = float(text)
    number = _finite(value)
    if number is None:
        raise _Unfit("must be a number")
    if isinstance(value, int) and -_INT64 <= value < _INT64:
        return int(value)
    return number


def _finite(value: Any) -> float | None:
    """The double that JSON carries both ways, so that what Salesforce gives back equals what was sent."""
    if isinstance(value, bool):
        return None
    if not isinstance(value, (int, float)):
        value = _as_decimal(value)
        if value is None:
            return None
    try:
        number = float(value)
    except (OverflowError, ValueError):  # ValueError: a signalling NaN
        return None
    return number if isfinite(number) else None


def _as_decimal(value: Any) -> Decimal | None:
    if isinstance(value, Decimal):
        return value
    # BSON's Decimal128, whose library stays in its adapter.
    convert = getattr(value, "to_decimal", None)
    if convert is None:
        return None
    decimal = convert()
    return decimal if isinstance(decimal, Decimal) else None


@lru_cache(maxsize=_PHONES_KEPT)
def _phone(text: str, region: str | None) -> str:
    """E.164, with ` x12` behind it for an extension; the text itself where it is no possible number."""
    formatted = _formatted(text, region)
    if formatted is None:
        return text
    return formatted if formatted == text or _formatted(formatted, region) == formatted else text


def _formatted(text: str, region: str | None) -> str | None:
    if not _PHONE.fullmatch(text):
        return None
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    formatted: str = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return f"{formatted} x{number.extension}" if number.extension else formatted


def _comparable(value: Any, depth: int = 0) -> Any:
    """Hashable, and the same after JSON or BSON; true is not 1, and text is not the number it spells."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool):
        return _TRUE if value else _FALSE
    if value is None:
        return None
    if isinstance(value, (date, datetime)):
        return _as_text(value)
    number = _finite(value)
    if number is not None:
        return number
    if depth < _DEPTH and isinstance(value, (list, tuple)):
        return ("list", *(_comparable(item, depth + 1) for item in value))
    if depth < _DEPTH and isinstance(value, dict):
        return ("object", frozenset((str(name), _comparable(item, depth + 1)) for name, item in value.items()))
    return str(value)
