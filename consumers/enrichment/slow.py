"""Keeps how long look-ups took, and which took longer than they should, apart from whoever waits for them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

from schemas.slow_lookup import TARGET_MS, LookupsHeard, SlowLookup
from schemas.unavailable import Unavailable

NOT_LOOKED: Final = frozenset({"accepted", "left_out"})
"""Nobody was looked up: the store was away, or the person is not to be."""
MOST: Final = 1_000
EVERY_SECONDS: Final = 5.0


class SlowLog(Protocol):
    """Where they are kept."""

    async def add(self, found: Sequence[SlowLookup], heard: LookupsHeard) -> None:
        """Keep these, and how many there were in all.

        Raises:
            Unavailable: the store does not answer.
        """


class SlowLookups:
    """Of one process. At most `MOST` wait to be kept; how many more there were is told, and metrics count all."""

    def __init__(
        self,
        log: SlowLog,
        *,
        now: Callable[[], int],
        notice: Callable[..., Any],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`now` is the wall clock, epoch milliseconds."""
        self._log = log
        self._now = now
        self._notice = notice
        self._sleep = sleep
        self._waiting: list[SlowLookup] = []
        self._lost = 0
        self._number = 0
        self._milliseconds = 0

    def hear(self, end: str, seconds: float) -> None:
        """How one ended, and how long it took."""
        if end in NOT_LOOKED:
            return
        self._number += 1
        self._milliseconds += round(seconds * 1000)
        if seconds * 1000 <= TARGET_MS:
            return
        if len(self._waiting) >= MOST:
            self._lost += 1
            return
        self._waiting.append(SlowLookup(self._now(), end, round(seconds * 1000)))

    async def keep(self) -> None:
        """Until cancelled. Whoever ends it puts away what waits then."""
        while True:
            await self._sleep(EVERY_SECONDS)
            await self.put_away()

    async def put_away(self) -> None:
        """Keep what waits. Where the store is away it is lost, and that is told: the metrics have counted it."""
        found, self._waiting = self._waiting, []
        lost, self._lost = self._lost, 0
        heard = LookupsHeard(self._now(), self._number, self._milliseconds)
        self._number = self._milliseconds = 0
        if lost:
            self._notice("slow_lookups_not_kept", count=lost, reason="too many at once")
        if not heard.number:
            return
        try:
            await self._log.add(found, heard)
        except Unavailable as error:
            self._notice("slow_lookups_not_kept", count=len(found), of=heard.number, reason=str(error))
