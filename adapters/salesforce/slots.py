"""Calls under way at the same time, up to a number that may change while they are."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Slots:
    """At most `capacity()` inside at once, the others in the order in which they came.

    A capacity that has shrunk lets nobody in until enough have left.
    """

    def __init__(self, capacity: Callable[[], int]) -> None:
        self._capacity = capacity
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Wait for a slot and hold it while the block runs."""
        if self._waiting or self._taken >= self._capacity():
            await self._turn()
        else:
            self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
            self._let_in()

    async def _turn(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it had just been let in
                self._taken -= 1
            self._let_in()
            raise

    def _let_in(self) -> None:
        while self._waiting and self._taken < self._capacity():
            turn = self._waiting.popleft()
            if not turn.done():  # who was cancelled waits no longer
                self._taken += 1
                turn.set_result(None)
