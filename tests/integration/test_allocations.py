"""What the processes of an org know of its API allocation, told to each other through the real MongoDB."""

import asyncio
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.running import until

from adapters.mongo.allocations import MongoAllocations
from adapters.salesforce.settings import SalesforceSettings
from consumers.rules.budget import BudgetLane, Refusal
from consumers.settings import BudgetSettings
from ops.shared_budget import shared_budget
from schemas.allocation import BULK_QUERY_JOBS, Allocation, AllocationHeard

pytestmark = pytest.mark.integration

NOTHING = AllocationHeard()


async def test_each_tells_its_own_and_hears_the_newest_of_all(database: AsyncDatabase[dict[str, Any]]) -> None:
    """The newest allocation by when it was seen, and the longest refusal; another org's is not ours."""
    one, other = MongoAllocations(database, "https://one"), MongoAllocations(database, "https://other")
    older, newer = Allocation(9_000, 15_000, 10), Allocation(100, 15_000, 20)
    assert await one.exchange("a", AllocationHeard(older, exceeded_until=700), 60) == (
        AllocationHeard(older, 700),
        1,
    )
    assert await one.exchange("b", NOTHING, 60) == (AllocationHeard(older, 700), 2)
    assert await one.exchange("b", AllocationHeard(newer, 500), 60) == (AllocationHeard(newer, 700), 2)
    assert await one.exchange("a", NOTHING, 60) == (AllocationHeard(newer, 500), 2)
    assert await other.exchange("a", NOTHING, 60) == (NOTHING, 1)


async def test_event_deliveries_are_told_beside_the_calls(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Whoever asked the org tells all; who has heard of calls only takes nothing away."""
    org = MongoAllocations(database, "https://org")
    calls, older, newer = Allocation(1, 15_000, 5), Allocation(9_000, 10_000, 10), Allocation(2_000, 10_000, 20)
    await org.exchange("a", AllocationHeard(deliveries=older), 60)
    assert await org.exchange("b", AllocationHeard(calls), 60) == (AllocationHeard(calls, 0, older), 2)
    assert await org.exchange("b", AllocationHeard(calls, 0, newer), 60) == (AllocationHeard(calls, 0, newer), 2)
    assert await org.exchange("a", NOTHING, 60) == (AllocationHeard(calls, 0, newer), 2)


async def test_who_is_gone_is_not_counted(database: AsyncDatabase[dict[str, Any]]) -> None:
    """A process that was killed keeps its share for three tellings and no longer."""
    allocations = MongoAllocations(database, "https://org")
    await allocations.exchange("killed", AllocationHeard(Allocation(1, 2, 3)), 0)
    assert await allocations.exchange("alive", NOTHING, 60) == (NOTHING, 1)


async def test_one_of_many_asks_the_org_once_in_a_while(database: AsyncDatabase[dict[str, Any]]) -> None:
    """However many come for their turn at once."""
    allocations = [MongoAllocations(database, "https://org") for _ in range(8)]
    turns = await asyncio.gather(*(each.turn(600) for each in allocations))
    assert sorted(turns) == [False] * 7 + [True]
    assert not await allocations[0].turn(600)
    assert await allocations[0].turn(0)
    assert await MongoAllocations(database, "https://other").turn(600)


async def test_what_is_left_of_bulk_jobs_is_told_too(database: AsyncDatabase[dict[str, Any]]) -> None:
    """One process asks the org for it, and all know."""
    allocations = MongoAllocations(database, "https://org")
    jobs = {"DailyBulkApiBatches": Allocation(3, 15_000, 10)}
    await allocations.exchange("asked", AllocationHeard(jobs=jobs), 60)
    heard, _ = await allocations.exchange("other", NOTHING, 60)
    assert heard.jobs == jobs


async def test_a_command_shares_with_the_processes_that_run(database: AsyncDatabase[dict[str, Any]]) -> None:
    """It begins with what they know, is counted among them, and tells what it hears: `tandem sync` does so too."""
    settings = BudgetSettings(share_seconds=0.05)
    values = {"client_id": "a", "client_secret": "b", "login_url": "https://org.example.com"}
    salesforce = SalesforceSettings(**values)
    others = MongoAllocations(database, salesforce.login_url)
    told = AllocationHeard(Allocation(14_000, 15_000, 10), jobs={BULK_QUERY_JOBS: Allocation(10_000, 10_000, 10)})
    await others.exchange("write", told, 60)
    async with shared_budget(database, salesforce, settings) as budget:
        assert budget.heard == told
        assert budget.slots(25) == 12
        assert budget.refusal(BudgetLane.BACKFILL) is Refusal.RESERVE_REACHED
        newer = Allocation(14_500, 15_000, 20)
        budget.hear(newer)

        async def heard() -> bool:
            return (await others.exchange("write", told, 60))[0].allocation == newer

        await until(heard, "the others hear what the command has heard")
