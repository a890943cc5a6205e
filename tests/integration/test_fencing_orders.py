"""Two subscribers, two writers and four reconcilers at once: stopped, killed and put to sleep in seeded orders.

However it goes: the stream has one owner at a time, every event is in the log, each document has one record, and both
sides hold the last edit of every field.
"""

import itertools
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from pymongo import AsyncMongoClient
from support.crash_nursery import open_nursery
from support.crash_world import KEY, Document, World, only_one_each, open_world, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

TEAM = {"subscribe": 2, "reconcile": 4, "write": 2}
WAYS = ("stop", "kill", "sleep")
PATHS = {"title": "Title", "first_name": "FirstName"}
NAMES = [f"c{number}" for number in range(4)]
LIMIT_SECONDS = 60.0


@pytest.fixture
async def world(
    kafka_bootstrap: str, mongodb_uri: str, mongo_client: AsyncMongoClient[Document]
) -> AsyncIterator[World]:
    """Four partitions, and a lease that runs out soon."""
    async with (
        open_nursery() as nursery,
        open_world(nursery, kafka_bootstrap, mongodb_uri, mongo_client, partitions=4, lease_seconds=1.5) as made,
    ):
        yield made


async def edits(world: World, round_: int) -> None:
    """Both sides edit every customer, at different paths."""
    for name in NAMES:
        for path in PATHS:
            await world.post(name, {path: f"{path} {round_}"})
        world.edit(name, LastName=f"Last {round_}", Department=f"Dept {round_}")


async def epoch(world: World) -> int:
    """Under which the position was moved last."""
    position = await world.database["tandem_positions"].find_one() or {"epoch": 0}
    return int(position["epoch"])


async def meets(world: World, member: str, way: str, numbers: "itertools.count[int]") -> None:
    """One of them ends, and another begins; or it sleeps until the others have done its work, past its lease."""
    stage = member.partition("-")[0]
    if way == "sleep":
        world.lives[member].signal(signal.SIGSTOP)
        try:
            await until(lambda: world.worked_off(stage), f"the others work while {member} sleeps", LIMIT_SECONDS)
        finally:
            world.lives[member].signal(signal.SIGCONT)
        return
    life = world.lives.pop(member)
    if way == "kill":
        await life.kill()
    else:
        assert await life.stop() == 0
    world.lives[f"{stage}-{next(numbers)}"] = await world.life(stage)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_team_in_any_order_is_as_good_as_one_of_each(world: World, seed: int) -> None:
    """Each stage meets each mishap once, in an order of the seed's, while both sides go on editing."""
    chance, numbers = random.Random(seed), itertools.count()
    members = [stage for stage, count in TEAM.items() for _ in range(count)]
    chance.shuffle(members)
    for stage in members:
        world.lives[f"{stage}-{next(numbers)}"] = await world.life(stage)
    for name in NAMES:
        await world.post(name, {"last_name": "Last", "email": f"{name}@example.org"}, named=False)
    await world.rest()
    mishaps = [(stage, way) for stage in TEAM for way in WAYS]
    chance.shuffle(mishaps)
    epochs = [await epoch(world)]
    for round_, (stage, way) in enumerate(mishaps):
        await edits(world, round_)
        await meets(world, chance.choice(sorted(name for name in world.lives if name.startswith(stage))), way, numbers)
        epochs.append(await epoch(world))
    await world.rest()

    assert epochs == sorted(epochs), "an earlier owner has moved the position"
    assert await world.database["tandem_leases"].count_documents({"_id": {"$regex": "^changes:"}}) == 1
    assert set(await world.heard()) == {one.replay_id for one in world.org.bus.after(None, None, 10_000)}, "a gap"
    assert await world.database["tandem_gaps"].count_documents({}) == 0
    assert Counter(str(record[KEY]) for record in world.records(deleted=True)) == dict.fromkeys(NAMES, 1)
    outcome = await world.outcome()
    assert not only_one_each(outcome)
    last = len(mishaps) - 1
    for name in NAMES:
        document, (record,) = outcome.documents[name], outcome.records[name]
        assert [document[path] for path in PATHS] == [f"{path} {last}" for path in PATHS]
        assert [record[field] for field in PATHS.values()] == [f"{path} {last}" for path in PATHS]
        assert document["last_name"] == record["LastName"] == f"Last {last}"
        assert document["department"] == record["Department"] == f"DEPT {last}"
        assert document["status"] == "synced"
