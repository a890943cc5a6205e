"""`tandem gaps`: what may have been missed, and how far its repair is; repaired now, or closed by hand."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from adapters.kafka.backlog import open_backlog
from adapters.kafka.logs import ChangeLog
from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.mongo.client import Database, open_database
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.gap_rows import MongoGapRows
from adapters.mongo.mappings import MongoMappings
from adapters.mongo.operations import MongoOperations
from adapters.mongo.settings import MongoSettings
from adapters.salesforce.settings import SalesforceSettings
from adapters.telemetry.logs import quiet_libraries
from consumers.catalog import Catalog
from consumers.repair.repairer import NOT_IN_LOG, Closed, Published, Repaired, Repairer, Waits
from consumers.rules.repair import HANDLED_SECONDS
from consumers.settings import RepairSettings
from ops.command_end import EXIT_FAILED, exit_code, say
from ops.gaps_view import about, counted, ended, handle, lines, lines_of_json, list_view, named, named_fully
from ops.mapping_source import MappingSettings
from ops.noting import Deed, noted
from ops.operator_name import operator_name
from ops.processes.parts import wall_ms
from ops.processes.repair import GROUPS
from ops.repair_lane import open_in_repair_lane
from ops.settings import read_settings
from ops.sync_settings import SyncSettings
from schemas.gap import Found, GapRow, GapState
from schemas.session import LoginFailed
from schemas.unavailable import Unavailable

NOT_CLOSED: Final = (GapState.OPEN, GapState.REPAIRING)
HANDLED_WITHIN_SECONDS: Final = 30.0
"""How long `tandem gaps repair` waits for `tandem reconcile` to handle what it has published."""

Answer = TypeVar("Answer")


class CannotDo(Exception):
    """Why it was not done, in one line."""


@dataclass(frozen=True, slots=True)
class Known:
    """The gaps, and the mapping in force."""

    database: Database
    rows: MongoGapRows
    catalog: Catalog
    overlap: int

    async def one(self, name: str, states: Sequence[GapState] = tuple(GapState)) -> GapRow:
        """The gap that is meant.

        Raises:
            CannotDo: none, or more than one.
        """
        found = named(await self.rows.rows(states=states), name)
        if len(found) != 1:
            many = f"{len(found)} gaps begin with it" if found else "there is no such gap"
            raise CannotDo(f"{name}: {many}; `tandem gaps list` shows them")
        return found[0]


_exit_code: Final = partial(
    exit_code,
    failures=(CannotDo,),
    interrupted="interrupted; what is done stays done, and the next try goes on from there",
)


def run_list(limit: int, *, closed_too: bool, as_json: bool) -> int:
    """Show the gaps, as a table or as lines of JSON; the exit code."""

    async def read(known: Known) -> list[GapRow]:
        return await known.rows.rows(states=tuple(GapState) if closed_too else NOT_CLOSED, limit=limit)

    def work() -> None:
        rows = _ask(read)
        if as_json:
            sys.stdout.write(lines_of_json(rows))
        else:
            Console().print(list_view(rows, wall_ms(), closed_too=closed_too))

    return _exit_code(work)


def run_show(name: str) -> int:
    """Show one gap; the exit code."""

    async def told(known: Known) -> list[str]:
        return list(lines(await known.one(name), known.catalog.mapped_objects(), known.overlap))

    return _exit_code(lambda: say(_ask(told)))


def run_close(name: str, note: str) -> int:
    """Close one by hand; the exit code."""

    async def close(known: Known) -> list[str]:
        gap = await known.one(name, NOT_CLOSED)
        by, now = operator_name(), wall_ms()
        deed = Deed("close gap", named_fully(gap), by, note, now, {})
        async with noted(MongoOperations(known.database), deed, refusals=(CannotDo,)):
            if not await known.rows.close(gap, by=by, note=note, at=now):
                raise CannotDo(f"{name}: it was met again, or closed, in this moment; look again")
        return [f"{handle(gap.id)} {gap.reason} of {about(gap)}: closed"]

    return _exit_code(lambda: say(_ask(close)))


def run_repair(name: str) -> int:
    """Repair one gap, or all that are not closed, now; the exit code is 0 if none of them is left open."""
    left: list[GapRow] = []

    def work() -> None:
        results = _ask(lambda known: _repair(known, name))
        if not results:
            say(["no gap is open"])
        for gap, repaired in results:
            say([ended(gap, repaired)])
            if not isinstance(repaired, Closed):
                left.append(gap)

    return _exit_code(work) or (EXIT_FAILED if left else 0)


async def _repair(known: Known, name: str) -> list[tuple[GapRow, Repaired | Unavailable]]:
    gaps = [await known.one(name, NOT_CLOSED)] if name else await known.rows.unrepaired()
    if not gaps:
        return []
    kafka, settings = read_settings(KafkaSettings, SalesforceSettings)
    async with (
        open_producer(kafka) as producer,
        open_backlog(kafka, GROUPS) as backlog,
        open_in_repair_lane(known.database, settings) as salesforce,
    ):
        try:
            org_id = (await salesforce.login.grant()).org_id
        except LoginFailed as error:
            raise CannotDo(f"Salesforce does not sign us in: {error}") from error
        with _progress() as passed:
            repairer = Repairer(
                catalog=lambda: known.catalog,
                gaps=known.rows,
                looks=salesforce.looks,
                changes=ChangeLog(producer),
                backlog=backlog,
                documents=MongoDocuments(known.database),
                org_id=org_id,
                overlap=known.overlap,
                now=wall_ms,
                on_page=passed,
            )
            results = [(gap, await _tried(repairer, gap)) for gap in gaps]
            until = time.monotonic() + HANDLED_WITHIN_SECONDS
            while any(_goes_on(repaired) for _, repaired in results) and time.monotonic() < until:
                await asyncio.sleep(HANDLED_SECONDS)
                results = [(gap, await _looked_again(known, repairer, gap, repaired)) for gap, repaired in results]
    return results


async def _tried(repairer: Repairer, gap: GapRow) -> Repaired | Unavailable:
    try:
        return await repairer.repair(gap)
    except Unavailable as error:
        return error


def _goes_on(repaired: Repaired | Unavailable) -> bool:
    """Whether a further look in a moment may find it closed."""
    return isinstance(repaired, Published) or repaired == Waits(NOT_IN_LOG)


async def _looked_again(
    known: Known, repairer: Repairer, gap: GapRow, repaired: Repaired | Unavailable
) -> Repaired | Unavailable:
    """Of one that only has to be handled: what has become of it, which a `tandem repair` may have closed meanwhile."""
    if not _goes_on(repaired):
        return repaired
    row = await known.rows.read(gap.id)
    if row is None or row.state is GapState.CLOSED:
        found = repaired.found if isinstance(repaired, Published) else Found()
        return Closed(found, "handled" if row is None else row.note)
    return await _tried(repairer, row)


@contextmanager
def _progress() -> Iterator[Callable[[GapRow, str, Found], None]]:
    """How far the repair is, on a terminal; elsewhere nothing."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task("asking Salesforce", total=None)
        yield lambda gap, sobject, found: shown.update(
            task, description=f"{handle(gap.id)} {sobject}: {counted(found)}"
        )


@asynccontextmanager
async def open_known() -> AsyncIterator[Known]:
    """The gaps of the database that the settings name, and the mapping in force.

    Raises:
        WrongSettings, Unavailable, Refused, InvalidMapping.
    """
    mongo, seed, repairing, switches = read_settings(MongoSettings, MappingSettings, RepairSettings, SyncSettings)
    async with open_database(mongo) as database:
        catalog = Catalog(await MongoMappings(database).current() or seed.read(), switches.switched_off())
        yield Known(
            database,
            MongoGapRows(database, kept=mongo.retention().gaps),
            catalog,
            int(repairing.overlap_seconds * 1000),
        )


def _ask(work: Callable[[Known], Coroutine[Any, Any, Answer]]) -> Answer:
    async def asked() -> Answer:
        async with open_known() as known:
            return await work(known)

    with quiet_libraries():
        return asyncio.run(asked())
