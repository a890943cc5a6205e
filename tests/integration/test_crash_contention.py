"""Several of a stage at the same documents, members that come and die, and an owner that wakes up too late."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from support.crash_facts import assert_expected, before, existence
from support.crash_nursery import Life, Nursery, open_nursery
from support.crash_world import KEY, Document, World, only_one_each, open_world, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(200)]

LIMIT = 60.0
Opens = Callable[..., AbstractAsyncContextManager[World]]
PATHS = {"title": "Title", "first_name": "FirstName", "address.city": "MailingCity"}


@pytest.fixture
async def nursery() -> AsyncIterator[Nursery]:
    """Where stages get processes of their own."""
    async with open_nursery() as opened:
        yield opened


@pytest.fixture
def a_world(
    nursery: Nursery, kafka_bootstrap: str, mongodb_uri: str, mongo_client: AsyncMongoClient[Document]
) -> Opens:
    """Opens a world with these habits."""

    def opens(**place: Any) -> AbstractAsyncContextManager[World]:
        return open_world(nursery, kafka_bootstrap, mongodb_uri, mongo_client, **place)

    return opens


async def edits(world: World, names: list[str], round_: int) -> None:
    """Each document is edited at several paths by the platform, and at another by a Salesforce user."""
    for name in names:
        for path in PATHS:
            await world.post(name, {path: f"{path} {round_}"})
        if round_:
            world.edit(name, LastName=f"Last {round_}")


async def new(world: World, names: list[str]) -> None:
    for name in names:
        await world.post(name, {"last_name": "Last 0", "email": f"{name}@example.org"}, named=False)
    await world.rest()


async def assert_all_is_there(world: World, names: list[str], last: int) -> None:
    """Both sides hold the last edit of every field; each document has one record."""
    outcome = await world.outcome()
    assert not only_one_each(outcome)
    assert sorted(outcome.documents) == sorted(outcome.records) == sorted(names)
    for name in names:
        document, (record,) = outcome.documents[name], outcome.records[name]
        for path, field in PATHS.items():
            assert document[path] == record[field] == f"{path} {last}"
        assert document["last_name"] == record["LastName"] == f"Last {last}"
        assert document["status"] == "synced"


async def test_two_of_each_that_read_everything_twice(a_world: Opens) -> None:
    """Two reconcilers decide about every record and two writers answer every doorbell, at the same moments."""
    names = [f"c{number}" for number in range(6)]
    async with a_world() as world:
        await world.run("subscribe", "reconcile", "write")
        twins = [await world.life(stage, twin="-twin") for stage in ("reconcile", "write")]
        await new(world, names)
        for round_ in range(4):
            await edits(world, names, round_)
        await world.rest()
        for twin in twins:
            assert await twin.stop() == 0
        await world.rest()
        await assert_all_is_there(world, names, 3)


async def test_two_of_each_at_deletions_merges_and_records_without_a_document(a_world: Opens) -> None:
    """Each record is deleted, followed, made anew or adopted once, whoever was faster."""
    marks = [f"_{number}_" for number in range(6)]
    async with a_world() as world:
        await world.run("subscribe", "reconcile", "write")
        await before(world, marks)
        twins = [await world.life(stage, twin="-twin") for stage in ("reconcile", "write")]
        for mark in marks:
            await existence(world, mark)
        await world.rest()
        for twin in twins:
            assert await twin.stop() == 0
        await world.rest()
        outcome = await world.outcome()
        made = Counter(str(record[KEY]) for record in world.records(deleted=True))
        for mark in marks:
            assert_expected(outcome.of(mark), edited=())
            assert made[f"remade{mark}"] == 2, "made anew once"
            assert made[f"returns{mark}"] <= 2
            assert {made[f"{name}{mark}"] for name in ("leaves", "back", "winner", "rival")} == {1}
            assert made[f"brief{mark}"] <= 1
        gone = {"leaves", "rival", "brief"}
        assert len(world.records()) == len(outcome.documents) - len(gone) * len(marks)


async def test_members_that_join_and_die_in_the_middle(a_world: Opens) -> None:
    """Two reconcilers and two writers share the partitions; the second ones come late, the first ones are killed."""
    names = [f"c{number}" for number in range(12)]
    async with a_world(partitions=4) as world:
        await world.run("subscribe", "reconcile", "write")
        await new(world, names)
        await edits(world, names, 0)
        second = {stage: await world.life(stage) for stage in ("reconcile", "write")}
        await edits(world, names, 1)
        await world.rest()
        await edits(world, names, 2)
        await asyncio.gather(*(world.lives[stage].kill() for stage in second))
        world.lives |= second
        await edits(world, names, 3)
        await world.rest()
        await assert_all_is_there(world, names, 3)


async def test_an_owner_that_was_paused_past_its_lease_does_not_go_on(a_world: Opens) -> None:
    """It wakes up with work in hand: the position is not its to move, and what it still appends is there already."""
    async with a_world(change_batch=1, lease_seconds=3) as world:
        await world.run("subscribe", "reconcile", "write")
        await new(world, ["c1", "c2"])
        first = world.lives["subscribe"]
        await until(lambda: paused_at_work(world, first), "it is paused with work in hand", LIMIT)
        under = await epoch(world)

        world.lives["subscribe"] = second = await world.life("subscribe")
        await until(lambda: world.worked_off("subscribe"), "the second has taken over", LIMIT)
        later = await epoch(world)
        assert later > under
        there = set(await world.heard())

        first.signal(signal.SIGCONT)
        for number in range(10):
            world.edit(f"c{number % 2 + 1}", Department=f"D {number}")
        await world.rest()
        assert await epoch(world) == later
        assert there < set(await world.heard()) == {one.replay_id for one in world.org.bus.after(None, None, 1_000)}

        assert await second.stop() == 0
        world.lives["subscribe"] = first
        world.edit("c1", Title="The last")
        await world.rest()
        assert await epoch(world) > later, "it stood by, and came back as an owner of a later epoch"
        assert (await world.documents())["c1"]["title"] == "The last"


async def paused_at_work(world: World, owner: Life) -> bool:
    """Whether events are left to the owner that was paused amid them; one that was done before goes on."""
    begun = await world.position()
    for number in range(40):
        world.edit(f"c{number % 2 + 1}", Title=f"Title {begun} {number}")
    await until(lambda: moved_on(world, begun), "it is at work", LIMIT)
    owner.signal(signal.SIGSTOP)
    if not await world.worked_off("subscribe"):
        return True
    owner.signal(signal.SIGCONT)
    return False


async def moved_on(world: World, begun: int) -> bool:
    """Events of this test have been taken in."""
    return await world.position() > begun


async def epoch(world: World) -> int:
    """Under which the position was moved last; the lease is of the same."""
    position = await world.database["tandem_positions"].find_one()
    lease = await world.database["tandem_leases"].find_one()
    assert position is not None
    assert lease is not None
    assert lease["epoch"] == position["epoch"]
    return int(position["epoch"])
