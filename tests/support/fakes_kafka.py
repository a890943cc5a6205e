"""A log in memory that behaves as Kafka does through `adapters.kafka`: held to it by one suite of tests for both."""

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Protocol

from schemas import cloudevents
from schemas.cloudevents import Headers
from schemas.log_record import Record
from schemas.unavailable import Unavailable

Partition = tuple[str, int]


class Gap(Exception):
    """A partition goes on at a record that is gone."""


class Listener(Protocol):
    """Who is told of partitions that go and come."""

    async def on_revoked(self, partitions: Collection[Partition]) -> None: ...
    async def on_assigned(self, partitions: Collection[Partition]) -> None: ...


class FakeLog:
    """Topics, partitions, groups. `away` makes every call fail as if no broker answered."""

    def __init__(self) -> None:
        self.away = False
        self._records: dict[Partition, list[Record]] = {}
        self._first: dict[Partition, int] = {}
        self._committed: dict[tuple[str, Partition], int] = {}
        self._members: dict[str, list[FakeRecords]] = {}
        self._grown = asyncio.Event()

    def make_topic(self, name: str, partitions: int = 1) -> None:
        """A new topic."""
        for number in range(partitions):
            self._records[name, number] = []
            self._first[name, number] = 0

    def drop_before(self, partition: Partition, offset: int) -> None:
        """As retention does: the records before `offset` are gone."""
        self._first[partition] = offset

    def records(self, topic: str) -> list[Record]:
        """Everything in the topic, partition after partition."""
        return [record for (name, _), records in sorted(self._records.items()) if name == topic for record in records]

    def partition_of(self, topic: str, key: bytes) -> Partition:
        """Always the same for a key."""
        return topic, zlib.crc32(key) % sum(name == topic for name, _ in self._records)

    async def deliver(self, topic: str, key: bytes, value: bytes, headers: Headers) -> None:
        """As `adapters.kafka.producer.Producer.deliver`."""
        await self.deliver_all(topic, [(key, value, headers)])

    async def deliver_all(self, topic: str, entries: Sequence[tuple[bytes, bytes, Headers]]) -> None:
        """As `adapters.kafka.producer.Producer.deliver_all`."""
        await self.ping()
        for key, value, headers in entries:
            at = self.partition_of(topic, key)
            offset = len(self._records[at])
            raw = tuple(headers)
            self._records[at].append(Record(*at, offset, key, value, cloudevents.read(raw), 0, raw))
        self._grown.set()
        self._grown = asyncio.Event()

    async def ping(self) -> None:
        """As `adapters.kafka.producer.Producer.ping`."""
        await asyncio.sleep(0)
        if self.away:
            raise Unavailable("away")

    @contextlib.asynccontextmanager
    async def open_consumer(
        self, group: str, topics: Sequence[str], listener: Listener
    ) -> AsyncIterator["FakeRecords"]:
        """As `adapters.kafka.consumer.open_consumer`."""
        member = FakeRecords(self, group, topics, listener)
        members = self._members.setdefault(group, [])
        members.append(member)
        await self._rebalance(group)
        try:
            yield member
        finally:
            members.remove(member)
            member.owned = []
            await self._rebalance(group)

    async def _rebalance(self, group: str) -> None:
        members = self._members[group]
        for member in members:
            member.settled = False
            if member.owned:
                await member.listener.on_revoked(set(member.owned))
        for number, member in enumerate(members):
            all_of_it = sorted(at for at in self._records if at[0] in member.topics)
            member.owned = all_of_it[number :: len(members)]
            member.position = {at: self._committed.get((group, at), self._first[at]) for at in member.owned}
            await member.listener.on_assigned(set(member.owned))
            member.settled = True

    def take(self, at: Partition, position: int, count: int) -> list[Record]:
        """What a member gets of a partition."""
        if position < self._first[at]:
            raise Gap(f"{at[0]}[{at[1]}] goes on at {position}, but begins at {self._first[at]}")
        return self._records[at][position : position + count]

    def store(self, group: str, offsets: Mapping[Partition, int]) -> None:
        """Keep a group's offsets."""
        self._committed.update({(group, at): offset for at, offset in offsets.items()})

    def lag(self, group: str, at: Partition) -> int:
        """Records that the group has not committed."""
        return len(self._records[at]) - max(self._first[at], self._committed.get((group, at), 0))

    async def growth(self) -> None:
        """Return when something is appended."""
        await self._grown.wait()


class FakeRecords:
    """As `adapters.kafka.consumer.KafkaRecords`."""

    def __init__(self, log: FakeLog, group: str, topics: Sequence[str], listener: Listener) -> None:
        self._log = log
        self._group = group
        self._paused = False
        self.topics = topics
        self.listener = listener
        self.owned: list[Partition] = []
        self.position: dict[Partition, int] = {}
        self.settled = False

    async def fetch(self, max_records: int, timeout: float) -> list[Record]:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not (found := self._take(max_records)):
                    await self._log.growth()
                return found
        return []

    def _take(self, max_records: int) -> list[Record]:
        if self._paused or not self.settled or self._log.away:
            return []
        taken: list[Record] = []
        for at in self.owned:
            records = self._log.take(at, self.position[at], max_records - len(taken))
            self.position[at] += len(records)
            taken += records
        return taken

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        await self._log.ping()
        self._log.store(self._group, {at: offset for at, offset in offsets.items() if at in self.owned})

    async def lag(self) -> dict[Partition, int]:
        await self._log.ping()
        return {at: self._log.lag(self._group, at) for at in self.owned}
