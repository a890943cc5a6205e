"""Requests that come as records of `tandem.commands`: each makes its run, once."""

from collections.abc import Callable, Sequence
from typing import Protocol

from consumers.catalog import Catalog
from consumers.ports import Parked, ParkedRecords
from consumers.reconciler.incoming import NEWER_FORMAT
from consumers.reconciler.reconciler import concluded, parked_record
from ops.sync.asking import CannotRun, new_run
from schemas.codec import Undecodable, parse, validated
from schemas.log_record import Record
from schemas.outcome import Outcome, Result
from schemas.sync_run import Run, RunCommand, RunRequest
from schemas.versions import COMMAND_FORMAT, NewerFormat, check_request

CANNOT_RUN = "cannot_run"
"""Why a request is parked that can be read, and is of nothing that the mapping has."""


class Runs(Protocol):
    """Where runs are kept: `adapters.mongo.runs.MongoRuns`."""

    async def add(self, run: Run) -> bool:
        """Keep a new run; False where one of this id is there already."""


class Commands:
    """Satisfies `consumers.runner.ports.Handler`. `now` gives epoch milliseconds."""

    def __init__(
        self, runs: Runs, parked: ParkedRecords, catalog: Callable[[], Catalog], now: Callable[[], int]
    ) -> None:
        self._runs = runs
        self._parked = parked
        self._catalog = catalog
        self._now = now

    async def handle(self, records: Sequence[Record]) -> Sequence[Result]:
        """As the port."""
        results: list[Result] = []
        parked: list[Parked] = []
        for record in records:
            try:
                run = new_run(request_of(record), self._catalog(), now=self._now())
            except (Undecodable, NewerFormat) as error:
                reason = "undecodable" if isinstance(error, Undecodable) else NEWER_FORMAT
                parked.append(parked_record(record, reason, str(error), self._now()))
                results.append(Result(Outcome.PARKED, reason))
            except CannotRun as error:
                parked.append(parked_record(record, CANNOT_RUN, str(error), self._now()))
                results.append(Result(Outcome.PARKED, CANNOT_RUN))
            else:
                added = await self._runs.add(run)
                results.append(Result(Outcome.APPLIED if added else Outcome.DUPLICATE, f"run {run.id}"))
        await self._parked.park(parked)
        await self._parked.conclude(concluded(records, results, self._now()))
        return results


def request_of(record: Record) -> RunRequest:
    """What a record of `tandem.commands` asks for.

    Raises:
        Undecodable: it is no request.
        NewerFormat: it is one of a newer release.
    """
    content = parse(record.value)
    check_request(content, COMMAND_FORMAT, "the command")
    return validated(RunCommand, content).request
