"""One key queue: records wait in order, a batch is in hand at a time."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from consumers.runner.backoff import Backoff
from consumers.runner.ports import Handler, Partition, Record, Unavailable
from consumers.runner.waiting import Key, Waiting, Work, ready_at
from schemas.outcome import Result


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
    """What all lanes share. `linger` says how many seconds a lane may wait for a fuller batch.

    Where `backlog` rows wait in a lane, so many are one batch; 0: never. `coalesce` makes all records of a key one row,
    and `fill` is how many seconds more are waited where a batch fills in that time (`ready_at`).
    """

    handler: Handler
    batch_size: int
    backlog: int
    backoff: Backoff
    linger: Callable[[], float]
    fill: float
    coalesce: bool
    on_results: Callable[[str, Sequence[Record], Sequence[Result]], None]
    on_unavailable: Callable[[str, Unavailable, float], None]
    moved: Pulse


class Lane:
    """Handles what is put into it in order, as long as `run` runs."""

    def __init__(self, parts: LaneParts) -> None:
        self._parts = parts
        self._waiting = Waiting(coalesce=parts.coalesce)
        self._in_hand: list[Work] = []
        self._keys_in_hand: frozenset[Key] = frozenset()
        self._changed = asyncio.Event()
        self._draining = False

    def __len__(self) -> int:
        return self._waiting.records + len(self._in_hand)

    @property
    def rows(self) -> int:
        """Rows that wait."""
        return len(self._waiting)

    @property
    def busy(self) -> bool:
        """True while a batch is in hand."""
        return bool(self._in_hand)

    def has(self, record: Record) -> bool:
        """Whether another record of the same row waits here or is in hand."""
        key = self._waiting.key(record)
        return key in self._keys_in_hand or self._waiting.has(key)

    def put(self, work: Work) -> None:
        """Queue a record."""
        self._waiting.put(work, asyncio.get_running_loop().time())
        self._changed.set()

    def drop_closed(self) -> None:
        """Forget what is not begun of partitions that are being given away."""
        self._waiting.drop_closed()
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
            self._in_hand = self._waiting.take(self._next_batch())
            if self._parts.coalesce:
                self._keys_in_hand = frozenset(self._waiting.key(work.record) for work in self._in_hand)
            try:
                await self._handle()
            finally:
                self._in_hand, self._keys_in_hand = [], frozenset()
                self._parts.moved.beat()

    def _next_batch(self) -> int:
        backlog = self._parts.backlog
        return backlog if 0 < backlog <= len(self._waiting) else self._parts.batch_size

    async def _gather(self) -> bool:
        """Wait for records, and for more of them while that is allowed. False once drained."""
        while True:
            while not self._waiting:
                if self._draining:
                    return False
                await self._change()
            while self._waiting and not self._draining:
                ready = self._ready_at()
                if asyncio.get_running_loop().time() >= ready:
                    break
                with contextlib.suppress(TimeoutError):  # waited long enough, as it seemed
                    async with asyncio.timeout_at(ready):
                        await self._change()
            if self._waiting:
                return True

    def _ready_at(self) -> float:
        parts, waiting = self._parts, self._waiting
        return ready_at(
            waiting.since,
            len(waiting),
            most=parts.batch_size,
            linger=parts.linger(),
            fill=parts.fill,
            hold=parts.coalesce,
        )

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
            ended = [
                (work.record, result)
                for work, result in zip(self._in_hand, results, strict=True)
                if work.record.topic == topic
            ]
            self._parts.on_results(topic, [record for record, _ in ended], [result for _, result in ended])

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
