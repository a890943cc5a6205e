"""Failure case 14 and its like: Kafka or MongoDB freezes for ten seconds in the middle of the traffic.

Each has a server of its own, which is stopped by a signal and goes on later. Nothing may be dropped where a buffer is
full, the position may not pass what is not in the log, and what was answered 202 is there in the end.
"""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from support.paused import freeze, thaw
from support.running import until
from support.whole import Whole, wall_ms, whole

from simulator.servers.kafka import start_kafka
from simulator.servers.mongod import start_mongod
from simulator.servers.process import LocalServer

pytestmark = [pytest.mark.integration, pytest.mark.e2e]

SECONDS = 10.0
SMALL = {
    "CHANGES_HIGH_MARK": "20",
    "CHANGES_LOW_MARK": "5",
    "CHANGES_BATCH_RECORDS": "10",
    "KAFKA_DELIVERY_TIMEOUT": "3",
    "KAFKA_REQUEST_TIMEOUT": "4",
    "MONGODB_OPERATION_SECONDS": "3",
    "RUNNER_BATCH_SIZE": "10",
    "RUNNER_MAX_IN_FLIGHT": "20",
}
"""Buffers that fill, and waits that end while the server is frozen."""


@asynccontextmanager
async def frozen(server: LocalServer) -> AsyncIterator[float]:
    """Frozen while the block runs, and for `SECONDS` at least; when it began, in monotonic seconds."""
    began = time.monotonic()
    freeze(server)
    try:
        yield began
        await until(lambda: time.monotonic() > began + SECONDS, "it was frozen long enough", seconds=SECONDS + 5)
    finally:
        thaw(server)


async def edits(world: Whole, names: list[str]) -> None:
    """A user edits every record twice, and more come than any buffer holds."""
    for round_ in ("one", "two"):
        for name in names:
            world.edit(name, Title=f"{round_} {name}")


async def test_case_14_kafka_frozen(
    mongo_client: AsyncMongoClient[dict[str, Any]], mongodb_uri: str, tmp_path: Path
) -> None:
    """Webhooks are answered 503 until it is back and then taken; the stream is left alone and loses nothing."""
    broker = await start_kafka(tmp_path / "kafka", os.environ, temporary=True)
    try:
        async with whole(broker.address, mongo_client, tmp_path, mongodb_uri=mongodb_uri, settings=SMALL) as world:
            names = await world.new(30, phone="+40712345678")
            async with frozen(broker):
                stood = await world.position()
                await edits(world, names)
                at = wall_ms()
                event = {"changed": ["phone"], "event_id": "msg-frozen", "occurred_at": at}
                await world.post(names[0], {"phone": "+40722000111"}, expect=503, **event)
                world.journal.pop(-2)
                assert await world.position() == stood
            await until(lambda: _ready(world), "Kafka takes records again")
            await world.post(names[0], {"phone": "+40722000111"}, **event)
            await world.rest()
            await world.clean()
            assert [await world.both(name, "title") for name in names] == [f"two {name}" for name in names]
            assert await world.both(names[0], "phone") == "+40722000111"
    finally:
        await broker.stop()


async def _ready(world: Whole) -> bool:
    url = (await world.webhook_url()).partition("/webhooks")[0]
    async with world.http.get(f"{url}/ready") as reply:
        return reply.status == 200


async def test_case_14_mongodb_frozen(kafka_bootstrap: str, tmp_path: Path) -> None:
    """Webhooks are answered 202 all along; everybody waits, nobody skips, and the lease finds its owner again."""
    mongod = await start_mongod(tmp_path / "mongod", os.environ, temporary=True)
    try:
        async with (
            AsyncMongoClient[dict[str, Any]](mongod.address, w="majority") as client,
            whole(kafka_bootstrap, client, tmp_path, mongodb_uri=mongod.address, settings=SMALL) as world,
        ):
            names = await world.new(30, phone="+40712345678")
            async with frozen(mongod):
                await edits(world, names)
                for number, name in enumerate(names):
                    phone = f"+40722000{number:03}"
                    await world.post(name, {"phone": phone}, changed=["phone"], look=False)
            await world.rest()
            await world.clean()
            assert [await world.both(name, "title") for name in names] == [f"two {name}" for name in names]
            phones = [f"+40722000{number:03}" for number in range(len(names))]
            assert [await world.both(name, "phone") for name in names] == phones
    finally:
        await mongod.stop()
