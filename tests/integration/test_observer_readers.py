"""What the observer reads in MongoDB by itself, on the real one."""

from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from simulator.observer.readers import MongoWitness, Pulse

pytestmark = pytest.mark.integration

HOUR_MS = 3_600_000


async def test_a_pulse_names_what_is_not_in_step(database: AsyncDatabase[dict[str, Any]]) -> None:
    """But for what waits for another document's record; what is kept back for long is in step."""
    at = 1_700_000_000_000
    await database["customers"].insert_many(
        [
            {"_id": "done", "revision": 3, "salesforce": {"syncStatus": "synced"}, "_sync": {"audit": []}},
            {"_id": "on-its-way", "revision": 2, "salesforce": {"syncStatus": "pending"}, "_sync": {"due_at": at}},
            {"_id": "to-be-looked-at", "revision": 1, "salesforce": {"syncStatus": "synced"}, "_sync": {"due_at": at}},
            {"_id": "undrained", "revision": 1, "salesforce": {"syncStatus": "synced"}, "_sync": {"audit": [{}]}},
            {"_id": "kept-back", "revision": 1, "salesforce": {"syncStatus": "filtered"}, "_sync": {"due_at": 4 * at}},
            {
                "_id": "waits",
                "revision": 1,
                "salesforce": {"syncStatus": "pending"},
                "_sync": {"due_at": at, "awaited": {"customer": {"parent": "x", "at": at + HOUR_MS}}},
            },
        ]
    )
    pulse = await MongoWitness(database).pulse("customers")
    assert pulse == Pulse(6, 9, 4, frozenset({"on-its-way", "to-be-looked-at", "undrained"}))


async def test_nothing_moves_where_nothing_is(database: AsyncDatabase[dict[str, Any]]) -> None:
    """A collection that nobody has written to."""
    assert await MongoWitness(database).pulse("customers") == Pulse(0, 0, 0)
