"""One webhook, posted until it is taken: what each answer means and how long to wait, decided without I/O."""

import random
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any

import orjson

from simulator.platform.journal import Sent

NO_ANSWER = 0
"""The status of a try that got none."""

_FIRST_WAIT = 0.1
_LONGEST_WAIT = 5.0


class Verdict(Enum):
    """What an answer means for the event."""

    TAKEN = auto()
    AGAIN = auto()
    REFUSED = auto()


def judge(status: int) -> Verdict:
    """Taken on 2xx; tried again when there was no answer, on 408, 429 and 5xx; refused otherwise."""
    if 200 <= status < 300:
        return Verdict.TAKEN
    if status in {NO_ANSWER, 408, 429} or status >= 500:
        return Verdict.AGAIN
    return Verdict.REFUSED


def wait_before(attempt: int, retry_after: str | None, chance: random.Random) -> float:
    """Seconds before the next try: doubling from 0.1 to 5 with jitter, or what the receiver asked for, up to 5.

    `attempt` is the number of tries made, from 1.
    """
    if retry_after is not None and retry_after.isdecimal():
        return min(float(retry_after), _LONGEST_WAIT)
    longest = min(_FIRST_WAIT * 2.0 ** min(attempt - 1, 10), _LONGEST_WAIT)
    return longest * chance.uniform(0.5, 1.0)


def body_of(event: Sent) -> bytes:
    """The Standard Webhooks body. A whole record is posted as nested objects, named changes as dotted paths."""
    data: dict[str, Any] = {
        "id": event.document_id,
        "fields": dict(event.fields) if event.changed is not None else nested(event.fields),
    }
    if event.changed is not None:
        data["changed"] = list(event.changed)
    if event.seen is not None:
        data["seen"] = event.seen
    return orjson.dumps({"type": event.type, "timestamp": iso(event.occurred_at), "data": data})


def iso(at: int) -> str:
    """Epoch milliseconds as ISO 8601: `2026-11-22T10:00:00.123Z`."""
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at % 1000:03}Z"


def nested(fields: Any) -> dict[str, Any]:
    """Values by dotted path as objects within objects."""
    tree: dict[str, Any] = {}
    for path, value in fields.items():
        *parents, leaf = path.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = value
    return tree
