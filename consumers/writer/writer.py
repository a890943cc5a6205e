"""The writer: looks at documents and makes Salesforce hold what they show.

A doorbell only says where to look. What is asked of Salesforce follows from the document alone, so a doorbell that is
lost, doubled or late changes nothing but the moment.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from consumers.catalog import Catalog
from consumers.ports import (
    BulkRecords,
    Documents,
    Parked,
    ParkedRecords,
    Record,
    Records,
    Reservations,
    SyncLog,
    Tellings,
)
from consumers.reconciler.derive import Deriver
from consumers.reconciler.incoming import NEWER_FORMAT
from consumers.reconciler.reconciler import DOCUMENT_REFUSED, concluded, parked_record
from consumers.rules.closely import marked
from consumers.rules.kinds import Kind
from consumers.rules.retry import RetryPolicy
from consumers.rules.state import Refusal
from consumers.rules.timing import Timing
from consumers.rules.writes import (
    Ask,
    Delete,
    Find,
    Follow,
    Nothing,
    Read,
    Send,
    Step,
    Until,
    due_at,
    give_up_unanswered,
    next_step,
)
from consumers.writer.adopt import Adopter
from consumers.writer.answers import Answers
from consumers.writer.closely import ended, next_row
from consumers.writer.delete import Deleter
from consumers.writer.desk import Desk
from consumers.writer.find import Finder
from consumers.writer.follow import Follower
from consumers.writer.job import JobWriter
from consumers.writer.keepers import Keepers
from consumers.writer.prepare import Preparer
from consumers.writer.read import Reader
from consumers.writer.resolve import Resolver
from consumers.writer.send import Sender
from consumers.writer.sending import Sending
from consumers.writer.totals import Totals
from consumers.writer.turns import Turns
from consumers.writer.visit import NOTHING_DUE, Visit, mark_many, parts, put_down
from schemas.codec import Undecodable, decode
from schemas.debugging import NOTHING_DEBUGGED, Debugged
from schemas.doorbell import Doorbell
from schemas.marks import redriven
from schemas.outcome import Outcome, Result
from schemas.versions import NewerFormat, check_doorbell

Strays = dict[str, tuple[Kind, dict[str, list[int]]]]
"""By kind: records without a document, and the places of the doorbells that name them."""
SWITCHED_OFF = Result(Outcome.IGNORED, "the object is switched off; what is due stays due")
ROUNDS = 4
"""Steps taken for one document in one batch (find, send, read, send); what is left has its `due_at`."""


@dataclass(slots=True)
class _Steps:
    """Which step is next for which document; `moving` are all of them in order, `asks` with the job to ask after."""

    moving: list[Visit] = field(default_factory=list)
    finds: list[Visit] = field(default_factory=list)
    reads: list[Visit] = field(default_factory=list)
    sends: list[Sending] = field(default_factory=list)
    follows: list[Visit] = field(default_factory=list)
    deletes: list[Visit] = field(default_factory=list)
    asks: list[tuple[Visit, Ask]] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    """What is done next with documents that somebody looks at closely: rows of the log."""


class Writer:
    """Handles batches of `salesforce.writes`. Stateless: everything is in the documents."""

    def __init__(
        self,
        *,
        catalog: Callable[[], Catalog],
        documents: Documents,
        records: Records,
        log: SyncLog,
        parked: ParkedRecords,
        now: Callable[[], int],
        timing: Timing | None = None,
        retry: RetryPolicy | None = None,
        on_conflict: Callable[[dict[str, Any]], None] = lambda _row: None,
        bulk: BulkRecords | None = None,
        bulk_rows: int = 2_000,
        job_pace: Callable[[], float] = lambda: 0.0,
        reservations: Reservations | None = None,
        unheard: Callable[[], frozenset[str]] = frozenset,
        tellings: Tellings | None = None,
        debugged: Callable[[], Debugged] = lambda: NOTHING_DEBUGGED,
        on_decision: Callable[[dict[str, Any]], None] = lambda _row: None,
    ) -> None:
        """`bulk` takes the writes of one batch to one object where they are `bulk_rows` or more; without it, none.
        `job_pace` says how many seconds a job goes unasked at least.

        `reservations` keep calls of all writers apart that touch one parent; without them this is the only writer.

        `unheard` are the objects of whose changes no event tells, or may not have told: their records are read just
        before a write.

        `tellings` is where the platform is told of what rows show that Salesforce changed; without it, nothing is.

        `debugged` is what somebody looks at closely: `on_decision` is told each decision about it.
        """
        self._catalog = catalog
        self._unheard = unheard
        self._parked = parked
        self._desk = Desk(
            documents=documents,
            log=log,
            now=now,
            timing=timing or Timing(),
            retry=retry or RetryPolicy(),
            on_conflict=on_conflict,
            kinds=lambda: catalog().kinds,
            off=lambda: catalog().off,
            tellings=tellings,
            debugged=debugged,
            on_decision=on_decision,
        )
        deriver = Deriver(documents, timing or Timing(), now, tells=tellings is not None)
        self._totals = Totals(catalog, self._desk, deriver)
        self._finder = Finder(self._desk, records)
        answers = Answers(self._desk, Resolver(self._desk, records))
        self._keepers = Keepers(self._desk, documents)
        preparer = Preparer(self._desk, self._keepers)
        self._jobs = (
            None if bulk is None else JobWriter(self._desk, bulk, answers, preparer, threshold=bulk_rows, pace=job_pace)
        )
        self._sender = Sender(self._desk, records, answers, Turns(reservations, now=now), preparer, self._jobs)
        self._reader = Reader(self._desk, records)
        self._deleter = Deleter(self._desk, records)
        self._follower = Follower(self._desk, records)
        self._adopter = Adopter(self._desk, records)

    async def handle(self, records: Sequence[Record]) -> list[Result]:
        """One end for each doorbell, in order.

        Raises:
            Unavailable: MongoDB did not answer. Salesforce being away raises it only for records without a document:
                documents are deferred, and those have none that could say when to look again.
        """
        visits, strays, parked = self._visits(records)
        off, strays = self._switched_off(strays)
        await self._parked.park(list(parked.values()))
        moving = [visit for visit in visits if visit.result is not SWITCHED_OFF]
        mark_many(moving)
        for _round in range(ROUNDS):
            moving = [visit for visit in await self._step(moving) if not visit.refused]
            if not moving:
                break
        await self._park_refused(visits, records)
        await self._desk.tell_decisions(ended(visits, records, self._desk.debugged(), now=self._desk.now()))
        results = {place: Result(Outcome.PARKED, row.reason) for place, row in parked.items()}
        for visit in visits:
            results |= dict.fromkeys(visit.bells, visit.result)
        results |= off
        results |= await self._adopt(strays, records)
        ends = [results[place] for place in range(len(records))]
        await self._parked.conclude(concluded(records, ends, self._desk.now()))
        return ends

    def _switched_off(self, strays: Strays) -> tuple[dict[int, Result], Strays]:
        """The ends of doorbells for records of objects that are switched off, and those of all others."""
        catalog = self._catalog()
        ends: dict[int, Result] = {}
        on: Strays = {}
        for name, (kind, places) in strays.items():
            for record_id, bells in places.items():
                if catalog.is_off(kind, record_id):
                    ends |= dict.fromkeys(bells, SWITCHED_OFF)
                else:
                    on.setdefault(name, (kind, {}))[1][record_id] = bells
        return ends, on

    def _switched_on(self, visits: Sequence[Visit]) -> list[Visit]:
        """Those whose record's object is switched on; a conversion may have led to one that is not."""
        catalog, on = self._catalog(), list[Visit]()
        for visit in visits:
            link = visit.state.link
            if not catalog.is_off(visit.kind, link.record_id if link is not None else ""):
                on.append(visit)
            elif visit.result is NOTHING_DUE:
                visit.result = SWITCHED_OFF
        return on

    async def _step(self, visits: Sequence[Visit]) -> list[Visit]:
        """Take each document's next step; those that had one to take now."""
        steps = _Steps()
        for some in parts(visits):
            resting: list[Visit] = []
            there = await self._keepers.let_go(await self._totals.take(await self._desk.look(some)))
            for visit in self._switched_on(there):
                self._assign(visit, steps, resting)
            await self._reschedule(resting)
            await self._desk.tell_decisions(steps.decisions)
            steps.decisions.clear()
            put_down(some)
            await asyncio.sleep(0)  # deciding on a backlog takes seconds, and others of the process must live meanwhile
        if self._jobs is not None:
            await self._jobs.ask(steps.asks)
        await self._sender.send([*steps.sends, *await self._finder.find(steps.finds)])
        await self._deleter.delete(steps.deletes)
        await self._follower.follow(steps.follows)
        await self._reader.read(steps.reads)
        return steps.moving

    def _assign(self, visit: Visit, steps: "_Steps", resting: list[Visit]) -> None:
        step = self._next(visit)
        mark = marked(self._desk.debugged(), visit.state, now=self._desk.now())
        if mark is not None:
            steps.decisions.append(next_row(visit, step, mark, now=self._desk.now()))
        match step:
            case Until() | Nothing():
                resting.append(visit)
                return
            case Find():
                steps.finds.append(visit)
            case Follow():
                steps.follows.append(visit)
            case Delete():
                steps.deletes.append(visit)
            case Ask():
                steps.asks.append((visit, step))
            case Send() if not self._is_unseen(visit):
                steps.sends.append(Sending(visit, None if visit.one_of_many else step.values))
            case Read() | Send():
                steps.reads.append(visit)
        steps.moving.append(visit)

    def _is_unseen(self, visit: Visit) -> bool:
        """Whether somebody may have edited the record unheard: no event tells of it, and it has not just been read."""
        return visit.state.record is not None and not visit.row_taken and visit.place.sobject in self._unheard()

    def _next(self, visit: Visit) -> Step:
        now = self._desk.now()
        give_up_unanswered(visit.state, visit.kind, self._desk.timing, now=now)
        return next_step(visit.state, visit.kind, self._desk.timing, now=now)

    async def _reschedule(self, visits: Iterable[Visit]) -> None:
        """Bring `_sync.due_at` in line where the document is not due now: else the sweep would ring for ever, or not
        again before the half minute is over that it leaves after a bell."""
        stale: list[Visit] = []
        for visit in visits:
            now = self._desk.now()
            due = due_at(visit.state, visit.kind, self._desk.timing, now=now)
            if visit.result is NOTHING_DUE and due is not None:
                visit.result = Result(Outcome.DEFERRED, "waiting for an answer, an event or the next try")
            if not _is_in_line(visit.state.stored_due_at, due, now=now):
                stale.append(visit)
        await self._desk.save(stale)

    async def _adopt(self, strays: Strays, records: Sequence[Record]) -> dict[int, Result]:
        """The ends of doorbells for records without a document."""
        results: dict[int, Result] = {}
        refused: list[Parked] = []
        for kind, places in strays.values():
            ends = await self._adopter.adopt(kind, list(places))
            results |= {place: ends[record_id] for record_id, bells in places.items() for place in bells}
            refused += [
                parked_record(
                    record,
                    DOCUMENT_REFUSED,
                    f"no document can be made of {record_id}, or linked to it",
                    self._desk.now(),
                    kind=kind.name,
                )
                for record_id, bells in places.items()
                if ends[record_id].outcome is Outcome.PARKED
                for record in _to_park([records[place] for place in bells])
            ]
        await self._parked.park(refused)
        return results

    def _visits(self, records: Sequence[Record]) -> tuple[list[Visit], Strays, dict[int, Parked]]:
        """Documents to look at, each once; records without one, by kind; and the doorbells that name neither."""
        kinds = self._catalog().kinds
        visits: dict[tuple[str, str], Visit] = {}
        strays: Strays = {}
        parked: dict[int, Parked] = {}
        for place, record in enumerate(records):
            try:
                bell = decode(Doorbell, record.value)
                check_doorbell(bell.format)
            except (Undecodable, NewerFormat) as error:
                reason = "undecodable" if isinstance(error, Undecodable) else NEWER_FORMAT
                parked[place] = parked_record(record, reason, str(error), self._desk.now())
                continue
            kind = kinds.get(bell.kind)
            if kind is None:
                detail = f"no kind {bell.kind} in the mapping"
                parked[place] = parked_record(record, "unknown_kind", detail, self._desk.now())
                continue
            if not bell.id:
                strays.setdefault(bell.kind, (kind, {}))[1].setdefault(bell.record_id, []).append(place)
                continue
            visit = visits.setdefault((bell.kind, bell.id), Visit(kind, bell.id))
            visit.bells.append(place)
            if self._catalog().is_all_off(kind):
                visit.result = SWITCHED_OFF
        return list(visits.values()), strays, parked

    async def _park_refused(self, visits: Iterable[Visit], records: Sequence[Record]) -> None:
        """Refused by Salesforce for good, or by the store, which will not write what was decided."""
        rows: list[Parked] = []
        for visit in visits:
            if visit.result.outcome is not Outcome.PARKED or not visit.is_there:
                continue
            refusal = visit.refusal
            if visit.refused:
                code, why = DOCUMENT_REFUSED, f"the document cannot be written: {visit.refused}"
            elif refusal is not None:
                code, why = refusal.code, refusal_told(refusal, visit.kind)
            else:
                continue
            rows += [
                parked_record(record, code, why, self._desk.now(), kind=visit.kind.name, document_id=visit.id)
                for record in _to_park([records[place] for place in visit.bells])
            ]
        await self._parked.park(rows)


def _to_park(bells: Sequence[Record]) -> list[Record]:
    """Of several doorbells for one document: those that were redriven, each for its row; else the last for all."""
    return [bell for bell in bells if redriven(bell.headers)] or [bells[-1]]


def refusal_told(refusal: Refusal, kind: Kind) -> str:
    """Why a write was refused, for a person: the fields that Salesforce names, with the platform's names for them."""
    fields = fields_told(refusal, kind)
    return f"{fields}: {refusal.message}" if fields else refusal.message


def fields_told(refusal: Refusal, kind: Kind) -> str:
    """The fields alone: Salesforce's own words may quote their values."""
    names = [f"{name} ({kind.by_name[name].dotted})" if name in kind.by_name else name for name in refusal.fields]
    return ", ".join(names)


def _is_in_line(stored: int | None, due: int | None, *, now: int) -> bool:
    """Whether a stored time will do: of what is due now a later one is the second bell."""
    if stored is None or due is None:
        return stored is due
    return stored == due or (due <= now and due < stored)
