"""W3C Trace Context: the sender's trace goes on with a span of ours, or one begins here.

Source: W3C Trace Context, section 3.2 (`traceparent`). The OpenTelemetry API alone reads this header but makes no ids,
since ids are the SDK's; the header is all that is needed here.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

Traced = Callable[[str | None], AbstractContextManager[str]]
"""Surrounds the publishing of an event, by the sender's `traceparent`; gives the one to send on."""

_TRACEPARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-(?P<flags>[0-9a-f]{2})(?P<rest>-.*)?"
)


def continue_trace(traceparent: str | None) -> str:
    """The `traceparent` to send on: the given trace with a new span id, or a new trace where none is valid.

    A trace begun here is not marked as sampled, since nothing has recorded it.
    """
    ids = os.urandom(24).hex()
    span = ids[:16]
    parent = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if parent is None or (parent["rest"] and parent[0].startswith("00")):
        return f"00-{ids[16:]}-{span}-00"
    return f"00-{parent['trace']}-{span}-{int(parent['flags'], 16) & 1:02x}"


@contextmanager
def carried(traceparent: str | None) -> Iterator[str]:
    """Where nothing is recorded: the trace goes on all the same, for whoever does."""
    yield continue_trace(traceparent)
