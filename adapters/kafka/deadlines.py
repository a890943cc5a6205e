"""One timer for many waits of the same length: a timer for each record would cost as much as sending it."""

import asyncio
from collections import deque


class Deadlines:
    """Ends futures with `TimeoutError` that are not done in time. All wait equally long, so they end in turn."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: deque[tuple[float, asyncio.Future[object]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, future: "asyncio.Future[object]") -> None:
        """Count from now."""
        waiting = self._waiting
        while waiting and waiting[0][1].done():
            waiting.popleft()
        loop = future.get_loop()
        waiting.append((loop.time() + self._seconds, future))
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._ring, loop)

    def close(self) -> None:
        """Watch no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._waiting.clear()

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        while self._waiting and (self._waiting[0][0] <= now or self._waiting[0][1].done()):
            _, future = self._waiting.popleft()
            if not future.done():
                future.set_exception(TimeoutError())
        if self._waiting:
            self._timer = loop.call_at(self._waiting[0][0], self._ring, loop)
