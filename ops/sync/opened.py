"""The parts of a run, opened for a command: as the processes have them, without their metrics."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from adapters.encryption.settings import EncryptionSettings
from adapters.kafka.backlog import open_backlog
from adapters.kafka.logs import ChangeLog, Doorbells
from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.kafka.topics import make_topics
from adapters.mongo.client import open_database
from adapters.mongo.collections import prepare
from adapters.mongo.leases import MongoLeases
from adapters.mongo.mappings import MongoMappings
from adapters.mongo.runs import MongoRuns
from adapters.mongo.settings import MongoSettings
from adapters.salesforce.opening import open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from adapters.salesforce.slots import Slots
from consumers.catalog import Catalog
from consumers.rules.budget import BudgetLane
from consumers.settings import BudgetSettings, MergeSettings
from listener.changes.ownership import Ownership
from listener.changes.settings import ChangesSettings
from ops.logins import connection_store, process_name
from ops.processes.budget import LaneGate, QueriesWithinBudget
from ops.processes.parts import wall_ms
from ops.processes.schedule import GROUPS
from ops.schedule_settings import ScheduleSettings
from ops.settings import read_settings
from ops.shared_budget import shared_budget
from ops.sync.asking import CannotRun
from ops.sync.lanes import RunGate
from ops.sync.pace import Pace, lane_of
from ops.sync.parts import SyncParts
from ops.sync.walk import Advance
from ops.sync.worker import LEASE_NAME, Worker
from ops.sync_settings import SyncSettings
from schemas.mapping import Mapping
from schemas.sync_run import Run, RunState, RunStep

CALLS_AT_ONCE: Final = 2

Moved = Callable[[RunStep, Advance], None]


class Following:
    """The mapping in force, looked at before each part: somebody may publish while a run is at work."""

    def __init__(self, mappings: MongoMappings, mapping: Mapping, off: frozenset[str]) -> None:
        self._mappings = mappings
        self.catalog = Catalog(mapping, off)

    def current(self) -> Catalog:
        """As it was last seen."""
        return self.catalog

    async def look(self) -> None:
        """See whether there is a newer one.

        Raises:
            Unavailable, InvalidMapping.
        """
        mapping = await self._mappings.current()
        if mapping is not None and mapping.version != self.catalog.version:
            self.catalog = Catalog(mapping, self.catalog.off)


@dataclass(frozen=True, slots=True)
class OpenedSync:
    """Everything that a run needs, open."""

    mapping: Following
    runs: MongoRuns
    parts: SyncParts
    pace: Pace
    gate: RunGate

    def worker(self, moved: Moved, said: Callable[[str], None]) -> Worker:
        """One that works in this process; `said` is told what a run waits for."""

        async def hindrance(run: Run, step: RunStep) -> str:
            await self.mapping.look()
            self.gate.lane = lane_of(run)
            waits = await self.pace.hindrance(run, self.parts.collection(step))
            said(waits)
            return waits

        return Worker(
            runs=self.runs,
            walk=self.parts.walk,
            hindrance=hindrance,
            ownership=Ownership(
                leases=MongoLeases(self.parts.database),
                name=LEASE_NAME,
                owner=process_name(),
                seconds=self.parts.settings.lease_seconds,
                clock=time.monotonic,
                pause=asyncio.sleep,
            ),
            now=wall_ms,
            finish=self.parts.finish,
            moved=moved,
        )


@asynccontextmanager
async def open_runs() -> AsyncIterator[MongoRuns]:
    """The runs alone.

    Raises:
        WrongSettings, Unavailable, Refused.
    """
    (mongo,) = read_settings(MongoSettings)
    async with open_database(mongo) as database:
        yield MongoRuns(database, mongo.retention().runs)


async def pause_unless_worked_at(run_id: str) -> bool:
    """Pause a run that this process was interrupted at; False where another process is at work, and goes on.

    Raises:
        WrongSettings, Unavailable, Refused.
    """
    (mongo,) = read_settings(MongoSettings)
    async with open_database(mongo) as database:
        if await MongoLeases(database).held(LEASE_NAME):
            return False
        left = [RunState.PLANNED, RunState.RUNNING]
        return await MongoRuns(database, mongo.retention().runs).turn(
            run_id, left, RunState.PAUSED, reason="interrupted"
        )


@asynccontextmanager
async def open_sync(refused: Callable[[str, str], None]) -> AsyncIterator[OpenedSync]:
    """The parts that the settings name; `refused` is told of documents that MongoDB will not store.

    Raises:
        CannotRun: no mapping is published yet.
        WrongSettings, Unavailable, Refused, InvalidMapping.
    """
    kafka, mongo, salesforce_settings, encryption = read_settings(
        KafkaSettings, MongoSettings, SalesforceSettings, EncryptionSettings
    )
    schedule, merge, budgeting, changes, switches = read_settings(
        ScheduleSettings, MergeSettings, BudgetSettings, ChangesSettings, SyncSettings
    )
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(mongo))
        mapping = await MongoMappings(database).current()
        if mapping is None:
            raise CannotRun("no mapping is published yet: start `tandem reconcile` first")
        await prepare(database, mapping.collections(), mapping.counted(), retention=mongo.retention())
        await make_topics(kafka)
        budget = await stack.enter_async_context(shared_budget(database, salesforce_settings, budgeting))
        slots = Slots(lambda: min(CALLS_AT_ONCE, budget.slots(budgeting.calls_at_once)))
        gate = RunGate({lane: LaneGate(budget, slots, lane) for lane in BudgetLane})
        following = Following(MongoMappings(database), mapping, switches.switched_off())
        producer = await stack.enter_async_context(open_producer(kafka))
        backlog = await stack.enter_async_context(open_backlog(kafka, GROUPS))
        salesforce = await stack.enter_async_context(
            open_salesforce(
                salesforce_settings,
                now=wall_ms,
                gate=gate,
                on_allocation=budget.hear,
                store=connection_store(database, encryption),
            )
        )
        parts = SyncParts(
            database=database,
            changes=ChangeLog(producer),
            doorbells=Doorbells(producer),
            backlog=backlog,
            salesforce=salesforce,
            catalog=following.current,
            timing=merge.timing(),
            settings=schedule,
            channels=changes.channels,
            queries=QueriesWithinBudget(salesforce.bulk_queries, budget, lambda: gate.lane),
            refused=refused,
            gaps_kept=mongo.retention().gaps,
        )
        pace = Pace(budget, backlog, parts.walks, most=schedule.backlog, now=wall_ms)
        yield OpenedSync(following, MongoRuns(database, mongo.retention().runs), parts, pace, gate)


def new_id(what: str) -> str:
    """A run's name that a person can tell from others."""
    return f"{what}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
