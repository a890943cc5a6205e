"""Bulk jobs of the real adapter against the simulated org, and what is left when a process ends anywhere in one."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from support.org import KEY, OrgClient, org_client

from adapters.salesforce.bulk import SalesforceBulk, row_error
from adapters.salesforce.bulk_query import BulkQueries, Place, QueryFailed
from adapters.salesforce.errors import ApiError
from adapters.salesforce.gate import Open
from adapters.salesforce.opening import Salesforce, open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from adapters.salesforce.slots import Slots
from consumers.ports import BulkRecords
from schemas.bulk import UNPROCESSED, BulkLoad, BulkOperation, BulkOutcome, BulkState
from schemas.records import Failure, RecordUpdate
from schemas.unavailable import Unavailable

TOKEN = "Tandem_Customer_Write__c"
UPSERT = BulkLoad("Contact", BulkOperation.UPSERT, TOKEN, KEY)
UPDATE = BulkLoad("Contact", BulkOperation.UPDATE, TOKEN)
DELETE = BulkLoad("Contact", BulkOperation.DELETE, "Id")
LIMIT_SECONDS = 20.0
TWICE = 2
"""A GET whose connection was lost is sent once more by aiohttp itself, and may be: it changes nothing."""


def now() -> int:
    return time.time_ns() // 1_000_000


def settings(org: OrgClient, **changes: Any) -> SalesforceSettings:
    running = org.org
    values = {"client_id": running.client_id, "client_secret": running.client_secret, "login_url": running.base_url}
    return SalesforceSettings(**{**values, **changes})


@pytest.fixture
async def org() -> AsyncIterator[OrgClient]:
    async with org_client() as running:
        yield running


@pytest.fixture
async def salesforce(org: OrgClient) -> AsyncIterator[Salesforce]:
    async with open_salesforce(settings(org), now=now) as opened:
        yield opened


@pytest.fixture
def bulk(salesforce: Salesforce) -> SalesforceBulk:
    return salesforce.bulk


async def each(rows: Iterable[RecordUpdate]) -> AsyncIterator[RecordUpdate]:
    for row in rows:
        yield row


def person(number: int, **values: Any) -> RecordUpdate:
    return RecordUpdate({"LastName": f"L{number}", TOKEN: f"c{number}:1", **values}, external_id=f"c{number}")


async def ended(bulk: BulkRecords, job_id: str) -> BulkState:
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            state = await bulk.state(job_id)
            if state is not BulkState.RUNNING:
                return state
            await asyncio.sleep(0.005)


async def run(bulk: BulkRecords, load: BulkLoad, rows: Iterable[RecordUpdate]) -> dict[str, BulkOutcome]:
    """Outcomes by key, of a job that nothing disturbs."""
    job_id = await bulk.open(load)
    unfit = await bulk.send(job_id, load, each(rows))
    assert await ended(bulk, job_id) is BulkState.ENDED
    return {one.key: one for one in unfit} | {one.key: one async for one in bulk.outcomes(job_id, load)}


async def test_each_row_has_its_own_outcome_under_its_key(bulk: BulkRecords, org: OrgClient) -> None:
    """Made, changed, refused, and never sent; the code and the record are told."""
    existing = await org.create(**{KEY: "c0"})
    rows = [person(0), person(1), person(2, Email="no"), person(3, Title="#N/A")]
    outcomes = {key: one.result for key, one in (await run(bulk, UPSERT, rows)).items()}
    assert (outcomes["c0:1"].record_id, outcomes["c0:1"].created, outcomes["c0:1"].succeeded) == (existing, False, True)
    assert outcomes["c1:1"].created
    assert (outcomes["c2:1"].failure, outcomes["c2:1"].code) == (Failure.REJECTED, "INVALID_EMAIL_ADDRESS")
    assert (outcomes["c3:1"].failure, outcomes["c3:1"].code) == (Failure.REJECTED, "INVALID_ROW")
    assert (await org.read(outcomes["c1:1"].record_id))["LastName"] == "L1"


async def test_null_and_absent_survive(bulk: BulkRecords, org: OrgClient) -> None:
    """A field of another row's is left as it is; one that is null is cleared."""
    ids = [await org.create(Title="CTO", FirstName="Ana") for _ in range(2)]
    rows = [
        RecordUpdate({TOKEN: "a:1", "Title": None}, record_id=ids[0]),
        RecordUpdate({TOKEN: "b:1", "FirstName": "Bo", "Newsletter__c": True}, record_id=ids[1]),
    ]
    assert all(one.result.succeeded for one in (await run(bulk, UPDATE, rows)).values())
    first, second = [await org.read(one) for one in ids]
    assert (first["Title"], first["FirstName"], first["Newsletter__c"]) == (None, "Ana", False)
    assert (second["Title"], second["FirstName"], second["Newsletter__c"]) == ("CTO", "Bo", True)


async def test_records_are_deleted_and_those_gone_are_gone(bulk: BulkRecords, org: OrgClient) -> None:
    """By Id, which is the key."""
    there, gone = await org.create(), await org.create()
    await org.call("DELETE", f"/sobjects/Contact/{gone}")
    rows = [RecordUpdate({}, record_id=one) for one in (there, gone, "nonsense")]
    outcomes = await run(bulk, DELETE, rows)
    told = {key: (one.result.failure, one.result.record_id) for key, one in outcomes.items()}
    assert told == {
        there: (None, there),
        gone: (Failure.GONE, gone),
        "nonsense": (Failure.REJECTED, "nonsense"),
    }


async def test_our_mark_is_on_every_change(bulk: BulkRecords, org: OrgClient) -> None:
    """The change events name the client, so an echo is known for one."""
    await run(bulk, UPSERT, [person(1)])
    (event,) = org.events()
    assert event["ChangeEventHeader"]["changeOrigin"] == "com/salesforce/api/bulkapi/62.0;client=Tandem"


async def test_rows_that_a_failed_job_never_ran_are_told(bulk: BulkRecords, org: OrgClient) -> None:
    """Those that it ran stand; the others were certainly not run, and no row is to blame."""
    await org.admin("POST", "/faults", {"kind": "job_failed", "skip": 1, "count": 1})
    outcomes = await run(bulk, UPSERT, [person(n) for n in range(300)])
    assert len(outcomes) == 300
    left = [one.result for one in outcomes.values() if not one.result.succeeded]
    assert {(one.failure, one.code, one.org_wide) for one in left} == {(Failure.NOT_RUN, UNPROCESSED, True)}
    assert len(left) == 100


async def test_a_locked_row_is_to_be_repeated(bulk: BulkRecords, org: OrgClient) -> None:
    """It certainly did not run."""
    await org.admin("POST", "/faults", {"kind": "lock_row", "count": 1})
    result = (await run(bulk, UPSERT, [person(1)]))["c1:1"].result
    assert (result.failure, result.code) == (Failure.NOT_RUN, "UNABLE_TO_LOCK_ROW")


@pytest.mark.parametrize("path", ["/failedResults", "/unprocessedrecords", "/successfulResults"])
async def test_a_list_that_cannot_be_read_leaves_the_job_unfinished(
    bulk: BulkRecords, org: OrgClient, path: str
) -> None:
    """Whichever of the three; read again it is whole."""
    job_id = await bulk.open(UPSERT)
    await bulk.send(job_id, UPSERT, each([person(1)]))
    await ended(bulk, job_id)
    await org.admin("POST", "/faults", {"kind": "reply_lost", "path": path, "count": TWICE})
    with pytest.raises(Unavailable):
        _ = [one async for one in bulk.outcomes(job_id, UPSERT)]
    assert [one.key async for one in bulk.outcomes(job_id, UPSERT)] == ["c1:1"]


async def test_lists_that_do_not_add_up_are_no_end(bulk: BulkRecords, org: OrgClient) -> None:
    """A row that the job has run and no list names would be lost without a word."""
    job_id = await bulk.open(UPSERT)
    await bulk.send(job_id, UPSERT, each([person(1), person(2)]))
    await ended(bulk, job_id)
    org.org.org.store.connection.execute("DELETE FROM bulk_rows WHERE line LIKE '%c2:1%'")
    with pytest.raises(Unavailable, match="processed 2 rows and tells of 1"):
        _ = [one async for one in bulk.outcomes(job_id, UPSERT)]


async def test_a_login_that_ends_midway_is_renewed(bulk: BulkRecords, org: OrgClient) -> None:
    """The same rows are sent again, whole; a list is read from its beginning."""
    job_id = await bulk.open(UPSERT)
    await org.admin("POST", "/faults", {"kind": "unauthorized", "verb": "PUT", "count": 1})
    await bulk.send(job_id, UPSERT, each([person(n) for n in range(3)]))
    await ended(bulk, job_id)
    await org.admin("POST", "/faults", {"kind": "unauthorized", "path": "/successfulResults", "count": 1})
    assert len([one async for one in bulk.outcomes(job_id, UPSERT)]) == 3


async def test_a_job_with_nothing_to_send_is_abandoned(bulk: BulkRecords) -> None:
    """It would fail for want of content."""
    job_id = await bulk.open(UPSERT)
    (unfit,) = await bulk.send(job_id, UPSERT, each([RecordUpdate({TOKEN: "x:1"})]))
    assert (unfit.key, unfit.result.code) == ("x:1", "INVALID_ROW")
    assert await bulk.state(job_id) is BulkState.ENDED
    assert [one async for one in bulk.outcomes(job_id, UPSERT)] == []


async def test_a_job_that_is_gone_is_told_from_an_org_that_is_away(bulk: BulkRecords, org: OrgClient) -> None:
    """Missing is an answer; none is none. Discarding twice is as good as once."""
    job_id = await bulk.open(UPSERT)
    await bulk.abandon(job_id)
    await bulk.discard(job_id)
    await bulk.discard(job_id)
    assert await bulk.state(job_id) is BulkState.MISSING
    assert await bulk.abandon(job_id) is BulkState.MISSING
    await org.admin("POST", "/faults", {"kind": "server_error"})
    with pytest.raises(Unavailable):
        await bulk.state(job_id)
    with pytest.raises(Unavailable):
        await bulk.open(UPSERT)


async def test_what_stands_in_a_rows_error() -> None:
    """Code, message with colons of its own, fields."""
    assert row_error("A_CODE:Email: no: such:Email, Phone --") == ApiError(
        "A_CODE", "Email: no: such", ("Email", "Phone")
    )
    assert row_error("ENTITY_IS_DELETED:entity is deleted:--") == ApiError("ENTITY_IS_DELETED", "entity is deleted")


@pytest.mark.parametrize(
    "text",
    [
        "Ada Lovelace ada@example.org is not allowed",
        "ada@example.org: no such person:--",
        "Ada: A_CODE:Email --",
        "a_code:in small letters:--",
        "A" * 82 + ":longer than any code:--",
        ":no code:--",
        "",
    ],
)
async def test_a_rows_error_without_a_code_is_none(text: str) -> None:
    """All of it is kept, as the message: a code goes where no person's data may."""
    assert row_error(text) == ApiError("UNREADABLE_ERROR", text)


@dataclass
class Caller:
    """One who loads rows and may end at any step: all that outlives it is `job_id` and `filed`."""

    rows: dict[str, RecordUpdate]
    job_id: str = ""
    filed: dict[str, BulkOutcome] = field(default_factory=dict)
    abandoned: int = 0

    async def run(self, bulk: BulkRecords) -> None:
        """From wherever the last one ended, to the end of all rows."""
        if self.job_id and await bulk.abandon(self.job_id) is BulkState.ENDED:
            await self._file(bulk)
        while waiting := [row for key, row in self.rows.items() if not self._done(key)]:
            if not self.job_id:
                self.job_id = await bulk.open(UPSERT)
                for outcome in await bulk.send(self.job_id, UPSERT, each(waiting)):
                    self.filed[outcome.key] = outcome
            assert await ended(bulk, self.job_id) is BulkState.ENDED
            await self._file(bulk)

    async def _file(self, bulk: BulkRecords) -> None:
        async for outcome in bulk.outcomes(self.job_id, UPSERT):
            self.filed[outcome.key] = outcome
        await bulk.discard(self.job_id)
        self.job_id = ""

    def _done(self, key: str) -> bool:
        return key in self.filed and self.filed[key].result.failure is not Failure.NOT_RUN


CALLS = 9
"""At least as many as a load makes: open, upload, close, state, three lists, the sum, discard."""


@pytest.mark.parametrize("kind", ["request_lost", "reply_lost"])
@pytest.mark.parametrize("calls", range(CALLS))
async def test_a_process_may_end_between_any_two_steps(
    bulk: BulkRecords, org: OrgClient, kind: str, calls: int
) -> None:
    """Before a call or after it: every row is written once, and its outcome is filed."""
    await org.admin("POST", "/faults", {"kind": kind, "path": "/jobs/", "skip": calls, "count": TWICE})
    caller = Caller({f"c{n}:1": person(n, **({"Email": "no"} if n == 7 else {})) for n in range(210)})
    crashes = 0
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            try:
                await caller.run(bulk)
            except Unavailable:
                crashes += 1
            else:
                break
    assert 1 <= crashes <= TWICE
    assert caller.filed.keys() == caller.rows.keys()
    refused = [key for key, one in caller.filed.items() if not one.result.succeeded]
    assert refused == ["c7:1"]
    log = await org.admin("GET", "/commits?limit=1000")
    assert sorted(one["after"][TOKEN] for one in log) == sorted(caller.rows.keys() - {"c7:1"})


@pytest.mark.parametrize("closed", [False, True])
async def test_a_job_of_a_process_that_ended_is_run_once_at_most(bulk: BulkRecords, closed: bool) -> None:
    """Abandoned, it can be closed no more by one that was only slow; closed before, it is left to run."""
    job_id = await bulk.open(UPSERT)
    if closed:
        await bulk.send(job_id, UPSERT, each([person(1)]))
        assert await bulk.abandon(job_id) in {BulkState.RUNNING, BulkState.ENDED}
        await ended(bulk, job_id)
        assert [one.result.succeeded async for one in bulk.outcomes(job_id, UPSERT)] == [True]
        return
    assert await bulk.abandon(job_id) is BulkState.ENDED
    with pytest.raises(Unavailable):
        await bulk.send(job_id, UPSERT, each([person(1)]))
    assert [one async for one in bulk.outcomes(job_id, UPSERT)] == []


TYPES = {"Newsletter__c": "boolean", "Total_Spent__c": "currency", "Last_Purchase_At__c": "datetime"}
SOQL = "SELECT Id, LastName, Email, Newsletter__c, Total_Spent__c, Last_Purchase_At__c FROM Contact ORDER BY LastName"


async def load(org: OrgClient, number: int) -> None:
    await org.upsert([{KEY: f"c{n}", "LastName": f"L{n:03}", "Total_Spent__c": n / 4} for n in range(number)])


async def test_a_bulk_query_gives_what_rest_gives(salesforce: Salesforce, org: OrgClient) -> None:
    """The same values in the same types."""
    await org.create(LastName='Quote"s,\nlines', Email="a@x.org", Newsletter__c=True, Total_Spent__c=1.5)
    await org.create(LastName="B", Last_Purchase_At__c="2025-01-02T03:04:05Z")
    job_id = await salesforce.bulk_queries.start(SOQL)
    found = [row async for batch in salesforce.bulk_queries.read(job_id, TYPES) for row in batch.rows]
    assert found == [row async for row in salesforce.rest.query(SOQL)]
    assert len(found) == 2


async def test_reading_goes_on_where_it_was_left(salesforce: Salesforce, org: OrgClient) -> None:
    """In batches over pages; from any place the rest comes, each row once, whatever changes meanwhile."""
    await load(org, 23)
    queries = BulkQueries(salesforce.rest, rows_a_page=10, rows_a_batch=4)
    job_id = await queries.start(SOQL)
    batches = [batch async for batch in queries.read(job_id)]
    assert [len(batch.rows) for batch in batches] == [4, 4, 2, 4, 4, 2, 3]
    names = [row["LastName"] for batch in batches for row in batch.rows]
    assert names == [f"L{n:03}" for n in range(23)]
    await org.create(LastName="AAA")
    taken = 0
    for batch in batches:
        taken += len(batch.rows)
        rest = [row async for more in queries.read(job_id, start=batch.after) for row in more.rows]
        assert [row["LastName"] for row in rest] == names[taken:]


async def test_a_download_is_one_of_the_calls_under_way(org: OrgClient) -> None:
    """It takes its place among them, and leaves it before a row is handed on: whoever has the rows may call."""
    await load(org, 5)
    slots, taken = Slots(lambda: 1), 0

    class OneAtATime(Open):
        @asynccontextmanager
        async def one(self) -> AsyncIterator[None]:
            nonlocal taken
            async with slots.one():
                taken += 1
                yield

    async with open_salesforce(settings(org), now=now, gate=OneAtATime()) as salesforce:
        job_id = await salesforce.bulk_queries.start(SOQL)
        async with asyncio.timeout(LIMIT_SECONDS):
            before = taken
            async with salesforce.rest.stream(f"jobs/query/{job_id}/results") as stream:
                assert taken == before + 1
                await salesforce.rest.limits()
                assert b"".join([block async for block in stream.blocks]).count(b"\n") == 6


async def test_a_page_lost_midway_is_told_and_read_again(salesforce: Salesforce, org: OrgClient) -> None:
    """What was given stands."""
    await load(org, 8)
    queries = BulkQueries(salesforce.rest, rows_a_page=4)
    job_id = await queries.start(SOQL)
    await org.admin("POST", "/faults", {"kind": "reply_lost", "path": "/results", "skip": 1, "count": TWICE})
    rows: list[dict[str, Any]] = []
    place = Place()

    async def read() -> None:
        nonlocal place
        async for batch in queries.read(job_id):
            rows.extend(batch.rows)
            place = batch.after

    with pytest.raises(Unavailable):
        await read()
    assert len(rows) == 4
    rows += [row async for batch in queries.read(job_id, start=place) for row in batch.rows]
    assert [row["LastName"] for row in rows] == [f"L{n:03}" for n in range(8)]


async def test_a_query_waits_for_its_job(salesforce: Salesforce, org: OrgClient) -> None:
    """Longer each time."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0.001)

    await org.admin("POST", "/faults", {"kind": "job_delay", "delay_ms": 150, "count": 1})
    queries = BulkQueries(salesforce.rest, sleep=sleep)
    job_id = await queries.start("SELECT Id FROM Contact")
    assert [batch.rows async for batch in queries.read(job_id)] == [[]]
    assert waits[:3] == [0.5, 1.0, 2.0]
    await queries.discard(job_id)
    await queries.discard(job_id)


async def test_a_query_is_asked_after_at_the_budgets_pace(salesforce: Salesforce, org: OrgClient) -> None:
    """Never sooner than the calls that are left allow."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0.001)

    await org.admin("POST", "/faults", {"kind": "job_delay", "delay_ms": 150, "count": 1})
    queries = BulkQueries(salesforce.rest, sleep=sleep, pace=lambda: 30.0)
    job_id = await queries.start("SELECT Id FROM Contact")
    assert [batch.rows async for batch in queries.read(job_id)] == [[]]
    assert set(waits) == {30.0}


async def test_a_query_that_cannot_be_is_told_from_an_org_that_is_away(salesforce: Salesforce, org: OrgClient) -> None:
    """For good, or for now."""
    queries = salesforce.bulk_queries
    with pytest.raises(QueryFailed, match="INVALID_FIELD"):
        await queries.start("SELECT Nope FROM Contact")
    await org.admin("POST", "/faults", {"kind": "job_failed", "count": 1})
    job_id = await queries.start("SELECT Id FROM Contact")
    with pytest.raises(QueryFailed, match="InternalServerError"):
        _ = [batch async for batch in queries.read(job_id)]
    await queries.discard(job_id)
    with pytest.raises(QueryFailed, match="NOT_FOUND"):
        _ = [batch async for batch in queries.read(job_id)]
    await org.admin("POST", "/faults", {"kind": "limit"})
    with pytest.raises(Unavailable):
        await queries.start("SELECT Id FROM Contact")
