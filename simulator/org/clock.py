"""Time as the org tells it."""

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Epoch milliseconds."""


def system_clock() -> int:
    """The machine's own time, epoch milliseconds."""
    return time.time_ns() // 1_000_000
