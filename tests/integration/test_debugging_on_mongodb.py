"""Debugging from the command to the log, on a real MongoDB: who may see what, until when, and what is left of it."""

import asyncio
import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from bson import Binary
from pymongo.asynchronous.database import AsyncDatabase
from support.sync_stage import START, Stage
from typer.testing import CliRunner

from adapters.mongo.collections import DEBUG, OPERATIONS, SYNC_LOGS, prepare
from adapters.mongo.debug_marks import MongoDebugMarks
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.history import log_rows
from adapters.mongo.logs import MongoParkedRecords, MongoSyncLog
from adapters.mongo.operations import MongoOperations
from adapters.mongo.removal import MongoRemoval
from adapters.telemetry.logs import open_logs
from adapters.telemetry.personal import REFUSED
from adapters.telemetry.settings import TelemetrySettings
from ops.cli import app
from ops.debugging import CannotDebug, Switch
from ops.processes.debugging import DebuggedInForce, decision_line
from ops.show_view import decision_told
from schemas.debugging import HOUR_MS, LONGEST_MS, DebugMark

pytestmark = pytest.mark.integration

Database = AsyncDatabase[dict[str, Any]]
ADA = {"last_name": "Lovelace", "email": "ada@example.org", "phone": "+1 555 0100"}


class Watched:
    """A stage on MongoDB that follows what is debugged as the processes do."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.said: list[dict[str, Any]] = []
        self.stage = Stage(MongoDocuments(database), MongoSyncLog(database), MongoParkedRecords(database))
        self.stage.on_decision = self.said.append
        self.marks = MongoDebugMarks(database)
        self.switch = Switch(self.marks, MongoOperations(database), MongoDocuments(database), lambda: self.stage.now)
        self.in_force = DebuggedInForce(self.marks, lambda: self.stage.now)

    async def follow(self) -> None:
        await self.in_force.look()
        self.stage.debugged = self.in_force.current()


async def watched_on(database: Database) -> Watched:
    await prepare(database, ["customers"])
    return Watched(database)


async def test_from_switched_on_to_what_show_shows(database: Database) -> None:
    """Who and why are audited; each decision is a row with its own date, masked."""
    watched = await watched_on(database)
    stage = watched.stage
    await watched.switch.on("customers", "customer", "cust-1", by="grace", why="ticket 7")
    await watched.follow()
    await stage.post(ADA)
    await stage.settle()
    rows = [row for row in await log_rows(database, "customer", "cust-1", "", 100) if row["type"] == "decision"]
    assert {row["step"] for row in rows} == {"event", "next", "read", "answer", "end", "change"}
    assert {row["_id"] for row in rows} == {row["_id"] for row in watched.said}
    assert all("debugged_at" in row and "logged_at" not in row for row in rows)
    told = "\n".join(map(decision_told, rows))
    assert "phone 11 characters, " in told
    assert "by rule 5: nothing was known of it" in told
    assert not any(value in told + str(rows) for value in ADA.values())
    (noted,) = await database[OPERATIONS].find({"what": "debug on"}).to_list()
    assert (noted["by"], noted["note"], noted["kind"], noted["document"]) == ("grace", "ticket 7", "customer", "cust-1")
    assert Binary(b"") not in noted.values()


async def test_it_ends_by_itself_and_at_once_where_somebody_says_so(database: Database) -> None:
    """A process that has not read the marks since tells nothing either once the time is over."""
    watched = await watched_on(database)
    await watched.switch.on("customers", "customer", "cust-1", by="grace", why="", lasts_ms=60_000)
    await watched.follow()
    await watched.stage.post(ADA)
    assert len(watched.said) == 1
    watched.stage.now += 60_000
    await watched.stage.post({"phone": "1"}, changed=["phone"])
    assert len(watched.said) == 1
    assert await watched.switch.lasting() == []
    await watched.switch.on("customers", "customer", "cust-1", by="grace", why="")
    assert await watched.switch.off("customer", "cust-1", by="grace", why="done")
    assert not await watched.switch.off("customer", "cust-1", by="grace", why="")
    await watched.follow()
    await watched.stage.post({"phone": "2"}, changed=["phone"])
    assert len(watched.said) == 1
    assert await database[OPERATIONS].count_documents({"what": "debug off"}) == 1


async def test_a_thing_is_known_by_its_record_too(database: Database) -> None:
    """Whoever knows records alone, as the subscriber, finds the mark of the thing."""
    watched = await watched_on(database)
    await watched.stage.post(ADA)
    await watched.stage.settle()
    record_id = watched.stage.contact()["Id"]
    mark = await watched.switch.on("customers", "customer", "cust-1", by="grace", why="")
    assert mark.record_id == record_id
    await watched.follow()
    assert watched.in_force.current().record(record_id, now=watched.stage.now) == mark


async def test_switched_on_again_it_ends_later_and_keeps_its_key(database: Database) -> None:
    """So that rows of before and after can be compared; one that has ended gets a new key."""
    watched = await watched_on(database)
    first = await watched.switch.on_record("003000000000001", by="grace", why="$now")
    assert first.name == "003000000000001AAA"
    watched.stage.now += HOUR_MS // 2
    second = await watched.switch.on_record("003000000000001AAA", by="ada", why="")
    assert (second.until, second.by, second.key) == (watched.stage.now + HOUR_MS, "ada", first.key)
    watched.stage.now += HOUR_MS
    assert (await watched.switch.on_record("003000000000001", by="ada", why="")).key != first.key
    assert first.why == "$now"
    assert first.key.hex() not in repr(first)


@pytest.mark.parametrize(
    "asked",
    [
        lambda switch: switch.on_record("no id", by="", why=""),
        lambda switch: switch.on("customers", "customer", "c", by="", why="", lasts_ms=LONGEST_MS + 1),
        lambda switch: switch.on("customers", "customer", "c", by="", why="", lasts_ms=0),
    ],
)
async def test_what_cannot_be_is_refused(database: Database, asked: Callable[[Switch], Any]) -> None:
    """And nothing is kept of it."""
    watched = await watched_on(database)
    with pytest.raises(CannotDebug):
        await asked(watched.switch)
    assert await database[DEBUG].count_documents({}) == 0


async def test_whoever_is_forgotten_leaves_no_mark(database: Database) -> None:
    """The mark names a person, and so do the rows: both go; what is given out of a mark holds no key."""
    watched = await watched_on(database)
    await watched.switch.on("customers", "customer", "cust-1", by="grace", why="")
    await watched.switch.on_record("003000000000001AAA", by="grace", why="")
    await watched.follow()
    await watched.stage.post(ADA)
    removal = MongoRemoval(database)
    about = ([("customer", "cust-1")], {"customer": "customers"}, ["003000000000001AAA"])
    held = await removal.held_rows(*about)
    assert [row.get("key") for row in held[DEBUG]] == [None, None]
    removed = await removal.remove_rows(*about)
    assert removed[DEBUG] == 2
    assert await database[DEBUG].count_documents({}) == 0
    assert await database[SYNC_LOGS].count_documents({"type": "decision"}) == 0


async def test_a_line_says_what_the_row_says(database: Database) -> None:
    """By names that a log line may have: those that it refuses would be lost."""
    watched = await watched_on(database)
    await watched.switch.on("customers", "customer", "cust-1", by="grace", why="")
    await watched.follow()
    await watched.stage.post(ADA)
    written = io.StringIO()
    with open_logs(TelemetrySettings(), stage="reconcile", stream=written) as log:
        log.info("decision", **decision_line(watched.said[0]))
    line = orjson.loads(written.getvalue())
    assert (line["document_id"], line["outcome"], line["revision"]) == ("cust-1", "applied", 1)
    assert {each["path"] for each in line["decided"]} == set(ADA)
    assert all(re.fullmatch(r"\d+ characters, [a-p]{8}", each["came"]) for each in line["decided"])
    assert REFUSED not in written.getvalue()


async def test_marks_end_in_order(database: Database) -> None:
    """The next to end stands first; what has ended is not told, though MongoDB has not removed it yet."""
    marks = MongoDebugMarks(database)
    mark = DebugMark("customer", "a", "", START + 2, by="ops", why="", at=START, key=b"k")
    await marks.switch_on(mark)
    await marks.switch_on(replace(mark, document_id="b", until=START + 1))
    assert [each.document_id for each in await marks.lasting(START)] == ["b", "a"]
    assert [each.document_id for each in await marks.lasting(START + 1)] == ["a"]
    assert await marks.of("customer:b", START + 1) is None


async def test_by_command(
    database: Database,
    mongodb_uri: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On, listed, off; what cannot be is a line and an exit code."""
    monkeypatch.chdir(tmp_path)
    settings = {"MAPPING_PRESET": "customers", "MONGODB_URI": mongodb_uri, "MONGODB_DATABASE": database.name}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    async def run(*arguments: str) -> tuple[int, str]:
        ended = await asyncio.to_thread(CliRunner().invoke, app, ["debug", *arguments])
        captured = capsys.readouterr()
        return ended.exit_code, ended.output + captured.out + captured.err

    code, told = await run("on", "customer", "cust-1", "--minutes", "5", "--why", "ticket 7")
    assert (code, told.startswith("customer:cust-1: every decision is told until ")) == (0, True)
    code, told = await run("list", "--json")
    listed = orjson.loads(told.splitlines()[0])
    assert (listed["kind"], listed["id"], listed["why"], listed["until"] - listed["at"]) == (
        "customer",
        "cust-1",
        "ticket 7",
        300_000,
    )
    assert "key" not in listed
    assert "customer:cust-1" in (await run("list"))[1]
    assert (await run("off", "customer", "cust-1"))[0] == 0
    code, told = await run("off", "customer", "cust-1")
    assert (code, "nobody looks at customer:cust-1" in told) == (1, True)
    assert "nothing is debugged" in (await run("list"))[1]
    assert (await run("on", "--record", "003000000000001"))[0] == 0
    assert (await run("off", "--record", "003000000000001AAA"))[0] == 0
    for wrong, code in (
        (("on", "person", "p-1"), 1),
        (("on", "--record", "short"), 1),
        (("on", "customer"), 2),
        (("on", "customer", "c", "--record", "003000000000001"), 2),
        (("on", "customer", "c", "--minutes", "1441"), 2),
    ):
        assert (await run(*wrong))[0] == code, wrong
