"""Each stage killed with -9 at every effect: afterwards the same documents and the same org as without the kill."""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import cast

import pytest
from pymongo import AsyncMongoClient
from support.crash_facts import assert_expected, before, facts
from support.crash_fuse import Moment, Point
from support.crash_nursery import Nursery, open_nursery
from support.crash_world import Document, Outcome, World, differences, first_of, open_world, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

MOMENTS: list[Moment] = [cast("Moment", one) for one in os.environ.get("TANDEM_CRASH_MOMENTS", "after").split(",")]
"""Before an effect the world is as after the last. `make prove` kills there too, and in the middle of effects."""
AT_ONCE = 4
"""Worlds at the same time: most of their time is waiting."""
EVERY = int(os.environ.get("TANDEM_CRASH_EVERY", "3"))
"""Of so many effects in a row, one is a fault point. `make prove` takes them all."""
MOST_EFFECTS = 120
LIMIT = 60.0
EFFECTS = {
    "reconcile": {
        *("MongoDocuments.write", "MongoSyncLog.append", "Doorbells.ring", "RenamedRecords.commit"),
        *("PlatformChanges.tell", "MongoDocuments.clear_told"),
    },
    "write": {f"SalesforceRecords.{call}" for call in ("update", "upsert", "delete")} | {"MongoParkedRecords.park"},
    "subscribe": {"ChangeLog.append", "MongoPositions.write"},
    "write by jobs": {f"SalesforceBulk.{call}" for call in ("open", "send")},
}
"""Among those that a play has."""
SETTINGS: dict[str, dict[str, int]] = {"subscribe": {"change_batch": 5}, "write by jobs": {"bulk_rows": 2}}
OTHERS = {"reconcile": ("subscribe", "write"), "write": ("subscribe", "reconcile"), "subscribe": ("reconcile", "write")}


@pytest.fixture
async def nursery() -> AsyncIterator[Nursery]:
    """Where stages get processes of their own."""
    async with open_nursery() as opened:
        yield opened


async def play(world: World, stage: str, point: Point | None, mark: str) -> tuple[bool, list[str], Outcome]:
    """Whether the stage was killed, what effects it had if not, and what became of the facts with this mark.

    The other stages run; this one runs neither before nor after.
    """
    others = OTHERS[stage]
    await facts(world, mark)
    await until(lambda: world.worked_off(*(one for one in others if one != "write")), "the facts are there", LIMIT)
    life = await world.life(stage, point)
    code = life.ended.result() if await first_of(life, world.rest) else await life.stop()
    if code:
        assert code == -9
        await world.assert_positions_are_behind_what_is_done()
        await world.run(stage)
        await world.rest()
        await world.stop(stage)
    return code != 0, life.effects, (await world.outcome()).of(mark)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("play_of", ["reconcile", "write", "write by jobs", "subscribe"])
async def test_killed_at_any_effect_and_started_again(
    play_of: str,
    moment: Moment,
    nursery: Nursery,
    kafka_bootstrap: str,
    mongodb_uri: str,
    mongo_client: AsyncMongoClient[Document],
) -> None:
    """The outcome is the same, no record is there twice, no audit row is missing; until it ends before its kill."""
    survived, settings = asyncio.Event(), SETTINGS.get(play_of, {})
    stage = play_of.partition(" ")[0]

    async def play_all(numbers: range) -> None:
        async with open_world(nursery, kafka_bootstrap, mongodb_uri, mongo_client, **settings) as world:
            await world.run(stage, *OTHERS[stage])
            await before(world, (f"_{number}_" for number in (0, *numbers)))
            await world.stop(stage)
            killed, effects, expected = await play(world, stage, None, "_0_")
            assert not killed
            assert EFFECTS[play_of] <= set(effects), effects
            assert_expected(expected)
            for number in numbers:
                killed, _effects, outcome = await play(world, stage, Point(number, moment), f"_{number}_")
                differing = differences(outcome, expected)
                assert not differing, f"killed {moment} effect {number}:\n" + "\n".join(differing)
                if not killed:
                    survived.set()
                if survived.is_set():
                    return

    await asyncio.gather(
        *(play_all(range(first * EVERY, MOST_EFFECTS, AT_ONCE * EVERY)) for first in range(1, AT_ONCE + 1))
    )
    assert survived.is_set()
