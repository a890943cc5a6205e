"""An upgrade: reconcilers, writers and subscribers are stopped in order and replaced while both sides go on editing."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from support.crash_nursery import Life, Nursery, open_nursery
from support.crash_world import Document, World, only_one_each, open_world, until

from schemas import topics

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

NAMES = [f"c{number}" for number in range(12)]
PATHS = {"title": "Title", "first_name": "FirstName"}
STAGES = ("reconcile", "write", "subscribe")
LIMIT = 60.0
MOST_UNREAD = 100
"""The edits keep so far ahead of the reconcilers that every stop finds records in hand."""


@pytest.fixture
async def nursery() -> AsyncIterator[Nursery]:
    """Where stages get processes of their own."""
    async with open_nursery() as opened:
        yield opened


@pytest.fixture
def a_world(
    nursery: Nursery, kafka_bootstrap: str, mongodb_uri: str, mongo_client: AsyncMongoClient[Document]
) -> Callable[..., AbstractAsyncContextManager[World]]:
    """Opens a world with these habits."""

    def opens(**place: Any) -> AbstractAsyncContextManager[World]:
        return open_world(nursery, kafka_bootstrap, mongodb_uri, mongo_client, **place)

    return opens


class Load:
    """Both sides edit, round after round, as fast as the reconcilers follow."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.last = 0
        self.enough = asyncio.Event()

    async def run(self) -> None:
        """Until it is enough; the round that has begun is ended."""
        while not self.enough.is_set():
            await until(self._room, "the reconcilers follow", LIMIT)
            self.last += 1
            for name in NAMES:
                for path in PATHS:
                    await self._world.post(name, {path: f"{path} {self.last}"})
                self._world.edit(name, Department=f"DEPARTMENT {self.last}")

    async def _room(self) -> bool:
        return await unread(self._world, topics.PLATFORM_EVENTS, "reconcile") < MOST_UNREAD


async def unread(world: World, topic: str, stage: str) -> int:
    """Records of a topic that are not committed yet."""
    committed = await world.committed(stage)
    return sum(end - committed.get(at, 0) for at, end in (await world.ends(topic)).items())


async def done(world: World, stage: str) -> int:
    """How far a stage has come, as a number that only grows."""
    if stage == "subscribe":
        return await world.position()
    return sum((await world.committed(stage)).values())


async def replaced(world: World, stage: str, old: Life) -> Life:
    """Stop one in the middle of its work, and start another in its place, as an upgrade does."""
    before = await done(world, stage)
    await until(lambda: moved(world, stage, before), f"{stage} is at work", LIMIT)
    assert await old.stop() == 0
    await world.assert_positions_are_behind_what_is_done()
    return await world.life(stage)


async def moved(world: World, stage: str, before: int) -> bool:
    """Whether it has come further."""
    return await done(world, stage) > before


async def test_processes_replaced_one_by_one_under_load_park_and_lose_nothing(
    a_world: Callable[..., AbstractAsyncContextManager[World]],
) -> None:
    """Two of each; each ends with code 0 and with its work stored, the other of its sort goes on meanwhile, and at rest
    both sides hold the last edit of every field."""
    async with a_world(partitions=4) as world:
        running: dict[str, list[Life]] = defaultdict(list)
        for stage in STAGES:
            for copy in ("", " too"):
                world.lives[f"{stage}{copy}"] = life = await world.life(stage)
                running[stage].append(life)
        for name in NAMES:
            await world.post(name, {"last_name": "Last", "email": f"{name}@example.org"}, named=False)
        await world.rest()
        load = Load(world)
        loading = asyncio.create_task(load.run())
        try:
            for copy, place in (("", 0), (" too", 1)):
                for stage in STAGES:
                    del world.lives[f"{stage}{copy}"]
                    new = await replaced(world, stage, running[stage][place])
                    world.lives[f"{stage}{copy}"] = running[stage][place] = new
            before = {stage: await done(world, stage) for stage in STAGES}
            for stage in STAGES:
                await until(lambda stage=stage: moved(world, stage, before[stage]), f"{stage} goes on", LIMIT)
        finally:
            load.enough.set()
            with contextlib.suppress(asyncio.CancelledError):
                await loading
        await world.rest()
        assert load.last > len(STAGES), "there was load all the while"
        assert await world.database["tandem_parked"].count_documents({}) == 0
        assert await world.database["tandem_gaps"].count_documents({}) == 0
        outcome = await world.outcome()
        assert not only_one_each(outcome)
        assert sorted(outcome.documents) == sorted(NAMES)
        for name in NAMES:
            document, (record,) = outcome.documents[name], outcome.records[name]
            for path, field in PATHS.items():
                assert document[path] == record[field] == f"{path} {load.last}"
            assert document["department"] == record["Department"] == f"DEPARTMENT {load.last}"
            assert document["status"] == "synced"
