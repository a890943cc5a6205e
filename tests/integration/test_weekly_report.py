"""The weekly report from what MongoDB has: noted, read by indexes, mailed, shown, and asked for by command."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, time
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session
from pymongo.asynchronous.database import AsyncDatabase
from support.admin_page import AdminWorld, open_admin
from support.environment import where
from support.org import org_client
from support.running import Notes, Stages, until

from adapters.mongo.collections import prepare
from adapters.mongo.leases import MongoLeases
from adapters.mongo.lookups import MongoSlowLookups
from adapters.mongo.operations import MongoOperations
from adapters.mongo.samples import MongoSamples
from adapters.telemetry.metrics import Metrics
from consumers.enrichment.settings import EnrichmentSettings
from ops.admin.rollup import HOUR, RAW, slot
from ops.admin.sampler import SETTLED, note
from ops.alerts.sender import AppriseSender
from ops.processes.enrolling import open_enrolment
from ops.processes.frame import Frame
from ops.processes.parts import wall_ms
from ops.sync.slots import Weekly
from ops.weekly import command
from ops.weekly.keeping import WeeklyReports, row_id
from ops.weekly.reading import read
from ops.weekly.week import Week, week_named, week_of
from schemas import topics
from schemas.operators import Role
from schemas.samples import Sample
from schemas.slow_lookup import LookupsHeard, SlowLookup

pytestmark = pytest.mark.integration

Database = AsyncDatabase[dict[str, Any]]
WEEK = week_named("2026-W48")
ADA = {"last_name": "Lovelace", "email": "ada@example.org"}


@dataclass
class Inbox:
    """Mails as they came, and what a chat was told."""

    mails: list[EmailMessage] = field(default_factory=list)
    chats: list[dict[str, Any]] = field(default_factory=list)
    mail_url: str = ""
    chat_url: str = ""


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    """A mail server and a webhook."""
    box = Inbox()

    class Handler:
        async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - its name
            told = message_from_bytes(bytes(envelope.content or b""), policy=default)
            assert isinstance(told, EmailMessage)
            box.mails.append(told)
            return "250 OK"

    async def take(request: web.Request) -> web.Response:
        box.chats.append(await request.json())
        return web.Response()

    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Handler(), loop=loop, hostname="localhost"), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    box.mail_url = f"mailto://127.0.0.1:{port}/?from=tandem@example.com&to=ops@example.com&mode=insecure"
    app = web.Application()
    app.add_routes([web.post("/chat", take)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    box.chat_url = f"json://127.0.0.1:{runner.addresses[0][1]}/chat"
    yield box
    await runner.cleanup()
    server.close()
    await server.wait_closed()


async def a_week(database: Database, week: Week) -> None:
    """168 hours of ten records and five writes, of which one was refused."""
    await prepare(database, ())
    counts = {
        f"handled:{topics.PLATFORM_EVENTS}": 10,
        f"handled:{topics.SALESFORCE_WRITES}": 5,
        "write:applied": 4,
        "write:parked": 1,
        f"error:{topics.SALESFORCE_WRITES}:STRING_TOO_LONG": 1,
        "field:customer:phone": 2,
    }
    levels = {"api_used": 3_000, "api_limit": 15_000}
    hours = [Sample(at, HOUR, HOUR, counts, levels) for at in range(week.since, week.until, HOUR)]
    await MongoSamples(database).keep([(each, 10 * 365 * 24 * HOUR) for each in hours])


@pytest.fixture
async def admin(database: Database) -> AsyncIterator[AdminWorld]:
    """With somebody who may look."""
    async with open_admin(database) as world:
        await world.user("viewer", Role.VIEWER)
        yield world


async def test_why_and_where_are_noted_and_come_to_the_page(admin: AdminWorld) -> None:
    """Two writes that were not taken, a record that was parked, a conflict: each by its code or field, once.

    Nothing of what a message quotes is there.
    """
    stage, samples = admin.operator.stage, MongoSamples(admin.operator.database)
    stage.now = slot(stage.now, HOUR) + 10_000
    await stage.reconciler.handle([stage.event(ADA, type_="customer.promoted")])
    rows = [
        {"type": "write", "kind": "customer", "outcome": "parked", "code": "STRING_TOO_LONG", "reason": "Ada's"},
        {"type": "write", "kind": "customer", "outcome": "deferred", "code": "UNABLE_TO_LOCK_ROW", "reason": "Ada's"},
        {"type": "write", "kind": "customer", "outcome": "applied", "code": "", "reason": ""},
        {"type": "outcome", "topic": topics.SALESFORCE_CHANGES, "outcome": "deferred", "reason": "rule 19"},
        {"type": "audit", "kind": "customer", "path": "phone", "rule": "13.latest_wins"},
        {"type": "audit", "kind": "customer", "path": "phone", "rule": "10"},
    ]
    await stage.log.append([{"_id": f"row-{place}", "at": stage.now, **row} for place, row in enumerate(rows)])
    stage.now = slot(stage.now, RAW.width) + RAW.width + SETTLED
    assert await note(admin.parts, samples)
    week = week_of(stage.now)
    async with admin.visit("viewer") as visitor:
        told = (await visitor.json(f"/admin/report?week={week.name}"))["report"]
        assert {(each["where"], each["name"], each["now"]) for each in told["errors"]} == {
            (topics.SALESFORCE_WRITES, "STRING_TOO_LONG", 1),
            (topics.SALESFORCE_WRITES, "UNABLE_TO_LOCK_ROW", 1),
            (topics.PLATFORM_EVENTS, "unknown_event_type", 1),
        }
        assert [(each["where"], each["name"], each["now"]) for each in told["fields"]] == [("customer", "phone", 1)]
        figures = {each["name"]: each["now"] for each in told["figures"]}
        assert (figures["Records taken in"], figures["Writes sent to Salesforce"], figures["Parked"]) == (2, 3, 2)
        assert await visitor.get(f"/admin/report?week={week.name}") == 200
        assert "STRING_TOO_LONG" in visitor.last
        assert "Ada" not in visitor.last
        assert await visitor.get("/admin/report") == 200
        assert "Nothing is known of this week" in visitor.last
        assert await visitor.get("/admin/report?week=2026-W99") == 409


async def test_it_is_read_by_indexes_alone(database: Database) -> None:
    """Every query of it: the plan of each, as it was asked, looks at no whole collection."""
    await a_week(database, WEEK)
    await MongoSlowLookups(database).add(
        [SlowLookup(WEEK.since + 5, "known", 900)], LookupsHeard(WEEK.since + 5, 1, 900)
    )
    await database.command({"profile": 2})
    told = await read(database, WEEK, WEEK.until)
    assert told.covered == 1.0
    await database.command({"profile": 0})
    plans = {
        (row["ns"].partition(".")[2], row["planSummary"].partition(" ")[0])
        async for row in database["system.profile"].find(
            {"op": {"$in": ["query", "command"]}, "planSummary": {"$gt": ""}}
        )
    }
    assert plans == {(name, "IXSCAN") for name in ("tandem_samples", "tandem_gaps", "salesforce_sync_logs")}


async def test_slow_lookups_and_gaps_are_of_their_week(database: Database) -> None:
    """At its edges too; the slowest first; nothing in a row says of whom."""
    await a_week(database, WEEK)
    found = [
        SlowLookup(WEEK.since - 1, "known", 9_000),
        SlowLookup(WEEK.since, "known", 700),
        SlowLookup(WEEK.until - 1, "pending", 2_000),
        SlowLookup(WEEK.until, "known", 9_000),
    ]
    await MongoSlowLookups(database).add(found, LookupsHeard(WEEK.since, 4, 20_700))
    gaps = [{"_id": str(at), "state": "closed", "reason": "refused_position", "until": at} for at in (WEEK.since, 5)]
    await database["tandem_gaps"].insert_many(gaps)
    told = await read(database, WEEK, WEEK.until)
    assert list(told.slowest) == [found[2], found[1]]
    figures = {each.name: (each.now, each.before) for each in told.figures}
    assert figures["Look-ups over half a second"] == (2, 1)
    assert figures["Gaps noticed"] == (1, 0)
    row = await database["salesforce_sync_logs"].find_one({"type": "lookup"})
    assert row is not None
    assert set(row) == {"_id", "type", "at", "end", "milliseconds", "logged_at"}


async def test_a_slow_registration_is_kept_by_the_process_that_takes_it(database: Database) -> None:
    """What is told to the metrics is told to the log too, where it was slow; at its end at the latest."""
    await prepare(database, ())
    frame = Frame(stage="api", log=Notes(), metrics=Metrics(), stop=asyncio.Event())
    mapping = SimpleNamespace(current=lambda: None)
    store = cast("Any", SimpleNamespace(database=database, mapping=mapping, documents=None))
    parts = cast("Any", SimpleNamespace(people=None, cache=None, guarded=None, requests=None))
    began = wall_ms()
    async with open_enrolment(store, cast("Any", None), parts, EnrichmentSettings(), None, frame) as enrolment:
        for end, seconds in (("known", 0.1), ("not_found", 1.25), ("accepted", 3.0)):
            enrolment._on_answer(end, seconds)
    (kept,) = await MongoSlowLookups(database).slowest(began, wall_ms() + 1, 10)
    assert (kept.end, kept.milliseconds) == ("not_found", 1_250)
    told = frame.metrics.render().decode()
    assert 'tandem_registration_seconds_count{end="known"} 1.0' in told


async def test_it_is_mailed_once_with_plots_and_as_text(database: Database, inbox: Inbox) -> None:
    """By two processes at once: one mail of two parts that anybody can read, and a chat is told the text."""
    await a_week(database, WEEK)
    now = WEEK.until + 8 * HOUR

    def reports(owner: str) -> WeeklyReports:
        return WeeklyReports(
            when=Weekly(0, time(7), UTC),
            read=lambda week, at: read(database, week, at),
            sender=AppriseSender([inbox.mail_url, inbox.chat_url]),
            sent=MongoOperations(database),
            leases=MongoLeases(database),
            owner=owner,
            page="https://tandem.example.com",
            now=lambda: now,
            told=lambda _week, _taken: None,
        )

    await asyncio.gather(reports("one").look(), reports("two").look())
    assert await reports("three").look()
    (mail,) = inbox.mails
    assert mail["Subject"] == "Tandem: week 2026-W48"
    parts = {part.get_content_type(): part.get_content() for part in mail.walk() if not part.is_multipart()}
    assert set(parts) == {"text/plain", "text/html"}
    assert "background:#0b5cad" in parts["text/html"]
    assert "<script" not in parts["text/html"]
    for part in parts.values():
        assert "Mon 23" in part
        assert "STRING_TOO_LONG" in part
    lines = [" ".join(line.split()) for line in parts["text/plain"].splitlines()]
    assert "Records taken in: 1,680 (none before)" in lines
    assert "Mon 23: 240" in lines
    assert not any("<" in line or "style" in line for line in lines)
    (chat,) = inbox.chats
    assert "Records taken in: 1,680 (none before)" in chat["message"]
    assert "<p" not in chat["message"]
    row = await MongoOperations(database).get(row_id("2026-W48"))
    assert row is not None
    assert (row["what"], row["by"], row["item"]) == ("send weekly report", "schedule", "2026-W48")


async def test_the_process_sends_it(
    database: Database, inbox: Inbox, kafka_bootstrap: str, mongodb_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`tandem schedule` with an address sends the week that is over, and says so; without one it sends nothing."""
    week = week_of(wall_ms()).moved(-1)
    await a_week(database, week)
    async with org_client() as org:
        for name, value in {
            **where(kafka=kafka_bootstrap, mongodb=mongodb_uri, database=database.name, org=org.org),
            "MAPPING_PRESET": "customers",
            "SCHEDULE_REPORT_AT": "00:00",
        }.items():
            monkeypatch.setenv(name, value)
        stages = Stages()
        try:
            stages.start("without", stage="schedule")
            await until(lambda: "schedule" in stages.stages["without"].frame.up, "the first is up")
            await stages.stop("without")
            monkeypatch.setenv("ALERT_REPORT_URLS", inbox.mail_url)
            stages.start("schedule")
            told = stages.stages["schedule"].notes
            await until(lambda: told.last("report_sent"), "the report is sent")
        finally:
            await stages.close()
    assert told.last("report_sent") == {"week": week.name}
    assert [mail["Subject"] for mail in inbox.mails] == [f"Tandem: week {week.name}"]


async def test_it_is_asked_for_by_command(
    database: Database,
    inbox: Inbox,
    mongodb_uri: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The week that is over without a name; into a file, by mail, as JSON; and what cannot be is told."""
    week = week_of(wall_ms()).moved(-1)
    await a_week(database, week)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MONGODB_URI", mongodb_uri)
    monkeypatch.setenv("MONGODB_DATABASE", database.name)

    async def run(name: str = "", file: Path | None = None, *, send: bool = False, as_json: bool = False) -> int:
        return await asyncio.to_thread(command.run, name, file=file, send=send, as_json=as_json)

    assert await run(file=tmp_path / "week.html") == 0
    assert "writes that Salesforce took 80.0 %, not more than 95 %" in capsys.readouterr().out
    assert (tmp_path / "week.html").read_text().startswith("<!doctype html>")
    assert await run(send=True) == 2
    assert "ALERT_REPORT_URLS and ALERT_URLS are not set" in capsys.readouterr().err
    monkeypatch.setenv("ALERT_URLS", inbox.chat_url)
    monkeypatch.setenv("ALERT_REPORT_URLS", inbox.mail_url)
    assert await run(send=True, as_json=True) == 0
    assert f'"week": "{week.name}"' in capsys.readouterr().out
    assert (len(inbox.mails), len(inbox.chats)) == (1, 0)
    assert await run("last") == 2
    assert "2026-W48" in capsys.readouterr().err
    assert await run(week.moved(-5).name) == 1
    assert await run(file=tmp_path / "no" / "week.html") == 1
    assert "cannot be written" in capsys.readouterr().err
