"""Runs come last: each part waits until the org's allocation has room, and the stages have done the one before."""

from collections.abc import Callable
from typing import Protocol

from consumers.budget import Budget
from consumers.rules.budget import BudgetLane
from schemas.sync_run import Purpose, Run

SOON = 60_000
"""What is due within so many milliseconds is under way: the sweep puts off by half of it what it has rung for."""


class Backlog(Protocol):
    """What the stages have still to take from Kafka."""

    async def read(self) -> int:
        """How many records."""


class Due(Protocol):
    """What the writer has still to look at."""

    async def count_due(self, collection: str, until: int, most: int) -> int:
        """How many documents of a collection are due by then."""


class Pace:
    """Looks before each part. `most` is how many records or documents may wait; `now` gives epoch milliseconds."""

    def __init__(self, budget: Budget, backlog: Backlog, due: Due, *, most: int, now: Callable[[], int]) -> None:
        self._budget = budget
        self._backlog = backlog
        self._due = due
        self._most = most
        self._now = now

    async def hindrance(self, run: Run, collection: str) -> str:
        """What is waited for, in words; empty where nothing is.

        Raises:
            Unavailable: Kafka or MongoDB does not answer.
        """
        refusal = self._budget.refusal(lane_of(run))
        if refusal is not None:
            return f"the org's API allocation has no room for it now ({refusal})"
        if run.request.dry_run:
            return ""
        waiting = await self._backlog.read()
        if waiting > self._most:
            return f"the stages have {waiting:,} records to take first"
        due = await self._due.count_due(collection, self._now() + SOON, self._most + 1)
        return f"the writer has more than {self._most:,} documents to look at first" if due > self._most else ""


def lane_of(run: Run) -> BudgetLane:
    """Whatever was missed goes before what is only wanted."""
    return BudgetLane.BACKFILL if run.request.purpose is Purpose.SYNC else BudgetLane.REPAIR
