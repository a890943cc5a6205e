"""What an erasure's certificate tells. It names nobody. No I/O."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from schemas.erasure import ErasureState

_INNER: Final = ("_id", "document", "things", "records", "due_at", "held_until", "asked_again_at")
"""Who it was, for as long as it is worked at, and when."""


def certificate(row: Mapping[str, Any]) -> dict[str, Any]:
    """As it is handed over, from what is stored: `reference` is the keyed hash of the person."""
    return {"reference": row["_id"], **{name: value for name, value in row.items() if name not in _INNER}}


def left(told: Mapping[str, Any]) -> list[str]:
    """What the last pass had to leave, as `Contact: DELETE_FAILED`."""
    passes = told.get("passes") or [{}]
    return list(passes[-1].get("left") or ())


def next_step(row: Mapping[str, Any], *, now: int) -> str:
    """What is still to come of an erasure, for the person who asked; empty once it is over."""
    if row["state"] == ErasureState.DONE:
        return ""
    if (row.get("held_until") or 0) > now:
        return "somebody is working at it, or was until a moment ago: it goes on within minutes"
    if row["due_at"] <= now:
        return "its next pass is due: `tandem schedule` makes it"
    at = datetime.fromtimestamp(row["due_at"] / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return f"its next pass is due at {at}: `tandem schedule` makes it, or this command from then on"
