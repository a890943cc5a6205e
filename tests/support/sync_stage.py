"""Reconciler, writer and sweep on documents of any make, with Salesforce in memory: what the stage tests drive."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import orjson

from consumers.catalog import Catalog
from consumers.ports import Documents, Erasures, ObjectGaps, ParkedRecords, SyncLog
from consumers.reconciler.reconciler import Reconciler
from consumers.rules.retry import RetryPolicy
from consumers.rules.timing import Timing
from consumers.writer.sweep import Sweep
from consumers.writer.writer import Writer
from schemas import cloudevents, topics
from schemas.change import Change
from schemas.codec import encode
from schemas.debugging import NOTHING_DEBUGGED, Debugged
from schemas.log_record import Record
from schemas.mapping import Mapping
from schemas.outcome import Result
from schemas.presets import preset
from support.fake_documents import FakeDoorbells, FakeLog, FakeParked, FakeTellings
from support.fake_gaps import FakeObjectGaps
from support.fake_salesforce import FakeRecords

START = 1_700_000_000_000
TIMING = Timing(visible_after=50, answer_within=5_000, event_within=20_000, look_again=5_000)


@cache
def _customers() -> Mapping:
    """Read once: properties make hundreds of stages."""
    return preset("customers")


@dataclass
class Stage:
    """Time stands still unless a test moves `now`. Salesforce's events wait in `changes` until they are delivered."""

    documents: Documents
    log: SyncLog = field(default_factory=FakeLog)
    parked: ParkedRecords = field(default_factory=FakeParked)
    doorbells: FakeDoorbells = field(default_factory=FakeDoorbells)
    gaps: ObjectGaps = field(default_factory=FakeObjectGaps)
    tellings: FakeTellings | None = None
    """Where the platform is told, of which most tests ask nothing."""
    now: int = START
    changes: list[Change] = field(default_factory=list)
    erasures: Erasures | None = None
    unheard: frozenset[str] = frozenset()
    """Objects of whose changes no event tells."""
    debugged: Debugged = NOTHING_DEBUGGED
    on_decision: Callable[[dict[str, Any]], None] = lambda _row: None

    def __post_init__(self) -> None:
        self.offsets = itertools.count()
        self.catalog = Catalog(_customers())
        self.salesforce = FakeRecords(now=lambda: self.now, on_change=self.changes.append)
        self.reconciler = self.new_reconciler()
        self.writer = self.new_writer()
        self.sweep = Sweep(
            catalog=lambda: self.catalog,
            documents=self.documents,
            doorbells=self.doorbells,
            log=self.log,
            now=lambda: self.now,
            tellings=self.tellings,
        )

    def map(self, **settings: Any) -> None:
        """The customer of the preset, with other settings of its kind."""
        raw = preset("customers").model_dump(mode="json")
        raw["kinds"]["customer"] |= settings
        self.map_kinds(raw)

    def map_kinds(self, raw: dict[str, Any]) -> None:
        """Another mapping altogether."""
        self.catalog = Catalog(Mapping.model_validate(raw))

    def new_reconciler(self, on_conflict: Callable[[dict[str, Any]], None] = lambda _row: None) -> Reconciler:
        return Reconciler(
            catalog=lambda: self.catalog,
            documents=self.documents,
            log=self.log,
            parked=self.parked,
            doorbells=self.doorbells,
            gaps=self.gaps,
            now=lambda: self.now,
            timing=TIMING,
            tellings=self.tellings,
            erasures=self.erasures,
            on_conflict=on_conflict,
            debugged=lambda: self.debugged,
            on_decision=self._told,
        )

    def new_writer(self, on_conflict: Callable[[dict[str, Any]], None] = lambda _row: None) -> Writer:
        return Writer(
            catalog=lambda: self.catalog,
            documents=self.documents,
            records=self.salesforce,
            log=self.log,
            parked=self.parked,
            now=lambda: self.now,
            timing=TIMING,
            retry=RetryPolicy(tries=5, org_wait=1_000),
            on_conflict=on_conflict,
            debugged=lambda: self.debugged,
            on_decision=self._told,
            unheard=lambda: self.unheard,
            tellings=self.tellings,
        )

    def _told(self, row: dict[str, Any]) -> None:
        self.on_decision(row)

    def record(self, topic: str, key: bytes, value: bytes, headers: dict[str, str] | None = None) -> Record:
        return Record(
            topic=topic,
            partition=0,
            offset=next(self.offsets),
            key=key,
            value=value,
            headers=headers or {},
            timestamp=self.now,
            raw_headers=[(name, text.encode()) for name, text in (headers or {}).items()],
        )

    def event(
        self, fields: dict[str, Any], *, id_: str = "cust-1", type_: str = "customer.updated", **data: Any
    ) -> Record:
        """A platform event as the webhook publishes it."""
        body = {"type": type_, "data": {"id": id_, "fields": fields, **data}}
        headers = {cloudevents.ID: f"msg-{self.now}-{next(self.offsets)}", cloudevents.RECEIVED_AT: str(self.now)}
        return self.record(topics.PLATFORM_EVENTS, topics.document_key("customer", id_), orjson.dumps(body), headers)

    def change(self, change: Change) -> Record:
        return self.record(topics.SALESFORCE_CHANGES, topics.record_key(change.record_id), encode(change))

    async def post(self, fields: dict[str, Any], **event: Any) -> Result:
        return (await self.reconciler.handle([self.event(fields, **event)]))[0]

    async def hear(self) -> list[Result]:
        """Deliver the change events that wait."""
        waiting, self.changes[:] = self.changes[:], []
        return await self.reconciler.handle([self.change(change) for change in waiting]) if waiting else []

    async def answer_doorbells(self) -> list[Result]:
        """Hand every doorbell that rang to the writer."""
        rung, self.doorbells.rung[:] = self.doorbells.rung[:], []
        records = [self.record(topics.SALESFORCE_WRITES, key, value) for key, value in rung]
        return await self.writer.handle(records) if records else []

    async def settle(self) -> None:
        """Until nothing waits and nothing is due."""
        for _round in range(200):
            self.now += 700
            heard = await self.hear()
            await self.sweep.ring_due()
            answered = await self.answer_doorbells()
            if not heard and not answered and not await self._is_due_within(40_000):
                return
        raise AssertionError("does not come to rest")

    async def _is_due_within(self, milliseconds: int) -> bool:
        collections = {kind.collection for kind in self.catalog.kinds.values()}
        return any([await self.documents.due(name, self.now + milliseconds, 1) for name in sorted(collections)])

    async def document(self, id_: str = "cust-1", collection: str = "customers") -> dict[str, Any]:
        return (await self.documents.read(collection, [id_]))[id_]

    def contact(self) -> dict[str, Any]:
        (row,) = self.salesforce.rows["Contact"].values()
        return row
