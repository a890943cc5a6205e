"""Whole worlds: one with habits of its own for each test that asks, and one that the tests of a module share."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from pymongo import AsyncMongoClient
from support.whole import Whole, whole

from simulator.org.cometd.settings import CometdSettings

OpenWhole = Callable[..., AbstractAsyncContextManager[Whole]]


@pytest_asyncio.fixture(scope="session")
async def open_whole(
    kafka_bootstrap: str,
    mongodb_uri: str,
    mongo_client: AsyncMongoClient[dict[str, Any]],
    tmp_path_factory: pytest.TempPathFactory,
) -> OpenWhole:
    """Opens a world; only one may be open at a time."""
    folder = tmp_path_factory.mktemp("whole")
    return partial(whole, kafka_bootstrap, mongo_client, folder, mongodb_uri=mongodb_uri)


@pytest_asyncio.fixture(scope="module")
async def shared_world(open_whole: OpenWhole) -> AsyncIterator[Whole]:
    """A world with customers at rest on both sides, and an org that holds a connect for 1.5 s."""
    async with open_whole(cometd=CometdSettings(hold_seconds=1.5, token_check_seconds=0.05)) as world:
        world.pool = await world.new(80, title="Engineer", phone="+40712345678", address={"city": "Cluj"})
        yield world


@pytest_asyncio.fixture
async def world(shared_world: Whole) -> AsyncIterator[Whole]:
    """The world that a module shares, at rest, as if this test were its first: `take()` gives customers in it."""
    shared_world.forget_all_but_pool()
    yield shared_world
    org = shared_world.org
    org.org.faults.remove()
    org.org.triggers.remove()
    org.cometd.faults.clear()
    for name in ("webhook", "subscribe", "reconcile", "write", "repair"):
        if name not in shared_world.stages:
            shared_world.start(name)
    await shared_world.rest()
