"""A delivery to the platform's URL, and that URL itself, as they are stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

ENDPOINT: Final = "platform"
"""The one endpoint there is."""


class DeliveryState(StrEnum):
    """How far a delivery has come."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    """Given up after the last try; a person may have it delivered again."""


def tried(row: Mapping[str, Any]) -> int:
    """How often one was posted, of its stored row: `tries` counts those that were to be followed by another."""
    return int(row["tries"] + (row["state"] != DeliveryState.PENDING))


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way. `id` is the event's own, `body` the bytes that are signed. Times are epoch milliseconds."""

    id: str
    kind: str
    document_id: str
    type: str
    revision: int
    body: bytes
    made_at: int
    tries: int = 0
    traceparent: str = ""
    """The trace that it belongs to, where it is recorded (W3C Trace Context)."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where deliveries go. `reason` says why it is disabled, `failing_since` since when it has taken nothing."""

    url: str
    enabled: bool = True
    reason: str = ""
    failing_since: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """How a post ended: `status` is the HTTP status, 0 where there was none; `why` a stable word, never a body.

    `retry_after` are the seconds that the receiver asks for, None where it asks for none.
    """

    status: int
    why: str = ""
    retry_after: int | None = None
    milliseconds: int = 0
