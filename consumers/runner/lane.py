"""One key queue: records wait in order, a batch is in hand at a time."""

import asyncio
import contextlib
import random
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from consumers.runner.backoff import Backoff
from consumers.runner.offsets import Ledger
from consumers.runner.ports import Handler, Partition, Record, Unavailable
from schemas.outcome import Result


@dataclass(frozen=True, slots=True)
class Work:
    """A record taken, and the ledger of the assignment under which it was taken."""

    record: Record
    ledger: Ledger

    @property
    def partition(self) -> Partition:
        """Where the record came from."""
        return self.record.topic, self.record.partition


class Pulse:
    """Wakes everybody who waits for something to have moved."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def beat(self) -> None:
        """Something moved."""
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self) -> None:
        """Return at the next beat."""
        await self._event.wait()


@dataclass(frozen=True, slots=True)
class LaneParts:
    """What all lanes share. `linger` says how many seconds a lane may wait for a fuller batch."""

    handler: Handler
    batch_size: int
    backoff: Backoff
    linger: Callable[[], float]
    on_results: Callable[[str, Sequence[Result]], None]
    on_unavailable: Callable[[str, Unavailable, float], None]
    moved: Pulse


class Lane:
    """Handles what is put into it in order, as long as `run` runs."""

    def __init__(self, parts: LaneParts) -> None:
        self._parts = parts
        self._waiting: deque[Work] = deque()
        self._since = 0.0
        """The event loop's time when the oldest of those waiting came."""
        self._in_hand: list[Work] = []
        self._changed = asyncio.Event()
        self._draining = False

    def __len__(self) -> int:
        return len(self._waiting) + len(self._in_hand)

    def put(self, work: Work) -> None:
        """Queue a record."""
        if not self._waiting:
            self._since = asyncio.get_running_loop().time()
        self._waiting.append(work)
        self._changed.set()

    def drop_closed(self) -> None:
        """Forget what is not begun of partitions that are being given away."""
        self._waiting = deque(work for work in self._waiting if work.ledger.open)
        self._changed.set()
        self._parts.moved.beat()

    def holds(self, partitions: Collection[Partition]) -> bool:
        """True while a batch with records of these partitions is in hand."""
        return any(work.partition in partitions for work in self._in_hand)

    def drain(self) -> None:
        """Finish what is queued and end: no lingering, no second try where an outside part is away."""
        self._draining = True
        self._changed.set()

    async def run(self) -> None:
        """Handle batches until drained. What the handler raises, other than `Unavailable`, ends it."""
        while await self._gather():
            self._in_hand = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._parts.batch_size))]
            self._since = asyncio.get_running_loop().time()
            try:
                await self._handle()
            finally:
                self._in_hand = []
                self._parts.moved.beat()

    async def _gather(self) -> bool:
        """Wait for records, and for more of them while that is allowed. False once drained."""
        while True:
            while not self._waiting:
                if self._draining:
                    return False
                await self._change()
            with contextlib.suppress(TimeoutError):  # lingered long enough
                async with asyncio.timeout_at(self._since + self._parts.linger()):
                    while self._waiting and len(self._waiting) < self._parts.batch_size and not self._draining:
                        await self._change()
            if self._waiting:
                return True

    async def _handle(self) -> None:
        """Give the batch in hand to the handler until it is through, or nothing of it is ours any more."""
        failures = 0
        while self._in_hand:
            records = [work.record for work in self._in_hand]
            try:
                results = await self._parts.handler.handle(records)
            except Unavailable as away:
                if self._draining:
                    return
                failures += 1
                await self._wait_to_try_again(failures, away)
            else:
                self._finish(results)
                return

    async def _wait_to_try_again(self, failures: int, away: Unavailable) -> None:
        """The partitions that are given away meanwhile are let go at once: nothing of them is being done."""
        seconds = self._parts.backoff.seconds(failures, random.random())  # noqa: S311 - spread, not secrecy
        self._parts.on_unavailable("handler", away, seconds)
        try:
            async with asyncio.timeout(seconds):
                while self._let_go() and not self._draining:
                    await self._change()
        except TimeoutError:
            self._let_go()
        if self._draining:
            self._in_hand = []

    def _let_go(self) -> bool:
        """Keep in hand what is still ours; false if nothing is."""
        kept = [work for work in self._in_hand if work.ledger.open]
        if len(kept) < len(self._in_hand):
            self._in_hand = kept
            self._parts.moved.beat()
        return bool(kept)

    def _finish(self, results: Sequence[Result]) -> None:
        if len(results) != len(self._in_hand):
            raise ValueError(f"the handler gave {len(results)} results for {len(self._in_hand)} records")
        for work in self._in_hand:
            work.ledger.finish(work.record.offset)
        topics = Counter(work.record.topic for work in self._in_hand)
        for topic in topics:
            told = [result for work, result in zip(self._in_hand, results, strict=True) if work.record.topic == topic]
            self._parts.on_results(topic, told)

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
