"""Posts what is due to the platform's URL: several at once, of one document one after the other."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from typing import Any, Final, assert_never

from consumers.deliver.ports import Deliveries, Endpoints, Poster
from consumers.ports import ErasedList
from consumers.rules.deliveries import Again, Delivered, DeliveryPolicy, GivenUp, Unwanted
from schemas.delivery import Answer, Delivery, Endpoint
from schemas.erasure import thing_name
from schemas.unavailable import Unavailable

HELD_SECONDS: Final = 10.0
"""A delivery is in the hands of one process so long; one that was killed with it is no hindrance after that."""
RENEW_SECONDS: Final = 3.0
"""How often what is still being posted is held anew; two may fail before somebody else posts it too."""
GATHER_SECONDS: Final = 0.02
"""So long at most is one end waited with for others: MongoDB has as much work with one as with all of them, and with a
look for one free place as with a look for many."""
UNWANTED: Final = "the platform answered 410: it wants nothing more"
FAILED_LONG: Final = "it has taken nothing for too long"

Taken = tuple[Delivery, Answer]
Post = Coroutine[Any, Any, Taken | None]
"""Gives what the platform has taken; every other end is kept by itself."""


def _untold(*_: object) -> None:
    """Nobody listens."""


class Courier:
    """Any number may run. `now` gives epoch milliseconds; `told` hears how each post ended: `delivered`, `again`,
    `given_up` or `unwanted`, of which delivery, and what was answered."""

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
        told: Callable[[str, Delivery, Answer], None] = _untold,
        on_disabled: Callable[[str], None] = lambda _reason: None,
        chance: Callable[[], float] = random.random,
        erased: ErasedList | None = None,
    ) -> None:
        """Without `erased` nobody can be erased."""
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
        self._erased = erased

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
            posts = [asyncio.create_task(each) for each in await self._next(self._at_once)]
            if posts:
                await self._ended((await asyncio.wait(posts))[0])
            return len(posts)

    async def _work(self, stop: asyncio.Event) -> None:
        stopping = asyncio.create_task(stop.wait())
        posting: set[asyncio.Task[Taken | None]] = set()
        try:
            while not stop.is_set():
                due = await self._next(self._at_once - len(posting))
                posting |= {asyncio.create_task(one) for one in due}
                full = len(posting) >= self._at_once
                await asyncio.wait(
                    {stopping, *posting},
                    timeout=None if full else self._look_seconds,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if posting:
                    done, posting = await asyncio.wait(posting, timeout=GATHER_SECONDS)
                    await self._ended(done)
            if posting:
                done, posting = await asyncio.wait(posting)
                await self._ended(done)
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
            self._in_hand.clear()

    async def _next(self, free: int) -> list[Post]:
        if free <= 0:
            return []
        endpoint = await self._endpoints.current()
        if endpoint is None or not endpoint.enabled:
            return []
        due = await self._without_erased(await self._deliveries.take(self._now(), free, HELD_SECONDS))
        self._in_hand.update(each.id for each in due)
        return [self._post(each, endpoint) for each in due]

    async def _without_erased(self, due: Sequence[Delivery]) -> Sequence[Delivery]:
        """Of people who were erased since it was kept nothing is posted any more, and it goes."""
        if self._erased is None or not due:
            return due
        named = {each.id: thing_name(each.kind, each.document_id) for each in due}
        erased = await self._erased.among(sorted(set(named.values())))
        if gone := [each for each, name in named.items() if name in erased]:
            await self._deliveries.forget(gone)
        return [each for each in due if named[each.id] not in erased]

    async def _ended(self, posts: Collection["asyncio.Task[Taken | None]"]) -> None:
        failed = [post for post in posts if post.exception() is not None]
        taken = [post.result() for post in posts if post not in failed]
        await self._delivered([each for each in taken if each is not None])
        for post in failed:
            post.result()

    async def _delivered(self, taken: Sequence[Taken]) -> None:
        if not taken:
            return
        await self._deliveries.delivered(taken, self._now())
        for delivery, answer in taken:
            self._in_hand.discard(delivery.id)
            self._told("delivered", delivery, answer)

    async def _post(self, delivery: Delivery, endpoint: Endpoint) -> Taken | None:
        answer = await self._poster.post(endpoint.url, delivery.id, delivery.body, delivery.traceparent)
        ending = self._policy.after(answer, delivery.tries, now=self._now(), chance=self._chance())
        if isinstance(ending, Delivered):
            if endpoint.failing_since is not None:
                await self._endpoints.took()
            return delivery, answer
        await self._not_taken(delivery, answer, ending)
        self._in_hand.discard(delivery.id)
        return None

    async def _not_taken(self, delivery: Delivery, answer: Answer, ending: Again | GivenUp | Unwanted) -> None:
        now = self._now()
        match ending:
            case Again(at):
                await self._deliveries.again(delivery, answer, at, now)
                await self._failed(now)
                self._told("again", delivery, answer)
            case GivenUp():
                await self._deliveries.given_up(delivery, answer, now)
                await self._failed(now)
                self._told("given_up", delivery, answer)
            case Unwanted():
                await self._unwanted(delivery, answer, now)
                self._told("unwanted", delivery, answer)
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
