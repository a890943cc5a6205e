"""The writer's Bulk jobs, against the simulated org: large backlogs, and processes that end anywhere in them."""

import asyncio
import gc
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from support.fake_documents import FakeDocuments, FakeParked
from support.lead_stage import LEAD
from support.org import OrgClient, log_in, org_client
from support.sync_stage import TIMING, Stage

from adapters.salesforce import bulk
from adapters.salesforce.csv_text import Upload
from adapters.salesforce.described_bulk import DescribedBulk
from adapters.salesforce.describes import Describes
from adapters.salesforce.opening import Salesforce, open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from consumers.budget import Budget
from consumers.ports import Unavailable
from consumers.rules.budget import BudgetLane, BudgetPolicy, Refusal
from consumers.rules.retry import RetryPolicy
from consumers.rules.state import DocumentState
from consumers.writer import job, visit
from consumers.writer.writer import Writer
from ops.processes.budget import BulkWithinBudget
from ops.processes.counted import CountedBulk
from schemas.allocation import BULK_BATCHES, Allocation
from schemas.change import Change, ChangeType
from schemas.position import CommitPosition

ROWS = 12
THRESHOLD = 10
A_DAY = 86_400_000
A_LONG_WAIT = 400_000
"""Milliseconds; a Bulk job is asked after more often than that."""
LIMIT_SECONDS = 30.0
IN_HAND = 5
"""Documents in hand at once: fewer than there are rows."""
KEY, TOKEN = "Tandem_Customer_Id__c", "Tandem_Customer_Write__c"


@pytest.fixture(autouse=True)
def _few_in_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visit, "AT_A_TIME", IN_HAND)
    monkeypatch.setattr(job, "OUTCOMES_AT_A_TIME", IN_HAND)


class KilledError(Exception):
    """The process ends here."""


class Fuse:
    """Bulk jobs that kill the process before or after one of their calls."""

    def __init__(self, bulk: Any, at: int, *, after: bool) -> None:
        self._bulk, self._left, self._after = bulk, at, after

    def __getattr__(self, name: str) -> Any:
        target = getattr(self._bulk, name)
        if name == "outcomes":
            return self._outcomes

        async def call(*arguments: Any) -> Any:
            with self._step():
                return await target(*arguments)

        return call

    async def _outcomes(self, *arguments: Any) -> AsyncIterator[Any]:
        with self._step():
            async for outcome in self._bulk.outcomes(*arguments):
                yield outcome

    def _step(self) -> "_Step":
        self._left -= 1
        return _Step(burns=self._left == -1, after=self._after)


@dataclass
class _Step:
    burns: bool
    after: bool

    def __enter__(self) -> None:
        if self.burns and not self.after:
            raise KilledError

    def __exit__(self, *problem: object) -> None:
        if self.burns and self.after and problem[0] is None:
            raise KilledError


@dataclass
class World:
    """Documents in memory, a simulated org that goes by their clock, and the real adapter between them."""

    stage: Stage
    org: OrgClient
    salesforce: Salesforce

    def writer(self, bulk: Any = None, rows: int = THRESHOLD, job_pace: Any = lambda: 0.0) -> Writer:
        return Writer(
            catalog=lambda: self.stage.catalog,
            documents=self.stage.documents,
            records=self.salesforce.records,
            log=self.stage.log,
            parked=self.stage.parked,
            now=lambda: self.stage.now,
            timing=TIMING,
            retry=RetryPolicy(tries=5, org_wait=1_000),
            bulk=bulk or self.salesforce.bulk,
            bulk_rows=rows,
            job_pace=job_pace,
        )

    async def post(self, numbers: Iterator[int] | range, **fields: Any) -> None:
        for number in numbers:
            await self.stage.post({"last_name": f"L{number}", **fields}, id_=f"cust-{number}")

    async def until_rest(self) -> None:
        """Doorbells, jobs and time, until nothing is due for a while."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < deadline:
            self.stage.now += 5_000
            await self.stage.sweep.ring_due()
            answered = await self.stage.answer_doorbells()
            if not answered and not await self.stage.documents.due("customers", self.stage.now + A_LONG_WAIT, 1):
                return
        raise AssertionError("does not come to rest")

    async def contacts(self) -> dict[str, dict[str, Any]]:
        # While a job is at work the stage's clock runs ahead of it, on a fast machine past this session's end.
        self.org.token = await log_in(self.org.org, self.org.http)
        found = await self.org.query(f"SELECT Id, LastName, Title, {KEY}, {TOKEN} FROM Contact")
        assert len({one[KEY] for one in found["records"]}) == found["totalSize"]
        return {one[KEY]: one for one in found["records"]}

    async def writes(self, id_: str) -> list[dict[str, Any]]:
        return list((await self.stage.document(id_))["_sync"]["writes"])

    async def calls(self) -> dict[str, int]:
        told = await self.org.admin("GET", "/calls")
        counted: dict[str, int] = {}
        for one in told["calls"]:
            counted[f"{one['verb']} {one['resource']}"] = one["count"]
        return counted


@asynccontextmanager
async def opened(**org_settings: Any) -> AsyncIterator[World]:
    stage = Stage(FakeDocuments())
    # Salesforce's answers carry the true time: what was written a day ago by the org's clock is long over by it.
    stage.now = time.time_ns() // 1_000_000 - A_DAY
    async with org_client(clock=lambda: stage.now, **org_settings) as org:
        values = {"client_id": org.org.client_id, "client_secret": org.org.client_secret, "login_url": org.org.base_url}
        async with open_salesforce(SalesforceSettings(**values), now=lambda: stage.now) as salesforce:
            world = World(stage, org, salesforce)
            stage.writer = world.writer()
            yield world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with opened() as one:
        yield one


async def test_many_rows_go_by_a_job_and_come_back(world: World) -> None:
    """First writes and then updates, each by one job; every document is linked, and no call of rows was made."""
    await world.post(range(ROWS))
    await world.until_rest()
    assert {key: one["LastName"] for key, one in (await world.contacts()).items()} == {
        f"cust-{n}": f"L{n}" for n in range(ROWS)
    }
    await world.post(range(ROWS), title="CTO")
    await world.until_rest()
    found = await world.contacts()
    assert {one["Title"] for one in found.values()} == {"CTO"}
    assert {one[TOKEN] for one in found.values()} == {f"cust-{n}:2" for n in range(ROWS)}
    calls = await world.calls()
    assert calls["POST /jobs/ingest"] == 2
    assert not any("/composite/sobjects" in one and one.startswith("PATCH") for one in calls)
    for number in range(ROWS):
        link = (await world.stage.document(f"cust-{number}"))["_sync"]["link"]
        assert link["id"] == found[f"cust-{number}"]["Id"]


async def test_few_rows_go_by_a_call(world: World) -> None:
    """Below the threshold no job is made."""
    await world.post(range(THRESHOLD - 1))
    await world.until_rest()
    assert len(await world.contacts()) == THRESHOLD - 1
    assert "POST /jobs/ingest" not in await world.calls()


async def test_a_write_is_stored_with_its_job_before_a_row_is_sent(world: World) -> None:
    """So whoever comes after a crash knows where to ask; while the job is at work nothing else is sent."""
    await world.org.admin("POST", "/faults", {"kind": "job_delay", "delay_ms": 500, "count": 1})
    await world.post(range(ROWS))
    await world.stage.answer_doorbells()
    (write,) = await world.writes("cust-0")
    assert (write["state"], write["job"][:3], write["first"]) == ("open", "750", True)
    await world.post(range(ROWS), title="CTO")
    await world.stage.answer_doorbells()
    assert len(await world.writes("cust-0")) == 1
    await world.until_rest()
    assert {one["Title"] for one in (await world.contacts()).values()} == {"CTO"}


async def test_a_row_that_is_refused_is_refused_alone(world: World) -> None:
    """Its document says so; a value that CSV has no form for goes by a call instead."""
    await world.post(range(ROWS))
    await world.post(iter([1]), email="a" * 90 + "@x.org")
    await world.post(iter([2]), title="#N/A")
    await world.until_rest()
    found = await world.contacts()
    assert found.keys() == {f"cust-{n}" for n in range(ROWS)} - {"cust-1"}
    assert found["cust-2"]["Title"] == "#N/A"
    refusal = (await world.stage.document("cust-1"))["_sync"]["refusal"]
    assert refusal["code"] in {"STRING_TOO_LONG", "INVALID_EMAIL_ADDRESS"}


async def test_what_csv_has_no_form_for_is_put_into_no_second_job(world: World) -> None:
    """However many they are: a job would leave them out again. What becomes of them the call tells, and that alone."""
    told: list[tuple[str, str]] = []
    world.stage.writer = world.writer(CountedBulk(world.salesforce.bulk, lambda *what: told.append(what)))
    await world.post(range(ROWS), title="#N/A")
    await world.until_rest()
    assert told == []
    assert [one["Title"] for one in (await world.contacts()).values()] == ["#N/A"] * ROWS
    assert (await world.calls())["POST /jobs/ingest"] == 1


async def test_what_is_too_large_for_one_upload_goes_by_calls(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job is abandoned, and another would be as large: its rows go by calls, once each, and the rest as ever."""
    monkeypatch.setattr(bulk, "Upload", lambda: Upload(largest=400))
    await world.post(range(ROWS), title="CTO")
    await world.until_rest()
    found = await world.contacts()
    assert found.keys() == {f"cust-{n}" for n in range(ROWS)}
    assert {one["Title"] for one in found.values()} == {"CTO"}
    assert (await world.calls())["POST /jobs/ingest"] == 1
    assert isinstance(world.stage.parked, FakeParked)
    assert world.stage.parked.rows == {}


async def test_a_row_that_the_org_would_refuse_is_in_no_job(world: World) -> None:
    """Compared with the org's description as the rows of a call are: its document is parked, with the field named."""
    describes = Describes(world.salesforce.rest, lambda: world.stage.now)
    told: list[tuple[str, str]] = []
    jobs = CountedBulk(DescribedBulk(world.salesforce.bulk, describes), lambda *what: told.append(what))
    world.stage.writer = world.writer(jobs)
    await world.post(range(ROWS), title="CTO")
    await world.post(iter([1]), title="x" * 129)
    await world.until_rest()
    assert (await world.contacts()).keys() == {f"cust-{n}" for n in range(ROWS)} - {"cust-1"}
    refusal = (await world.stage.document("cust-1"))["_sync"]["refusal"]
    assert (refusal["code"], refusal["fields"]) == ("STRING_TOO_LONG", ["Title"])
    assert "not sent" in refusal["message"]
    assert isinstance(world.stage.parked, FakeParked)
    assert [(row.document_id, row.reason) for row in world.stage.parked.rows.values()] == [
        ("cust-1", "STRING_TOO_LONG")
    ]
    assert sorted(told) == [("Contact", "rejected"), *[("Contact", "written")] * (ROWS - 1)]
    calls = await world.calls()
    assert calls["POST /jobs/ingest"] == 1
    assert not any("/composite/sobjects" in one and one.startswith("PATCH") for one in calls)
    await world.post(iter([1]), title="CEO")
    await world.until_rest()
    assert (await world.contacts())["cust-1"]["Title"] == "CEO"


async def test_an_org_that_makes_no_job_now_is_waited_for(world: World) -> None:
    """Nothing was run: the rows are deferred, nobody's try is used up, and they go by a job once one is made."""
    await world.org.admin("POST", "/faults", {"kind": "server_error", "path": "/jobs/ingest$", "verb": "POST"})
    await world.post(range(ROWS))
    await world.stage.answer_doorbells()
    retries = [(await world.stage.document(f"cust-{n}"))["_sync"]["retry"] for n in range(ROWS)]
    assert {(one["code"], one["tries"]) for one in retries} == {("UNAVAILABLE", 0)}
    assert await world.contacts() == {}
    await world.org.admin("DELETE", "/faults")
    await world.until_rest()
    assert len(await world.contacts()) == ROWS
    assert not any("/composite/sobjects" in one and one.startswith("PATCH") for one in await world.calls())


async def test_what_could_not_be_locked_in_a_job_goes_by_calls(world: World) -> None:
    """A call waits until nobody else writes children of the same parent; the next job would meet the same lock."""
    await world.org.admin("POST", "/faults", {"kind": "lock_row", "count": ROWS})
    await world.post(range(ROWS))
    await world.until_rest()
    assert len(await world.contacts()) == ROWS
    calls = await world.calls()
    assert calls["POST /jobs/ingest"] == 1
    assert any("/composite/sobjects" in one and one.startswith("PATCH") for one in calls)


async def test_what_a_failed_job_did_not_run_is_sent_again(world: World) -> None:
    """Nobody's try is used up, and what it did run is not repeated."""
    await world.org.admin("POST", "/faults", {"kind": "job_failed", "count": 1})
    await world.post(range(ROWS))
    await world.until_rest()
    assert len(await world.contacts()) == ROWS


async def test_what_a_failed_job_did_not_run_goes_by_calls(world: World) -> None:
    """Salesforce fails a whole job for its header, as where a field is gone, and would fail the next one too.

    A call is answered row by row: what can be written is, and what cannot be waits for a person.
    """
    await world.org.admin("POST", "/faults", {"kind": "job_failed"})
    await world.post(range(ROWS))
    await world.post(iter([1]), email="a" * 90 + "@x.org")
    await world.until_rest()
    assert (await world.contacts()).keys() == {f"cust-{n}" for n in range(ROWS)} - {"cust-1"}
    assert (await world.stage.document("cust-1"))["_sync"]["refusal"]["fields"] == ["Email"]
    assert (await world.calls())["POST /jobs/ingest"] == 1


async def test_a_job_that_salesforce_has_forgotten_is_unknown(world: World) -> None:
    """Nobody will say what became of it: the records are looked for before anything is written anew."""
    await world.post(range(ROWS))
    await world.stage.answer_doorbells()
    (write,) = await world.writes("cust-0")
    world.org.org.org.store.connection.execute("DELETE FROM bulk_jobs")
    await world.until_rest()
    assert len(await world.contacts()) == ROWS
    assert write["job"]


class SlowLoad:
    """Bulk jobs of a writer that is held up before it closes them."""

    def __init__(self, bulk: Any) -> None:
        self._bulk = bulk
        self.stored, self.go_on = asyncio.Event(), asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bulk, name)

    async def send(self, job_id: str, load: Any, rows: AsyncIterator[Any]) -> Any:
        async def held_up() -> AsyncIterator[Any]:
            async for row in rows:
                yield row
            self.stored.set()
            await self.go_on.wait()

        return await self._bulk.send(job_id, load, held_up())


@pytest.mark.parametrize(("held_up_for", "jobs"), [(TIMING.load_within - 5_000, 1), (TIMING.load_within, 2)])
async def test_a_job_that_is_still_being_loaded_is_left_to_its_writer(
    world: World, held_up_for: int, jobs: int
) -> None:
    """Another one asks after it meanwhile, and abandons it only where its writer would have closed it long ago."""
    slow = SlowLoad(world.salesforce.bulk)
    world.stage.writer = world.writer(slow)
    await world.post(range(ROWS))
    loading = asyncio.create_task(world.stage.answer_doorbells())
    async with asyncio.timeout(LIMIT_SECONDS):
        await slow.stored.wait()
    world.stage.now += held_up_for
    world.stage.writer = world.writer()
    await world.stage.sweep.ring_due()
    await world.stage.answer_doorbells()
    slow.go_on.set()
    await loading
    await world.until_rest()
    assert len(await world.contacts()) == ROWS
    assert (await world.calls())["POST /jobs/ingest"] == jobs


STEPS = 4
"""What a batch asks of jobs: open, send, where it is (which may abandon it), outcomes."""


@pytest.mark.parametrize(("at", "after"), list(itertools.product(range(STEPS), (False, True))))
async def test_a_writer_may_end_at_any_step_of_a_job(world: World, at: int, after: bool) -> None:
    """The next one goes on: every record is made once, every document is linked, nothing stays due."""
    await world.post(range(ROWS))
    bells = list(world.stage.doorbells.rung)
    world.stage.writer = world.writer(Fuse(world.salesforce.bulk, at, after=after))
    killed = False
    try:
        await world.until_rest()
    except KilledError:
        killed = True
    world.stage.writer = world.writer()
    world.stage.doorbells.rung[:] = [*bells, *world.stage.doorbells.rung]
    await world.until_rest()
    assert killed
    found = await world.contacts()
    assert found.keys() == {f"cust-{n}" for n in range(ROWS)}
    created = [one for one in await world.org.admin("GET", "/commits?limit=1000") if one["type"] == "CREATE"]
    assert len(created) == ROWS
    for number in range(ROWS):
        sync = (await world.stage.document(f"cust-{number}"))["_sync"]
        assert sync["link"]["id"] == found[f"cust-{number}"]["Id"]
        assert "refusal" not in sync


async def test_jobs_of_leads_go_by_the_leads_own_names(world: World) -> None:
    """Made and updated as leads, each outcome back to its document; one that sales converted meanwhile is followed."""
    fields = world.stage.catalog.mapping.model_dump(mode="json")["kinds"]["customer"]["fields"]
    fields.append({"platform": "company", "salesforce": "Company"})
    # A lead may have its two fields under other names than a contact.
    lead = LEAD | {"external_id": "Tandem_Participant_Id__c", "token": "Tandem_Participant_Write__c"}
    world.stage.map(lead=lead, create="lead", fields=fields)
    await world.post(range(ROWS))
    await world.until_rest()
    asked = "SELECT Id, LastName, City, Company, Tandem_Participant_Id__c FROM Lead"
    made = {row["Tandem_Participant_Id__c"]: row for row in (await world.org.query(asked))["records"]}
    assert {key: row["LastName"] for key, row in made.items()} == {f"cust-{n}": f"L{n}" for n in range(ROWS)}
    contact = await world.org.convert(made["cust-3"]["Id"])
    await world.post(range(ROWS), address={"city": "Iasi"})
    await world.until_rest()
    world.org.token = await log_in(world.org.org, world.org.http)
    cities = {row["Tandem_Participant_Id__c"]: row["City"] for row in (await world.org.query(asked))["records"]}
    assert cities == {f"cust-{n}": "Iasi" if n != 3 else None for n in range(ROWS)}
    (found,) = (await world.org.query(f"SELECT Id, MailingCity, {KEY} FROM Contact"))["records"]
    assert (found["Id"], found["MailingCity"], found[KEY]) == (contact, "Iasi", "cust-3")
    assert (await world.calls())["POST /jobs/ingest"] == 2
    assert world.stage.parked.rows == {}  # type: ignore[attr-defined]


@pytest.mark.parametrize("known", [False, True])
async def test_without_a_job_left_for_the_day_the_rows_go_by_calls(known: bool) -> None:
    """Whether the org says so itself or the budget knows: every record is made, and nobody's try is used up."""
    async with opened(daily_bulk_batches=1) as world:
        budget = Budget(BudgetPolicy(), now=lambda: world.stage.now)
        if known:
            budget.hear_jobs({BULK_BATCHES: Allocation(1, 1, world.stage.now)})
        else:
            assert world.org.org.org.bulk_batches.spend()
        world.stage.writer = world.writer(BulkWithinBudget(world.salesforce.bulk, budget, BudgetLane.LIVE))
        await world.post(range(ROWS))
        await world.stage.answer_doorbells()
        found = await world.contacts()
        assert len(found) == ROWS
        assert {one[TOKEN] for one in found.values()} == {f"cust-{n}:1" for n in range(ROWS)}
        calls = await world.calls()
        assert calls.get("POST /jobs/ingest", 0) == (0 if known else 1)
        assert budget.admit_job(BULK_BATCHES, BudgetLane.LIVE) is Refusal.JOBS_USED_UP
        await world.until_rest()


async def test_a_job_that_is_at_work_is_asked_after_at_the_budgets_pace(world: World) -> None:
    """Each question is a call: with few left it waits longer, but never longer than five minutes."""
    pace = [0.0]
    world.stage.writer = world.writer(job_pace=lambda: pace[0])
    await world.org.admin("POST", "/faults", {"kind": "job_delay", "delay_ms": 60_000, "count": 1})
    await world.post(range(ROWS))
    await world.stage.answer_doorbells()
    waits = []
    for pace[0] in (0.0, 60.0, 900.0):
        asked_at = world.stage.now = (await world.writes("cust-0"))[0]["ask"]
        await world.stage.sweep.ring_due()
        await world.stage.answer_doorbells()
        waits.append((await world.writes("cust-0"))[0]["ask"] - asked_at)
    assert waits == [5_000, 60_000, 300_000]


@pytest.fixture(autouse=True)
def only_of_this_test() -> Iterator[None]:
    """What earlier tests have left in memory is neither counted nor walked through at each look."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


class Watched:
    """Bulk jobs that count, at each of their steps, rows and outcomes, how many documents are in memory."""

    def __init__(self, bulk: Any) -> None:
        self._bulk = bulk
        self.in_memory: list[int] = []
        self.rows: list[str] = []
        self.opening: list[Any] = []
        """Done once, when the next job is opened."""

    def _look(self) -> None:
        self.in_memory.append(sum(isinstance(one, DocumentState) for one in gc.get_objects()))

    async def open(self, load: Any) -> str:
        self._look()
        while self.opening:
            await self.opening.pop()
        return str(await self._bulk.open(load))

    async def send(self, job_id: str, load: Any, rows: AsyncIterator[Any]) -> Any:
        async def watched() -> AsyncIterator[Any]:
            async for row in rows:
                self._look()
                self.rows.append(row.external_id)
                yield row
            self._look()

        return await self._bulk.send(job_id, load, watched())

    async def outcomes(self, job_id: str, load: Any) -> AsyncIterator[Any]:
        async for outcome in self._bulk.outcomes(job_id, load):
            self._look()
            yield outcome

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bulk, name)


async def test_the_documents_of_a_backlog_are_not_all_in_memory(world: World) -> None:
    """However many doorbells wait: rows go to disk, and a document is looked at again for its outcome."""
    watched = Watched(world.salesforce.bulk)
    world.stage.writer = world.writer(watched)
    await world.post(range(ROWS))
    await world.until_rest()
    assert len(await world.contacts()) == ROWS
    assert len(watched.in_memory) > 2 * ROWS
    assert max(watched.in_memory) <= IN_HAND


async def test_what_is_changed_while_it_is_put_down_waits_for_the_next_look(world: World) -> None:
    """It is not put into the job with what it was decided on, and not forgotten."""
    watched = Watched(world.salesforce.bulk)
    world.stage.writer = world.writer(watched)
    await world.post(range(ROWS))
    watched.opening.append(world.post(iter([3]), title="CTO"))
    await world.stage.answer_doorbells()
    assert sorted(watched.rows) == sorted(f"cust-{n}" for n in range(ROWS) if n != 3)
    await world.until_rest()
    found = await world.contacts()
    assert len(found) == ROWS
    assert (found["cust-3"]["LastName"], found["cust-3"]["Title"]) == ("L3", "CTO")


async def test_a_store_that_goes_away_while_rows_are_told_leaves_nothing_behind(world: World) -> None:
    """The job was never closed: whoever asks after it takes its writes anew."""
    watched = Watched(world.salesforce.bulk)

    async def away() -> None:
        world.stage.documents.away = True  # type: ignore[attr-defined]

    world.stage.writer = world.writer(watched)
    await world.post(range(ROWS))
    bells = list(world.stage.doorbells.rung)
    watched.opening.append(away())
    with pytest.raises(Unavailable):
        await world.stage.answer_doorbells()
    world.stage.documents.away = False  # type: ignore[attr-defined]
    world.stage.doorbells.rung[:] = bells
    await world.until_rest()
    assert len(await world.contacts()) == ROWS


async def test_writes_that_are_seen_before_anybody_asks_after_their_job_are_in_the_log(world: World) -> None:
    """Once no write of a job is open nobody asks after it: what was seen of them is their row, each once."""
    await world.post(range(ROWS))
    await world.until_rest()
    await world.org.admin("POST", "/faults", {"kind": "job_delay", "delay_ms": 500, "count": 1})
    await world.post(range(ROWS), title="CTO")
    await world.stage.answer_doorbells()
    for number in range(ROWS):
        (write,) = [one for one in await world.writes(f"cust-{number}") if one["n"] == 2]
        record = (await world.stage.document(f"cust-{number}"))["_sync"]["link"]["id"]
        assert write["state"] == "open"
        change = Change(
            entity="Contact",
            record_id=record,
            type=ChangeType.UPDATE,
            position=CommitPosition(world.stage.now, number, 1),
            transaction_key=f"job-{number}",
            fields={"Title": "CTO", TOKEN: f"cust-{number}:2"},
            client="",
            commit_user="005000000000001AAA",
            replay_id=number + 1,
        )
        await world.stage.reconciler.handle([world.stage.change(change)])
    called = await world.calls()
    assert any(one.startswith("GET /jobs/ingest") for one in called)
    await world.until_rest()
    asked = {name: count for name, count in (await world.calls()).items() if "/jobs/ingest" in name}
    assert asked == {name: count for name, count in called.items() if "/jobs/ingest" in name}
    rows = [row for row in world.stage.log.rows.values() if row["type"] == "write" and row["write"] == 2]
    assert sorted(row["document"] for row in rows) == sorted(f"cust-{number}" for number in range(ROWS))
    assert {(row["outcome"], tuple(row["fields"])) for row in rows} == {("applied", ("Title",))}
    assert all(row["since"] <= row["at"] for row in rows)
