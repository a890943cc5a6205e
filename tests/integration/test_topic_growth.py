"""A topic is given more partitions on the real Kafka: nothing is lost, and no record overtakes one of its key."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Sequence

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from support.members import LIMIT, Ledger, Member, member
from support.servers import TopicFactory

from adapters.kafka import consumer, producer
from adapters.kafka.growth import GroupOffsets
from adapters.kafka.partitions import partition_of
from adapters.kafka.producer import Producer, open_producer
from adapters.kafka.settings import KafkaSettings
from schemas.log_record import Record
from schemas.outcome import Result

pytestmark = pytest.mark.integration

FEW, MANY = [0, 1], [0, 1, 2, 3, 4, 5]
MOVING = [key for number in range(200) if partition_of(key := b"key-%d" % number, MANY, MANY) not in FEW][:40]
"""Keys that go to a new partition once there are six."""


@pytest.fixture
def settings(kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> KafkaSettings:
    """The Kafka of this run; that a topic has grown is seen soon."""
    monkeypatch.setattr(consumer, "METADATA_SECONDS", 0.3)
    monkeypatch.setattr(producer, "METADATA_SECONDS", 0.3)
    return KafkaSettings(bootstrap_servers=kafka_bootstrap, session_timeout=6, delivery_timeout=20)


class Waiting(Member):
    """Handles nothing before it is told to."""

    def __init__(self, name: str, ledger: Ledger) -> None:
        super().__init__(name, ledger)
        self.may = asyncio.Event()
        self.met = asyncio.Event()

    async def handle(self, records: Sequence[Record]) -> Sequence[Result]:
        self.met.set()
        await self.may.wait()
        return await super().handle(records)


class Slow(Waiting):
    """Waits with what comes from the old partitions alone."""

    def __init__(self, name: str, ledger: Ledger, may: asyncio.Event) -> None:
        super().__init__(name, ledger)
        self.old = may
        self.may.set()

    async def handle(self, records: Sequence[Record]) -> Sequence[Result]:
        self.met.clear()
        if any(record.partition in FEW for record in records):
            self.met.set()
            await self.old.wait()
        return await super().handle(records)


def counted(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often it was looked whether partitions that are held may be read."""
    looks: Counter[str] = Counter()
    look = consumer.KafkaRecords._let_go_of_held

    async def counting(records: consumer.KafkaRecords) -> None:
        held = bool(records._held)
        await look(records)
        looks["held"] += held and bool(records._held)
        ledger.tell()

    monkeypatch.setattr(consumer.KafkaRecords, "_let_go_of_held", counting)
    return looks


async def grow(settings: KafkaSettings, name: str) -> None:
    """Six partitions."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_partitions({name: NewPartitions(len(MANY))})
    finally:
        await admin.close()


async def put(to: Producer, name: str, number: int) -> None:
    """The number, for every key."""
    await to.deliver_all(name, [(key, str(number).encode(), []) for key in MOVING])


async def seen(to: Producer, name: str) -> None:
    """The producer knows of the new partitions."""
    async with asyncio.timeout(LIMIT):
        while len(await to._kafka.partitions_for(name)) < len(MANY):
            await to.ping()


async def test_a_record_in_a_new_partition_waits_for_the_older_ones_of_its_key(
    settings: KafkaSettings, topic: TopicFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some are still unread in the old partitions when the next are in the new ones, and a second member comes.

    Who has an old partition works at it without end until it is looked twice whether the new ones may be read.
    """
    name, group, ledger, may = await topic(len(FEW)), uuid.uuid4().hex, Ledger(), asyncio.Event()
    first, second = Slow("first", ledger, may), Slow("second", ledger, may)
    looks = counted(ledger, monkeypatch)
    async with open_producer(settings) as to, member(settings, group, name, first):
        may.set()
        await put(to, name, 0)
        await ledger.until(lambda: sum(map(len, ledger.handled.values())) >= len(MOVING), LIMIT)
        may.clear()
        await put(to, name, 1)
        await first.met.wait()
        await grow(settings, name)
        await seen(to, name)
        await put(to, name, 2)
        async with member(settings, group, name, second):
            await ledger.until(lambda: looks["held"] >= 2 or any(2 in one for one in ledger.handled.values()), LIMIT)
            may.set()
            await ledger.until(lambda: all(2 in ledger.handled[key] for key in MOVING), LIMIT)
    told = (await GroupOffsets(settings, group).read([name]))[name]
    ledger.assert_in_order()
    assert all(set(ledger.handled[key]) == {0, 1, 2} for key in MOVING)
    assert {number: known.partitions for number, known in told.items()} == dict.fromkeys(FEW, 2) | dict.fromkeys(
        MANY[2:], 6
    )


async def test_partitions_that_are_new_to_a_group_alone_wait_for_none(
    settings: KafkaSettings, topic: TopicFactory
) -> None:
    """A group that begins with a full topic shares it out at once."""
    name, group, ledger = await topic(len(MANY)), uuid.uuid4().hex, Ledger()
    stuck, free = Waiting("stuck", ledger), Member("free", ledger)
    async with open_producer(settings) as to:
        await put(to, name, 0)
        async with member(settings, group, name, stuck):
            await stuck.met.wait()
            async with member(settings, group, name, free):
                await ledger.until(lambda: ledger.by_member["free"] > 0, LIMIT)
                stuck.may.set()
                await ledger.until(lambda: all(0 in ledger.handled[key] for key in MOVING), LIMIT)
