"""The runner on the real Kafka: members come, go and die in the middle of a batch, and nothing is lost."""

import asyncio
import uuid

import pytest
from support.members import KEYS, LIMIT, QUICK, ROUNDS, Ledger, Member, member
from support.servers import TopicFactory

from adapters.kafka.consumer import OffsetOutOfRange, open_consumer
from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from consumers.runner.runner import Runner

pytestmark = pytest.mark.integration


async def fill(settings: KafkaSettings, topic: str) -> None:
    """Every key has the numbers from 0 in order."""
    async with open_producer(settings) as producer:
        for number in range(ROUNDS):
            await producer.deliver_all(topic, [(f"key-{n}".encode(), str(number).encode(), []) for n in range(KEYS)])


@pytest.fixture
def settings(kafka_bootstrap: str) -> KafkaSettings:
    """The Kafka of this run; a member that vanishes is noticed, and one that is merely slow is not taken for it."""
    return KafkaSettings(bootstrap_servers=kafka_bootstrap, session_timeout=10, delivery_timeout=20)


async def test_members_that_come_and_go_lose_nothing(settings: KafkaSettings, topic: TopicFactory) -> None:
    """Two share the work after a rebalance, one leaves in the middle: all is handled, each key in order."""
    name = await topic(4)
    await fill(settings, name)
    ledger = Ledger()
    group = uuid.uuid4().hex
    async with member(settings, group, name, Member("first", ledger)):
        await ledger.until(lambda: ledger.by_member["first"] >= 100, LIMIT)
        async with member(settings, group, name, Member("second", ledger)):
            await ledger.until(lambda: ledger.by_member["second"] >= 100 or ledger.whole(), LIMIT)
        await ledger.until(ledger.whole, LIMIT)
    ledger.assert_in_order()


async def test_a_member_cancelled_in_the_middle_of_a_batch_loses_nothing(
    settings: KafkaSettings, topic: TopicFactory
) -> None:
    """What it had in hand is handled by the other, though it never gave its partitions back in order."""
    name = await topic(4)
    await fill(settings, name)
    ledger = Ledger()
    group = uuid.uuid4().hex
    doomed = Member("doomed", ledger)
    async with member(settings, group, name, doomed) as task:
        await ledger.until(lambda: ledger.by_member["doomed"] >= 100, LIMIT)
        doomed.stuck = True
        async with member(settings, group, name, Member("heir", ledger)):
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await ledger.until(ledger.whole, LIMIT)
    assert ledger.by_member["heir"] >= KEYS * ROUNDS - ledger.by_member["doomed"]
    ledger.assert_in_order()


async def test_what_was_committed_is_not_handled_again(settings: KafkaSettings, topic: TopicFactory) -> None:
    """After an orderly stop the next member finds nothing to do."""
    name = await topic(4)
    await fill(settings, name)
    ledger = Ledger()
    group = uuid.uuid4().hex
    async with member(settings, group, name, Member("first", ledger)):
        await ledger.until(ledger.whole, LIMIT)
    runner = Runner(Member("second", ledger), QUICK)
    async with open_consumer(settings, group, [name], runner) as stream:
        async with asyncio.timeout(LIMIT):
            while not await stream.lag():
                await stream.fetch(1, 0.1)
        assert set((await stream.lag()).values()) == {0}
        assert await stream.fetch(10, 0.5) == []


async def test_a_part_that_is_away_for_a_while_delays_and_skips_nothing(
    settings: KafkaSettings, topic: TopicFactory
) -> None:
    """The same records again until they are through."""
    name = await topic(2)
    await fill(settings, name)
    ledger = Ledger()
    handler = Member("only", ledger)
    handler.away = 10
    async with member(settings, uuid.uuid4().hex, name, handler):
        await ledger.until(ledger.whole, LIMIT)
    assert all(numbers == list(range(ROUNDS)) for numbers in ledger.handled.values())


async def test_a_gap_ends_the_runner(settings: KafkaSettings, topic: TopicFactory) -> None:
    """An offset that the log does not hold is never jumped over: the process ends and says where."""
    name = await topic(1)
    await fill(settings, name)
    group = uuid.uuid4().hex
    ledger = Ledger()
    runner = Runner(Member("only", ledger), QUICK)
    async with open_consumer(settings, group, [name], runner) as stream:
        async with asyncio.timeout(LIMIT):
            while not await stream.lag():
                await stream.fetch(1, 0.1)
        await stream.commit({(name, 0): KEYS * ROUNDS + 7})
    with pytest.raises(OffsetOutOfRange, match=rf"{name}\[0\]: goes on at offset 1007, but the log holds 0 to 999"):
        async with asyncio.timeout(LIMIT), open_consumer(settings, group, [name], runner) as stream:
            await runner.run(stream, asyncio.Event())
    assert ledger.handled == {}
