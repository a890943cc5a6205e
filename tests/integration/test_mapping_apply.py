"""A new version of the mapping on the real MongoDB: planned, applied to all documents, interrupted, rolled back."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
from pymongo.asynchronous.database import AsyncDatabase
from support.fakes_stream import FakeStream, settings
from support.sync_stage import TIMING, Stage

from adapters.mongo.allocations import MongoAllocations
from adapters.mongo.collections import prepare
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.logs import MongoParkedRecords, MongoSyncLog
from adapters.mongo.mappings import MongoMappings
from adapters.mongo.versions import MongoVersions
from consumers.catalog import Catalog
from consumers.ports import DocumentWrite
from consumers.rules.versions import DecidedByNewerMapping
from consumers.runner.runner import Runner
from ops import mapping_change, mapping_command
from ops.mapping_walk import Application, make_plan
from ops.processes.parts import wall_ms
from schemas import topics
from schemas.allocation import Allocation, AllocationHeard
from schemas.mapping import Mapping
from schemas.mapping_yaml import dump_mapping
from schemas.outcome import Outcome
from schemas.presets import preset
from schemas.records import RecordUpdate, RowResult
from schemas.unavailable import Unavailable

pytestmark = pytest.mark.integration

Database = AsyncDatabase[dict[str, Any]]
DOCUMENTS = 10
NICKNAME = {"platform": "nickname", "salesforce": "Nickname__c", "policy": "latest_wins"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mongodb_uri: str, database: Database) -> None:
    """The database of this test; no process runs that has to take a version up."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MONGODB_URI", mongodb_uri)
    monkeypatch.setenv("MONGODB_DATABASE", database.name)
    monkeypatch.setattr(mapping_command, "TAKEN_UP_SECONDS", 0.0)


@pytest.fixture
async def stage(database: Database) -> Stage:
    """Customers in version 1, each linked and the same on both sides."""
    await prepare(database, ["customers"])
    stage = Stage(MongoDocuments(database), MongoSyncLog(database), MongoParkedRecords(database))
    stage.catalog = Catalog(await MongoMappings(database).publish(preset("customers"), 0, by="ops"))
    for number in range(DOCUMENTS):
        await stage.post({"last_name": f"L{number}", "title": "Ms"}, id_=f"cust-{number}")
    await stage.settle()
    return stage


def mapped_too(mapping: Mapping, **field: str) -> Mapping:
    """The mapping with one field more."""
    raw = mapping.model_dump(mode="json")
    raw["kinds"]["customer"]["fields"].append(field)
    return Mapping.model_validate(raw)


def edited(mapping: Mapping, salesforce: str, **changes: str) -> Mapping:
    """The mapping with other settings of one field."""
    raw = mapping.model_dump(mode="json")
    (field,) = [field for field in raw["kinds"]["customer"]["fields"] if field["salesforce"] == salesforce]
    field.update(changes)
    return Mapping.model_validate(raw)


async def in_force(database: Database) -> Mapping:
    """The newest version."""
    mapping = await MongoMappings(database).current()
    assert mapping is not None
    return mapping


async def published(database: Database, mapping: Mapping) -> Catalog:
    """In force; no document has been decided by it."""
    return Catalog(await MongoMappings(database).publish(mapping, mapping.version, by="ops"))


def application(
    stage: Stage,
    database: Database,
    catalog: Catalog,
    *,
    documents: MongoDocuments | None = None,
    page: int = 3,
    **pace: Any,
) -> Application:
    """Of this version, a few documents at a time."""
    return Application(
        versions=MongoVersions(database, page=page),
        documents=documents or MongoDocuments(database),
        log=MongoSyncLog(database),
        catalog=catalog,
        timing=TIMING,
        now=lambda: stage.now,
        **pace,
    )


async def stored(database: Database) -> list[dict[str, Any]]:
    """All customers."""
    return await database["customers"].find().sort("_id").to_list()


async def versions_of(database: Database) -> list[int]:
    """The version that last decided each customer."""
    return [document["_sync"]["mapping"] for document in await stored(database)]


async def command(run: Callable[..., int], *arguments: Any, **options: Any) -> int:
    """Its exit code."""
    return await asyncio.to_thread(run, *arguments, **options)


def file_of(mapping: Mapping, tmp_path: Path) -> Path:
    """As a person would have written it."""
    file = tmp_path / "mapping.yaml"
    file.write_text(dump_mapping(mapping), encoding="utf-8")
    return file


async def test_a_page_waits_until_there_is_room(stage: Stage, database: Database) -> None:
    """It says what it waits for, once for each reason, and that it goes on; meanwhile nothing more is decided."""
    catalog = await published(database, mapped_too(await in_force(database), **NICKNAME))
    reasons = ["", "the writer is busy", "the writer is busy", "no call is left", "", "", ""]
    told: list[str] = []
    decided: list[int] = []

    async def hindrance(collection: str) -> str:
        assert collection == "customers"
        return reasons.pop(0)

    async def sleep(_seconds: float) -> None:
        decided.append((await versions_of(database)).count(2))

    paced = application(stage, database, catalog, hindrance=hindrance, waits=told.append, sleep=sleep)
    assert (await paced.run()).decided == DOCUMENTS
    assert told == ["the writer is busy", "no call is left", ""]
    assert decided == [3, 3, 3]
    assert reasons == []
    assert await versions_of(database) == [2] * DOCUMENTS


async def test_the_command_waits_for_the_writer(stage: Stage, database: Database) -> None:
    """By what the processes have stored: the documents that are due, and the calls that were used."""
    await published(database, mapped_too(await in_force(database), **NICKNAME))
    async with mapping_change.open_mappings() as opened:
        assert await opened.hindrance("customers") == ""
        now = wall_ms()
        await database["customers"].update_one({"_id": "cust-1"}, {"$set": {"_sync.due_at": now}})
        assert await opened.hindrance("customers") == ""
        heard = AllocationHeard(Allocation(9_000, 10_000, now))
        await MongoAllocations(database, "https://login").exchange("write-1", heard, 60)
        assert "no room for it now (reserve_reached)" in await opened.hindrance("customers")


async def test_a_plan_changes_nothing(
    stage: Stage, database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says what would be, names documents where asked, and no document, version or log row is another one."""
    before = await stored(database), await database["salesforce_sync_logs"].count_documents({})
    await database["customers"].update_one({"_id": "cust-3"}, {"$set": {"nickname": "Ada"}})
    before[0][3]["nickname"] = "Ada"
    file = file_of(mapped_too(await in_force(database), **NICKNAME), tmp_path)
    assert await command(mapping_command.run_plan, file, 2) == 0
    assert capsys.readouterr().out.splitlines() == [
        "version 2, after version 1:",
        "  customer: Nickname__c is mapped to nickname",
        "",
        "customer: 10 documents looked at",
        "         10  to be read whole first",
        "             cust-0, cust-1, …",
        "          1  may be written after that  Nickname__c",
        "             cust-3",
        "API calls: 1 to read and 1 at most to write, if they go out full (2,000 reads or 200 writes a call)",
    ]
    assert (await stored(database), await database["salesforce_sync_logs"].count_documents({})) == before
    assert (await in_force(database)).version == 1


async def test_publishing_decides_every_document_and_lets_the_sweep_ring(
    stage: Stage, database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A field that was only filled: what was held back is due once the version is applied, and written."""
    held = await published(database, edited(await in_force(database), "Title", policy="fill_only"))
    await application(stage, database, held).run()
    stage.catalog = held
    await stage.post({"title": "Countess"}, id_="cust-4", changed=["title"])
    await stage.settle()
    assert await MongoDocuments(database).due("customers", stage.now + 10**9, 99) == []
    file = file_of(edited(await in_force(database), "Title", policy="latest_wins"), tmp_path)
    assert await command(mapping_command.run_publish, file, "a reason", sure=True) == 0
    told = capsys.readouterr().out
    assert "          1  to be written  Title\n" in told
    assert "10 documents were decided again by version 3" in told
    assert await versions_of(database) == [3] * DOCUMENTS
    wall = await database["customers"].find_one({"_id": "cust-4"})
    assert wall is not None
    due = await MongoDocuments(database).due("customers", wall["_sync"]["due_at"], 99)
    assert [document["_id"] for document in due] == ["cust-4"]
    stage.catalog, stage.now = Catalog(await in_force(database)), wall["_sync"]["due_at"]
    await stage.settle()
    record = stage.salesforce.rows["Contact"][wall["_sync"]["link"]["id"]]
    assert record["Title"] == "Countess"


@pytest.mark.parametrize(
    ("first", "winner", "rule"),
    [("platform_wins", "platform", "18.platform_wins"), ("salesforce_wins", "salesforce", "18.salesforce_wins")],
)
async def test_a_newly_mapped_field_from_end_to_end(
    stage: Stage, database: Database, first: str, winner: str, rule: str
) -> None:
    """Read first; written where Salesforce has nothing, a conflict by `first` where both sides have a value."""
    for number, values in ((1, {"nickname": "p1"}), (2, {"nickname": "p2"})):
        await database["customers"].update_one({"_id": f"cust-{number}"}, {"$set": values})
    ids = {document["_id"]: document["_sync"]["link"]["id"] for document in await stored(database)}
    records = stage.salesforce.rows["Contact"]
    records[ids["cust-2"]]["Nickname__c"] = "s2"
    records[ids["cust-3"]]["Nickname__c"] = "s3"
    catalog = await published(database, mapped_too(await in_force(database), **NICKNAME, first=first))
    applied = await application(stage, database, catalog).run()
    assert (applied.decided, applied.refused) == (DOCUMENTS, {})
    stage.catalog = catalog
    calls = len(stage.salesforce.calls)
    await stage.settle()
    made = stage.salesforce.calls[calls:]
    assert made[0].operation == "read"
    assert {key for call in made if call.operation == "read" for key in call.keys} == set(ids.values())
    written = {key for call in made if call.operation == "update" for key in call.keys}
    assert written == {ids["cust-1"], *([ids["cust-2"]] if winner == "platform" else [])}
    shown = {document["_id"]: document.get("nickname") for document in await stored(database)}
    held = {name: records[record].get("Nickname__c") for name, record in ids.items()}
    both = {"cust-1": "p1", "cust-2": "p2" if winner == "platform" else "s2", "cust-3": "s3"}
    assert {name: shown[name] for name in both} == {name: held[name] for name in both} == both
    rows = await database["salesforce_sync_logs"].find({"type": "audit", "path": "nickname"}).to_list()
    assert [(row["document"], row["rule"], row["winner"]) for row in rows] == [("cust-2", rule, winner)]


async def test_an_application_that_was_interrupted_goes_on(stage: Stage, database: Database) -> None:
    """What was decided stays decided, and is not decided again."""
    catalog = await published(database, edited(await in_force(database), "Title", direction="pull"))
    cut = application(stage, database, catalog)

    class Interrupted(BaseException):
        """Whatever ended it."""

    def once(_passed: int) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        await cut.run(once)
    assert sorted(await versions_of(database)) == [1] * 7 + [2] * 3
    revisions = {document["_id"]: document["revision"] for document in await stored(database)}
    again = application(stage, database, catalog)
    assert await again.waiting() == 7
    passed: list[int] = []
    assert (await again.run(passed.append)).decided == 7
    assert sum(passed) == DOCUMENTS
    assert await again.waiting() == 0
    moved = [each["_id"] for each in await stored(database) if each["revision"] != revisions[each["_id"]]]
    assert len(moved) == 7
    assert (await application(stage, database, catalog).run()).decided == 0


async def test_ctrl_c_says_how_to_go_on(stage: Stage, database: Database, tmp_path: Path) -> None:
    """The real command: interrupted after the publication, gone on with by `tandem mapping apply`."""
    file = file_of(edited(await in_force(database), "Title", direction="pull"), tmp_path)
    program = (sys.executable, "-m", "ops", "mapping")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*program, "publish", str(file), "--yes", stdout=pipe, stderr=pipe)
    assert process.stderr is not None
    async with asyncio.timeout(60):
        assert (await process.stderr.readline()).startswith(b"not compared with the org")
        assert await process.stderr.readline() == b"running processes take version 2 up; 6 seconds\n"
        process.send_signal(signal.SIGINT)
        _, told = await process.communicate()
    assert process.returncode == 1
    assert told.decode() == (
        "interrupted; the version stays in force, what is decided stays decided; `tandem mapping apply` goes on\n"
    )
    assert await versions_of(database) == [1] * DOCUMENTS
    process = await asyncio.create_subprocess_exec(*program, "apply", stdout=pipe, stderr=pipe)
    async with asyncio.timeout(60):
        await process.communicate()
    assert process.returncode == 0
    assert await versions_of(database) == [2] * DOCUMENTS


class Contested(MongoDocuments):
    """Somebody else is first, once."""

    def __init__(self, database: Database, first: Callable[[], Awaitable[None]]) -> None:
        super().__init__(database)
        self._first: Callable[[], Awaitable[None]] | None = first

    async def write(self, collection: str, writes: Sequence[DocumentWrite]) -> set[str]:
        if self._first is not None:
            first, self._first = self._first, None
            await first()
        return await super().write(collection, writes)


class Swallowing(MongoDocuments):
    """Cancels whoever writes, and swallows that, as the driver mostly does before Python 3.12."""

    async def write(self, collection: str, writes: Sequence[DocumentWrite]) -> set[str]:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        return await super().write(collection, writes)


async def test_a_cancellation_that_the_driver_swallows_ends_it_all_the_same(stage: Stage, database: Database) -> None:
    """After the page in hand: nobody presses Ctrl-C for nothing."""
    catalog = await published(database, edited(await in_force(database), "Title", direction="pull"))
    running = asyncio.create_task(application(stage, database, catalog, documents=Swallowing(database)).run())
    with pytest.raises(asyncio.CancelledError):
        await running
    assert sorted(await versions_of(database)) == [1] * 7 + [2] * 3


@pytest.mark.parametrize("taken_up", [False, True])
async def test_an_edit_that_comes_meanwhile_is_kept(stage: Stage, database: Database, *, taken_up: bool) -> None:
    """By a reconciler of the version before, or by one that has taken the new one up: the lost race is run again."""
    catalog = await published(database, mapped_too(await in_force(database), **NICKNAME))

    async def edit() -> None:
        stage.catalog = catalog if taken_up else stage.catalog
        await stage.post({"title": "Countess"}, id_="cust-1", changed=["title"])

    applied = await application(stage, database, catalog, documents=Contested(database, edit)).run()
    assert applied.decided == DOCUMENTS - taken_up
    assert await versions_of(database) == [2] * DOCUMENTS
    document = await stage.document("cust-1")
    assert document["title"] == "Countess"
    assert document["_sync"]["read"] == "rule 29: a field is newly mapped"
    stage.catalog = catalog
    await stage.settle()
    assert stage.salesforce.rows["Contact"][document["_sync"]["link"]["id"]]["Title"] == "Countess"


async def test_two_applications_at_once_do_each_document_once(stage: Stage, database: Database) -> None:
    """Nobody coordinates them; each loser is told once in the audit."""
    for number in range(DOCUMENTS):
        await stage.post({"title": f"Title {number}"}, id_=f"cust-{number}", changed=["title"])
    catalog = await published(database, edited(await in_force(database), "Title", direction="pull"))
    ended = await asyncio.gather(*(application(stage, database, catalog).run() for _ in range(2)))
    assert sum(applied.decided for applied in ended) == DOCUMENTS
    assert await versions_of(database) == [2] * DOCUMENTS
    rows = await database["salesforce_sync_logs"].find({"type": "audit", "rule": "29"}).to_list()
    assert sorted(row["document"] for row in rows) == [f"cust-{number}" for number in range(DOCUMENTS)]
    assert not any(document["_sync"].get("audit") for document in await stored(database))
    assert {document["title"] for document in await stored(database)} == {"Ms"}


async def test_the_plan_is_what_the_application_does(stage: Stage, database: Database) -> None:
    """Document for document: what is said to be written or taken over is."""
    for number in (2, 5):
        await stage.post({"title": "Countess"}, id_=f"cust-{number}", changed=["title"])
    before = stage.catalog
    catalog = await published(database, edited(await in_force(database), "Title", direction="pull"))
    plan = await make_plan(MongoVersions(database, page=4), before, catalog, TIMING, now=lambda: stage.now, names=9)
    said = {effect.value: tally.ids for (effect, _field), tally in plan.kinds["customer"].tallies.items()}
    assert said == {"taken over from Salesforce": ["cust-2", "cust-5"], "no longer written": ["cust-2", "cust-5"]}
    shown = {document["_id"]: document["title"] for document in await stored(database)}
    await application(stage, database, catalog).run()
    now = {document["_id"]: document["title"] for document in await stored(database)}
    assert [name for name in shown if shown[name] != now[name]] == ["cust-2", "cust-5"]


async def test_rolling_back_publishes_the_older_version_again(
    stage: Stage, database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a new one, with its plan; the field that had come is gone, and the documents are decided again."""
    first = await in_force(database)
    file = file_of(mapped_too(first, **NICKNAME), tmp_path)
    assert await command(mapping_command.run_publish, file, "", sure=True) == 0
    assert await command(mapping_command.run_rollback, 1, "", sure=True) == 0
    current = await in_force(database)
    assert (current.version, current.kinds) == (3, first.kinds)
    assert await versions_of(database) == [3] * DOCUMENTS
    row = await database["salesforce_field_mappings"].find_one({"_id": 3})
    assert row is not None
    assert row["note"] == "back to version 1"
    told = capsys.readouterr().out
    assert "customer: Nickname__c is no longer mapped to nickname\n" in told
    assert await command(mapping_command.run_rollback, 1, "", sure=True) == 0
    assert capsys.readouterr().out == "nothing differs from version 3, which is in force\n"
    assert await command(mapping_command.run_rollback, 9, "", sure=True) == 1
    assert capsys.readouterr().err == "there is no version 9\n"


async def test_the_versions_are_listed(
    stage: Stage, database: Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Newest first, with what is still to be done; then done by `apply`, which says when there is nothing to do."""
    monkeypatch.setenv("COLUMNS", "120")
    await published(database, edited(await in_force(database), "Title", direction="pull"))
    assert await command(mapping_command.run_versions) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()[:1].isdigit()]
    assert [(row[0], row[3], row[4:]) for row in rows] == [("2", "ops", ["10"]), ("1", "ops", [])]
    assert await command(mapping_command.run_apply) == 0
    assert capsys.readouterr().out.startswith("10 documents were decided again by version 2;")
    assert await command(mapping_command.run_apply) == 0
    assert capsys.readouterr().out == "nothing to do: no document was decided by an older version than 2\n"


async def test_before_the_first_version_there_is_nothing_to_do(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Each command says so in a line."""
    for run in (mapping_command.run_versions, mapping_command.run_apply):
        assert await command(run) == 1
        assert capsys.readouterr().err == "no mapping is published yet\n"
    assert await command(mapping_command.run_plan, file_of(preset("customers"), tmp_path), 0) == 0
    assert capsys.readouterr().out.startswith("nothing is published yet: this is version 1")


@pytest.mark.parametrize("answer", [None, False])
async def test_without_a_yes_nothing_is_published(
    stage: Stage,
    database: Database,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: bool | None,
) -> None:
    """Somebody says no; or nobody can be asked, since standard input is no terminal."""
    if answer is not None:
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
        monkeypatch.setattr(typer, "confirm", lambda _question: answer)
    file = file_of(mapped_too(await in_force(database), **NICKNAME), tmp_path)
    assert await command(mapping_command.run_publish, file, "", sure=False) == 1
    told = capsys.readouterr().err
    assert ("nothing was changed" in told) if answer is False else ("`--yes`" in told)
    assert (await in_force(database)).version == 1
    assert await versions_of(database) == [1] * DOCUMENTS


async def test_a_document_that_mongodb_will_not_store_is_named(
    stage: Stage, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """All others are decided, and the exit code says that not all is done."""
    await published(database, edited(await in_force(database), "Title", direction="pull"))
    await database.command({"collMod": "customers", "validator": {"_id": {"$ne": "cust-5"}}})
    assert await command(mapping_command.run_apply) == 1
    assert capsys.readouterr().err.splitlines() == [
        "customer cust-5: MongoDB will not store it: DocumentValidationFailure",
        "1 could not be stored; put them right, then `tandem mapping apply` goes on",
    ]
    assert sorted(await versions_of(database)) == [1] + [2] * (DOCUMENTS - 1)


async def test_a_process_of_the_version_before_waits_until_it_has_taken_the_new_one_up(
    stage: Stage, database: Database
) -> None:
    """It meets a document of the newer version: the record is tried again, the process goes on, nothing is lost."""
    catalog = await published(database, mapped_too(await in_force(database), **NICKNAME))
    await application(stage, database, catalog).run()
    away: list[Unavailable] = []
    outcomes: list[Outcome] = []

    def on_unavailable(_what: str, error: Unavailable, _seconds: float) -> None:
        away.append(error)
        if len(away) == 3:
            stage.catalog = catalog

    runner = Runner(
        stage.reconciler,
        settings(),
        on_unavailable=on_unavailable,
        on_results=lambda _topic, _records, results: outcomes.extend(result.outcome for result in results),
    )
    stream, stop = FakeStream(), asyncio.Event()
    records = [
        stage.event({"nickname": "Ada"}, id_="cust-1", changed=["nickname"]),
        stage.event({"last_name": "New"}, id_="cust-new"),
    ]
    stream.feed(*records)
    running = asyncio.create_task(runner.run(stream, stop))
    last = max(record.offset for record in records)
    await stream.until(lambda: stream.committed.get((records[0].topic, 0)) == last + 1)
    stop.set()
    await running
    assert len(away) == 3
    assert "decided by version 2 of the mapping, and this process has 1" in str(away[0])
    assert outcomes == [Outcome.APPLIED] * 2
    assert (await stage.document("cust-1"))["nickname"] == "Ada"
    assert (await stage.document("cust-new"))["last_name"] == "New"


async def test_a_writer_of_the_version_before_waits_too(stage: Stage, database: Database) -> None:
    """Its doorbell comes again, and is answered by the new version."""
    await stage.post({"title": "Countess"}, id_="cust-1", changed=["title"])
    bells = [stage.record(topics.SALESFORCE_WRITES, key, value) for key, value in stage.doorbells.rung]
    catalog = await published(database, edited(await in_force(database), "Title", policy="platform_wins"))
    await application(stage, database, catalog).run()
    with pytest.raises(DecidedByNewerMapping):
        await stage.writer.handle(bells)
    stage.catalog = catalog
    assert [result.outcome for result in await stage.writer.handle(bells)] == [Outcome.APPLIED]
    record = (await stage.document("cust-1"))["salesforce"]["recordId"]
    assert stage.salesforce.rows["Contact"][record]["Title"] == "Countess"


async def test_a_document_that_is_decided_while_its_write_is_under_way_comes_to_rest(
    stage: Stage, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer of the version before cannot store the answer: it counts as unanswered, by rule 15."""
    catalog = await published(database, edited(await in_force(database), "Title", policy="platform_wins"))
    update = stage.salesforce.update

    async def decided_meanwhile(sobject: str, updates: Sequence[RecordUpdate]) -> list[RowResult]:
        answer = await update(sobject, updates)
        await application(stage, database, catalog).run()
        return answer

    await stage.post({"title": "Countess"}, id_="cust-1", changed=["title"])
    monkeypatch.setattr(stage.salesforce, "update", decided_meanwhile)
    with pytest.raises(DecidedByNewerMapping):
        await stage.answer_doorbells()
    stage.catalog = catalog
    await stage.settle()
    document = await stage.document("cust-1")
    assert (document["title"], document["salesforce"]["syncStatus"]) == ("Countess", "synced")
    assert stage.salesforce.rows["Contact"][document["salesforce"]["recordId"]]["Title"] == "Countess"
