"""One suite for the log in memory and for the real Kafka: a fake that drifts makes fiction of the tests that use it."""

import contextlib
import uuid
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any, Protocol

import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition
from support.fakes_kafka import FakeLog, Gap
from support.servers import TopicFactory

from adapters.kafka.consumer import OffsetOutOfRange, open_consumer
from adapters.kafka.producer import Producer, open_producer
from adapters.kafka.settings import KafkaSettings
from schemas.cloudevents import Headers
from schemas.log_record import Record

pytestmark = pytest.mark.integration

Partition = tuple[str, int]
LIMIT = 60.0


class Log(Protocol):
    """What both offer."""

    async def deliver(self, topic: str, key: bytes, value: bytes, headers: Headers) -> None: ...
    async def deliver_all(self, topic: str, entries: Sequence[tuple[bytes, bytes, Headers]]) -> None: ...
    async def ping(self) -> None: ...
    async def new_topic(self, partitions: int) -> str: ...
    async def drop_before(self, partition: Partition, offset: int) -> None: ...
    def open_consumer(self, group: str, topics: Sequence[str], listener: Any) -> Any: ...


class InMemory(FakeLog):
    """The fake."""

    async def new_topic(self, partitions: int) -> str:
        name = uuid.uuid4().hex
        self.make_topic(name, partitions)
        return name

    async def drop_before(self, partition: Partition, offset: int) -> None:  # type: ignore[override]
        super().drop_before(partition, offset)


class Real:
    """The adapter on the Kafka of this run."""

    def __init__(self, producer: Producer, settings: KafkaSettings, topic: TopicFactory) -> None:
        self._settings = settings
        self._topic = topic
        self.deliver = producer.deliver
        self.deliver_all = producer.deliver_all
        self.ping = producer.ping

    async def new_topic(self, partitions: int) -> str:
        return await self._topic(partitions)

    async def drop_before(self, partition: Partition, offset: int) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._settings.bootstrap_servers)
        await admin.start()
        try:
            await admin.delete_records({TopicPartition(*partition): RecordsToDelete(before_offset=offset)})
        finally:
            await admin.close()

    def open_consumer(self, group: str, topics: Sequence[str], listener: Any) -> Any:
        return open_consumer(self._settings, group, topics, listener)


class Heard:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.told: list[tuple[str, frozenset[Partition]]] = []
        self.owned: set[Partition] = set()

    async def on_revoked(self, partitions: Collection[Partition]) -> None:
        self.told.append(("revoked", frozenset(partitions)))
        self.owned -= set(partitions)

    async def on_assigned(self, partitions: Collection[Partition]) -> None:
        self.told.append(("assigned", frozenset(partitions)))
        self.owned |= set(partitions)


@pytest_asyncio.fixture(params=["memory", "kafka"])
async def log(request: pytest.FixtureRequest, kafka_bootstrap: str, topic: TopicFactory) -> AsyncIterator[Log]:
    """The log in memory, then the real one."""
    if request.param == "memory":
        yield InMemory()
        return
    settings = KafkaSettings(bootstrap_servers=kafka_bootstrap)
    async with open_producer(settings) as producer:
        yield Real(producer, settings, topic)


async def read(stream: Any, count: int) -> list[Record]:
    """So many records, or fail."""
    found: list[Record] = []
    for _ in range(int(LIMIT / 0.5)):
        found += await stream.fetch(count - len(found), 0.5)
        if len(found) == count:
            return found
    raise AssertionError(f"only {len(found)} of {count} records came")


async def test_what_is_acknowledged_is_read_back_whole(log: Log) -> None:
    """Key, value and headers, as they were given; headers also by name."""
    topic = await log.new_topic(1)
    await log.deliver(topic, b"key", b"value", [("ce_id", b"1"), ("traceparent", b"x")])
    async with log.open_consumer(uuid.uuid4().hex, [topic], Heard()) as stream:
        (record,) = await read(stream, 1)
    assert (record.topic, record.partition, record.offset) == (topic, 0, 0)
    assert (record.key, record.value) == (b"key", b"value")
    assert record.headers == {"ce_id": "1", "traceparent": "x"}
    assert list(record.raw_headers) == [("ce_id", b"1"), ("traceparent", b"x")]


async def test_a_key_keeps_its_order(log: Log) -> None:
    """Across partitions and calls of both sorts, the records of one key come in the order of their appending."""
    topic = await log.new_topic(4)
    keys = [f"key-{number}".encode() for number in range(10)]
    for round_ in range(3):
        await log.deliver_all(topic, [(key, f"{round_}-{n}".encode(), []) for n in range(5) for key in keys])
        for key in keys:
            await log.deliver(topic, key, f"{round_}-5".encode(), [])
    async with log.open_consumer(uuid.uuid4().hex, [topic], Heard()) as stream:
        records = await read(stream, 3 * 6 * len(keys))
    for key in keys:
        values = [record.value for record in records if record.key == key]
        assert values == [f"{round_}-{n}".encode() for round_ in range(3) for n in range(6)]
        assert len({record.partition for record in records if record.key == key}) == 1


async def test_no_more_is_fetched_than_asked(log: Log) -> None:
    """The limit holds over all partitions together, and nothing is left out."""
    topic = await log.new_topic(3)
    await log.deliver_all(topic, [(str(n).encode(), b"", []) for n in range(50)])
    async with log.open_consumer(uuid.uuid4().hex, [topic], Heard()) as stream:
        seen: set[bytes] = set()
        for _ in range(40):
            records = await stream.fetch(7, 0.5)
            assert len(records) <= 7
            seen |= {record.key for record in records}
            if len(seen) == 50:
                return
    raise AssertionError(f"only {len(seen)} came")


async def test_a_group_goes_on_where_it_committed(log: Log) -> None:
    """Named offsets: what was read and not committed comes again, what was committed does not."""
    topic = await log.new_topic(1)
    group = uuid.uuid4().hex
    await log.deliver_all(topic, [(b"k", str(n).encode(), []) for n in range(5)])
    async with log.open_consumer(group, [topic], Heard()) as stream:
        await read(stream, 5)
        assert await stream.lag() == {(topic, 0): 5}
        await stream.commit({(topic, 0): 3})
        assert await stream.lag() == {(topic, 0): 2}
    async with log.open_consumer(group, [topic], Heard()) as stream:
        assert [record.offset for record in await read(stream, 2)] == [3, 4]


async def test_paused_nothing_is_fetched_and_nothing_is_lost(log: Log) -> None:
    """A pause ends with `resume`, at the very record at which it began."""
    topic = await log.new_topic(1)
    await log.deliver_all(topic, [(b"k", str(n).encode(), []) for n in range(4)])
    async with log.open_consumer(uuid.uuid4().hex, [topic], Heard()) as stream:
        assert [record.offset for record in await read(stream, 1)] == [0]
        stream.pause()
        assert await stream.fetch(10, 0.3) == []
        await log.deliver(topic, b"k", b"4", [])
        assert await stream.fetch(10, 0.3) == []
        stream.resume()
        assert [record.offset for record in await read(stream, 4)] == [1, 2, 3, 4]


async def test_records_that_are_gone_are_a_gap_and_not_skipped(log: Log) -> None:
    """No automatic offset reset: an offset out of range is reported, again and again, and nothing is read past it."""
    topic = await log.new_topic(1)
    group = uuid.uuid4().hex
    await log.deliver_all(topic, [(b"k", str(n).encode(), []) for n in range(6)])
    async with log.open_consumer(group, [topic], Heard()) as stream:
        await read(stream, 2)
        await stream.commit({(topic, 0): 2})
    await log.drop_before((topic, 0), 5)
    async with log.open_consumer(group, [topic], Heard()) as stream:
        for _ in range(2):
            with pytest.raises((OffsetOutOfRange, Gap)) as caught:
                await read(stream, 1)
            assert f"{topic}[0]" in str(caught.value)
            assert "2" in str(caught.value)
            assert "5" in str(caught.value)


async def test_two_members_share_and_are_told(log: Log) -> None:
    """The first gives all away and gets its part anew; when the second leaves, the first has everything again."""
    topic = await log.new_topic(2)
    group = uuid.uuid4().hex
    first, second = Heard(), Heard()
    everything = {(topic, 0), (topic, 1)}
    async with log.open_consumer(group, [topic], first) as stream:
        await until(stream, lambda: first.owned == everything)
        async with log.open_consumer(group, [topic], second) as other:
            await until([stream, other], lambda: len(first.owned) == len(second.owned) == 1)
            assert first.owned | second.owned == everything
        assert ("revoked", frozenset(everything)) in first.told
        await until(stream, lambda: first.owned == everything)


async def until(streams: Any, condition: Any) -> None:
    """Fetch, as members of a group do, until `condition()` is true."""
    streams = streams if isinstance(streams, list) else [streams]
    for _ in range(int(LIMIT / 0.1)):
        if condition():
            return
        for stream in streams:
            with contextlib.suppress(TimeoutError):
                await stream.fetch(1, 0.1)
    raise AssertionError("it did not come about")


async def test_a_log_that_answers_is_pinged(log: Log) -> None:
    """`ping` returns."""
    await log.ping()
