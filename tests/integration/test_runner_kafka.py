"""The runner on the real Kafka: members come, go and die in the middle of a batch, and nothing is lost."""

import asyncio
import contextlib
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

import pytest
from support.fakes_stream import Watched
from support.servers import TopicFactory

from adapters.kafka.consumer import OffsetOutOfRange, open_consumer
from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from consumers.runner.runner import Runner
from consumers.runner.settings import RunnerSettings
from schemas.log_record import Record
from schemas.outcome import Outcome, Result
from schemas.unavailable import Unavailable

pytestmark = pytest.mark.integration

LIMIT = 60.0
KEYS = 40
ROUNDS = 25
QUICK = RunnerSettings(
    lanes=3,
    batch_size=10,
    max_in_flight=100,
    commit_seconds=0.1,
    revoke_seconds=5,
    stop_seconds=5,
    retry_cap_seconds=0.2,
)


class Ledger(Watched):
    """What all members handled: for each key the numbers in the order in which their handling ended."""

    def __init__(self) -> None:
        super().__init__()
        self.handled: dict[bytes, list[int]] = defaultdict(list)
        self.by_member: dict[str, int] = defaultdict(int)

    def whole(self) -> bool:
        """Everything was handled at least once."""
        return sum(len(set(numbers)) for numbers in self.handled.values()) == KEYS * ROUNDS

    def assert_in_order(self) -> None:
        """A key's first handlings come in order, and what is repeated is repeated from some point on, in order."""
        for key, numbers in self.handled.items():
            seen = -1
            for before, number in zip([-1, *numbers], numbers, strict=False):
                assert number <= seen + 1, f"{key!r}: {number} came before {seen + 1}"
                assert number == before + 1 or number <= seen, f"{key!r}: {before} was followed by {number}"
                seen = max(seen, number)


class Member:
    """Handles by noting; slowly enough that others find it in the middle of a batch."""

    def __init__(self, name: str, ledger: Ledger) -> None:
        self._name = name
        self._ledger = ledger
        self.away = 0
        """How many more batches find an outside part away."""
        self.stuck = False
        """From now on no batch ends."""

    async def handle(self, records: Sequence[Record]) -> Sequence[Result]:
        if self.away:
            self.away -= 1
            raise Unavailable("away")
        await asyncio.sleep(0.002)
        if self.stuck:
            self._ledger.tell()
            await asyncio.Event().wait()
        for record in records:
            assert record.key is not None
            assert record.value is not None
            self._ledger.handled[record.key].append(int(record.value))
        self._ledger.by_member[self._name] += len(records)
        self._ledger.tell()
        return [Result(Outcome.APPLIED)] * len(records)


@contextlib.asynccontextmanager
async def member(settings: KafkaSettings, group: str, topic: str, handler: Member) -> AsyncIterator[asyncio.Task[None]]:
    """A runner in a task of its own, stopped in order at the end if it was not cancelled."""
    stop = asyncio.Event()

    async def live() -> None:
        runner = Runner(handler, QUICK)
        async with open_consumer(settings, group, [topic], runner) as stream:
            await runner.run(stream, stop)

    task = asyncio.create_task(live())
    try:
        yield task
        stop.set()
        async with asyncio.timeout(LIMIT):
            await asyncio.gather(task, return_exceptions=True)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def fill(settings: KafkaSettings, topic: str) -> None:
    """Every key has the numbers from 0 in order."""
    async with open_producer(settings) as producer:
        for number in range(ROUNDS):
            await producer.deliver_all(topic, [(f"key-{n}".encode(), str(number).encode(), []) for n in range(KEYS)])


@pytest.fixture
def settings(kafka_bootstrap: str) -> KafkaSettings:
    """The Kafka of this run; a member that vanishes is noticed soon."""
    return KafkaSettings(bootstrap_servers=kafka_bootstrap, session_timeout=2, delivery_timeout=20)


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
