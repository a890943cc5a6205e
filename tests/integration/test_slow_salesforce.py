"""A Salesforce that takes minutes for one call costs no partition: the writer stays in its group.

Times are those of production, divided: the consumer may fetch nothing for three seconds, and a call takes more than
twice as long.
"""

import asyncio
import uuid
from collections.abc import Collection, Sequence
from typing import Any

import pytest
from support.fake_documents import FakeDocuments
from support.fake_salesforce import FakeRecords
from support.servers import TopicFactory
from support.sync_stage import Stage

from adapters.kafka.consumer import open_consumer
from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from consumers.runner import runner as running
from consumers.runner.runner import Runner
from consumers.runner.settings import RunnerSettings
from schemas.log_record import Record
from schemas.outcome import Outcome, Result

pytestmark = pytest.mark.integration

LIMIT = 60.0
POLL_SECONDS = 3.0
CALL_SECONDS = 6.5
DOCUMENTS = 12
SETTINGS = RunnerSettings(lanes=2, batch_size=2, max_in_flight=4, commit_seconds=0.05, revoke_seconds=5, stop_seconds=5)
"""So little is taken at once that most waits in Kafka while calls are under way: no record is fetched meanwhile."""


class SlowRecords:
    """Salesforce in memory, whose first writes take `CALL_SECONDS` each; everything else is as it was."""

    def __init__(self, records: FakeRecords) -> None:
        self._records = records
        self.slow = 2
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._records, name)

    async def upsert(self, *asked: Any, **more: Any) -> Any:
        self.calls += 1
        if self.slow:
            self.slow -= 1
            await asyncio.sleep(CALL_SECONDS)  # what the org takes, not what the test waits for
        return await self._records.upsert(*asked, **more)


class Membership:
    """Passes rebalances on to the runner, and counts them."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.assigned = 0
        self.told = asyncio.Event()
        """Of a revocation."""
        self.revoked = 0

    async def on_revoked(self, partitions: Collection[tuple[str, int]]) -> None:
        self.revoked += 1
        self.told.set()
        await self._runner.on_revoked(partitions)

    async def on_assigned(self, partitions: Collection[tuple[str, int]]) -> None:
        self.assigned += 1
        await self._runner.on_assigned(partitions)


class OfTheTopic:
    """Doorbells of this test's topic, as the writer knows them by name."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.ends: list[Result] = []
        self.done = asyncio.Event()

    async def handle(self, records: Sequence[Record]) -> Sequence[Result]:
        ends = await self._stage.writer.handle(records)
        self.ends += ends
        if len(self.ends) >= DOCUMENTS:
            self.done.set()
        return ends


async def committed(settings: KafkaSettings, group: str, name: str, partitions: int) -> None:
    """The group has been here before. At a very first start aiokafka counts a fetch that never ends (its
    `fetch_context` forgets one that raises), and leaves no group from then on, however long nothing is fetched."""
    membership = Membership(Runner(OfTheTopic(Stage(FakeDocuments())), SETTINGS))
    async with open_consumer(settings, group, [name], membership) as stream, asyncio.timeout(LIMIT):
        while not membership.assigned:
            await stream.fetch(1, 0.1)
        await stream.commit({(name, number): 0 for number in range(partitions)})


async def test_a_slow_salesforce_triggers_no_rebalance(
    kafka_bootstrap: str, topic: TopicFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls more than twice as long as a consumer may fetch nothing, and each doorbell handled once."""
    monkeypatch.setattr(running, "IDLE_SECONDS", 0.2)
    name = await topic(2)
    settings = KafkaSettings(bootstrap_servers=kafka_bootstrap, session_timeout=20).model_copy(
        update={"poll_interval": POLL_SECONDS}
    )
    stage = Stage(FakeDocuments())
    slow = stage.salesforce = SlowRecords(stage.salesforce)  # type: ignore[assignment]
    stage.writer = stage.new_writer()
    for number in range(DOCUMENTS):
        await stage.post({"last_name": "Lovelace"}, id=f"cust-{number}")
    group = f"test.{uuid.uuid4().hex}"
    await committed(settings, group, name, 2)
    async with open_producer(settings) as producer:
        await producer.deliver_all(name, [(key, value, []) for key, value in stage.doorbells.rung])
    handler = OfTheTopic(stage)
    runner = Runner(handler, SETTINGS)
    membership, stop = Membership(runner), asyncio.Event()
    async with open_consumer(settings, group, [name], membership) as stream:
        task = asyncio.create_task(runner.run(stream, stop))
        async with asyncio.timeout(LIMIT):
            await handler.done.wait()
        assert membership.revoked <= 1, "aiokafka tells of one empty revocation before the first assignment"
        assert membership.assigned == 1
        stop.set()
        async with asyncio.timeout(LIMIT):
            await task
        assert sum((await stream.lag()).values()) == 0
    assert slow.slow == 0
    assert slow.calls > 2
    assert len(handler.ends) == DOCUMENTS
    assert {end.outcome for end in handler.ends} == {Outcome.APPLIED}


async def test_a_consumer_that_does_not_fetch_leaves_its_group(kafka_bootstrap: str, topic: TopicFactory) -> None:
    """The danger is real: what the runner does while calls are under way is what keeps its partitions."""
    name = await topic(1)
    settings = KafkaSettings(bootstrap_servers=kafka_bootstrap, session_timeout=20).model_copy(
        update={"poll_interval": POLL_SECONDS}
    )
    runner = Runner(OfTheTopic(Stage(FakeDocuments())), SETTINGS)
    membership, group = Membership(runner), f"test.{uuid.uuid4().hex}"
    await committed(settings, group, name, 1)
    async with open_consumer(settings, group, [name], membership) as stream:
        async with asyncio.timeout(LIMIT):
            while not membership.assigned:
                await stream.fetch(1, 0.1)
            membership.told.clear()
            await membership.told.wait()
