"""A process tells that it lives: every few seconds, one row, for as long as MongoDB is open to it."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

from schemas.process import OrgSeen, SignOfLife, StreamSeen
from schemas.unavailable import Unavailable

TELL_SECONDS: Final = 10.0
END_SECONDS: Final = 2.0
"""How long a process that ends waits to have that noted."""


class Lives(Protocol):
    """Where signs of life are kept. Each method raises `Unavailable` while it does not answer."""

    async def tell(self, sign: SignOfLife) -> None:
        """This process lives."""

    async def stopped(self, process: str) -> None:
        """It has ended as it was told to."""


class Life:
    """One process's. Of several stages that have a store open one tells, and when its store closes the next one."""

    def __init__(self, name: str = "") -> None:
        """`name` is the command; `_process` adds where the process answers, which its successor has again."""
        self.name = name
        self.process = f"{socket.gethostname()}:{name}:{os.getpid()}"
        self.away: Mapping[str, str] = {}
        """What `/ready` said last."""
        self.failures: Callable[[], tuple[int, float]] | None = None
        """As `SalesforceMetrics.failures_in_a_row`; None where nothing is asked of Salesforce."""
        self.refusals: list[Callable[[], str]] = []
        self.stream: Callable[[], StreamSeen] | None = None
        self._open = 0
        self._failed = False
        self._turn = asyncio.Lock()

    def answers_at(self, port: int) -> None:
        """The ops port: whoever is started in this one's place on this machine has the same."""
        self.process = f"{socket.gethostname()}:{self.name}:{port}"

    def sign(self, up: set[str]) -> SignOfLife:
        """As things are now."""
        refused = next((code for each in self.refusals if (code := each())), "")
        failures, ago = (0, 0.0) if self.failures is None else self.failures()
        org = None if self.failures is None else OrgSeen(failures, round(ago * 1000), refused)
        stream = None if self.stream is None else self.stream()
        return SignOfLife(self.process, self.name, sorted(up), dict(self.away), org, stream)

    @asynccontextmanager
    async def seen(self, lives: Lives, up: set[str], stop: asyncio.Event, log: Any) -> AsyncIterator[None]:
        """Told of while the block runs. The last block of a process that stops in order says that it has ended."""
        self._open += 1
        telling = asyncio.create_task(self._follow(lives, up, log))
        try:
            yield
        except Exception:
            self._failed = True
            raise
        finally:
            self._open -= 1
            while not telling.done():
                telling.cancel()  # and again: `asyncio.wait_for` may swallow one before Python 3.12
                await asyncio.wait([telling], timeout=END_SECONDS)
            if not self._open and stop.is_set() and not self._failed:
                await self._end(lives, log)

    async def _follow(self, lives: Lives, up: set[str], log: Any) -> None:
        async with self._turn:
            told = True
            while True:
                try:
                    await lives.tell(self.sign(up))
                    told = True
                except Unavailable as error:
                    if told:
                        log.warning("unavailable", what="sign_of_life", reason=str(error))
                    told = False
                await asyncio.sleep(TELL_SECONDS if up else TELL_SECONDS / 10)

    async def _end(self, lives: Lives, log: Any) -> None:
        try:
            async with asyncio.timeout(END_SECONDS):
                await lives.stopped(self.process)
        except (Unavailable, TimeoutError) as error:
            log.warning("unavailable", what="sign_of_life", reason=str(error) or "no answer in time")
