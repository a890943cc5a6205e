"""The forms of values: what each transform makes of one. Applied twice, a form equals once."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache
from math import isfinite
from typing import Any, Final
from zoneinfo import ZoneInfo

import phonenumbers

from schemas.field_mapping import FieldMapping, Transform
from schemas.lookup import named_by, record_named

_PHONES_KEPT: Final = 32_768
_DAYS_KEPT: Final = 32_768
INT64: Final = 2**63
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EXACT: Final = Context(prec=400)
_DEPTH: Final = 16
# Of two labels at least; the last is no number, or it would be an IP address.
_DOMAIN: Final = re.compile(r"(?:[\w-]+\.)+(?![0-9]+$)[\w-]{2,}")
_BEFORE: Final = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
_WWW: Final = "www."
_TRUE: Final = ("true",)
_FALSE: Final = ("false",)

# Only what is nothing but a number is rewritten: "office 0712 345 678" would lose its first word.
_PHONE: Final = re.compile(r"[+\uff0b]?[0-9\s().\-/\u2010-\u2015]+(?:(?:;ext=|ext\.?|x|#)\s*[0-9]+)?", re.IGNORECASE)
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ].*)?", re.DOTALL)

Form = Callable[[Any], Any]
"""Takes a value that is not blank; raises `Unfit` for one that it cannot take. Applied twice, it equals once."""


class Unfit(Exception):
    """The reason, without the value."""


def written_form(field: FieldMapping) -> Form:
    """What is written to Salesforce of a value."""
    if Transform.MULTI_SELECT in field.transform:
        return lambda value: ";".join(_mapped(_choices(value), field.picklist)) or None
    if field.picklist:
        return lambda value: _mapped([_as_text(value).strip()], field.picklist)[0]
    return _named_form(field) if len(field.lookups) > 1 else _one_form(field)


def _named_form(field: FieldMapping) -> Form:
    """A value that names its kind, or a record by its own id."""

    def form(value: Any) -> str:
        text = _as_text(value).strip()
        if record_named(text) is None and named_by(field.lookups, text) is None:
            raise Unfit(f"must name a kind and an id, {field.lookups[0]}/id; kinds: {', '.join(field.lookups)}")
        return text

    return form


def shown_form(field: FieldMapping) -> Form:
    """What a document shows of a value of Salesforce's: several as a list, in the platform's words."""
    words: dict[str, str] = {}
    for ours, theirs in field.picklist.items():
        words.setdefault(theirs, ours)
    if Transform.MULTI_SELECT in field.transform:
        return lambda value: _mapped(_choices(value), words) or None
    if words:
        return lambda value: _mapped([_as_text(value).strip()], words)[0]
    return _one_form(field)


def _one_form(field: FieldMapping) -> Form:
    transforms = frozenset(field.transform)
    if Transform.PHONE_E164 in transforms:
        region = field.region
        return lambda value: _phone(_as_text(value).strip(), region)
    if Transform.DOMAIN in transforms:
        return lambda value: value if isinstance(value, bool) else _domain(_as_text(value).strip())
    zone = None if field.zone is None else ZoneInfo(field.zone)
    if Transform.DATE in transforms:
        return _date if zone is None else lambda value: _date(value, zone)
    if Transform.DATETIME in transforms:
        return lambda value: _second(value, zone)
    if Transform.NUMBER in transforms:
        return _scaled(field.scale)
    if Transform.BOOLEAN in transforms:
        return _boolean
    if Transform.LOWER in transforms:
        return lambda value: value if isinstance(value, bool) else _as_text(value).strip().lower()
    if Transform.UPPER in transforms:
        return lambda value: value if isinstance(value, bool) else _as_text(value).strip().upper()
    if Transform.TRIM in transforms:
        return lambda value: value if isinstance(value, bool) else _as_text(value).strip()
    return as_it_is


def _boolean(value: Any) -> bool:
    """True or false, also by their words, as CSV and forms have them."""
    if isinstance(value, bool):
        return value
    word = value.strip().casefold() if isinstance(value, str) else ""
    if word not in ("true", "false"):
        raise Unfit("must be true or false")
    return word == "true"


def as_it_is(value: Any) -> Any:
    """A value without a transform."""
    if isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float) and isfinite(value):
        return value
    if isinstance(value, (date, datetime)):
        return _as_text(value)
    decimal = _as_decimal(value)
    if decimal is not None:
        return as_number(decimal)
    raise Unfit("must be a text, a number, true or false")


def _as_text(value: Any) -> str:
    """Text fields refuse JSON numbers, so a number is written as text: 42, not 42.0."""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return _as_instant(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool):
        raise Unfit("must be a text")
    number = _finite(value)
    if number is None:
        raise Unfit("must be a text")
    if isinstance(value, int):
        return str(int(value))
    return str(int(number)) if number.is_integer() and abs(number) < INT64 else repr(number)


def _as_instant(value: datetime) -> str:
    """A date and time as Salesforce's REST shows it, `2026-11-22T10:00:00.000+0000`; without a zone it is in UTC."""
    try:
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:  # in UTC it would be before year 1 or after 9999
        moment = value.replace(tzinfo=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "+0000")


def _date(value: Any, zone: ZoneInfo | None = None) -> str:
    """`YYYY-MM-DD`; an instant counts at the calendar date of its own offset, or of the zone that the mapping names."""
    if isinstance(value, datetime):
        return _day_of(value, zone)
    if isinstance(value, date):
        return value.isoformat()
    day = _day(value.strip(), zone) if isinstance(value, str) else None
    if day is None:
        raise Unfit("must be a date, YYYY-MM-DD")
    return day


@lru_cache(maxsize=_DAYS_KEPT)
def _day(text: str, zone: ZoneInfo | None) -> str | None:
    if not _DATE.fullmatch(text):
        return None
    try:
        return _day_of(datetime.fromisoformat(text), zone)
    except ValueError:
        return None


def _day_of(moment: datetime, zone: ZoneInfo | None) -> str:
    if zone is not None and moment.tzinfo is not None:
        with suppress(OverflowError):  # there it would be before year 1 or after 9999
            moment = moment.astimezone(zone)
    return moment.date().isoformat()


def _second(value: Any, zone: ZoneInfo | None) -> str:
    """`2026-11-22T10:00:00Z`; without an offset a time is of the zone that the mapping names, else of UTC.

    Salesforce keeps whole seconds (reference: "dateTime Field Type" in the Object Reference), so the rest is dropped:
    it would come back as somebody's edit. A number is epoch milliseconds, as change events over Pub/Sub bring.
    """
    moment = _in_utc(value, zone)
    if moment is None:
        raise Unfit("must be a date and time, ISO 8601")
    return moment.replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def instant(value: Any, zone: ZoneInfo | None) -> int | None:
    """Epoch milliseconds of a date and time, as exactly as it was told; nothing of what is none."""
    moment = _in_utc(value, zone)
    return None if moment is None else (moment - _EPOCH) // timedelta(milliseconds=1)


def _in_utc(value: Any, zone: ZoneInfo | None) -> datetime | None:
    moment = _moment(value)
    if moment is None:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone or UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return None


def _moment(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - its zone is given by the mapping
    try:
        if isinstance(value, str):
            return datetime.fromisoformat(value.strip()) if _DATE.fullmatch(value.strip()) else None
        milliseconds = _finite(value)
        return None if milliseconds is None else _EPOCH + timedelta(milliseconds=milliseconds)
    except (OverflowError, ValueError):
        return None


def _scaled(scale: int | None) -> Form:
    if scale is None:
        return as_number
    step = Decimal(1).scaleb(-scale)

    def rounded(value: Any) -> int | float:
        number = as_number(value)
        if isinstance(number, int):
            return number
        return as_number(Decimal(repr(number)).quantize(step, ROUND_HALF_UP, _EXACT))

    return rounded


def _choices(value: Any) -> list[str]:
    """The values of a multi-select picklist: of a list of texts, or of one text with semicolons between them."""
    several = value if isinstance(value, (list, tuple)) else [value]
    found: set[str] = set()
    for one in several:
        text = _as_text(one)
        parts = text.split(";")
        if several is value and len(parts) > 1:
            raise Unfit("must be a list of texts without semicolons")
        found.update(part.strip() for part in parts)
    return sorted(found - {""})


def _mapped(values: list[str], words: Mapping[str, str]) -> list[str]:
    return sorted({words.get(value, value) for value in values}) if words else values


def as_number(value: Any) -> int | float:
    """A number, also from text."""
    if isinstance(value, str):
        text = value.strip()
        if _INTEGER.fullmatch(text):
            return int(text)
        if _NUMBER.fullmatch(text):
            value = float(text)
    number = _finite(value)
    if number is None:
        raise Unfit("must be a number")
    if isinstance(value, int) and -INT64 <= value < INT64:
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


def _domain(text: str) -> str:
    """`acme.com` of `https://www.Acme.com/x`; the text itself where it is no web address."""
    scheme = _BEFORE.match(text)
    host = re.split(r"[/?#]", text[scheme.end() :] if scheme else text, maxsplit=1)[0]
    host = host.rpartition("@")[2] if scheme else host  # without a scheme it would be an e-mail address
    host = re.sub(r":[0-9]*$", "", host).lower().rstrip(".")
    while host.startswith(_WWW) and "." in host[len(_WWW) :]:
        host = host[len(_WWW) :]
    return host if _DOMAIN.fullmatch(host) else text


def spellings(field: FieldMapping, text: str) -> tuple[str, ...]:
    """How Salesforce may hold a value whose written form this text is: a domain also as the address of a page."""
    if Transform.DOMAIN not in field.transform or not _DOMAIN.fullmatch(text):
        return (text,)
    hosts = [text, _WWW + text]
    addresses = [f"{scheme}://{host}{end}" for host in hosts for scheme in ("https", "http") for end in ("", "/")]
    return (*hosts, *addresses)


def comparable(value: Any, depth: int = 0) -> Any:
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
        return ("list", *(comparable(item, depth + 1) for item in value))
    if depth < _DEPTH and isinstance(value, dict):
        return ("object", frozenset((str(name), comparable(item, depth + 1)) for name, item in value.items()))
    return str(value)
