"""How far a source's clock is off, judged over many events (merge rule 2). No clock is read here."""

from bisect import bisect_left, insort
from collections import deque
from typing import Final

KEPT: Final = 101
NEEDED: Final = 20
TOLERATED_MS: Final = 2_000


class ClockOffset:
    """The median of (received - sent) over the last 101 deliveries of one source.

    The median, because a delivery that waited in a queue says nothing of the clock. `webhook-timestamp` is cut to whole
    seconds, so half a second is added to it. Below 20 deliveries, or up to two seconds, nothing is corrected: that much
    is the network's. Kept in memory by each process, so a restart begins anew.
    """

    def __init__(self) -> None:
        self._in_order: deque[int] = deque()
        self._sorted: list[int] = []

    def observe(self, *, received_at: int, sent_at: int) -> None:
        """Take one delivery in: `received_at` in epoch milliseconds by our clock, `sent_at` in seconds by theirs."""
        sample = received_at - (sent_at * 1000 + 500)
        if len(self._in_order) == KEPT:
            del self._sorted[bisect_left(self._sorted, self._in_order.popleft())]
        self._in_order.append(sample)
        insort(self._sorted, sample)

    @property
    def milliseconds(self) -> int:
        """What to add to the source's times to have them by our clock; 0 where it cannot be told, or is small."""
        if len(self._sorted) < NEEDED:
            return 0
        median = self._sorted[len(self._sorted) // 2]
        return median if abs(median) > TOLERATED_MS else 0
