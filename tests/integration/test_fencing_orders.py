"""Two subscribers, two writers and four reconcilers at once: stopped, killed and put to sleep in seeded orders.

Some of it at the same time: two are asleep at once, one is killed while another sleeps. However it goes: the stream has
one owner at a time, by what MongoDB took and in its order; every event is in the log, each document has one record, and
both sides hold the last edit of every field.
"""

import itertools
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from pymongo import AsyncMongoClient
from support.crash_nursery import Life, open_nursery
from support.crash_world import KEY, Document, World, only_one_each, open_world, until
from support.fencing import TEAM, Mishap, Moved, OwnersSeen, Taken, faults, rounds

from adapters.mongo.positions import MongoPositions
from schemas.stream import Lease, LeaseLost, Position

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

SEEDS = [int(seed) for seed in os.environ.get("TANDEM_FENCING_SEEDS", "1,2").split(",")]
"""Each is one order. `make prove` tries some tens of them."""
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


class Team:
    """All members of the stages, those among them that sleep, and what a seed has them meet."""

    def __init__(self, world: World, seed: int) -> None:
        self.chance = random.Random(seed)
        self.rounds = rounds(self.chance)
        self._world = world
        self._asleep: dict[str, Life] = {}
        self._numbers = itertools.count()

    async def begin(self) -> None:
        """All of them, in any order."""
        members = [stage for stage, count in TEAM.items() for _ in range(count)]
        self.chance.shuffle(members)
        for stage in members:
            await self._one_more(stage)

    async def meets(self, round_: tuple[Mishap, ...]) -> None:
        """One after the other, with or without time between them; who sleeps wakes when the others have done all."""
        try:
            for mishap in round_:
                await self._happens(mishap)
                if self.chance.random() < 0.5:
                    await self._others_work()
            await self._others_work()
        finally:
            for name in self.chance.sample(sorted(self._asleep), len(self._asleep)):
                self._asleep.pop(name).signal(signal.SIGCONT)

    async def _happens(self, mishap: Mishap) -> None:
        """To one that is awake; where all sleep, one ends in its sleep, or is woken to be told to stop."""
        lives = self._world.lives
        of_stage = sorted(name for name in lives if name.partition("-")[0] == mishap.stage)
        name = self.chance.choice([name for name in of_stage if name not in self._asleep] or of_stage)
        if mishap.way == "sleep":
            lives[name].signal(signal.SIGSTOP)
            self._asleep[name] = lives[name]
            return
        life = lives.pop(name)
        if mishap.way == "kill":
            await life.kill()
        else:
            life.signal(signal.SIGCONT)
            assert await life.stop() == 0
        self._asleep.pop(name, None)
        await self._one_more(mishap.stage)

    async def _one_more(self, stage: str) -> None:
        self._world.lives[f"{stage}-{next(self._numbers)}"] = await self._world.life(stage)

    async def _others_work(self) -> None:
        """Until the rest of their stage has done the sleepers' work; where all of it sleep, it is theirs no more."""
        for stage in sorted({name.partition("-")[0] for name in self._asleep}):
            awake = any(name.partition("-")[0] == stage for name in self._world.lives.keys() - self._asleep.keys())

            async def over(stage: str = stage, awake: bool = awake) -> bool:
                return await (self._world.worked_off(stage) if awake else nobody_holds(self._world, stage))

            await until(over, f"{stage}: of {sorted(self._asleep)}, who sleep, all is taken over", LIMIT_SECONDS)


async def nobody_holds(world: World, stage: str) -> bool:
    """Whether a lease has run out, or the group of a stage has no members left."""
    if stage == "subscribe":
        held = {"_id": {"$regex": "^changes:"}, "$expr": {"$gt": ["$expires_at", "$$NOW"]}}
        return await world.database["tandem_leases"].find_one(held) is None
    (answer,) = await world.admin.describe_consumer_groups([world.place.group(stage)])
    return not answer.to_object()["groups"][0]["members"]


async def assert_earlier_owners_are_refused(world: World, history: list[Taken | Moved]) -> None:
    """What each would write, had it slept till now, the store does not take."""
    position = await world.database["tandem_positions"].find_one() or {}
    lease = await world.database["tandem_leases"].find_one({"_id": {"$regex": "^changes:"}}) or {}
    positions = MongoPositions(world.database, position["org"])
    earlier = [one for one in history if isinstance(one, Taken) and one.epoch < position["epoch"]]
    assert earlier
    for one in earlier:
        with pytest.raises(LeaseLost):
            await positions.write(position["channel"], Position(0, 0), Lease(lease["_id"], one.owner, one.epoch))


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_team_in_any_order_is_as_good_as_one_of_each(world: World, seed: int) -> None:
    """Each stage meets each mishap, in an order of the seed's, while both sides go on editing."""
    seen, team = await OwnersSeen.begin(world.database), Team(world, seed)
    await team.begin()
    for name in NAMES:
        await world.post(name, {"last_name": "Last", "email": f"{name}@example.org"}, named=False)
    await world.rest()
    for number, round_ in enumerate(team.rounds):
        await edits(world, number)
        await team.meets(round_)
    await world.rest()

    history = await seen.history()
    assert faults(history) == []
    await assert_earlier_owners_are_refused(world, history)
    assert set(await world.heard()) == {one.replay_id for one in world.org.bus.after(None, None, 10_000)}, "a gap"
    assert await world.database["tandem_gaps"].count_documents({}) == 0
    assert Counter(str(record[KEY]) for record in world.records(deleted=True)) == dict.fromkeys(NAMES, 1)
    outcome = await world.outcome()
    assert not only_one_each(outcome)
    last = len(team.rounds) - 1
    for name in NAMES:
        document, (record,) = outcome.documents[name], outcome.records[name]
        assert [document[path] for path in PATHS] == [f"{path} {last}" for path in PATHS]
        assert [record[field] for field in PATHS.values()] == [f"{path} {last}" for path in PATHS]
        assert document["last_name"] == record["LastName"] == f"Last {last}"
        assert document["department"] == record["Department"] == f"DEPT {last}"
        assert document["status"] == "synced"
