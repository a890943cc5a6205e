"""Who writes children of a record now, told to all writers through the real MongoDB."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from adapters.mongo.client import open_database
from adapters.mongo.collections import RESERVATIONS, prepare
from adapters.mongo.reservations import MongoReservations
from adapters.mongo.settings import MongoSettings
from consumers.writer import turns
from consumers.writer.turns import Turns
from schemas.unavailable import Unavailable

pytestmark = pytest.mark.integration

KEYS = ["company:acme", "company:globex"]


async def test_a_key_has_one_holder_until_it_is_released(database: AsyncDatabase[dict[str, Any]]) -> None:
    one, other = MongoReservations(database), MongoReservations(database)
    assert await one.reserve("a", KEYS[:1], 60) == {KEYS[0]}
    assert await other.reserve("b", KEYS, 60) == {KEYS[1]}, "what is free is given, whatever the others are"
    assert await one.reserve("a", KEYS, 60) == {KEYS[0]}, "its own again"
    await other.release("b", KEYS)
    assert await other.reserve("b", KEYS, 60) == {KEYS[1]}, "another's is not released"
    await one.release("a", KEYS)
    assert await other.reserve("b", KEYS, 60) == set(KEYS)
    assert await one.reserve("a", [], 60) == set()


async def test_who_was_killed_is_in_nobodys_way_for_long(database: AsyncDatabase[dict[str, Any]]) -> None:
    """A holder's time runs out by the server's clock; what is left of it goes by itself."""
    await prepare(database, [])
    reservations = MongoReservations(database)
    await reservations.reserve("killed", KEYS, 0)
    assert await reservations.reserve("alive", KEYS, 60) == set(KEYS)
    indexes = await database[RESERVATIONS].index_information()
    assert indexes["expires"]["expireAfterSeconds"] == 0


async def test_of_many_at_once_one_has_each_key(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Whoever makes the document first: nobody fails for having come second."""
    reservations = MongoReservations(database)
    keys = [f"company:{number}" for number in range(50)]
    held = await asyncio.gather(*(reservations.reserve(f"call-{number}", keys, 60) for number in range(8)))
    assert sorted(key for one in held for key in one) == sorted(keys)


async def test_whoever_is_given_a_key_hears_so_at_once(
    mongodb_uri: str, database: AsyncDatabase[dict[str, Any]]
) -> None:
    """With the guarantees of our processes, whose other reads wait for a majority: each turn is had when asked for.

    Else the writer waits for its turn though nobody has it, and writes a few rows in a minute.
    """
    async with open_database(MongoSettings(uri=mongodb_uri, database=database.name)) as ours:
        reservations = MongoReservations(ours)
        for turn in range(100):
            assert await reservations.reserve(f"call-{turn}", KEYS, 60) == set(KEYS), f"turn {turn}"
            await reservations.release(f"call-{turn}", KEYS)


class Mortal(MongoReservations):
    """Those of a process that is gone once it is `dead`: it asks for nothing any more."""

    dead = False

    async def reserve(self, holder: str, keys: Sequence[str], seconds: float) -> set[str]:
        if self.dead:
            raise Unavailable("the process is gone")
        return await super().reserve(holder, keys, seconds)

    async def release(self, holder: str, keys: Sequence[str]) -> None:
        if not self.dead:
            await super().release(holder, keys)


async def test_rows_have_their_turn_soon_after_a_writer_was_killed_in_a_call(
    database: AsyncDatabase[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it held runs out unrenewed, within the time for which rows wait for their turn, and a second.

    Longer, and every batch with a row of one of its parents would wait in vain, and put the row off.
    """
    assert turns.HELD_SECONDS <= turns.PATIENCE_SECONDS + 1.0
    monkeypatch.setattr(turns, "HELD_SECONDS", 0.5)
    killed = Mortal(database)
    async with Turns(killed, now=lambda: 0).at(KEYS) as theirs:
        assert theirs == set(KEYS)
        killed.dead = True
    other, ours = Turns(MongoReservations(database), now=lambda: 0), frozenset[str]()
    async with asyncio.timeout(60.0):
        async for _moment in other.patience():
            async with other.at(KEYS) as ours:
                pass
            if ours:
                break
    assert ours == set(KEYS)
