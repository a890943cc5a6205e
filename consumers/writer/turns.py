"""Whose turn it is to write children of a parent: no two calls of ours touch one Account or Campaign at once."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from consumers.ports import Reservations
from consumers.rules.parents import HotParents
from schemas.unavailable import Unavailable

HELD_SECONDS: Final = 6.0
"""For how long a parent is held at a time: a process that was killed in a call is in nobody's way after it."""
RENEW_SECONDS: Final = 2.0
"""How often a call that is still under way holds its parents anew; two may fail before somebody else has them."""
LOOK_AGAIN_SECONDS: Final = 0.05
PATIENCE_SECONDS: Final = 5.0
"""How long rows wait for their turn in hand; then they are looked at again later, and others have theirs."""


class Turns:
    """Of one writer. Without `reservations` it is everybody's turn: there is no other writer."""

    def __init__(
        self,
        reservations: Reservations | None,
        *,
        now: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._reservations = reservations
        self._now = now
        self._sleep = sleep
        self._hot = HotParents()

    @asynccontextmanager
    async def at(self, parents: Collection[str]) -> AsyncIterator[frozenset[str]]:
        """Those of the parents that nobody else is at while the block runs."""
        if self._reservations is None or not parents:
            yield frozenset(parents)
            return
        holder, keys = uuid.uuid4().hex, sorted(parents)
        try:
            held = await self._reservations.reserve(holder, keys, HELD_SECONDS)
            async with _kept(self._reservations, holder, sorted(held)):
                yield frozenset(held)
        finally:
            await self._reservations.release(holder, keys)

    def hot(self) -> frozenset[str]:
        """Parents whose rows go in smaller calls now."""
        return self._hot.are(self._now())

    def heat(self, parents: Iterable[str]) -> None:
        """A row that names these could not be locked."""
        self._hot.heat(parents, now=self._now())

    async def patience(self) -> AsyncIterator[None]:
        """A moment's wait at a time, for as long as rows should wait for their turn."""
        waited = 0.0
        while waited < PATIENCE_SECONDS:
            await self._sleep(LOOK_AGAIN_SECONDS)
            waited += LOOK_AGAIN_SECONDS
            yield


@asynccontextmanager
async def _kept(reservations: Reservations, holder: str, keys: Sequence[str]) -> AsyncIterator[None]:
    """Hold these anew while the block runs: a call may take minutes where Salesforce is slow.

    A renewal that is under way at the end is waited for: it would make again what is released after it.
    """
    over = asyncio.Event()

    async def renew() -> None:
        while not await _happens(over, RENEW_SECONDS):
            with contextlib.suppress(Unavailable):  # what runs out meanwhile costs a row that is refused and sent again
                await reservations.reserve(holder, keys, HELD_SECONDS)

    renewing = asyncio.create_task(renew())
    try:
        yield
    finally:
        over.set()
        await renewing


async def _happens(event: asyncio.Event, seconds: float) -> bool:
    """Whether it happens within so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
