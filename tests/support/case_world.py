"""The whole flow in one process for one failure case: a simulated org behind the real stream, adapter and rules.

Kafka and MongoDB are lists and dictionaries here; everything that decides, and everything that speaks to Salesforce, is
what runs in production. A listener may be started, stopped and killed; the org's clock is the stage's, and stands still
unless a test or `settle` moves it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from adapters.salesforce.opening import Salesforce, open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from adapters.salesforce.slots import Slots
from consumers.budget import Budget
from consumers.catalog import Catalog
from consumers.ports import Reservations
from consumers.repair.repairer import Repaired, Repairer
from consumers.rules.budget import BudgetLane, BudgetPolicy
from consumers.rules.retry import RetryPolicy
from consumers.writer.writer import Writer
from listener.changes.cometd import CometdClient
from listener.changes.health import Health
from listener.changes.subscriber import Subscriber
from ops.metadata.simulated import schema_file
from ops.processes.budget import LaneGate
from schemas import topics
from schemas.gap import GapReason, GapRow, GapState
from schemas.gap_change import GapRecord
from schemas.mapping import Mapping as FieldMapping
from schemas.outcome import Outcome, Result
from schemas.presets import preset
from schemas.stream import Gap
from simulator.org.edits import Edit, Edits, make_edits
from simulator.org.faults import Fault, FaultKind
from simulator.org.triggers import TriggerRule
from support.fake_documents import FakeDocuments, FakeParked
from support.fake_gaps import FakeBacklog, FakeObjectGaps
from support.fakes_changes import FakeChangeLog, FakeLeases, FakePositions, eventually, quick_settings
from support.org import OrgClient, org_client
from support.sync_stage import TIMING, Stage

A_DAY = 86_400_000
ROUNDS = 60
OVERLAP = 900_000
CHANNEL = "/data/ChangeEvents"
KEY = "Tandem_Customer_Id__c"
SOON = 30.0
"""Seconds within which whatever a healthy stream does has happened."""


class StreamGaps:
    """What a subscriber records, kept as the rows that the repairer reads."""

    def __init__(self, rows: FakeObjectGaps) -> None:
        self._rows = rows
        self.recorded: list[Gap] = []

    async def record(self, gap: Gap) -> None:
        """As the port."""
        self.recorded.append(gap)
        row_id = f"{gap.channel}:{gap.reason}:{gap.since}:{gap.refused_replay_id}"
        reason = GapReason(gap.reason)
        self._rows.add(GapRow(row_id, reason, gap.channel, GapState.OPEN, gap.since, gap.until))


@dataclass
class Listener:
    """One subscriber process."""

    subscriber: Subscriber
    health: Health
    stop: asyncio.Event
    task: asyncio.Task[None]

    async def end(self) -> None:
        """Stop it in order."""
        self.stop.set()
        async with asyncio.timeout(SOON):
            await self.task

    async def kill(self) -> None:
        """End it in the middle of whatever it does."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@dataclass
class CaseWorld:
    """Made by `case_world`."""

    stage: Stage
    org: OrgClient
    salesforce: Salesforce
    log: FakeChangeLog
    positions: FakePositions
    leases: FakeLeases
    gaps: StreamGaps
    lease_seconds: float = 0.0
    """The clock of the leases, which no machine is too slow for."""
    listeners: list[Listener] = field(default_factory=list)
    taken: int = 0
    results: list[Result] = field(default_factory=list)
    """How every record of either topic has ended."""

    # The platform and Salesforce's users

    async def post(self, id_: str, type_: str = "customer.updated", **fields: Any) -> Result:
        """A platform event that names what was changed."""
        result = await self.stage.post(fields, id_=id_, type_=type_, changed=list(fields))
        self.results.append(result)
        return result

    async def linked(self, *ids: str, **fields: Any) -> None:
        """Customers that are the same on both sides."""
        for id_ in ids:
            await self.post(id_, "customer.created", last_name=f"Last {id_}", **fields)
        await self.settle()

    def edit(self, id_: str, **fields: Any) -> None:
        """A user's edit of the customer's record."""
        self.act(Edit(key={KEY: id_}, fields=fields))

    def act(self, *edits: Edit, together: bool = False) -> list[str]:
        """What a user does, each a transaction of its own unless `together`; the records' ids."""
        results = make_edits(self.org.org.org, Edits(edits=edits, together=together))
        assert all(result["success"] for result in results), results
        return [result["id"] for result in results]

    def plant(self, kind: FaultKind, **options: Any) -> Fault:
        """A fault of OAuth or REST."""
        return self.org.org.org.faults.plant(Fault(kind=kind, **options))

    def trigger(self, **rule: Any) -> None:
        """Automation of the org's."""
        self.org.org.org.add_trigger(TriggerRule(**rule))

    def forget_events(self) -> None:
        """Whatever was committed so far is told by no event any more, and no replay id of before is known."""
        self.org.org.cometd.faults.forget_replay_ids()

    @property
    def now(self) -> int:
        return self.stage.now

    # The stream

    def listen(
        self,
        owner: str = "a",
        *,
        clock: Callable[[], float] | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        **settings: Any,
    ) -> Listener:
        """Start a subscriber; `clock` and `pause` are its own, where it is to be asleep for a while."""
        health, stop = Health(), asyncio.Event()
        patient = {"lease_seconds": 1, "poll_slack_seconds": 20, "request_seconds": 20, "login_seconds": 20}
        options = quick_settings(**patient | settings)
        subscriber = Subscriber(
            source=CometdClient(sessions=self.salesforce.login, settings=options, health=health, wall=lambda: self.now),
            log=self.log,
            positions=self.positions,
            leases=self.leases,
            gaps=self.gaps,
            settings=options,
            health=health,
            org_id="00D000000000001EAA",
            owner=owner,
            alarm=lambda _gap: None,
            clock=clock or (lambda: self.lease_seconds),
            wall=lambda: self.now,
            pause=pause,
            chance=lambda: 0.0,
        )
        listener = Listener(subscriber, health, stop, asyncio.create_task(subscriber.run(stop)))
        self.listeners.append(listener)
        return listener

    async def held(self) -> None:
        """Return once the org holds a connect of ours."""
        sessions = self.org.org.cometd.sessions
        await eventually(lambda: any(each.hold is not None for each in sessions.live()), SOON)

    async def heard_all(self) -> None:
        """Return once the position stands at the last event."""

        def heard() -> bool:
            latest, stored = self.org.org.org.bus.latest(), self.positions.stored.get(CHANNEL)
            return latest is None or (stored is not None and stored.replay_id == latest)

        await eventually(heard, SOON)

    # The consumers

    def writer(self, reservations: Reservations | None = None, bulk_rows: int = 0) -> Writer:
        """One writer process."""
        return Writer(
            catalog=lambda: self.stage.catalog,
            documents=self.stage.documents,
            records=self.salesforce.records,
            log=self.stage.log,
            parked=self.stage.parked,
            now=lambda: self.stage.now,
            timing=TIMING,
            retry=RetryPolicy(tries=5, org_wait=1_000),
            reservations=reservations,
            bulk=self.salesforce.bulk if bulk_rows else None,
            bulk_rows=bulk_rows,
        )

    async def consume(self) -> list[Result]:
        """The reconciler takes what is in the log and was not taken."""
        fresh, self.taken = self.log.records[self.taken :], len(self.log.records)
        records = [self.stage.record(topics.SALESFORCE_CHANGES, each.key, each.value) for each in fresh]
        results = list(await self.stage.reconciler.handle(records)) if records else []
        self.results += results
        return results

    async def settle(self, rounds: int = ROUNDS) -> None:
        """Events, doorbells and time, until nothing comes of them any more."""
        for _round in range(rounds):
            self.stage.now += 3_000
            if any(not each.task.done() for each in self.listeners):
                await self.heard_all()
            heard = await self.consume()
            await self.stage.sweep.ring_due()
            answered = await self.stage.answer_doorbells()
            self.results += answered
            if not heard and not answered and not await self._due():
                return
        raise AssertionError("does not come to rest")

    async def _due(self) -> bool:
        soon = self.now + 400_000
        collections = self.stage.catalog.mapping.collections()
        return any([await self.stage.documents.due(name, soon, 1) for name in collections])

    async def repair(self) -> list[Repaired]:
        """One round over the gaps that are open, as `tandem repair` makes it; then everything comes to rest."""
        rows = self.stage.gaps
        assert isinstance(rows, FakeObjectGaps)
        repairer = Repairer(
            catalog=lambda: self.stage.catalog,
            gaps=rows,
            looks=self.salesforce.looks,
            changes=self,
            backlog=FakeBacklog(),
            documents=self.stage.documents,
            org_id="00D000000000001EAA",
            overlap=OVERLAP,
            now=lambda: self.now,
        )
        told = [await repairer.repair(row) for row in await rows.unrepaired()]
        await self.settle()
        return told

    async def append(self, records: Sequence[GapRecord]) -> None:
        """What the repairer publishes goes into the same log."""
        self.log.records.extend(records)  # type: ignore[arg-type]

    # Looking

    def open_gaps(self) -> list[GapRow]:
        """Those that nobody has closed."""
        assert isinstance(self.stage.gaps, FakeObjectGaps)
        return [row for row in self.stage.gaps.rows.values() if row.state is not GapState.CLOSED]

    def parked(self) -> dict[str, str]:
        """Reasons of parked records, by their key."""
        assert isinstance(self.stage.parked, FakeParked)
        return {row.key.decode("utf-8", "replace"): row.reason for row in self.stage.parked.rows.values()}

    async def document(self, id_: str, collection: str = "customers") -> dict[str, Any]:
        return await self.stage.document(id_, collection)

    def records(self, sobject: str = "Contact") -> list[dict[str, Any]]:
        """Live records as the org stores them: no call of ours."""
        org = self.org.org.org
        return org.store.page(org.objects[sobject], "", 10_000, deleted=False)

    def record(self, id_: str, key: str = KEY, sobject: str = "Contact") -> dict[str, Any]:
        """The one live record of a document."""
        (row,) = [row for row in self.records(sobject) if row[key] == id_]
        return row

    async def both(self, id_: str, path: str, name: str) -> tuple[Any, Any]:
        """What the document and the record show."""
        shown: Any = await self.document(id_)
        for part in path.split("."):
            shown = shown.get(part)
        return shown, self.record(id_)[name]

    def written(self, id_: str, name: str = "Title", client: str = "Tandem") -> list[Any]:
        """Every value that our calls (or a user's edits, with `client=""`) gave a field of the record, in order."""
        record_id = self.record(id_)["Id"]
        rows = [orjson.loads(body) for body in self.org.org.org.store.logged(0, 100_000)]
        own = [row["written"] for row in rows if row["record_id"] == record_id and (row["client"] or "") == client]
        return [written[name] for written in own if name in written]

    def made(self, sobject: str = "Contact") -> int:
        """How many records were ever made."""
        rows = [orjson.loads(body) for body in self.org.org.org.store.logged(0, 100_000)]
        return sum(row["type"] == "CREATE" and row["entity"] == sobject for row in rows)

    def calls(self, *parts: str) -> int:
        """API calls whose verb, resource and client, as one text, hold each of these."""
        usage = self.org.org.org.usage.calls
        return sum(count for key, count in usage.items() if all(part in " ".join(key) for part in parts))

    def commits(self) -> int:
        """How many change events the org has told."""
        return len(self.org.org.org.bus.after(None, None, 100_000))

    def outcomes(self, outcome: Outcome) -> int:
        """How many records have ended so."""
        return sum(result.outcome is outcome for result in self.results)


@asynccontextmanager
async def case_world(
    folder: Path,
    mapping: FieldMapping | None = None,
    *,
    listen: bool = True,
    budget: BudgetPolicy | None = None,
    adapter: Mapping[str, Any] | None = None,
    bulk_rows: int = 0,
    **org_settings: Any,
) -> AsyncIterator[CaseWorld]:
    """A world of the preset `customers`, or of another mapping, with a listener at work unless told otherwise.

    `bulk_rows`: from so many rows on the writer makes a Bulk job; `adapter` are settings of the Salesforce adapter.
    """
    mapping = mapping or preset("customers")
    file = folder / "schema.yaml"
    file.write_text(schema_file(mapping), encoding="utf-8")
    stage = Stage(FakeDocuments())
    stage.catalog = Catalog(mapping)
    stage.now = time.time_ns() // 1_000_000 - A_DAY
    cometd = {"entities": sorted(mapping.objects()), "token_check_seconds": 0.02, "hold_seconds": 1.0}
    options = {"schema_file": file, "cometd": cometd} | org_settings
    account = Budget(budget or BudgetPolicy(), now=lambda: stage.now)
    async with org_client(clock=lambda: stage.now, **options) as org:
        values = {"client_id": org.org.client_id, "client_secret": org.org.client_secret, "login_url": org.org.base_url}
        settings = SalesforceSettings(**values, **dict(adapter or {}))
        async with open_salesforce(
            settings,
            now=lambda: stage.now,
            gate=None if budget is None else LaneGate(account, Slots(lambda: 10), BudgetLane.LIVE),
            on_allocation=account.hear,
        ) as salesforce:
            assert isinstance(stage.gaps, FakeObjectGaps)
            leases = FakeLeases(lambda: world.lease_seconds)
            gaps = StreamGaps(stage.gaps)
            world = CaseWorld(stage, org, salesforce, FakeChangeLog(), FakePositions(), leases, gaps)
            stage.writer = world.writer(bulk_rows=bulk_rows)
            try:
                if listen:
                    world.listen()
                yield world
            finally:
                for each in world.listeners:
                    await each.kill()
