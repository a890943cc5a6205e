"""Posts what is due to the platform's URL: several at once, of one document one after the other."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final, assert_never

from consumers.deliver.ports import Deliveries, Endpoints, Poster
from consumers.rules.deliveries import Again, Delivered, DeliveryPolicy, GivenUp, Unwanted
from schemas.delivery import Answer, Delivery, Endpoint
from schemas.unavailable import Unavailable

HELD_SECONDS: Final = 10.0
"""A delivery is in the hands of one process so long; one that was killed with it is no hindrance after that."""
RENEW_SECONDS: Final = 3.0
"""How often what is still being posted is held anew; two may fail before somebody else posts it too."""
GATHER_SECONDS: Final = 0.05
"""The least between two looks: one costs MongoDB as much for one free place as for all that become free meanwhile."""
UNWANTED: Final = "the platform answered 410: it wants nothing more"
FAILED_LONG: Final = "it has taken nothing for too long"


class Courier:
    """Any number may run. `now` gives epoch milliseconds; `told` hears how each post ended."""

    def __init__(
        self,
        *,
        deliveries: Deliveries,
        endpoints: Endpoints,
        poster: Poster,
        now: Callable[[], int],
        policy: DeliveryPolicy,
        at_once: int = 16,
        look_seconds: float = 1.0,
        renew_seconds: float = RENEW_SECONDS,
        told: Callable[[str], None] = lambda _outcome: None,
        on_disabled: Callable[[str], None] = lambda _reason: None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._deliveries = deliveries
        self._endpoints = endpoints
        self._poster = poster
        self._now = now
        self._policy = policy
        self._at_once = at_once
        self._look_seconds = look_seconds
        self._renew_seconds = renew_seconds
        self._in_hand: set[str] = set()
        self._told = told
        self._on_disabled = on_disabled
        self._chance = chance

    async def work(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; what is being posted then is finished.

        Raises:
            Unavailable: MongoDB did not answer. Call it again: what was taken comes back when it is let go.
        """
        async with self._held_anew():
            await self._work(stop)

    async def once(self) -> int:
        """Post what is due now, one of each document, and wait until it has ended; how many."""
        async with self._held_anew():
            posts = await self._next(self._at_once)
            await asyncio.gather(*posts)
            return len(posts)

    async def _work(self, stop: asyncio.Event) -> None:
        stopping = asyncio.create_task(stop.wait())
        posting: set[asyncio.Task[None]] = set()
        try:
            while not stop.is_set():
                due = await self._next(self._at_once - len(posting))
                posting |= {asyncio.create_task(one) for one in due}
                full = len(posting) >= self._at_once
                done, _ = await asyncio.wait(
                    {stopping, *posting},
                    timeout=None if full else self._look_seconds,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                posting -= done
                for task in done - {stopping}:
                    task.result()
                await asyncio.wait({stopping}, timeout=GATHER_SECONDS)
            if posting:
                await asyncio.gather(*posting)
        finally:
            for task in (stopping, *posting):
                task.cancel()
            await asyncio.gather(stopping, *posting, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def _held_anew(self) -> AsyncIterator[None]:
        """Hold what is being posted anew while the block runs: the platform may take long to answer."""

        async def renew() -> None:
            while True:
                await asyncio.sleep(self._renew_seconds)
                with contextlib.suppress(Unavailable):  # what runs out meanwhile is posted twice, under the same id
                    await self._deliveries.hold(sorted(self._in_hand), HELD_SECONDS)

        renewing = asyncio.create_task(renew())
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    async def _next(self, free: int) -> list[Coroutine[Any, Any, None]]:
        if free <= 0:
            return []
        endpoint = await self._endpoints.current()
        if endpoint is None or not endpoint.enabled:
            return []
        due = await self._deliveries.take(self._now(), free, HELD_SECONDS)
        return [self._in_our_hand(each, endpoint) for each in due]

    async def _in_our_hand(self, delivery: Delivery, endpoint: Endpoint) -> None:
        self._in_hand.add(delivery.id)
        try:
            await self._post(delivery, endpoint)
        finally:
            self._in_hand.discard(delivery.id)

    async def _post(self, delivery: Delivery, endpoint: Endpoint) -> None:
        answer = await self._poster.post(endpoint.url, delivery.id, delivery.body, delivery.traceparent)
        now = self._now()
        ending = self._policy.after(answer, delivery.tries, now=now, chance=self._chance())
        match ending:
            case Delivered():
                await self._deliveries.delivered(delivery, answer, now)
                if endpoint.failing_since is not None:
                    await self._endpoints.took()
                self._told("delivered")
            case Again(at):
                await self._deliveries.again(delivery, answer, at, now)
                await self._failed(now)
                self._told("again")
            case GivenUp():
                await self._deliveries.given_up(delivery, answer, now)
                await self._failed(now)
                self._told("given_up")
            case Unwanted():
                await self._unwanted(delivery, answer, now)
                self._told("unwanted")
            case _:
                assert_never(ending)

    async def _unwanted(self, delivery: Delivery, answer: Answer, now: int) -> None:
        await self._deliveries.release(delivery, answer, now)
        await self._endpoints.disable(UNWANTED, now)
        self._on_disabled(UNWANTED)

    async def _failed(self, now: int) -> None:
        endpoint = await self._endpoints.failed(now)
        if endpoint is not None and endpoint.enabled and self._policy.leaves_alone(endpoint.failing_since, now=now):
            await self._endpoints.disable(FAILED_LONG, now)
            self._on_disabled(FAILED_LONG)
