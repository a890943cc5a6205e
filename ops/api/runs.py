"""Runs as the API's routes ask for them."""

from collections.abc import Callable, Sequence

from adapters.mongo.runs import MongoRuns
from consumers.catalog import Catalog
from listener.api.runs import CannotRun
from ops.sync import asking
from schemas.sync_run import Run, RunRequest, RunState, Wish


class AskedRuns:
    """Satisfies `listener.api.runs.Runs`."""

    def __init__(self, runs: MongoRuns, catalog: Callable[[], Catalog]) -> None:
        self._runs = runs
        self._catalog = catalog

    async def ask(self, request: RunRequest, now: int) -> Run:
        """As the port."""
        try:
            run = asking.new_run(request, self._catalog(), now=now)
        except asking.CannotRun as reason:
            raise CannotRun(str(reason)) from None
        if await self._runs.add(run):
            return run
        return await self._runs.get(run.id) or run

    async def get(self, run_id: str) -> Run | None:
        """As the port."""
        return await self._runs.get(run_id)

    async def newest(self, limit: int, behind: Run | None) -> Sequence[Run]:
        """As the port."""
        return await self._runs.newest(limit, behind)

    async def cancel(self, run_id: str) -> bool:
        """As the port: one that nobody works at is ended at once."""
        if await self._runs.wish(run_id, Wish.CANCEL):
            return True
        return await self._runs.turn(run_id, [RunState.PLANNED, RunState.PAUSED], RunState.CANCELLED)
