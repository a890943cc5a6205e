"""Real servers for the tests that ask for them; nothing is started for those that do not."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from support.servers import TopicFactory, kafka_for_tests, mongodb_for_tests, unique_database


@pytest_asyncio.fixture(scope="session")
async def kafka_bootstrap() -> AsyncIterator[str]:
    """Bootstrap servers of the Kafka of this run: `KAFKA_BOOTSTRAP_SERVERS`, else our own."""
    async with kafka_for_tests() as bootstrap:
        yield bootstrap


@pytest_asyncio.fixture(scope="session")
async def mongodb_uri() -> AsyncIterator[str]:
    """URI of the MongoDB of this run: `MONGODB_URI`, else our own."""
    async with mongodb_for_tests() as uri:
        yield uri


@pytest_asyncio.fixture(scope="session")
async def mongo_client(mongodb_uri: str) -> AsyncIterator[AsyncMongoClient[dict[str, Any]]]:
    """A client of that MongoDB with majority writes."""
    async with AsyncMongoClient[dict[str, Any]](mongodb_uri, w="majority") as client:
        yield client


@pytest_asyncio.fixture
async def topic(kafka_bootstrap: str) -> AsyncIterator[TopicFactory]:
    """Makes topics of this test's own, deleted after it: `name = await topic(partitions=3)`."""
    factory = TopicFactory(kafka_bootstrap)
    yield factory
    await factory.delete_all()


@pytest_asyncio.fixture
async def database(mongo_client: AsyncMongoClient[dict[str, Any]]) -> AsyncIterator[AsyncDatabase[dict[str, Any]]]:
    """A database of this test's own, dropped after it."""
    async with unique_database(mongo_client) as made:
        yield made
