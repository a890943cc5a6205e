"""The org's allocations, kept by one process and shared with the others."""

import asyncio
import os
import socket
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

from adapters.mongo.allocations import MongoAllocations
from adapters.mongo.client import Database
from adapters.salesforce.errors import CallFailed
from adapters.salesforce.lists import Queries
from adapters.salesforce.rest import Rest
from adapters.salesforce.slots import Slots
from adapters.salesforce.soql import Select
from consumers.budget import Budget
from consumers.ports import BulkLoad, BulkRecords
from consumers.rules.budget import BudgetLane
from consumers.runner.ports import Handler
from consumers.settings import BudgetSettings
from ops.processes.frame import Frame
from ops.processes.parts import beside, wall_ms
from schemas.allocation import BULK_BATCHES, BULK_QUERY_JOBS, Allocation
from schemas.bulk import JobsUsedUp
from schemas.log_record import Record
from schemas.outcome import Result
from schemas.unavailable import Unavailable

DELIVERIES: Final = "DailyDeliveredPlatformEvents"
JOBS: Final = (BULK_QUERY_JOBS, BULK_BATCHES)
TOLD: Final = ("DailyApiRequests", DELIVERIES, *JOBS)
"""Of some sixty allocations those that we use up."""
LONGEST_APART: Final = 900.0
"""Polls of an object are no further apart than this, seconds, while any call may be made."""
MISSED_TELLINGS: Final = 3
"""A process that has not told anything for so long is gone."""


class Account:
    """One process's budget, with the calls that it may have under way. Nothing is shared before `kept`."""

    def __init__(self, settings: BudgetSettings, frame: Frame) -> None:
        self._settings = settings
        self._frame = frame
        self.budget = Budget(settings.policy(), now=wall_ms, on_refused=frame.metrics.call_refused)
        self._slots = Slots(lambda: self.budget.slots(settings.calls_at_once))

    def gate(self, lane: BudgetLane) -> "LaneGate":
        """What the calls of a lane pass."""
        return LaneGate(self.budget, self._slots, lane)

    def hear(self, allocation: Allocation) -> None:
        """An answer told the allocation."""
        self.budget.hear(allocation)
        self._frame.metrics.api_usage_seen(allocation.used, allocation.limit)

    def linger_seconds(self, least: float, callers: int) -> float:
        """How long rows gather before a call."""
        seconds = self.budget.linger_seconds(least, callers)
        self._frame.metrics.linger_seen(seconds)
        return seconds

    def seconds_a_call(self, callers: int) -> float:
        """How far apart the polls of one of so many objects are to be, so that the day's calls last."""
        return self.budget.apart_seconds(callers, LONGEST_APART)

    @asynccontextmanager
    async def kept(self, database: Database, org: str, rest: Rest) -> AsyncIterator[None]:
        """Shared with the other processes of this org while the block runs."""
        allocations = MongoAllocations(database, org)
        async with (
            beside(self._share(allocations), self._frame),
            beside(self._ask(allocations, rest), self._frame),
        ):
            yield

    async def _share(self, allocations: MongoAllocations) -> None:
        process, every = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}", self._settings.share_seconds
        while True:
            try:
                self.budget.share(*await allocations.exchange(process, self.budget.heard, every * MISSED_TELLINGS))
            except Unavailable as error:
                self._frame.log.warning("allocation_not_shared", reason=str(error))
            await asyncio.sleep(every)

    async def _ask(self, allocations: MongoAllocations, rest: Rest) -> None:
        every = self._settings.limits_seconds
        while True:
            try:
                if await allocations.turn(every):
                    self._tell(await rest.limits())
            except (Unavailable, CallFailed) as error:
                self._frame.log.warning("limits_not_seen", reason=str(error))
            await asyncio.sleep(every)

    def _tell(self, limits: dict[str, Any]) -> None:
        for name in TOLD:
            match limits.get(name):
                case {"Max": int(most), "Remaining": int(left)}:
                    self._frame.metrics.allocation_seen(name, most - left, most)
                    if name in JOBS:
                        self.budget.hear_jobs({name: Allocation(most - left, most, wall_ms())})
                    if name == DELIVERIES:
                        self.budget.hear_deliveries(Allocation(most - left, most, wall_ms()))
                case _:
                    pass  # not every edition has each of them


class LaneGate:
    """Satisfies `adapters.salesforce.gate.Gate` for one lane."""

    def __init__(self, budget: Budget, slots: Slots, lane: BudgetLane) -> None:
        self._budget = budget
        self._slots = slots
        self._lane = lane

    def refusal(self) -> str | None:
        """As the port."""
        return self._budget.admit(self._lane)

    def one(self) -> AbstractAsyncContextManager[None]:
        """As the port."""
        return self._slots.one()

    def exceeded(self) -> None:
        """As the port."""
        self._budget.exceeded()


class WithinBudget:
    """A handler that is asked only while its lane may call: meanwhile its records wait, and nothing is tried in vain.

    Satisfies `consumers.runner.ports.Handler`.
    """

    def __init__(self, handler: Handler, budget: Budget, lane: BudgetLane) -> None:
        self._handler = handler
        self._budget = budget
        self._lane = lane

    async def handle(self, records: Sequence[Record]) -> Sequence[Result]:
        """As the handler.

        Raises:
            Unavailable: as the handler, or no call may be made now.
        """
        refusal = self._budget.refusal(self._lane)
        if refusal is not None:
            raise Unavailable(f"the org's API allocation: {refusal}")
        return await self._handler.handle(records)


class BulkWithinBudget:
    """Bulk jobs that are made only while the day's allocation of them lasts. Satisfies `consumers.ports.BulkRecords`.

    The calls that a job takes pass the gate of their lane as all others do.
    """

    def __init__(self, bulk: BulkRecords, budget: Budget, lane: BudgetLane) -> None:
        self._bulk = bulk
        self._budget = budget
        self._lane = lane
        self.send = bulk.send
        self.state = bulk.state
        self.abandon = bulk.abandon
        self.outcomes = bulk.outcomes
        self.discard = bulk.discard

    async def open(self, load: BulkLoad) -> str:
        """As the port."""
        refusal = self._budget.admit_job(BULK_BATCHES, self._lane)
        if refusal is not None:
            raise JobsUsedUp(f"the org's allocation of Bulk jobs: {refusal}")
        try:
            return await self._bulk.open(load)
        except JobsUsedUp:
            self._budget.jobs_used_up(BULK_BATCHES, self._lane)
            raise


class QueriesWithinBudget:
    """Bulk query jobs that are made only while the day's allocation of them lasts.

    Satisfies `adapters.salesforce.lists.Queries`.
    """

    def __init__(self, queries: Queries, budget: Budget, lane: Callable[[], BudgetLane]) -> None:
        """`lane` tells that of the run in hand."""
        self._queries = queries
        self._budget = budget
        self._lane = lane
        self.read = queries.read
        self.discard = queries.discard

    async def start(self, soql: Select | str) -> str:
        """As `BulkQueries`."""
        lane = self._lane()
        refusal = self._budget.admit_job(BULK_QUERY_JOBS, lane)
        if refusal is not None:
            raise JobsUsedUp(f"the org's allocation of Bulk query jobs: {refusal}")
        try:
            return await self._queries.start(soql)
        except JobsUsedUp:
            self._budget.jobs_used_up(BULK_QUERY_JOBS, lane)
            raise
