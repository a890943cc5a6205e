"""`tandem verify`: are both sides the same, and where they are not, why not.

Values of documents and records are printed only where they are asked for; nothing of them is logged.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from adapters.kafka.logs import ChangeLog
from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.kafka.window import open_window
from adapters.mongo.client import Database, Refused, open_database
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.gap_rows import MongoGapRows
from adapters.mongo.mappings import MongoMappings
from adapters.mongo.pages import MongoPages
from adapters.mongo.settings import MongoSettings
from adapters.salesforce.opening import Salesforce
from adapters.salesforce.settings import SalesforceSettings
from adapters.telemetry.logs import quiet_libraries
from consumers.catalog import Catalog
from consumers.reconciler.derive import Deriver
from consumers.rules.kinds import Kind
from consumers.rules.timing import Timing
from consumers.settings import MergeSettings, RepairSettings
from ops.mapping_source import MappingSettings
from ops.mapping_walk import end_if_cancelled
from ops.processes.parts import wall_ms
from ops.processes.schedule import GROUPS
from ops.repair_lane import open_in_repair_lane
from ops.settings import WrongSettings, read_settings
from ops.sync_settings import SyncSettings
from ops.verify import CHUNK, Verifier
from ops.verify_backlog import Backlog
from ops.verify_findings import Report
from ops.verify_repair import Repair
from ops.verify_untold import InKafka, Untold
from ops.verify_view import lines_of_json, report_view
from schemas.mapping_reading import InvalidMapping
from schemas.session import LoginFailed
from schemas.topics import SALESFORCE_CHANGES, SALESFORCE_WRITES
from schemas.unavailable import Unavailable

EXIT_DIFFERENT: Final = 1
EXIT_WRONG_SETTINGS: Final = 2
EXIT_FAILED: Final = 3


class CannotVerify(Exception):
    """Why nothing can be compared, in one line."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be compared. `since` and `until` are epoch milliseconds; 0, as a sample of 0: all."""

    kinds: tuple[str, ...] = ()
    since: int = 0
    until: int = 0
    sample: int = 0
    show: int = 20
    repair: bool = False


def run(wanted: Wanted, *, values: bool, as_json: bool) -> int:
    """Compare and say what was found; 0 where nothing is truly different, 1 where something is, 3 where it ended early.

    What was compared before it ended early is told all the same.
    """
    report = Report(keep=wanted.show)
    failure = ""
    try:
        with quiet_libraries():
            asyncio.run(_compare(wanted, report))
    except WrongSettings as wrong:
        sys.stderr.write(f"{wrong}\n")
        return EXIT_WRONG_SETTINGS
    except (CannotVerify, Unavailable, Refused, InvalidMapping) as error:
        failure = str(error)
    except KeyboardInterrupt:
        failure = "interrupted"
    if report.documents or not failure:
        if as_json:
            sys.stdout.write(lines_of_json(report, values=values))
        else:
            Console(soft_wrap=True).print(report_view(report, values=values, repaired=wanted.repair))
    if failure:
        sys.stderr.write(f"{failure}; not everything was compared\n")
        return EXIT_FAILED
    return EXIT_DIFFERENT if report.truly_different else 0


def moment_of(given: str) -> int:
    """Epoch milliseconds of `2026-11-22T10:00:00Z`, or of a date; without a zone it is UTC.

    Raises:
        ValueError: neither.
    """
    at = datetime.fromisoformat(given)
    return int((at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class _Opened:
    database: Database
    salesforce: Salesforce
    catalog: Catalog
    timing: Timing
    untold: Untold


async def _compare(wanted: Wanted, report: Report) -> None:
    async with _open() as opened:
        kinds = _kinds(opened.catalog, wanted.kinds)
        documents, pages = MongoDocuments(opened.database), MongoPages(opened.database, CHUNK)
        total = 0 if wanted.since else sum([await pages.estimate(kind.collection) for kind in kinds])
        total = min(total, wanted.sample * len(kinds)) if wanted.sample else total
        with _progress(total) as passed:
            verifier = Verifier(
                catalog=opened.catalog,
                pages=pages,
                documents=documents,
                records=opened.salesforce.records,
                looks=opened.salesforce.looks,
                untold=opened.untold,
                timing=opened.timing,
                now=wall_ms,
                passed=passed,
            )
            async with _repair(wanted, opened, documents) as repair:
                await verifier.run(
                    kinds, report, since=wanted.since, until=wanted.until, sample=wanted.sample, repair=repair
                )


@asynccontextmanager
async def _repair(wanted: Wanted, opened: "_Opened", documents: MongoDocuments) -> AsyncIterator[Repair | None]:
    if not wanted.repair:
        yield None
        return
    (kafka,) = read_settings(KafkaSettings)
    async with open_producer(kafka) as producer:
        yield Repair(
            catalog=opened.catalog,
            changes=ChangeLog(producer),
            deriver=Deriver(documents, opened.timing, wall_ms),
            org_id=await _org_id(opened.salesforce),
            now=wall_ms,
        )


@asynccontextmanager
async def _open() -> AsyncIterator[_Opened]:
    mongo, seed, merge, switches = read_settings(MongoSettings, MappingSettings, MergeSettings, SyncSettings)
    salesforce_settings, repairing = read_settings(SalesforceSettings, RepairSettings)
    async with open_database(mongo) as database, AsyncExitStack() as stack:
        catalog = Catalog(await MongoMappings(database).current() or seed.read(), switches.switched_off())
        async with open_in_repair_lane(database, salesforce_settings) as salesforce:
            untold = Untold(
                catalog=catalog,
                gaps=MongoGapRows(database),
                overlap=int(repairing.overlap_seconds * 1000),
                open_kafka=lambda: _open_kafka(stack),
            )
            yield _Opened(database, salesforce, catalog, merge.timing(), untold)


async def _open_kafka(stack: AsyncExitStack) -> InKafka:
    """What waits there, until the stack is closed.

    Raises:
        Unavailable: Kafka is not set up, does not answer, or has no such topic.
    """
    try:
        (kafka,) = read_settings(KafkaSettings)
    except WrongSettings as wrong:
        raise Unavailable(f"Kafka is not set up: {'; '.join(wrong.lines)}") from wrong
    changes = await stack.enter_async_context(open_window(kafka, SALESFORCE_CHANGES))
    doorbells = await stack.enter_async_context(open_window(kafka, SALESFORCE_WRITES))
    return InKafka(
        Backlog(changes, SALESFORCE_CHANGES, GROUPS[SALESFORCE_CHANGES]),
        Backlog(doorbells, SALESFORCE_WRITES, GROUPS[SALESFORCE_WRITES]),
    )


def _kinds(catalog: Catalog, names: tuple[str, ...]) -> list[Kind]:
    for name in names:
        if name not in catalog.kinds:
            raise CannotVerify(f'"{name}" is no kind of the mapping; there are: {", ".join(catalog.kinds)}')
    return [kind for name, kind in catalog.kinds.items() if not names or name in names]


async def _org_id(salesforce: Salesforce) -> str:
    try:
        return (await salesforce.login.grant()).org_id
    except LoginFailed as error:
        raise CannotVerify(f"Salesforce does not sign us in: {error}") from error


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal; elsewhere nothing."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task("comparing", total=total or None)

        def passed(count: int) -> None:
            shown.advance(task, count)
            end_if_cancelled()

        yield passed
