"""Real servers for the tests that ask for them; nothing is started for those that do not.

Hypothesis runs without a time limit for one example, since a busy machine is no counterexample. In CI the examples are
the same each time: what chance finds there would fail a change that has nothing to do with it. What is slow tries few;
with `--hypothesis-profile=long` it tries as many as that says, others each time.
"""

import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from support.profiles import LONG
from support.servers import TopicFactory, kafka_for_tests, mongodb_for_tests, unique_database

# No test judges how fast a machine is, nor does hypothesis how fast it makes its examples there.
SLOW = [HealthCheck.too_slow]
settings.register_profile("tandem", deadline=None, suppress_health_check=SLOW, derandomize="CI" in os.environ)
settings.register_profile(LONG, deadline=None, suppress_health_check=SLOW, max_examples=100, derandomize=False)
settings.load_profile("tandem")


@pytest.fixture(autouse=True, scope="session")
def ctrl_c() -> None:
    """Processes that are started here can be interrupted, also where the tests themselves run in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In CI a test has a second and a third try; the summary names each one that needed them.

    A change is not judged by how fast a machine is; a test that is named there is a defect to be mended all the same.
    """
    if "CI" in os.environ:
        for item in items:
            item.add_marker(pytest.mark.flaky(reruns=2))
