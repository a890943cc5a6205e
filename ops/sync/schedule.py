"""Runs that are begun by the clock. Each time has its run by name, so that any number of processes make it once."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol

from consumers.catalog import Catalog
from ops.sync.asking import CannotRun, new_run
from ops.sync.slots import Every
from schemas.sync_run import Purpose, Run, RunRequest

SCHEDULED_BY = "schedule"


class Runs(Protocol):
    """Where runs are kept: `adapters.mongo.runs.MongoRuns`."""

    async def add(self, run: Run) -> bool:
        """Keep a new run."""

    async def begun(self, prefix: str) -> bool:
        """Whether there is a run whose id begins so."""

    async def waits(self, purpose: Purpose) -> bool:
        """Whether a run for this is to be worked at, or is."""


class Schedule:
    """Looks whether a run is to be begun. `now` gives epoch milliseconds."""

    def __init__(
        self, every: Mapping[Purpose, Every], runs: Runs, catalog: Callable[[], Catalog], now: Callable[[], int]
    ) -> None:
        self._every = every
        self._runs = runs
        self._catalog = catalog
        self._now = now
        self._since = now()

    async def begin(self) -> list[Run]:
        """Make the runs whose time has come; those that nobody had made.

        A time that nobody was there for is made up for, unless nothing was ever scheduled here: a new installation does
        not begin with the night before. While one of a sort waits or is at work no other of it is made, so they never
        pile up behind a slow one.

        Raises:
            Unavailable: the store does not answer.
        """
        made: list[Run] = []
        for purpose, every in self._every.items():
            slot = every.last(datetime.fromtimestamp(self._now() / 1000, UTC))
            if slot.timestamp() * 1000 < self._since and not await self._runs.begun(f"{purpose}:"):
                continue
            if await self._runs.waits(purpose):
                continue
            request = RunRequest(id=f"{purpose}:{slot:%Y-%m-%dT%H:%MZ}", purpose=purpose, by=SCHEDULED_BY)
            try:
                run = new_run(request, self._catalog(), now=self._now())
            except CannotRun:
                continue  # everything is switched off
            if await self._runs.add(run):
                made.append(run)
        return made
