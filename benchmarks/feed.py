"""Records that come from nowhere: as many as are asked for, made when they are taken, so that they cost no memory."""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from benchmarks.events import customer_event
from schemas import cloudevents, topics
from schemas.log_record import Record

PARTITIONS = 6


class EventFeed:
    """A `RecordStream` of platform events over some customers, one after the other; without end it never is empty."""

    def __init__(self, events: int, *, customers: int, at_once: int = 0) -> None:
        """`at_once` customers have all their edits before the next have theirs; 0: all of them."""
        self._left = range(events)
        self._customers = customers
        self._at_once = at_once or customers
        self._edits = -(-events // customers)
        self._offsets = [itertools.count() for _ in range(PARTITIONS)]

    def take(self, most: int) -> list[Record]:
        """The next of them."""
        numbers, self._left = self._left[:most], self._left[most:]
        return [self._record(self._turn(number)) for number in numbers]

    def _turn(self, number: int) -> int:
        """Which edit of which customer it is that comes as this one."""
        block, within = divmod(number, self._at_once * self._edits)
        edit, customer = divmod(within, self._at_once)
        return edit * self._customers + block * self._at_once + customer

    def _record(self, number: int) -> Record:
        now = time.time_ns() // 1_000_000
        id_, body = customer_event(number, self._customers)
        headers = {
            cloudevents.ID: f"msg_{number:024d}",
            cloudevents.RECEIVED_AT: str(now),
            cloudevents.CLOCK_OFFSET: "0",
        }
        partition = number % self._customers % PARTITIONS
        key = topics.document_key("customer", id_)
        return Record(topics.PLATFORM_EVENTS, partition, next(self._offsets[partition]), key, body, headers, now)

    async def fetch(self, max_records: int, timeout: float) -> Sequence[Record]:
        """As the port."""
        await asyncio.sleep(0 if self._left else timeout)
        return self.take(min(max_records, 500))

    def pause(self) -> None:
        """As the port."""

    def resume(self) -> None:
        """As the port."""

    async def commit(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """As the port."""


class Feed:
    """Doorbells that are rung and taken in one process: a `RecordStream` and `Doorbells` at once."""

    def __init__(self, first: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """`first` are taken before any that is rung."""
        self._first = iter(first)
        self._rung: deque[tuple[bytes, bytes]] = deque()
        self._offsets = itertools.count()
        self._came = asyncio.Event()

    def __len__(self) -> int:
        return len(self._rung)

    async def ring(self, bells: Sequence[tuple[bytes, bytes]]) -> None:
        """As the port of doorbells."""
        self._rung.extend(bells)
        self._came.set()

    async def fetch(self, max_records: int, timeout: float) -> Sequence[Record]:
        """As the port of streams."""
        taken = list(itertools.islice(self._first, max_records))
        if not taken and not self._rung:
            self._came.clear()
            try:
                await asyncio.wait_for(self._came.wait(), timeout)
            except TimeoutError:
                return []
        taken += [self._rung.popleft() for _ in range(min(max_records - len(taken), len(self._rung)))]
        now = time.time_ns() // 1_000_000
        return [Record(topics.SALESFORCE_WRITES, 0, next(self._offsets), key, value, {}, now) for key, value in taken]

    def pause(self) -> None:
        """As the port."""

    def resume(self) -> None:
        """As the port."""

    async def commit(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """As the port."""


class Kept:
    """Doorbells that nobody answers by itself."""

    def __init__(self) -> None:
        self.bells: list[tuple[bytes, bytes]] = []

    async def ring(self, bells: Sequence[tuple[bytes, bytes]]) -> None:
        """As the port."""
        self.bells.extend(bells)
