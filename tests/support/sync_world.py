"""Runs on the real MongoDB and a simulated org that goes by the stages' clock; no event tells of anything.

What runs publish and ring is handed to the reconciler and the writer, so that what comes of a run can be looked at.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase

from adapters.mongo.collections import prepare
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.leases import MongoLeases
from adapters.mongo.logs import MongoParkedRecords, MongoSyncLog
from adapters.mongo.runs import MongoRuns
from adapters.salesforce.opening import Salesforce, open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from consumers.catalog import Catalog
from consumers.rules.retry import RetryPolicy
from consumers.writer.writer import Writer
from listener.changes.ownership import Ownership
from ops.schedule_settings import ScheduleSettings
from ops.sync.asking import new_run
from ops.sync.parts import SyncParts
from ops.sync.planning import make_plan
from ops.sync.worker import LEASE_NAME, Worker
from schemas import topics
from schemas.gap_change import GapRecord
from schemas.mapping import Mapping as MappingOfAll
from schemas.presets import preset
from schemas.sync_run import Run, RunRequest, RunStep
from schemas.unavailable import Unavailable
from simulator.org.edits import Edit, Edits, make_edits
from support.fake_gaps import FakeBacklog
from support.org import KEY, OrgClient, org_client
from support.sync_stage import TIMING, Stage

Database = AsyncDatabase[dict[str, Any]]
LIMIT_SECONDS = 60.0
CHANNELS = ("/data/ChangeEvents",)


@dataclass
class Changes:
    """`salesforce.changes`, as runs append to it. `left` appends work until one fails."""

    appended: list[GapRecord] = field(default_factory=list)
    left: int = 1_000_000

    async def append(self, records: Sequence[GapRecord]) -> None:
        if self.left <= 0:
            raise Unavailable("away")
        self.left -= 1
        self.appended.extend(records)


@dataclass
class SyncWorld:
    """Everything that a run has to do with."""

    database: Database
    stage: Stage
    org: OrgClient
    salesforce: Salesforce
    changes: Changes
    backlog: FakeBacklog
    parts: SyncParts
    runs: MongoRuns
    hindered: str = ""
    owners: int = 0

    def worker(self, **options: Any) -> Worker:
        """A process's."""
        self.owners += 1

        async def hindrance(_run: Run, _step: RunStep) -> str:
            return self.hindered

        async def no_time(_seconds: float) -> None:
            await asyncio.sleep(0)

        ownership = Ownership(
            leases=MongoLeases(self.database),
            name=LEASE_NAME,
            owner=f"process-{self.owners}",
            seconds=20.0,
            clock=time.monotonic,
            pause=asyncio.sleep,
        )
        given = {
            "walk": self.parts.walk,
            "hindrance": hindrance,
            "sleep": no_time,
            "finish": self.parts.finish,
        } | options
        return Worker(runs=self.runs, ownership=ownership, now=lambda: self.stage.now, **given)

    async def ask(self, what: str = "contacts", **asked: Any) -> Run:
        """A new run, not worked at yet."""
        count = await self.database["tandem_runs"].count_documents({})
        request = RunRequest.model_validate({"id": f"run-{count}", "what": what, "by": "test"} | asked)
        run = new_run(request, self.stage.catalog, now=self.stage.now)
        assert await self.runs.add(run)
        return run

    async def run(self, what: str = "contacts", **asked: Any) -> Run:
        """Asked for, and worked at to its end."""
        run = await self.ask(what, **asked)
        await self.worker().work(asyncio.Event())
        return await self.stored(run.id)

    async def plan(self, what: str = "contacts", **asked: Any) -> dict[str, dict[str, int]]:
        """The counts of a plan, by task."""
        request = RunRequest.model_validate({"id": "plan", "what": what, "by": "test"} | asked)
        run = new_run(request, self.stage.catalog, now=self.stage.now)
        planned = await make_plan(self.parts, run, lambda _step, _advance: None, lambda _step, _total: None)
        return counts(planned)

    async def stored(self, run_id: str) -> Run:
        """A run as it is kept."""
        run = await self.runs.get(run_id)
        assert run is not None
        return run

    async def settle(self) -> None:
        """Hand everything on, until nothing waits and nothing is due for a while."""
        writer = Writer(
            catalog=lambda: self.stage.catalog,
            documents=self.stage.documents,
            records=self.salesforce.records,
            log=self.stage.log,
            parked=self.stage.parked,
            now=lambda: self.stage.now,
            timing=TIMING,
            retry=RetryPolicy(tries=5, org_wait=1_000),
        )
        deadline = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < deadline:
            self.stage.now += 2_500
            told, self.changes.appended[:] = self.changes.appended[:], []
            if told:
                records = [self.stage.record(topics.SALESFORCE_CHANGES, one.key, one.value) for one in told]
                await self.stage.reconciler.handle(records)
            await self.stage.sweep.ring_due()
            rung, self.stage.doorbells.rung[:] = self.stage.doorbells.rung[:], []
            bells = [self.stage.record(topics.SALESFORCE_WRITES, key, value) for key, value in rung]
            if bells:
                await writer.handle(bells)
            elif not told and not await self.due(self.stage.now + 40_000):
                return
        raise AssertionError("does not come to rest")

    async def due(self, until: int) -> list[dict[str, Any]]:
        """Documents that are due by then."""
        return await self.stage.documents.due("customers", until, 10)

    async def customers(self) -> dict[str, dict[str, Any]]:
        """All documents, by id."""
        return {one["_id"]: one async for one in self.database["customers"].find().sort("_id")}

    async def contacts(self) -> dict[str, dict[str, Any]]:
        """All records, by customer id, or by their own where they hold none."""
        found = await self.org.query(f"SELECT Id, LastName, Email, Title, Customer_Tier__c, {KEY} FROM Contact")
        return {one[KEY] or one["Id"]: one for one in found["records"]}

    async def post(self, number: int, **fields: Any) -> None:
        """The platform speaks of a customer."""
        await self.stage.post({"last_name": f"L{number}", **fields}, id_=f"cust-{number}")

    async def both_sides(self, count: int) -> None:
        """So many customers, linked, read and the same on both sides."""
        for number in range(count):
            await self.post(number, title="Ms")
        await self.settle()

    def edit(self, **edit: Any) -> str:
        """Somebody's edit in Salesforce, of which no event tells; the record's id."""
        self.stage.now += 2_000
        (result,) = make_edits(self.org.org.org, Edits(edits=(Edit(**edit),)))
        assert result["success"], result
        self.stage.now += 2_000
        return str(result["id"])

    async def subscribe(self) -> None:
        """Somebody follows the org's changes."""
        await self.database["tandem_positions"].insert_one(
            {"_id": f"{await self.parts.org_id()}:{CHANNELS[0]}", "replay_id": 1, "commit_timestamp": 1}
        )


def counts(run: Run) -> dict[str, dict[str, int]]:
    """What a run has found, by task."""
    return {str(step.task): dict(step.counts) for step in run.steps}


def mapping(**settings: Any) -> MappingOfAll:
    """The preset's customer with these settings and without what names other kinds, published as version 1."""
    raw = preset("ticketing").model_dump(mode="json")
    customer = raw["kinds"]["customer"]
    customer["fields"] = [one for one in customer["fields"] if not one["derive"] and not one["lookup"]]
    raw["kinds"] = {"customer": customer | {"on_unlinked": "ignore", "match": None} | settings}
    return MappingOfAll.model_validate(raw | {"version": 1})


@asynccontextmanager
async def sync_world(
    database: Database,
    settings: Mapping[str, Any] | None = None,
    org_settings: Mapping[str, Any] | None = None,
    kinds: Mapping[str, Any] | None = None,
    **kind: Any,
) -> AsyncIterator[SyncWorld]:
    """A world; `kind` are settings of the customer's mapping, `settings` of the schedule, `kinds` other kinds."""
    mapped = mapping(**kind) if kinds is None else MappingOfAll.model_validate({"version": 1, "kinds": kinds})
    await prepare(database, mapped.collections(), mapped.counted())
    stage = Stage(MongoDocuments(database), MongoSyncLog(database), MongoParkedRecords(database))
    stage.catalog = Catalog(mapped)
    async with org_client(clock=lambda: stage.now, **org_settings or {}) as org:
        given = SalesforceSettings(
            login_url=org.org.base_url, client_id=org.org.client_id, client_secret=org.org.client_secret
        )
        async with open_salesforce(given, now=lambda: stage.now) as salesforce:
            changes, backlog = Changes(), FakeBacklog()
            parts = SyncParts(
                database=database,
                changes=changes,
                doorbells=stage.doorbells,
                backlog=backlog,
                salesforce=salesforce,
                catalog=lambda: stage.catalog,
                timing=TIMING,
                settings=ScheduleSettings(**settings or {}),
                channels=CHANNELS,
                now=lambda: stage.now,
            )
            world = SyncWorld(database, stage, org, salesforce, changes, backlog, parts, MongoRuns(database))
            await world.subscribe()
            yield world
