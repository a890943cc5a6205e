"""`tandem migrate` on the real MongoDB: planned, in batches, resumable, beside a live reconciler."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.sync_stage import Stage

from adapters.mongo.collections import OPERATIONS, SYNC_LOGS, prepare
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.logs import MongoParkedRecords, MongoSyncLog
from adapters.mongo.migrations import MIGRATIONS, Changed, MongoMigrations
from adapters.mongo.retention import DEFAULT, dated
from ops import migrate_command, migrating, migrations
from ops.migrating import Migrator, Unfinished
from ops.migrations import Migration, Step
from schemas.versions import NewerDocument

pytestmark = pytest.mark.integration

Database = AsyncDatabase[dict[str, Any]]

AT = 1_795_341_600_000
TAGGED = Migration(
    "9001-tags",
    "a test's own: every document gets a tag",
    (
        Step(
            {"revision": {"$exists": True}, "tag": {"$exists": False}}, lambda row, _kept: {"tag": row["_id"]}, "", True
        ),
    ),
)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mongodb_uri: str, database: Database) -> None:
    """The database of this test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MONGODB_URI", mongodb_uri)
    monkeypatch.setenv("MAPPING_PRESET", "customers")
    monkeypatch.setenv("MONGODB_DATABASE", database.name)


async def run(*, sure: bool, every: Sequence[Migration] = migrations.ALL) -> int:
    """The exit code of the command."""
    return await asyncio.to_thread(partial(migrate_command.run, sure=sure, migrations=every))


async def old_rows(database: Database, count: int = 3) -> None:
    """As the release before would have left them: without the dates."""
    await database[SYNC_LOGS].insert_many(
        [{"_id": f"r{n}", "type": "audit" if n % 2 else "outcome", "at": AT} for n in range(count)]
    )
    await database[OPERATIONS].insert_one({"_id": "discard:1", "what": "discard", "at": AT})


async def test_the_plan_changes_nothing_and_what_it_says_is_done(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows of before the dates get them; a second time there is nothing to do."""
    await old_rows(database)
    assert await run(sure=False) == 0
    told = capsys.readouterr().out
    assert "0001-dates: 4 rows" in told
    assert f"  {SYNC_LOGS}: 3" in told
    assert await database[SYNC_LOGS].count_documents({"logged_at": {"$exists": True}}) == 0
    assert await database[MIGRATIONS].count_documents({}) == 0
    assert await run(sure=True) == 0
    assert "0001-dates is made: 4 rows were changed" in capsys.readouterr().out
    rows = {row["_id"]: row for row in await database[SYNC_LOGS].find().to_list()}
    assert rows["r0"]["logged_at"].replace(tzinfo=UTC) == rows["r1"]["audited_at"].replace(tzinfo=UTC) == dated(AT)
    assert await run(sure=True) == 0
    assert capsys.readouterr().out == "nothing is to be migrated\n"


class Stopping(MongoMigrations):
    """Stops as a process that is killed does: after so many batches."""

    def __init__(self, database: Database, batches: int) -> None:
        super().__init__(database)
        self.left = batches

    async def keep(self, name: str, collection: str, after: Any, changed: int) -> None:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        await super().keep(name, collection, after, changed)


async def test_one_that_is_stopped_goes_on_from_where_it_was(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it had changed but not noted is not changed again."""
    monkeypatch.setattr(migrating, "BATCH", 2)
    await old_rows(database, 9)
    (made,) = migrations.ALL
    with pytest.raises(KeyboardInterrupt):
        await Migrator(Stopping(database, 2), [], DEFAULT, lambda: AT).make(made, by="ada")
    (row,) = await database[MIGRATIONS].find().to_list()
    assert (row["state"], row["changed"], row["after"]) == ("begun", 4, {SYNC_LOGS: "r3"})
    migrator = Migrator(MongoMigrations(database), [], DEFAULT, lambda: AT)
    (due,) = await migrator.plan(migrations.ALL)
    assert (due.begun, due.total) == (True, 4)
    told: list[int] = []
    assert await migrator.make(made, by="ada", passed=told.append) == 4
    assert sum(told) == 4
    assert await migrator.plan(migrations.ALL) == []


class Busy(MongoMigrations):
    """Somebody writes each document between the reading of a page and its change, so many times."""

    def __init__(self, database: Database, write: Any, times: int) -> None:
        super().__init__(database)
        self.write, self.times = write, times

    async def change(self, collection: str, due: Mapping[str, Any], rows: Sequence[Changed]) -> int:
        if self.times:
            self.times -= 1
            await self.write()
        return await super().change(collection, due, rows)


async def test_documents_are_migrated_beside_a_live_reconciler(database: Database) -> None:
    """What the reconciler writes in the very moment stays, and the document is migrated all the same."""
    await prepare(database, ["customers"])
    stage = Stage(MongoDocuments(database), MongoSyncLog(database), MongoParkedRecords(database))
    for number in range(3):
        await stage.post({"title": "Countess"}, id=f"cust-{number}")

    async def write() -> None:
        await stage.post({"title": "Baroness"}, id="cust-1", changed=["title"])

    migrator = Migrator(Busy(database, write, 1), ["customers"], DEFAULT, lambda: AT)
    assert await migrator.make(TAGGED, by="ada") == 3
    found = {row["_id"]: row for row in await database["customers"].find().to_list()}
    assert {row["tag"] for row in found.values()} == set(found)
    assert found["cust-1"]["title"] == "Baroness"
    assert (found["cust-0"]["revision"], found["cust-1"]["revision"]) == (2, 3)
    await stage.post({"title": "Duchess"}, id="cust-0", changed=["title"])
    after = await database["customers"].find_one({"_id": "cust-0"})
    assert after is not None
    assert (after["title"], after["tag"]) == ("Duchess", "cust-0")


async def test_a_reconciler_that_read_before_decides_again(database: Database) -> None:
    """The migration raises the revision, so what was decided by the document of before is not written over it."""
    await prepare(database, ["customers"])
    documents = MongoDocuments(database)
    stage = Stage(documents, MongoSyncLog(database), MongoParkedRecords(database))
    await stage.post({"title": "Countess"})
    migrator = Migrator(MongoMigrations(database), ["customers"], DEFAULT, lambda: AT)
    read, once = documents.read, [True]

    async def read_and_migrate(collection: str, ids: Sequence[str]) -> dict[str, Any]:
        found = await read(collection, ids)
        if once:
            once.clear()
            await migrator.make(TAGGED, by="ada")
        return found

    documents.read = read_and_migrate  # type: ignore[method-assign]
    await stage.post({"title": "Baroness"}, changed=["title"])
    (row,) = await database["customers"].find().to_list()
    assert (row["title"], row["tag"], row["revision"]) == ("Baroness", "cust-1", 3)


async def test_writing_without_end_is_told(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gives up after some passes, and what it did stays."""
    monkeypatch.setattr(migrating, "PASSES", 2)
    await prepare(database, ["customers"])
    stage = Stage(MongoDocuments(database), MongoSyncLog(database), MongoParkedRecords(database))
    titles = iter(f"T{number}" for number in range(100))

    async def write() -> None:
        await stage.post({"title": next(titles)}, changed=["title"])

    await write()
    with pytest.raises(Unfinished, match="9001-tags: rows are being written by others without end"):
        await Migrator(Busy(database, write, 50), ["customers"], DEFAULT, lambda: AT).make(TAGGED, by="ada")


async def test_no_older_release_starts_once_documents_become_newer(database: Database) -> None:
    """From the moment it is begun: a half migrated database is nothing to guess about either."""
    rows = MongoMigrations(database)
    await rows.refuse_newer()
    await rows.begin("9002-next", format=2, by="ada", at=AT)
    with pytest.raises(NewerDocument, match="brings documents into format 2, and this one reads up to 1"):
        await rows.refuse_newer()
