"""What an erasure's certificate tells. It names nobody. No I/O."""

from collections.abc import Mapping
from typing import Any, Final

_INNER: Final = ("_id", "document", "things", "records", "due_at")
"""Who it was, for as long as it is worked at, and when."""


def certificate(row: Mapping[str, Any]) -> dict[str, Any]:
    """As it is handed over, from what is stored: `reference` is the keyed hash of the person."""
    return {"reference": row["_id"], **{name: value for name, value in row.items() if name not in _INNER}}


def left(told: Mapping[str, Any]) -> list[str]:
    """What the last pass had to leave, as `Contact: DELETE_FAILED`."""
    passes = told.get("passes") or [{}]
    return list(passes[-1].get("left") or ())
