"""The Kafka adapter when things go wrong, on a broker of our own that can be frozen."""

import asyncio
import itertools
import os
import uuid
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from support.paused import freeze, thaw
from support.running import until
from support.servers import TopicFactory

from adapters.kafka.consumer import open_consumer
from adapters.kafka.logs import ChangeLog, Doorbells, EventLog
from adapters.kafka.producer import RecordTooLarge, open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.kafka.topics import TopicRefused, make_topics, verify_topics
from schemas.log_record import Record
from schemas.unavailable import Unavailable
from simulator.servers.kafka import start_kafka
from simulator.servers.process import LocalServer, free_ports

pytestmark = pytest.mark.integration

LIMIT = 60.0
FROZEN_SECONDS = 30.0
"""Of the test; aiokafka alone would wait for as long as the broker is frozen."""


class Nobody:
    """A listener that does nothing."""

    async def on_revoked(self, partitions: Collection[tuple[str, int]]) -> None: ...
    async def on_assigned(self, partitions: Collection[tuple[str, int]]) -> None: ...


@dataclass
class Entry:
    """As the subscriber's record of a change."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


@pytest_asyncio.fixture(scope="module")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalServer]:
    """A Kafka of this module's own."""
    server = await start_kafka(Path(tmp_path_factory.mktemp("kafka")), os.environ, temporary=True)
    yield server
    await server.stop()


@pytest.fixture
def settings(broker: LocalServer) -> KafkaSettings:
    """As patient as a busy machine needs."""
    return KafkaSettings(bootstrap_servers=broker.address, delivery_timeout=20, request_timeout=30)


@pytest.fixture
def quick(settings: KafkaSettings) -> KafkaSettings:
    """Gives up soon, for a broker that is to be frozen."""
    return settings.model_copy(update={"delivery_timeout": 1.0, "request_timeout": 5.0})


async def all_of(settings: KafkaSettings, topic: str, count: int) -> list[Record]:
    """So many records, and that there are no more."""
    found: list[Record] = []
    async with open_consumer(settings, uuid.uuid4().hex, [topic], Nobody()) as stream:
        async with asyncio.timeout(LIMIT):
            while len(found) < count:
                found += await stream.fetch(1000, 0.5)
        found += await stream.fetch(1000, 0.5)
    return found


async def append_until_taken(log: EventLog, value: bytes) -> int:
    """How often it had to be appended until it was acknowledged."""
    async with asyncio.timeout(LIMIT):
        for times in itertools.count(1):
            try:
                await log.append(key=b"k", value=value, headers=[])
            except Unavailable:
                await asyncio.sleep(0)
            else:
                return times
    raise AssertionError("unreachable")


async def test_a_frozen_broker_is_told_in_time_and_nothing_is_doubled(
    broker: LocalServer, settings: KafkaSettings, quick: KafkaSettings
) -> None:
    """An append that is not acknowledged raises within its limit; when the broker wakes up, nothing is there twice."""
    topic = await TopicFactory(broker.address)(1)
    async with open_producer(quick) as producer:
        log = EventLog(producer, topic)
        before = await append_until_taken(log, b"before")
        freeze(broker)
        try:
            async with asyncio.timeout(FROZEN_SECONDS):
                for value in (b"during-1", b"during-2"):
                    with pytest.raises(Unavailable, match="did not acknowledge within 1 seconds"):
                        await log.append(key=b"k", value=value, headers=[])
                with pytest.raises(Unavailable):
                    await log.ping()
        finally:
            thaw(broker)
        appended = await append_until_taken(log, b"after")
        await log.ping()
    values = [record.value for record in await all_of(settings, topic, before + 2 + appended)]
    assert values == [*[b"before"] * before, b"during-1", b"during-2", *[b"after"] * appended]


async def test_a_frozen_broker_holds_up_no_shutdown(broker: LocalServer, quick: KafkaSettings) -> None:
    """Producer and consumer let go in bounded time, though aiokafka alone would wait for the broker."""
    topic = await TopicFactory(broker.address)(1)
    try:
        async with asyncio.timeout(LIMIT):
            async with open_producer(quick) as producer, open_consumer(quick, "g", [topic], Nobody()) as stream:
                await append_until_taken(EventLog(producer, topic), b"")
                while not await stream.fetch(1, 0.5):
                    pass
                freeze(broker)
                with pytest.raises(Unavailable):
                    await producer.deliver(topic, b"k", b"", [])
                with pytest.raises(Unavailable):
                    await stream.commit({(topic, 0): 1})
    finally:
        thaw(broker)


async def test_no_broker_is_one_line() -> None:
    """Who opens is told at once where nobody listens."""
    (port,) = free_ports(1)
    nowhere = KafkaSettings(bootstrap_servers=f"127.0.0.1:{port}", delivery_timeout=1, request_timeout=2)
    with pytest.raises(Unavailable, match=f"no Kafka broker answers at 127.0.0.1:{port}"):
        async with open_producer(nowhere):
            pass
    with pytest.raises(Unavailable, match=f"no Kafka broker answers at 127.0.0.1:{port}"):
        async with open_consumer(nowhere, "g", ["t"], Nobody()):
            pass
    with pytest.raises(Unavailable, match=f"does not answer at 127.0.0.1:{port}"):
        await verify_topics(nowhere)


async def test_a_producer_that_a_refusal_broke_is_replaced(broker: LocalServer, settings: KafkaSettings) -> None:
    """A batch refused for good leaves a hole in the sequence, after which a broker takes nothing of that producer."""
    topic = await TopicFactory(broker.address)(1, configs={"max.message.bytes": "1000"})
    async with open_producer(settings) as producer:
        log = EventLog(producer, topic)
        await log.append(key=b"k", value=b"first", headers=[])
        with pytest.raises(Unavailable, match="MessageSizeTooLarge"):
            await log.append(key=b"k", value=b"x" * 2000, headers=[])
        await append_until_taken(log, b"second")
    assert [record.value for record in await all_of(settings, topic, 2)] == [b"first", b"second"]


async def test_the_largest_webhook_fits_and_more_is_refused(broker: LocalServer, settings: KafkaSettings) -> None:
    """A body of 1 MiB with its headers goes through the topics that we make; what never would is not called away."""
    topic = uuid.uuid4().hex
    await make_topics(settings, [topic])
    body = os.urandom(1024 * 1024)
    async with open_producer(settings) as producer:
        log = EventLog(producer, topic)
        await log.append(key=b"k", value=body, headers=[("ce_subject", b"x" * 10_000)])
        with pytest.raises(RecordTooLarge):
            await log.append(key=b"k", value=body * 3, headers=[])
        await log.append(key=b"k", value=b"small", headers=[])
    assert [record.value for record in await all_of(settings, topic, 2)] in ([body, b"small"], [b"small", body])


async def test_thousands_at_once(broker: LocalServer, settings: KafkaSettings) -> None:
    """Concurrent appends, as of a busy webhook, are all acknowledged, and each is there once."""
    topic = await TopicFactory(broker.address)(3)
    async with open_producer(settings) as producer:
        log = EventLog(producer, topic)
        values = [str(number).encode() for number in range(5000)]
        await asyncio.gather(*(log.append(key=value, value=value, headers=[("h", b"v")]) for value in values))
    assert sorted(record.value for record in await all_of(settings, topic, 5000)) == sorted(values)


async def test_appends_of_a_key_keep_their_order_over_many_full_batches(
    broker: LocalServer, settings: KafkaSettings
) -> None:
    """More at once than a batch holds: each batch waits for the one before, and one record fills a batch alone."""
    topic = await TopicFactory(broker.address)(2)
    sizes = [30_000, 10, 200_000, 10] * 25
    values = [b"%04d" % number + b"x" * size for number, size in enumerate(sizes)]
    async with open_producer(settings) as producer:
        log = EventLog(producer, topic)
        async with asyncio.TaskGroup() as group:
            for value in values:
                group.create_task(log.append(key=b"k", value=value, headers=[]))
    assert [record.value for record in await all_of(settings, topic, len(values))] == values


async def test_who_gives_up_waiting_takes_nobody_along(broker: LocalServer, settings: KafkaSettings) -> None:
    """An append that is cancelled is in the batch already; those beside it are acknowledged."""
    topic = await TopicFactory(broker.address)(1)
    async with open_producer(settings) as producer:
        log = EventLog(producer, topic)
        await log.append(
            key=b"k", value=b"first", headers=[]
        )  # the topic is known now: the next are in a batch at once
        beside = [asyncio.create_task(log.append(key=b"k", value=value, headers=[])) for value in (b"a", b"b", b"c")]
        await asyncio.sleep(0)
        beside[1].cancel()
        ended = await asyncio.gather(*beside, return_exceptions=True)
    assert [type(end) for end in ended] == [type(None), asyncio.CancelledError, type(None)]
    assert [record.value for record in await all_of(settings, topic, 4)] == [b"first", b"a", b"b", b"c"]


async def test_changes_and_doorbells_come_in_order(broker: LocalServer, settings: KafkaSettings) -> None:
    """A list is one append: all of it is acknowledged, in its order."""
    topic = await TopicFactory(broker.address)(1)
    async with open_producer(settings) as producer:
        await ChangeLog(producer, topic).append([Entry(b"k", str(n).encode(), [("n", b"v")]) for n in range(100)])
        await Doorbells(producer, topic).ring([(b"k", str(n).encode()) for n in range(100, 200)])
    assert [record.value for record in await all_of(settings, topic, 200)] == [str(n).encode() for n in range(200)]


async def test_topics_are_made_once_and_stand_the_check(broker: LocalServer, settings: KafkaSettings) -> None:
    """Missing topics are made with the settings' partitions, existing ones left alone; the check has nothing to say."""
    names = [uuid.uuid4().hex for _ in range(2)]
    two = settings.model_copy(update={"partitions": 2})
    assert await verify_topics(two, names) == [f"topic {name} does not exist" for name in names]
    assert await make_topics(two, names[:1]) == names[:1]
    assert await make_topics(settings, names) == names[1:]
    assert await verify_topics(two, names) == []
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.address)
    await admin.start()
    try:
        described = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics(names)}
        assert described == {names[0]: 2, names[1]: settings.partitions}
        resource = ConfigResource(ConfigResourceType.TOPIC, names[0], {"unclean.leader.election.enable": "true"})
        await admin.alter_configs([resource])
    finally:
        await admin.close()

    async def told() -> bool:
        return any("unclean.leader.election.enable=true" in line for line in await verify_topics(two, names))

    await until(told, "the broker has heard of the setting, and it is named")


async def test_more_copies_than_brokers_names_the_setting(broker: LocalServer, settings: KafkaSettings) -> None:
    """One broker cannot hold three copies."""
    with pytest.raises(TopicRefused, match="KAFKA_REPLICATION_FACTOR=3"):
        await make_topics(settings.model_copy(update={"replication_factor": 3}), [uuid.uuid4().hex])
