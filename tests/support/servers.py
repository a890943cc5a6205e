"""Kafka and MongoDB for tests: those the settings name, else real ones of our own, started once for the whole run.

Ours are in containers where an engine answers, or on this machine."""

import asyncio
import contextlib
import os
import shutil
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from simulator.servers.local import KAFKA, MONGODB, servers_or_start
from support.containers import container_or_named, engine_answers, in_containers

IN_MEMORY = Path("/dev/shm")
ROOM_BYTES = 8 * 1024**3
"""More than a run's servers ever hold, of every worker together."""


def quick_folder(in_memory: Path = IN_MEMORY) -> Path | None:
    """A disk in memory, where there is one with room: what the tests make and drop is mostly files that are synced."""
    if not in_memory.is_dir() or not os.access(in_memory, os.W_OK):
        return None
    room = min(shutil.disk_usage(in_memory).free, psutil.virtual_memory().available)
    return in_memory if room >= ROOM_BYTES else None


@contextlib.asynccontextmanager
async def kafka_for_tests() -> AsyncIterator[str]:
    """Bootstrap servers."""
    if in_containers(os.environ, _engine_answers):
        async with container_or_named(os.environ, KAFKA) as (bootstrap, _started):
            yield bootstrap
        return
    async with servers_or_start(os.environ, needs=(KAFKA,), beneath=quick_folder()) as servers:
        yield servers.kafka_bootstrap


@contextlib.asynccontextmanager
async def mongodb_for_tests() -> AsyncIterator[str]:
    """A MongoDB URI. One that is started here removes nothing by age: the clock of many tests stands years ago."""
    if in_containers(os.environ, _engine_answers):
        async with container_or_named(os.environ, MONGODB) as (uri, started):
            if started:
                await _keep_all(uri)
            yield uri
        return
    async with servers_or_start(os.environ, needs=(MONGODB,), beneath=quick_folder()) as servers:
        if servers.started:
            await _keep_all(servers.mongodb_uri)
        yield servers.mongodb_uri


def _engine_answers() -> bool:
    return engine_answers(os.environ)


async def _keep_all(uri: str) -> None:
    async with AsyncMongoClient[dict[str, Any]](uri) as client:
        await client.admin.command("setParameter", 1, ttlMonitorEnabled=False)


class TopicFactory:
    """Makes topics whose names nobody else uses: `name = await topic(partitions=3)`."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._made: list[str] = []

    async def __call__(
        self, partitions: int = 1, *, prefix: str = "test", configs: dict[str, str] | None = None
    ) -> str:
        """A new topic's name; it takes records when this returns."""
        name = f"{prefix}.{uuid.uuid4().hex[:12]}"
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, topic_configs=configs or {})
        async with contextlib.aclosing(_Admin(self._bootstrap)) as admin:
            client = await admin.start()
            answer = await client.create_topics([topic])
            assert [error[1] for error in answer.topic_errors] == [0], answer
            async with asyncio.timeout(30):
                while True:
                    (described,) = await client.describe_topics([name])
                    leaders = [partition["leader"] for partition in described["partitions"]]
                    if len(leaders) == partitions and all(leader >= 0 for leader in leaders):
                        break
                    await asyncio.sleep(0.02)
        self._made.append(name)
        return name

    async def delete_all(self) -> None:
        """Delete what was made here."""
        if self._made:
            async with contextlib.aclosing(_Admin(self._bootstrap)) as admin:
                await (await admin.start()).delete_topics(self._made)


class _Admin:
    def __init__(self, bootstrap: str) -> None:
        self._client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)

    async def start(self) -> AIOKafkaAdminClient:
        await self._client.start()
        return self._client

    async def aclose(self) -> None:
        await self._client.close()


@contextlib.asynccontextmanager
async def unique_database(client: AsyncMongoClient[dict[str, Any]]) -> AsyncIterator[AsyncDatabase[dict[str, Any]]]:
    """A database whose name nobody else uses, dropped at the end."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    try:
        yield client[name]
    finally:
        await client.drop_database(name)
