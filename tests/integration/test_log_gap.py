"""Records that Kafka has removed before they were handled: the gap is recorded, then the process ends."""

import asyncio
import uuid
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.servers import TopicFactory

from adapters.kafka.consumer import OffsetOutOfRange, open_consumer
from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.mongo.gaps import MongoLogGaps
from adapters.telemetry.metrics import Metrics
from consumers.runner.runner import Runner
from consumers.runner.settings import RunnerSettings
from ops.processes.frame import Frame
from ops.processes.parts import opened_for, wall_ms
from schemas.log_record import Record
from schemas.outcome import Result
from schemas.unavailable import Unavailable

pytestmark = pytest.mark.integration

LIMIT = 30.0


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


class Away(MongoLogGaps):
    """MongoDB that does not answer."""

    def __init__(self) -> None:
        """None is opened."""

    async def record(self, *_given: object) -> None:
        raise Unavailable("MongoDB does not answer")


@pytest.fixture
def settings(kafka_bootstrap: str) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=kafka_bootstrap, session_timeout=2)


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


async def meet(settings: KafkaSettings, group: str, name: str, gaps: MongoLogGaps) -> Frame:
    """What a process does whose group has such an offset; its frame."""
    frame = Frame(stage="test", log=Log(), metrics=Metrics(), stop=asyncio.Event())
    runner = Runner(Nothing(), RunnerSettings())
    with pytest.raises(OffsetOutOfRange):
        async with asyncio.timeout(LIMIT), opened_for(runner, settings, group, (name,), gaps, frame) as stream:
            await runner.run(stream, frame.stop)
    return frame


async def test_a_gap_in_our_own_log_is_recorded_before_the_process_ends(
    settings: KafkaSettings, topic: TopicFactory, database: AsyncDatabase[dict[str, Any]]
) -> None:
    """One row that names group, partition and offsets, a critical line and a count; met again it is open again."""
    name = await topic(1)
    group = await a_group_beyond_the_log(settings, name)
    began = wall_ms()
    frame = await meet(settings, group, name, MongoLogGaps(database))
    (row,) = await database["tandem_gaps"].find().to_list()
    assert began <= row.pop("until") <= wall_ms()
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
        "state": "open",
    }
    assert row == expected
    assert ("critical", "gap") in frame.log.lines
    assert f'tandem_gaps_total{{channel="{name}",reason="offset_out_of_range"}} 1.0' in frame.metrics.render().decode()

    await database["tandem_gaps"].update_one({}, {"$set": {"state": "closed"}})
    await meet(settings, group, name, MongoLogGaps(database))
    (row,) = await database["tandem_gaps"].find().to_list()
    assert row["state"] == "open"


async def test_the_gap_is_the_error_also_where_it_cannot_be_recorded(
    settings: KafkaSettings, topic: TopicFactory
) -> None:
    """The offset is not moved, so the next start meets it again and records it then."""
    name = await topic(1)
    frame = await meet(settings, await a_group_beyond_the_log(settings, name), name, Away())
    assert ("warning", "gap_not_recorded") in frame.log.lines
