"""`make test-org`: the behaviour of Salesforce that ours relies upon, and the facts that no document tells.

Without TANDEM_TEST_ORG it runs on the simulated org, which proves that the suite works. With `real` it runs on the one
that SALESFORCE_* names: a sandbox or a Developer Edition, in which `deploy/salesforce` (customers) is deployed. What it
makes is marked, and removed in the end; in an org that is neither it does nothing at all.
"""

import asyncio
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from rich.console import Console
from rich.table import Table
from support.marked_records import MARK, MarkedRecords, marked, of_mark
from support.org import OrgClient, org_client
from support.org_doubts import DOUBTS, FACTS
from support.org_facts import Asker, Fact, ask_all
from support.records_behaviour import People, RecordsBehaviour, made
from support.running import until

from adapters.salesforce.opening import Salesforce, open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from listener.changes.buffer import Buffer, Event
from listener.changes.cometd import CometdClient
from listener.changes.health import Health, State
from listener.changes.settings import ChangesSettings
from ops.settings import read_each

ASKED_FOR = os.environ.get("TANDEM_TEST_ORG", "")
REAL = ASKED_FOR == "real"
SUITE = Path(__file__).resolve()
NEW_ONLY = -1
EVENT_SECONDS = 60.0 if REAL else 10.0


def now() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class TestedOrg:
    """The org, opened; `simulated` is its inside where it is ours."""

    __test__ = False

    salesforce: Salesforce
    settings: SalesforceSettings
    run: str
    simulated: OrgClient | None = None


@asynccontextmanager
async def simulated_settings(**changes: Any) -> AsyncIterator[tuple[SalesforceSettings, OrgClient]]:
    async with org_client(**changes) as org:
        running = org.org
        secret = {"client_id": running.client_id, "client_secret": running.client_secret}
        yield SalesforceSettings(login_url=running.base_url, **secret), org


@pytest.fixture
async def org() -> AsyncIterator[TestedOrg]:
    run = uuid.uuid4().hex[:8]
    if REAL:
        settings = real_settings()
        async with open_salesforce(settings, now=now) as salesforce:
            await refuse_production(salesforce)
            yield TestedOrg(salesforce, settings, run)
        return
    async with simulated_settings() as (settings, inside), open_salesforce(settings, now=now) as salesforce:
        yield TestedOrg(salesforce, settings, run, inside)


def real_settings() -> SalesforceSettings:
    """Of the environment and of .env, as the processes read them."""
    read, wrong = read_each(SalesforceSettings)
    settings = read.get(SalesforceSettings)
    if not isinstance(settings, SalesforceSettings):
        pytest.exit("\n".join(wrong), returncode=2)
    return settings


async def refuse_production(salesforce: Salesforce) -> None:
    """Only where nobody's work can be harmed."""
    async for row in salesforce.rest.query("SELECT IsSandbox, OrganizationType FROM Organization"):
        if row["IsSandbox"] is not True and row["OrganizationType"] != "Developer Edition":
            pytest.exit("this org is no sandbox and no Developer Edition: nothing was done", returncode=2)


@pytest.fixture
async def records(org: TestedOrg) -> AsyncIterator[MarkedRecords]:
    async with marked(org.salesforce.rest, org.salesforce.records, org.run) as mine:
        yield mine


class TestRecords(RecordsBehaviour):
    """Each promise of the port, kept by the org."""

    @pytest.fixture
    def people(self, org: TestedOrg) -> People:
        if org.simulated is None:
            pytest.skip("no REST call merges or undeletes records: only people do")
        return _People(org.simulated)


class _People:
    def __init__(self, org: OrgClient) -> None:
        self._org = org

    async def merge(self, master: str, *losers: str) -> None:
        assert (await self._org.merge(master, *losers))["success"]

    async def undelete(self, record_id: str) -> None:
        [result] = await self._org.admin("POST", "/edits", {"action": "undelete", "id": record_id})
        assert result["success"], result

    async def convert(self, lead_id: str) -> str:
        return await self._org.convert(lead_id)


async def test_everything_that_was_made_is_removed(org: TestedOrg) -> None:
    """Also what a failing test leaves, and nothing that is somebody else's."""
    rest, inner = org.salesforce.rest, org.salesforce.records

    async def fail_in_the_middle() -> None:
        async with marked(rest, inner, org.run) as mine:
            await made(mine, "mine")
            assert len([row async for row in rest.query(of_mark(mine.mark))]) == 1
            raise RuntimeError("in the middle")

    async with marked(rest, inner, f"{org.run}x") as others:
        await made(others, "not-mine")
        with pytest.raises(RuntimeError, match="in the middle"):
            await fail_in_the_middle()
        assert [row async for row in rest.query(of_mark(f"{MARK}{org.run}-"))] == []
        assert len([row async for row in rest.query(of_mark(others.mark))]) == 1


@pytest.mark.parametrize(
    ("edition", "sandbox", "may"),
    [("Developer Edition", False, True), ("Enterprise Edition", True, True), ("Enterprise Edition", False, False)],
)
async def test_a_production_org_is_left_alone(edition: str, sandbox: bool, may: bool) -> None:
    """Before anything is made: only a sandbox or a Developer Edition is written to."""
    async with (
        simulated_settings(edition=edition, sandbox=sandbox) as (settings, _inside),
        open_salesforce(settings, now=now) as salesforce,
    ):
        with nullcontext() if may else pytest.raises(pytest.exit.Exception, match="no sandbox"):
            await refuse_production(salesforce)


async def test_the_whole_suite_runs_on_the_org_that_the_settings_name(tmp_path: Path) -> None:
    """`make test-org` as it stands: in a process of its own, with nothing but SALESFORCE_* to go by."""
    if ASKED_FOR:
        pytest.skip("this is that process")
    async with simulated_settings() as (settings, inside):
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("SALESFORCE_", "SF_"))},
            "TANDEM_TEST_ORG": "real",
            "SALESFORCE_LOGIN_URL": settings.login_url,
            "SALESFORCE_CLIENT_ID": settings.client_id,
            "SALESFORCE_CLIENT_SECRET": inside.org.client_secret,
        }
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(SUITE)]
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        told = (await process.communicate())[0].decode()
        assert process.returncode == 0, told
        assert "What no document says for sure" in told
        assert settings.client_id not in told
        assert inside.org.client_secret not in told
        assert await inside.admin("GET", "/records/Contact") == []


async def test_the_facts_are_asked_and_told(
    org: TestedOrg, records: MarkedRecords, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every question has an answer; the table is printed for whoever has an org."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        session = await org.salesforce.login.current()
        asker = Asker(
            http,
            session,
            org.settings.api_version,
            records.mark,
            org.settings.client_id,
            org.settings.client_secret.get_secret_value(),
            _listening(org),
            shared_login_of(org) if org.settings.login_url.endswith(".my.salesforce.com") else "",
        )
        told = await ask_all(asker)
    records.made.update(asker.made)
    if ASKED_FOR:
        with capsys.disabled():
            Console(width=160).print(_table(told), _not_asked())
    assert len(told) == len(FACTS)
    answers = {fact.fact: answer for fact, answer in told}
    unanswered = {fact: answer for fact, answer in answers.items() if answer.startswith("could not be asked")}
    if org.simulated is None:
        return  # a real org's answers are for people to read
    assert unanswered == {}
    assert answers["an id that never was, by REST"].startswith("404 NOT_FOUND")
    assert answers["an id that never was, by Collections"] == "200 INVALID_CROSS_REFERENCE_KEY"
    assert answers["a record in the recycle bin"].startswith("404 ENTITY_IS_DELETED")
    assert answers["one record twice in an update"] == "200 DUPLICATE_VALUE, DUPLICATE_VALUE"
    assert answers["the record that DUPLICATE_VALUE names: 15 or 18 characters, fields"].startswith(
        "DUPLICATE_VALUE, 15 characters"
    )
    assert answers["locator of a next page"].startswith("begins 01g")
    mark = answers["the client mark in changeOrigin: single row, Collections, composite"]
    assert "Collections: com/salesforce/api/rest/62.0;client=TandemTest" in mark
    event = answers["an update's event over CometD: header, a date, LastModifiedDate"]
    assert "changedFields ['Birthdate', 'LastModifiedDate']; {'Birthdate': '1990-02-01'" in event
    assert "first connect at once" in answers["CometD: cookies, the first connect, a channel that is not there"]
    assert answers["wrong secret by Basic: 400 or 401"].startswith("40")
    assert "JobComplete; com/salesforce/api/" in answers["changeOrigin of a row of a Bulk job"]
    assert answers["a Bulk query's later page: its first row"] == "JobComplete; the header again, 2 lines"
    for fact, answer in answers.items():
        if fact.startswith("status and words of "):
            assert f" {fact.split()[4]}: " in answer, fact


def _table(told: list[tuple[Fact, str]]) -> Table:
    table = Table(title="What no document says for sure", show_lines=True)
    for column in ("section", "fact", "asked how", "answer"):
        table.add_column(column, overflow="fold")
    for fact, answer in told:
        table.add_row(fact.section, fact.fact, fact.how, answer)
    return table


def _not_asked() -> Table:
    table = Table(title="What is doubtful, too, and not asked", show_lines=True)
    for column in ("section", "what", "why not"):
        table.add_column(column, overflow="fold")
    for doubt in DOUBTS:
        if doubt.why_not:
            table.add_row(doubt.section, doubt.what, doubt.why_not)
    return table


def shared_login_of(org: TestedOrg) -> str:
    """Where any org of its sort can be signed in to."""
    return f"https://{'test' if '.sandbox.' in org.settings.login_url else 'login'}.salesforce.com"


def _listening(org: TestedOrg) -> Callable[[Callable[[], Awaitable[list[str]]]], Awaitable[dict[str, dict[str, Any]]]]:
    """Subscribes, has the writes made, and gives the payload of each record's event."""

    async def listen(write: Callable[[], Awaitable[list[str]]]) -> dict[str, dict[str, Any]]:
        settings = read_each(ChangesSettings)[0][ChangesSettings] if REAL else ChangesSettings()
        assert isinstance(settings, ChangesSettings)
        health, buffer = Health(), Buffer(high=100_000, low=0)
        client = CometdClient(sessions=org.salesforce.login, settings=settings, health=health)
        task = asyncio.create_task(client.run(dict.fromkeys(settings.channels, NEW_ONLY), buffer))
        try:
            await until(lambda: health.state is State.CONNECTED, "the stream is subscribed to", seconds=EVENT_SECONDS)
            wanted = set(await write())
            await until(lambda: wanted <= _heard(buffer).keys(), "the events have come", seconds=EVENT_SECONDS)
        except AssertionError:
            pass  # what has come by then is the answer
        finally:
            task.cancel()
            await asyncio.wait([task])
        return _heard(buffer)

    return listen


def _heard(buffer: Buffer) -> dict[str, dict[str, Any]]:
    payloads = [item.data["payload"] for item in buffer.peek(len(buffer) or 1) if isinstance(item, Event)]
    updates = [payload for payload in payloads if payload["ChangeEventHeader"]["changeType"] == "UPDATE"]
    return {record: payload for payload in updates for record in payload["ChangeEventHeader"]["recordIds"]}
