"""Look-ups that took longer than half a second are kept apart from whoever waits."""

import asyncio
from collections.abc import Sequence
from typing import Any

from consumers.enrichment.slow import MOST, SlowLookups
from schemas.slow_lookup import LookupsHeard, SlowLookup
from schemas.unavailable import Unavailable


class Kept:
    """Satisfies `SlowLog`."""

    def __init__(self) -> None:
        self.rows: list[SlowLookup] = []
        self.heard: list[LookupsHeard] = []
        self.away = False

    async def add(self, found: Sequence[SlowLookup], heard: LookupsHeard) -> None:
        if self.away:
            raise Unavailable("MongoDB does not answer")
        self.rows += found
        self.heard.append(heard)


class World:
    """One process, whose clock stands; each turn of `keep` is let go by hand."""

    def __init__(self) -> None:
        self.kept = Kept()
        self.notices: list[dict[str, Any]] = []
        self.turn = asyncio.Event()
        self.asleep = asyncio.Event()
        self.slow = SlowLookups(
            self.kept,
            now=lambda: 7,
            notice=lambda event, **told: self.notices.append({"event": event, **told}),
            sleep=self.sleep,
        )

    async def sleep(self, _seconds: float) -> None:
        self.asleep.set()
        await self.turn.wait()
        self.turn.clear()

    async def turned(self) -> None:
        """One turn."""
        await self.asleep.wait()
        self.asleep.clear()
        self.turn.set()
        await self.asleep.wait()


async def ended(task: "asyncio.Task[None]") -> None:
    """Stopped as a process does it."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_took_too_long_is_kept_and_nothing_else() -> None:
    """Half a second is in time; who was not looked up at all is no slow look-up. What waits at the end is kept too."""
    world = World()
    for end, seconds in [("known", 0.5), ("known", 0.6), ("accepted", 9), ("left_out", 9), ("pending", 2.0)]:
        world.slow.hear(end, seconds)
    task = asyncio.create_task(world.slow.keep())
    await world.turned()
    assert world.kept.rows == [SlowLookup(7, "known", 600), SlowLookup(7, "pending", 2_000)]
    world.slow.hear("not_found", 0.9)
    await ended(task)
    await world.slow.put_away()
    assert world.kept.rows[2:] == [SlowLookup(7, "not_found", 900)]
    assert world.notices == []


async def test_how_many_there_were_and_how_long_they_took_is_kept_with_it() -> None:
    """Of those in time too; where nobody was looked up there is nothing to keep."""
    world = World()
    for end, seconds in [("known", 0.2), ("not_found", 0.3), ("pending", 2.0), ("accepted", 9), ("left_out", 9)]:
        world.slow.hear(end, seconds)
    await world.slow.put_away()
    await world.slow.put_away()
    assert world.kept.heard == [LookupsHeard(7, 3, 2_500)]


async def test_what_cannot_be_kept_is_told() -> None:
    """How many, and why: because there were too many, or because the store is away."""
    world = World()
    for _ in range(MOST + 3):
        world.slow.hear("known", 1)
    world.kept.away = True
    task = asyncio.create_task(world.slow.keep())
    await world.turned()
    await ended(task)
    assert [(each["event"], each["count"]) for each in world.notices] == [
        ("slow_lookups_not_kept", 3),
        ("slow_lookups_not_kept", MOST),
    ]
