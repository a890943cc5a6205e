"""Records that Kafka has removed before they were handled: the gap is recorded, then the log is read on."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from pymongo.asynchronous.database import AsyncDatabase
from support.servers import TopicFactory

from adapters.kafka.consumer import open_consumer
from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.mongo.deliveries import MongoDeliveries
from adapters.mongo.gap_rows import MongoGapRows
from adapters.mongo.gaps import MongoLogGaps
from adapters.telemetry.metrics import Metrics
from consumers.runner.runner import Runner
from consumers.runner.settings import RunnerSettings
from ops.processes.frame import Frame
from ops.processes.parts import opened_for, wall_ms
from schemas import topics
from schemas.gap import GapState
from schemas.log_record import Record
from schemas.outcome import Outcome, Result
from schemas.stream import LostOffsets
from schemas.unavailable import Unavailable

pytestmark = pytest.mark.integration

LIMIT = 60.0


class Log:
    """Keeps the names of the lines by level."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __getattr__(self, level: str) -> Any:
        return lambda event, **_values: self.lines.append((level, event))


class Nothing:
    """Is never given a record."""

    async def handle(self, records: list[Record]) -> list[Result]:
        raise AssertionError(records)


class Keeping:
    """Takes every record."""

    def __init__(self) -> None:
        self.values: list[bytes | None] = []

    async def handle(self, records: list[Record]) -> list[Result]:
        self.values += [record.value for record in records]
        return [Result(Outcome.APPLIED, "") for _ in records]


class Away(MongoLogGaps):
    """MongoDB that does not answer the first few times."""

    def __init__(self, database: AsyncDatabase[dict[str, Any]], times: int) -> None:
        super().__init__(database)
        self.left = times

    async def record(self, *given: Any) -> None:
        if self.left:
            self.left -= 1
            raise Unavailable("MongoDB does not answer")
        await super().record(*given)


@pytest.fixture
def settings(kafka_bootstrap: str) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=kafka_bootstrap, session_timeout=10)


async def a_group_beyond_the_log(settings: KafkaSettings, name: str) -> str:
    """A group that goes on at offset 17 of a log of three records."""
    group = uuid.uuid4().hex
    async with open_producer(settings) as producer:
        await producer.deliver_all(name, [(b"k", b"v", [])] * 3)
    async with open_consumer(settings, group, [name], Runner(Nothing(), RunnerSettings())) as stream:
        async with asyncio.timeout(LIMIT):
            while not await stream.lag():
                await stream.fetch(1, 0.1)
        await stream.commit({(name, 0): 17})
    return group


async def meet(
    settings: KafkaSettings,
    group: str,
    name: str,
    gaps: MongoLogGaps,
    *,
    rows: int = 3,
    is_gap: Callable[[], Awaitable[bool]] | None = None,
) -> Frame:
    """What a process does whose group has such an offset, until it has handled so many records; its frame."""
    frame = Frame(stage="test", log=Log(), metrics=Metrics(), stop=asyncio.Event())
    handler = Keeping()

    def told(_topic: str, _records: Any, _results: Any) -> None:
        if len(handler.values) >= rows:
            frame.stop.set()

    runner = Runner(handler, RunnerSettings(), on_results=told)
    async with asyncio.timeout(LIMIT), opened_for(runner, settings, group, (name,), gaps, frame, is_gap) as stream:
        await runner.run(stream, frame.stop)
    assert handler.values == [b"v"] * rows
    return frame


async def test_a_gap_in_our_own_log_is_recorded_before_the_log_is_read_on(
    settings: KafkaSettings, topic: TopicFactory, database: AsyncDatabase[dict[str, Any]]
) -> None:
    """One row that names group, partition and offsets, a critical line and a count; the next start meets no gap."""
    name = await topic(1)
    group = await a_group_beyond_the_log(settings, name)
    began = wall_ms()
    frame = await meet(settings, group, name, MongoLogGaps(database))
    (row,) = await database["tandem_gaps"].find().to_list()
    until = row.pop("until")
    assert began <= until <= wall_ms()
    assert (row.pop("noticed_at"), row.pop("met_at")) == (until, until)
    expected = {
        "_id": f"{group}:{name}:0:offset_out_of_range:17",
        "group": group,
        "channel": name,
        "partition": 0,
        "reason": "offset_out_of_range",
        "since": 0,
        "wanted": 17,
        "first": 0,
        "end": 3,
        "opened": 1,
        "state": "open",
    }
    assert row == expected
    assert ("critical", "gap") in frame.log.lines
    assert f'tandem_gaps_total{{channel="{name}",reason="offset_out_of_range"}} 1.0' in frame.metrics.render().decode()

    async with open_producer(settings) as producer:
        await producer.deliver_all(name, [(b"k", b"v", [])])
    frame = await meet(settings, group, name, MongoLogGaps(database), rows=1)
    assert ("critical", "gap") not in frame.log.lines


async def test_the_gap_begins_when_the_last_handled_record_was_published(
    settings: KafkaSettings, topic: TopicFactory, database: AsyncDatabase[dict[str, Any]]
) -> None:
    """It is noted with the offset. What was committed without is `since` 0: nobody knows."""
    name, group, gaps = await topic(1), uuid.uuid4().hex, MongoLogGaps(database)
    began = wall_ms()
    async with open_producer(settings) as producer:
        await producer.deliver_all(name, [(b"k", b"v", [])] * 3)
        published = wall_ms()
        await meet(settings, group, name, gaps, rows=3)
        await producer.deliver_all(name, [(b"k", b"v", [])] * 4)
    await drop_before(settings, name, 5)
    await meet(settings, group, name, gaps, rows=2)
    (row,) = await database["tandem_gaps"].find().to_list()
    assert (row["wanted"], row["first"], row["end"]) == (3, 5, 7)
    assert began <= row["since"] <= published


async def test_a_group_without_an_offset_misses_what_the_log_no_longer_holds(
    settings: KafkaSettings, topic: TopicFactory, database: AsyncDatabase[dict[str, Any]]
) -> None:
    """A broker forgets the offsets of a group that was away for as long as records are kept: nobody may tell it from a
    group that has just been made, and both have not handled what is gone. The next start meets no gap."""
    name = await topic(1)
    group = uuid.uuid4().hex
    async with open_producer(settings) as producer:
        await producer.deliver_all(name, [(b"k", b"v", [])] * 5)
    await drop_before(settings, name, 2)
    frame = await meet(settings, group, name, MongoLogGaps(database), rows=3)
    (row,) = await database["tandem_gaps"].find().to_list()
    assert (row["wanted"], row["first"], row["end"], row["state"]) == (0, 2, 5, "open")
    assert ("critical", "gap") in frame.log.lines

    async with open_producer(settings) as producer:
        await producer.deliver_all(name, [(b"k", b"v", [])])
    frame = await meet(settings, group, name, MongoLogGaps(database), rows=1)
    assert ("critical", "gap") not in frame.log.lines


async def test_what_nobody_misses_is_no_gap(
    settings: KafkaSettings, topic: TopicFactory, database: AsyncDatabase[dict[str, Any]]
) -> None:
    """As of changes that were to be delivered, where nothing was ever delivered: it is read on, and that is said."""
    name = await topic(1)
    async with open_producer(settings) as producer:
        await producer.deliver_all(name, [(b"k", b"v", [])] * 3)
    await drop_before(settings, name, 2)
    frame = await meet(
        settings, uuid.uuid4().hex, name, MongoLogGaps(database), rows=1, is_gap=MongoDeliveries(database).any_kept
    )
    assert await database["tandem_gaps"].find().to_list() == []
    assert ("info", "offsets_passed_over") in frame.log.lines


async def drop_before(settings: KafkaSettings, name: str, offset: int) -> None:
    """Have Kafka remove what lies before."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(name, 0): RecordsToDelete(before_offset=offset)})
    finally:
        await admin.close()


async def test_the_same_gap_met_again_is_open_again(database: AsyncDatabase[dict[str, Any]]) -> None:
    """What was repaired before does not cover what was missed since."""
    gaps, rows = MongoLogGaps(database), MongoGapRows(database)
    lost = LostOffsets(17, 0, 3)
    for until, opened in ((1_000, 1), (2_000, 2)):
        await gaps.record("group", topics.SALESFORCE_WRITES, 0, "offset_out_of_range", lost, until)
        (row,) = await rows.unrepaired()
        assert (row.state, row.until, row.opened) == (GapState.OPEN, until, opened)
        assert await rows.close(row, by="repair", note="swept", at=until)
        assert not await rows.close(row, by="repair", note="swept", at=until)
        assert await rows.unrepaired() == []


async def test_nothing_is_read_on_before_the_gap_is_recorded(
    settings: KafkaSettings, topic: TopicFactory, database: AsyncDatabase[dict[str, Any]]
) -> None:
    """While MongoDB is away the offset stays where it is; then the gap is recorded, and the log is read on."""
    name = await topic(1)
    gaps = Away(database, times=2)
    await meet(settings, await a_group_beyond_the_log(settings, name), name, gaps)
    assert gaps.left == 0
    assert len(await database["tandem_gaps"].find().to_list()) == 1
