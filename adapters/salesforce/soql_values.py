"""What SOQL writes for a name and for a value of each type. No value leaves its literal.

Source: "Quoted String Escape Sequences" and "Date Formats and Date Literals" in the SOQL and SOSL Reference.
"""

import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final
from urllib.parse import quote as percent_encode

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}(\.[A-Za-z][A-Za-z0-9_]{0,79})*")
_ESCAPES: Final = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_UNSAFE: Final = re.compile(r"[\\'\x00-\x1f\x7f-\x9f\u2028\u2029]")
_WILDCARDS: Final = re.compile("[%_]")
_PATTERN_PARTS: Final = re.compile(r"\\[%_\\]|.", re.DOTALL)
_RELATIVE: Final = re.compile(
    r"YESTERDAY|TODAY|TOMORROW|(LAST|THIS|NEXT)_(WEEK|MONTH|QUARTER|YEAR|FISCAL_QUARTER|FISCAL_YEAR)"
    r"|(LAST|NEXT)_90_DAYS"
)
_COUNTED: Final = re.compile(
    r"(LAST|NEXT)_N_(DAYS|WEEKS|MONTHS|QUARTERS|YEARS|FISCAL_QUARTERS|FISCAL_YEARS)"
    r"|N_(DAYS|WEEKS|MONTHS|QUARTERS|YEARS|FISCAL_QUARTERS|FISCAL_YEARS)_AGO"
)


def quote(text: str) -> str:
    """A string literal, quotes included."""
    return "'" + _escaped(text) + "'"


def name(api_name: str) -> str:
    """The name of an object or field, checked: `Email`, `Account.Name`.

    Raises:
        ValueError: not a name.
    """
    if _NAME.fullmatch(api_name) is None:
        raise ValueError("not the API name of an object or field")
    return api_name


@dataclass(frozen=True, slots=True)
class DateLiteral:
    """A date by the org's calendar: `TODAY`, or with a number `LAST_N_DAYS:30`."""

    word: str
    number: int | None = None

    def __post_init__(self) -> None:
        """ValueError where Salesforce knows no such literal."""
        known = _RELATIVE if self.number is None else _COUNTED
        if known.fullmatch(self.word) is None or (self.number is not None and self.number < 0):
            raise ValueError("not a date literal of SOQL")

    def __str__(self) -> str:
        return self.word if self.number is None else f"{self.word}:{self.number}"


Value = str | bool | int | float | Decimal | date | datetime | DateLiteral | None


def literal(value: Value) -> str:
    """A value as SOQL writes it, by its type; a moment in UTC.

    Raises:
        ValueError: a number that is not finite, or a moment without its zone.
    """
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float() | Decimal():
            if not math.isfinite(value):
                raise ValueError("a number that is not finite")
            return repr(value) if isinstance(value, float) else f"{value:f}"
        case datetime():
            if value.tzinfo is None:
                raise ValueError("a moment without its zone")
            moment = value.astimezone(UTC)
            fraction = f".{moment.microsecond // 1000:03}" if moment.microsecond >= 1000 else ""
            return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"
        case date():
            return value.isoformat()
        case DateLiteral():
            return str(value)
        case str():
            return quote(value)


def pattern(written: str) -> str:
    r"""A LIKE literal, quotes included: `%` and `_` are wildcards, `\%`, `\_` and `\\` are themselves."""
    parts = _PATTERN_PARTS.findall(written)
    return f"'{''.join(one if len(one) == 2 else _escaped(one) for one in parts)}'"


def plain_pattern(text: str) -> str:
    """Plain text within a LIKE literal: its `%` and `_` are no wildcards."""
    return _WILDCARDS.sub(lambda found: f"\\{found[0]}", _escaped(text))


def encoded_length(text: str) -> int:
    """Bytes the text takes in an address, at most: every reserved character percent-encoded."""
    return len(percent_encode(text, safe=""))


def _escaped(text: str) -> str:
    return _UNSAFE.sub(lambda found: _ESCAPES.get(found[0]) or f"\\u{ord(found[0]):04x}", text)
