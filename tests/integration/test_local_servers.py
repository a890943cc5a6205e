"""Real Kafka and MongoDB on this machine: up, usable, kept, and gone."""

from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from pymongo.asynchronous.database import AsyncDatabase
from support.servers import TopicFactory

pytestmark = pytest.mark.integration


async def test_kafka_takes_a_record_and_gives_it_back(kafka_bootstrap: str, topic: TopicFactory) -> None:
    """The Kafka of the run is a real one: what is acknowledged by all can be read."""
    name = await topic()
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, enable_idempotence=True) as producer:
        await producer.send_and_wait(name, b"value", key=b"key")
    async with AIOKafkaConsumer(name, bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest") as consumer:
        record = await consumer.getone()
    assert (record.key, record.value) == (b"key", b"value")


async def test_mongodb_runs_transactions(database: AsyncDatabase[dict[str, Any]]) -> None:
    """The MongoDB of the run is a replica set: an aborted transaction leaves nothing."""
    await database["things"].insert_one({"_id": 1})
    async with database.client.start_session() as session:
        await session.start_transaction()
        await database["things"].insert_one({"_id": 2}, session=session)
        await session.abort_transaction()
    assert [thing["_id"] async for thing in database["things"].find()] == [1]
