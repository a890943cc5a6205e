"""Waits at the start of a process for a part that is away, as Kafka while it is restarted; so long and no longer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import Final, TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_before_delay,
    wait_exponential,
    wait_random,
)

from ops.processes.frame import Frame, StoppedEarly
from schemas.unavailable import Unavailable

Answer = TypeVar("Answer")

FIRST_SECONDS: Final = 0.2
LONGEST_SECONDS: Final = 2.0
"""Between two tries: a part that is back is noticed within so long, and who waits is not yet missed by anybody."""


@asynccontextmanager
async def when_there(
    what: str, open_it: Callable[[], AbstractAsyncContextManager[Answer]], frame: Frame
) -> AsyncIterator[Answer]:
    """What `open_it` opens, for as long as the block runs. While the part is away it is waited for, as by `arrived`."""
    async with AsyncExitStack() as stack:
        yield await arrived(what, lambda: stack.enter_async_context(open_it()), frame)


async def arrived(what: str, ask: Callable[[], Awaitable[Answer]], frame: Frame) -> Answer:
    """What `ask` gives, asked again and again while it finds the part away, for `frame.start_seconds`.

    A process that ended at once would be started again after ever longer waits, and with it would come back late what
    Kafka or MongoDB are long ready for. `what` is the part's name for the log.

    Raises:
        Unavailable: it does not answer by then.
        StoppedEarly: the process was told to stop meanwhile.
        Exception: whatever else `ask` raises, at once.
    """

    def tell(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        seconds = state.next_action.sleep if state.next_action else 0.0
        frame.log.warning("unavailable", what=what, reason=str(error), wait_seconds=round(seconds, 2))

    async def sleep(seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await frame.stop.wait()

    tries = AsyncRetrying(
        retry=retry_if_exception_type(Unavailable),
        wait=wait_exponential(multiplier=FIRST_SECONDS, max=LONGEST_SECONDS) + wait_random(0, FIRST_SECONDS),
        stop=stop_before_delay(frame.start_seconds),
        before_sleep=tell,
        sleep=sleep,
        reraise=True,
    )

    async def unless_stopped() -> Answer:
        if frame.stop.is_set():
            raise StoppedEarly(what)
        return await ask()

    return await tries(unless_stopped)
