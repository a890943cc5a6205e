"""The values that people give a field in the proof, by its policy, and when two are the same. It knows no rule."""

import zlib
from collections.abc import Callable
from typing import Any, Final

SETS: Final = ("union",)
NUMBERS: Final = ("max", "min")
TRANSFORMS: Final = {
    **{policy: ["multi_select"] for policy in SETS},
    **{policy: ["number"] for policy in NUMBERS},
}
"""By policy: the transforms without which it is not allowed."""

Said = Callable[[Any], Any]
"""A value in the one form in which the oracle compares it."""


def said_under(policy: str) -> Said:
    """How values of a field with this policy are compared."""
    return _as_set if policy in SETS else _as_number if policy in NUMBERS else _as_it_is


def stored_under(policy: str) -> Said:
    """What Salesforce keeps of a value: a set comes back in an order of its own, and no number field takes words."""
    return _other_order if policy in SETS else _some_number if policy in NUMBERS else _as_it_is


def value_under(policy: str, serial: int, looked_at: Any) -> str:
    """A value that nobody had before. Who edits a set leaves some of what is there, takes out the rest and adds one."""
    if policy in NUMBERS:
        return str(serial * 7_919 % 100_003)
    if policy in SETS:
        there = elements(looked_at)
        left = [each for place, each in enumerate(there[:4]) if serial >> place & 1]
        return ";".join(sorted([*left, f"v{serial}"]))
    return f"v{serial}"


def elements(value: Any) -> list[str]:
    """What is in a set, as a document or a record may hold it."""
    parts = value if isinstance(value, list) else str(value or "").split(";")
    return sorted({part for part in parts if part})


def _as_it_is(value: Any) -> Any:
    return value


def _as_set(value: Any) -> Any:
    return ";".join(elements(value)) or None


def _other_order(value: Any) -> Any:
    return ";".join(reversed(elements(value))) or None


def _as_number(value: Any) -> Any:
    return None if value in (None, "") else str(int(value))


def _some_number(value: Any) -> Any:
    if value in (None, ""):
        return None
    text = str(value)
    return text if text.lstrip("-").isdecimal() else str(-zlib.crc32(text.encode()))
