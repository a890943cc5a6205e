"""A process that starts names what Kafka and MongoDB lack of what the promises need, and works all the same.

On a Kafka of its own, whose topics have the names that processes read.
"""

import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pymongo import AsyncMongoClient
from support.running import Notes, Stages, until
from support.servers import unique_database

from adapters.kafka.consumer import open_consumer
from adapters.kafka.logs import EventLog
from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.kafka.sizes import MAX_BATCH_BYTES
from adapters.kafka.topics import DAY_MS, make_topics, verify_topics
from adapters.mongo.collections import PARKED
from schemas import topics
from simulator.servers.kafka import start_kafka
from simulator.servers.local import KAFKA, MONGODB, SETTINGS
from simulator.servers.process import LocalServer

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture
async def broker(tmp_path: Path) -> AsyncIterator[LocalServer]:
    """A Kafka of this test's own, without a topic: at another try of the test, too."""
    server = await start_kafka(tmp_path, os.environ, temporary=True)
    yield server
    await server.stop()


@pytest.fixture
def settings(broker: LocalServer) -> KafkaSettings:
    """Of that Kafka."""
    return KafkaSettings(bootstrap_servers=broker.address)


async def made(settings: KafkaSettings, name: str, **configs: str) -> None:
    """Make a topic otherwise than we do; `_` stands for a full stop."""
    named = {setting.replace("_", "."): value for setting, value in configs.items()}
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
    await admin.start()
    try:
        answer = await admin.create_topics([NewTopic(name, settings.partitions, 1, topic_configs=named)])
        assert [error[1] for error in answer.topic_errors] == [0], answer
    finally:
        await admin.close()


def findings(notes: Notes, part: str) -> list[str]:
    """What a stage has named as missing."""
    return [
        details["finding"]
        for level, event, details in notes.rows
        if (level, event, details.get("part")) == ("warning", "guarantee_missing", part)
    ]


async def test_a_process_names_what_is_missing_and_works(
    settings: KafkaSettings,
    mongodb_uri: str,
    mongo_client: AsyncMongoClient[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A topic of ours that keeps its records for a day, and a MongoDB without a majority: a warning each, by name.

    The other topics are made, and of them nothing is said. What is taken in is handled.
    """

    async def alone(_database: Any) -> list[str]:
        return ["is no replica set"]

    await made(settings, topics.PLATFORM_EVENTS, retention_ms=str(DAY_MS), max_message_bytes=str(MAX_BATCH_BYTES))
    monkeypatch.setattr("ops.processes.guarantees.verify_servers", alone)
    async with unique_database(mongo_client) as database:
        monkeypatch.setenv(SETTINGS[KAFKA], settings.bootstrap_servers)
        monkeypatch.setenv(SETTINGS[MONGODB], mongodb_uri)
        monkeypatch.setenv("MONGODB_DATABASE", database.name)
        stages = Stages()
        try:
            stages.start("reconcile")
            running = stages.stages["reconcile"]
            await until(lambda: "reconcile" in running.frame.up, "it is at work")
            (line,) = findings(running.notes, "Kafka")
            assert line.startswith(f"topic {topics.PLATFORM_EVENTS} has retention.ms={DAY_MS}, less than 7 days")
            assert findings(running.notes, "MongoDB") == ["is no replica set"]

            async with open_producer(settings) as producer:
                await EventLog(producer, topics.PLATFORM_EVENTS).append(key=b"k", value=b"no event", headers=[])

            async def parked() -> bool:
                return await database[PARKED].find_one() is not None

            await until(parked, "what was taken in is handled")
            await stages.stop("reconcile")
        finally:
            await stages.close()


async def test_offsets_that_go_before_the_records_are_named(settings: KafkaSettings) -> None:
    """The brokers keep them for seven days; a topic keeps its records for eight."""
    name = uuid.uuid4().hex
    await make_topics(settings.model_copy(update={"retention_days": 8}), [name])
    (line,) = await verify_topics(settings, [name])
    assert line.startswith(f"brokers have offsets.retention.minutes=10080, and topic {name} has retention.ms=")


async def test_a_broker_that_does_not_tell_hides_nothing_else(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a managed Kafka, or while one broker is away. The copies of offsets are seen by their topic."""

    class Nobody:
        async def on_revoked(self, _partitions: Any) -> None: ...
        async def on_assigned(self, _partitions: Any) -> None: ...

    async def three(_self: AIOKafkaAdminClient) -> dict[str, Any]:
        return {"brokers": [{"node_id": number} for number in (1, 2, 3)]}

    name = uuid.uuid4().hex
    await make_topics(settings, [name])
    async with open_producer(settings) as producer, open_consumer(settings, name, [name], Nobody()) as consumer:
        await EventLog(producer, name).append(key=b"k", value=b"v", headers=[])

        async def committed() -> bool:
            found = await consumer.fetch(1, 0.5)
            await consumer.commit({(one.topic, one.partition): one.offset + 1 for one in found})
            return bool(found)

        await until(committed, "a group commits, so that its topic is there")
    monkeypatch.setattr(AIOKafkaAdminClient, "describe_cluster", three)
    lines = await verify_topics(settings, [name])
    assert [line for line in lines if line.startswith("topic __consumer_offsets has 1 copies of a partition")]
    assert not [line for line in lines if "retention" in line]
