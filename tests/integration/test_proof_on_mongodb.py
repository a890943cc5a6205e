"""The proof's schedules once more with the real reconciler and writer, two of each, on real MongoDB.

The same seeds, settings, vocabulary and judge as in `tests/properties/test_convergence.py`. `make prove` runs more.
"""

from collections.abc import Sequence
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support import oracle_stage
from support.oracle import Violation
from support.oracle_schedule import seeded
from support.oracle_stage import run

from schemas.storage import DocumentWrite

pytestmark = pytest.mark.integration

Database = AsyncDatabase[dict[str, Any]]
SEEDS = range(30)


@pytest.mark.parametrize("at_once", [False, True], ids=["in between", "at once"])
async def test_schedules_hold_on_the_real_stages(database: Database, at_once: bool) -> None:
    """Both sides equal, writing stops, no superseded edit survives, losers are audited, an edit in the quiet wins.

    What contends for the document does so between a decision and its update, or just as MongoDB takes it.
    """
    for seed in SEEDS:
        try:
            await run(*seeded(seed), database, at_once=at_once)
        except Violation as violation:
            pytest.fail(f"seed {seed}: {violation}")


class _Unguarded(oracle_stage.MongoDocuments):
    """Writes over whatever is there."""

    async def write(self, collection: str, writes: Sequence[DocumentWrite]) -> set[str]:
        for write in writes:
            guard = {"_id": write.id}
            update = {"$set": dict(write.set)} | ({"$unset": dict.fromkeys(write.unset, "")} if write.unset else {})
            await self._database[collection].update_one(guard, update, upsert=True)
        return set()


class _Deaf(oracle_stage.Sweep):
    """Finds nothing due."""

    async def ring_due(self) -> int:
        return 0


@pytest.mark.parametrize(("part", "without"), [("MongoDocuments", _Unguarded), ("Sweep", _Deaf)])
async def test_the_judge_misses_what_the_stages_owe(
    database: Database, monkeypatch: pytest.MonkeyPatch, part: str, without: type
) -> None:
    """Without the guard of an update, or without the sweep, the same schedules do not hold."""
    monkeypatch.setattr(oracle_stage, part, without)
    broken = [seed for seed in range(6) if await oracle_stage.broken(*seeded(seed), database, at_once=False)]
    assert broken
