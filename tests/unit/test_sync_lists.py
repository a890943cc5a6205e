"""Lists of records in the order of their ids, by REST and by Bulk: from the simulated org, and from one that errs."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, cast

import pytest
from support.org import OrgClient, org_client

from adapters.salesforce.describes import Describes
from adapters.salesforce.lists import Listing, ListRefused, RecordLists, Rows
from adapters.salesforce.opening import Salesforce, open_salesforce
from adapters.salesforce.rest import Described
from adapters.salesforce.settings import SalesforceSettings
from consumers.budget import Budget
from consumers.rules.budget import BudgetLane, BudgetPolicy, Refusal
from ops.processes.budget import QueriesWithinBudget
from schemas.allocation import BULK_QUERY_JOBS, Allocation
from schemas.bulk import JobsUsedUp
from schemas.unavailable import Unavailable
from simulator.org.clock import system_clock
from simulator.org.faults import Fault, FaultKind

COUNT = 11
FIELDS = ("LastName", "Total_Spent__c", "Newsletter__c", "Last_Purchase_At__c")


class World:
    """An org with contacts, and lists of them."""

    def __init__(self, org: OrgClient, salesforce: Salesforce) -> None:
        self.org, self.salesforce = org, salesforce
        self.ids: list[str] = []

    def lists(self, *, bulk_rows: int = 1_000, chunk_rows: int = 4) -> RecordLists:
        describes = Describes(self.salesforce.rest, system_clock)
        bulk = self.salesforce.bulk_queries
        return RecordLists(self.salesforce.rest, bulk, describes, bulk_rows=bulk_rows, chunk_rows=chunk_rows)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Eleven contacts with values of several types."""
    async with org_client() as org:
        given = {"login_url": org.org.base_url, "client_id": org.org.client_id, "client_secret": org.org.client_secret}
        async with open_salesforce(SalesforceSettings(**given), now=system_clock) as salesforce:
            made = World(org, salesforce)
            for number in range(COUNT):
                values = {"Total_Spent__c": number + 0.5, "Newsletter__c": bool(number % 2)}
                made.ids.append(await org.create(LastName=f"L{number:02}", **values))
            yield made


async def rows(found: AsyncIterator[Rows]) -> list[dict[str, Any]]:
    """All of them."""
    return [row async for batch in found for row in batch]


async def test_both_ways_give_the_same_rows_in_the_same_order(world: World) -> None:
    """Typed alike, each once, over the edges of chunks."""
    listing = Listing("Contact", FIELDS)
    by_rest = await rows(world.lists().rows(listing, total=COUNT))
    by_bulk = await rows(world.lists(bulk_rows=1).rows(listing, total=COUNT))
    assert by_rest == by_bulk
    assert [row["Id"] for row in by_rest] == sorted(world.ids)
    assert (by_rest[1]["Total_Spent__c"], by_rest[1]["Newsletter__c"]) == (1.5, True)
    jobs = await job_calls(world)
    assert jobs["POST"] == jobs["DELETE"] == 3  # four, four and three rows; each is discarded


async def job_calls(world: World) -> dict[str, int]:
    """How many calls of query jobs were made, by verb."""
    told = await world.org.admin("GET", "/calls")
    return {one["verb"]: one["count"] for one in told["calls"] if one["resource"].startswith("/jobs/query")}


async def test_a_job_that_nobody_reads_on_is_discarded(world: World) -> None:
    """A run that is paused goes on with a job of its own; this one would hold people's data for a week."""
    async with aclosing(world.lists(bulk_rows=1).rows(Listing("Contact", FIELDS), total=COUNT)) as found:
        await anext(found)
    jobs = await job_calls(world)
    assert jobs["POST"] == jobs["DELETE"] == 1


@pytest.mark.parametrize("bulk_rows", [1, 1_000])
async def test_a_list_goes_on_behind_an_id(world: World, bulk_rows: int) -> None:
    """What was had is not asked for again."""
    after = sorted(world.ids)[6]
    lists, listing = world.lists(bulk_rows=bulk_rows), Listing("Contact", ("LastName",))
    assert await lists.count(listing) == COUNT
    assert await lists.count(listing, after) == 4
    found = await rows(lists.rows(listing, after, total=4))
    assert [row["Id"] for row in found] == sorted(world.ids)[7:]


async def test_a_condition_and_a_time_are_asked_for(world: World) -> None:
    """Both at once, in SOQL."""
    lists = world.lists()
    wanted = Listing("Contact", ("LastName",), only_if="Total_Spent__c >= 9.0", since=0)
    assert [row["LastName"] for row in await rows(lists.rows(wanted, total=2))] == ["L09", "L10"]
    hour = 3_600_000
    for late in ({"since": system_clock() + hour}, {"created": system_clock() + hour}):
        listing = Listing("Contact", ("LastName",), **late)
        assert await lists.count(listing) == 0
        assert await rows(lists.rows(listing, total=0)) == []
    assert await lists.count(Listing("Contact", (), since=0, created=system_clock() - hour)) == COUNT


@pytest.mark.parametrize("bulk_rows", [0, 1_000])
async def test_a_list_that_the_org_refuses_is_told_by_its_code(world: World, bulk_rows: int) -> None:
    """Asking again would bring the same."""
    lists, listing = world.lists(bulk_rows=bulk_rows), Listing("Contact", ("No_Such__c",))
    with pytest.raises(ListRefused, match="INVALID_FIELD"):
        await rows(lists.rows(listing, total=1))
    with pytest.raises(ListRefused, match="INVALID_TYPE"):
        await lists.count(Listing("No_Such__c", ()))


async def test_an_org_that_is_away_is_waited_for(world: World) -> None:
    """It is no refusal."""
    world.org.org.org.faults.plant(Fault(kind=FaultKind.LIMIT))
    with pytest.raises(Unavailable):
        await world.lists().count(Listing("Contact", ()))


async def test_rows_out_of_order_end_the_list(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """To go on from the last id would leave records out, in silence."""

    async def backwards(_query: str, **_options: Any) -> AsyncIterator[dict[str, Any]]:
        for record_id in sorted(world.ids, reverse=True):
            yield {"Id": record_id, "SystemModstamp": "2026-01-01T00:00:00.000+0000"}

    monkeypatch.setattr(world.salesforce.rest, "query", backwards)
    with pytest.raises(ListRefused, match="not give records in the order of their ids"):
        await rows(world.lists().rows(Listing("Contact", ()), total=COUNT))


async def test_no_more_than_a_batch_is_held(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of a Bulk job are handed on as they come, however many there are."""
    monkeypatch.setattr(world.salesforce.bulk_queries, "_rows_a_batch", 2)
    lists = world.lists(bulk_rows=1, chunk_rows=100)
    sizes = [len(batch) async for batch in lists.rows(Listing("Contact", ()), total=COUNT)]
    assert sizes == [2, 2, 2, 2, 2, 1]


def jobs_of(calls: dict[str, Any]) -> int:
    asked = [each["count"] for each in calls["calls"] if (each["verb"], each["resource"]) == ("POST", "/jobs/query")]
    return sum(asked)


async def test_a_list_goes_on_by_rest_where_the_days_query_jobs_run_out() -> None:
    """Each record once; nobody asks for a job again in this list, nor in the next while the refusal is known."""
    async with org_client(daily_bulk_query_jobs=1) as org:
        given = {"login_url": org.org.base_url, "client_id": org.org.client_id, "client_secret": org.org.client_secret}
        async with open_salesforce(SalesforceSettings(**given), now=system_clock) as salesforce:
            ids = [await org.create(LastName=f"L{number:02}") for number in range(COUNT)]
            refused: list[Any] = []
            budget = Budget(BudgetPolicy(), now=system_clock, on_refused=lambda *told: refused.append(told))
            queries = QueriesWithinBudget(salesforce.bulk_queries, budget, lambda: BudgetLane.BACKFILL)
            lists = RecordLists(
                salesforce.rest, queries, Describes(salesforce.rest, system_clock), bulk_rows=1, chunk_rows=4
            )
            for asked in (2, 2):
                found = await rows(lists.rows(Listing("Contact", ()), total=COUNT))
                assert [row["Id"] for row in found] == sorted(ids)
                assert jobs_of(await org.admin("GET", "/calls")) == asked
    assert refused == [(BudgetLane.BACKFILL, Refusal.JOBS_USED_UP)] * 2


async def test_no_query_job_is_made_of_the_reserve() -> None:
    """What is left of the day's jobs is the org's other users'; one that is made counts at once."""

    class Jobs:
        made = 0

        async def start(self, _soql: Any) -> str:
            self.made += 1
            return "750"

        async def unasked(self, *asked: Any) -> Any:
            raise AssertionError(f"nobody asks for this here: {asked}")

        read = discard = unasked

    jobs, budget = Jobs(), Budget(BudgetPolicy(), now=lambda: 0)
    budget.hear_jobs({BULK_QUERY_JOBS: Allocation(54, 100, 0)})
    queries = QueriesWithinBudget(cast("Any", jobs), budget, lambda: BudgetLane.BACKFILL)
    assert [await queries.start("") for _ in range(2)] == ["750", "750"]
    with pytest.raises(JobsUsedUp):
        await queries.start("")
    assert jobs.made == 2


async def test_what_a_list_costs() -> None:
    """A count, then a page or a job for each part."""
    lists: Any = RecordLists(None, None, None, bulk_rows=10_000, chunk_rows=50_000)  # type: ignore[arg-type]
    assert [lists.calls(rows) for rows in (0, 2_000, 2_001, 10_000, 50_001)] == [2, 2, 3, 6, 11]


async def test_what_salesforce_calculates_is_a_formula_or_a_roll_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A roll-up has no formula, and no change event tells of either: both are looked at by a refresh."""
    described = dict((await world.salesforce.rest.describe_since("Contact")).definition or {})
    assert await world.lists().calculated("Contact") == frozenset()
    roll_up = {"calculated": True, "calculatedFormula": None, "createable": False, "updateable": False}
    described["fields"] = [one | (roll_up if one["name"] == "Total_Spent__c" else {}) for one in described["fields"]]

    async def with_a_roll_up(_sobject: str, _since: str = "") -> Described:
        return Described(described)

    monkeypatch.setattr(world.salesforce.rest, "describe_since", with_a_roll_up)
    assert await world.lists().calculated("Contact") == {"Total_Spent__c"}
