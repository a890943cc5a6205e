"""Every process tells that it lives, in the real MongoDB, and what it says is judged on the overview."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.running import Notes, until

from adapters.mongo.collections import PROCESSES, prepare
from adapters.mongo.processes import MongoProcesses
from ops.processes import life as lives
from ops.processes.life import Life
from schemas.process import OrgSeen, SignOfLife, StreamSeen

pytestmark = pytest.mark.integration

Database = AsyncDatabase[dict[str, Any]]


@pytest.fixture
async def rows(database: Database) -> MongoProcesses:
    await prepare(database, [])
    return MongoProcesses(database)


async def aged(database: Database, process: str, **ago: int) -> None:
    """As if these moments of the row were so many seconds ago."""
    now = datetime.now(UTC)
    moved = {name: now - timedelta(seconds=seconds) for name, seconds in ago.items()}
    await database[PROCESSES].update_one({"_id": process}, {"$set": moved})


async def test_what_a_process_tells_is_read_back(rows: MongoProcesses) -> None:
    sign = SignOfLife(
        "host:subscribe:8081",
        "subscribe",
        ["subscribe"],
        {"kafka": "Unavailable"},
        OrgSeen(2, 5_000, "$invalid"),
        StreamSeen("backing_off", None, 4_000, 2),
    )
    await rows.tell(sign)
    (seen,) = await rows.all()
    assert (seen.process, seen.name, seen.stages, seen.stopped) == (sign.process, "subscribe", ["subscribe"], False)
    assert (seen.away, seen.org, seen.stream) == (sign.away, sign.org, sign.stream)
    assert seen.told < 60_000
    assert seen.worked < 60_000


async def test_a_stage_that_does_not_come_up_again_is_missed(rows: MongoProcesses, database: Database) -> None:
    """Its process is started again and again, tells so, and never comes to work."""
    await rows.tell(SignOfLife("one", "write", ["write"]))
    await aged(database, "one", worked_at=300)
    await rows.tell(SignOfLife("one", "write", []))
    (seen,) = await rows.all()
    assert seen.stages == ["write"]
    assert (seen.told < 60_000, seen.worked >= 300_000) == (True, True)


async def test_one_that_was_stopped_in_order_begins_anew(rows: MongoProcesses, database: Database) -> None:
    """Its time to come up is counted from its start."""
    await rows.tell(SignOfLife("one", "write", ["write"]))
    await rows.stopped("one")
    await aged(database, "one", worked_at=3_600, told_at=3_600)
    (seen,) = await rows.all()
    assert (seen.stopped, seen.worked >= 3_600_000) == (True, True)
    await rows.tell(SignOfLife("one", "write", []))
    (seen,) = await rows.all()
    assert (seen.stopped, seen.worked < 60_000) == (False, True)


async def test_rows_go_by_themselves(rows: MongoProcesses, database: Database) -> None:
    """The one that stopped in order after a day, one that went without a word after a week."""
    for name in ("stopped", "gone"):
        await rows.tell(SignOfLife(name, "write", ["write"]))
    await rows.stopped("stopped")
    left = {
        row["_id"]: round((row["expires_at"] - row["told_at"]).total_seconds() / 86_400)
        async for row in database[PROCESSES].find()
    }
    assert left == {"stopped": 1, "gone": 7}
    (index,) = [each async for each in await database[PROCESSES].list_indexes() if each["name"] == "expires"]
    assert index["expireAfterSeconds"] == 0


async def test_of_a_process_with_many_stages_one_tells_and_the_last_says_that_it_ends(
    rows: MongoProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has its own connection, and closes it before the next one does."""
    monkeypatch.setattr(lives, "TELL_SECONDS", 0.02)
    life, up, stop = Life("all"), {"write", "reconcile"}, asyncio.Event()
    life.answers_at(8081)
    life.refusals += [lambda: "", lambda: "invalid_grant"]
    life.failures = lambda: (3, 1.5)

    async def all_of() -> list[Any]:
        return await rows.all()

    async with life.seen(rows, up, stop, Notes()):
        async with life.seen(rows, up, stop, Notes()):
            await until(all_of, "a row")
            stop.set()
        (seen,) = await rows.all()
        assert (seen.stages, seen.stopped) == (["reconcile", "write"], False)
        assert seen.org == OrgSeen(3, 1_500, "invalid_grant")
    (seen,) = await rows.all()
    assert seen.stopped


async def test_one_that_fails_has_not_stopped_in_order(rows: MongoProcesses) -> None:
    """Though its end stops the other stages."""
    life, stop = Life("write"), asyncio.Event()

    async def all_of() -> list[Any]:
        return await rows.all()

    async def fails() -> None:
        async with life.seen(rows, {"write"}, stop, Notes()):
            await until(all_of, "a row")
            stop.set()
            raise OSError("boom")

    with pytest.raises(OSError, match="boom"):
        await fails()
    (seen,) = await rows.all()
    assert not seen.stopped
