"""The writer: looks at documents and makes Salesforce hold what they show.

A doorbell only says where to look. What is asked of Salesforce follows from the document alone, so a doorbell that is
lost, doubled or late changes nothing but the moment.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from consumers.catalog import Catalog
from consumers.ports import Documents, Parked, ParkedRecords, Record, Records, SyncLog
from consumers.reconciler.reconciler import DOCUMENT_REFUSED, parked_record
from consumers.rules.kinds import Kind
from consumers.rules.retry import RetryPolicy
from consumers.rules.timing import Timing
from consumers.rules.writes import (
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
from consumers.writer.delete import Deleter
from consumers.writer.find import Finder
from consumers.writer.follow import Follower
from consumers.writer.read import Reader
from consumers.writer.send import Sender, Sending
from consumers.writer.visit import NOTHING_DUE, Desk, Visit
from schemas.codec import Undecodable, decode
from schemas.doorbell import Doorbell
from schemas.outcome import Outcome, Result

Strays = dict[str, tuple[Kind, dict[str, list[int]]]]
"""By kind: records without a document, and the places of the doorbells that name them."""
ROUNDS = 4
"""Steps taken for one document in one batch (find, send, read, send); what is left has its `due_at`."""


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
    ) -> None:
        self._catalog = catalog
        self._parked = parked
        self._desk = Desk(
            documents=documents,
            log=log,
            now=now,
            timing=timing or Timing(),
            retry=retry or RetryPolicy(),
            on_conflict=on_conflict,
        )
        self._finder = Finder(self._desk, records)
        self._sender = Sender(self._desk, records)
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
        await self._parked.park(list(parked.values()))
        moving = visits
        for _round in range(ROUNDS):
            moving = await self._step(await self._desk.look(moving))
            moving = [visit for visit in moving if not visit.refused]
            if not moving:
                break
        await self._park_refused(visits, records)
        results = {place: Result(Outcome.PARKED, row.reason) for place, row in parked.items()}
        for visit in visits:
            results |= dict.fromkeys(visit.bells, visit.result)
        results |= await self._adopt(strays, records)
        return [results[place] for place in range(len(records))]

    async def _step(self, visits: Sequence[Visit]) -> list[Visit]:
        """Take each document's next step; those that had one to take now."""
        steps = [(visit, self._next(visit)) for visit in visits]
        finds = [visit for visit, step in steps if isinstance(step, Find)]
        reads = [visit for visit, step in steps if isinstance(step, Read)]
        sends = [Sending(visit, step.values) for visit, step in steps if isinstance(step, Send)]
        follows = [visit for visit, step in steps if isinstance(step, Follow)]
        deletes = [visit for visit, step in steps if isinstance(step, Delete)]
        await self._reschedule([visit for visit, step in steps if isinstance(step, (Until, Nothing))])
        sends += await self._finder.find(finds)
        await self._sender.send(sends)
        await self._deleter.delete(deletes)
        await self._follower.follow(follows)
        await self._reader.read(reads)
        return [visit for visit, step in steps if not isinstance(step, (Until, Nothing))]

    def _next(self, visit: Visit) -> Step:
        now = self._desk.now()
        give_up_unanswered(visit.state, visit.kind, self._desk.timing, now=now)
        return next_step(visit.state, visit.kind, self._desk.timing, now=now)

    async def _reschedule(self, visits: Iterable[Visit]) -> None:
        """Bring `_sync.due_at` in line where the document is not due now: else the sweep would ring for ever."""
        stale: list[Visit] = []
        for visit in visits:
            due = due_at(visit.state, visit.kind, self._desk.timing, now=self._desk.now())
            if visit.result is NOTHING_DUE and due is not None:
                visit.result = Result(Outcome.DEFERRED, "waiting for an answer, an event or the next try")
            stored = visit.state.stored_due_at
            if (due is None and stored is not None) or (due is not None and (stored is None or stored < due)):
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
                    records[bells[-1]],
                    DOCUMENT_REFUSED,
                    f"no document can be made of {record_id}, or linked to it",
                    self._desk.now(),
                    kind=kind.name,
                )
                for record_id, bells in places.items()
                if ends[record_id].outcome is Outcome.PARKED
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
            except Undecodable as error:
                parked[place] = parked_record(record, "undecodable", str(error), self._desk.now())
                continue
            kind = kinds.get(bell.kind)
            if kind is None:
                detail = f"no kind {bell.kind} in the mapping"
                parked[place] = parked_record(record, "unknown_kind", detail, self._desk.now())
                continue
            if not bell.id:
                strays.setdefault(bell.kind, (kind, {}))[1].setdefault(bell.record_id, []).append(place)
                continue
            visits.setdefault((bell.kind, bell.id), Visit(kind, bell.id)).bells.append(place)
        return list(visits.values()), strays, parked

    async def _park_refused(self, visits: Iterable[Visit], records: Sequence[Record]) -> None:
        """Refused by Salesforce for good, or by the store, which will not write what was decided."""
        rows: list[Parked] = []
        for visit in visits:
            if visit.result.outcome is not Outcome.PARKED or visit.found is None:
                continue
            refusal = visit.state.refusal
            if visit.refused:
                code, why = DOCUMENT_REFUSED, f"the document cannot be written: {visit.refused}"
            elif refusal is not None:
                code, why = refusal.code, refusal.message
            else:
                continue
            record = records[visit.bells[-1]]
            rows.append(parked_record(record, code, why, self._desk.now(), kind=visit.kind.name, document_id=visit.id))
        await self._parked.park(rows)
