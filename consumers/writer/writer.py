"""The writer: looks at documents, stores each write before its call, and takes each row's own outcome back.

A doorbell only says where to look. What is asked of Salesforce follows from the document alone, so a doorbell that is
lost, doubled or late changes nothing but the moment.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from consumers.catalog import Catalog
from consumers.ports import (
    Documents,
    Parked,
    ParkedRecords,
    Record,
    Records,
    RecordUpdate,
    RowResult,
    SyncLog,
    Unavailable,
)
from consumers.reconciler.batch import document_write
from consumers.reconciler.reconciler import parked_record
from consumers.rules.audit import Occasion
from consumers.rules.kinds import Kind, token_of
from consumers.rules.retry import RetryPolicy
from consumers.rules.rows import Row, apply_row
from consumers.rules.state import DocumentState, Refusal, Write
from consumers.rules.stored import load
from consumers.rules.timing import Timing
from consumers.rules.writes import (
    Answer,
    Find,
    Nothing,
    Read,
    Send,
    Step,
    Until,
    after_find,
    answered,
    due_at,
    due_values,
    forget_old_writes,
    give_up_unanswered,
    linked,
    next_step,
    take,
    wait,
)
from consumers.writer.rows import modified_at
from schemas.codec import Undecodable, decode
from schemas.doorbell import Doorbell
from schemas.outcome import Outcome, Result

ROWS_A_CALL = 200
ROWS_A_READ = 2_000
ROUNDS = 4
"""Steps taken for one document in one batch (find, send, read, send); what is left has its `due_at`."""
TRIES_TO_SAVE = 50


NOTHING_DUE = Result(Outcome.IGNORED, "nothing is due")


@dataclass(slots=True)
class Visit:
    """One document that a doorbell named, while the writer looks at it."""

    kind: Kind
    id: str
    bells: list[int] = field(default_factory=list)
    state: DocumentState | None = None
    result: Result = NOTHING_DUE


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
        self._documents = documents
        self._records = records
        self._log = log
        self._parked = parked
        self._now = now
        self._timing = timing or Timing()
        self._retry = retry or RetryPolicy()
        self._on_conflict = on_conflict

    async def handle(self, records: Sequence[Record]) -> list[Result]:
        """One end for each doorbell, in order.

        Raises:
            Unavailable: MongoDB did not answer. Salesforce being away raises nothing: its documents are deferred.
        """
        visits, results = self._visits(records)
        await self._parked.park(
            [parked_record(records[place], "undecodable", why.reason, self._now()) for place, why in results.items()]
        )
        for _round in range(ROUNDS):
            await self._look(visits)
            steps = [(visit, self._step(visit)) for visit in visits if visit.state is not None]
            finds = [visit for visit, step in steps if isinstance(step, Find)]
            reads = [visit for visit, step in steps if isinstance(step, Read)]
            sends = [(visit, step.values) for visit, step in steps if isinstance(step, Send)]
            await self._reschedule([visit for visit, step in steps if isinstance(step, (Until, Nothing))])
            if not (finds or reads or sends):
                break
            sends += await self._find(finds)
            await self._send(sends)
            await self._read(reads)
        await self._park_refused(visits, records)
        for visit in visits:
            results |= dict.fromkeys(visit.bells, visit.result)
        return [results[place] for place in range(len(records))]

    def _visits(self, records: Sequence[Record]) -> tuple[list[Visit], dict[int, Result]]:
        kinds = self._catalog().kinds
        visits: dict[tuple[str, str], Visit] = {}
        results: dict[int, Result] = {}
        for place, record in enumerate(records):
            try:
                bell = decode(Doorbell, record.value)
            except Undecodable as error:
                results[place] = Result(Outcome.PARKED, str(error))
                continue
            kind = kinds.get(bell.kind)
            if kind is None:
                results[place] = Result(Outcome.PARKED, f"no kind {bell.kind} in the mapping")
                continue
            visits.setdefault((bell.kind, bell.id), Visit(kind, bell.id)).bells.append(place)
        return list(visits.values()), results

    async def _look(self, visits: Iterable[Visit]) -> None:
        by_kind: dict[str, list[Visit]] = {}
        for visit in visits:
            by_kind.setdefault(visit.kind.name, []).append(visit)
        for group in by_kind.values():
            found = await self._documents.read(group[0].kind.collection, [visit.id for visit in group])
            for visit in group:
                document = found.get(visit.id)
                visit.state = None if document is None else load(document, visit.id, visit.kind)

    def _step(self, visit: Visit) -> Step:
        state = _present(visit)
        give_up_unanswered(state, self._timing, now=self._now())
        return next_step(state, visit.kind, self._timing, now=self._now())

    async def _reschedule(self, visits: Sequence[Visit]) -> None:
        """Bring `_sync.due_at` in line where the document is not due now: else the sweep would ring for ever."""
        for kind, group in _by_kind(visits):
            stale: list[Visit] = []
            for visit in group:
                state = _present(visit)
                due = due_at(state, kind, self._timing, now=self._now())
                if visit.result is NOTHING_DUE and due is not None:
                    visit.result = Result(Outcome.DEFERRED, "waiting for an answer, an event or the next try")
                stored = state.stored_due_at
                if (due is None and stored is not None) or (due is not None and (stored is None or stored < due)):
                    stale.append(visit)
            await self._save(kind, stale)

    async def _find(self, visits: Sequence[Visit]) -> list[tuple[Visit, dict[str, Any]]]:
        """Rules 18 and 20: look for the record by external id; what is not there is sent as a first write."""
        sends: list[tuple[Visit, dict[str, Any]]] = []
        for kind, group in _by_kind(visits):
            try:
                found = await self._records.find(kind.sobject, kind.external_id, [visit.id for visit in group])
            except Unavailable as error:
                await self._defer(group, "UNAVAILABLE", str(error))
                continue
            changed: list[Visit] = []
            for visit in group:
                state = _present(visit)
                matches = found.get(visit.id, [])
                if len(matches) == 1:
                    linked(state, matches[0], now=self._now())
                    visit.result = Result(Outcome.APPLIED, "linked to the record that was there")
                    changed.append(visit)
                elif matches:
                    why = f"{len(matches)} records hold this external id"
                    state.refusal = Refusal(due_values(state, kind), "DUPLICATE_EXTERNAL_ID", why, self._now())
                    visit.result = Result(Outcome.PARKED, "DUPLICATE_EXTERNAL_ID")
                    changed.append(visit)
                else:
                    step = after_find(state, kind, self._timing, now=self._now())
                    if isinstance(step, Send):
                        sends.append((visit, step.values))
                    else:
                        if isinstance(step, Until):
                            wait(state, "LOOK_AGAIN", until=step.at)
                        visit.result = Result(Outcome.DEFERRED, "rule 20: a first write may still land")
                        changed.append(visit)
            await self._save(kind, changed)
        return sends

    async def _send(self, sends: Sequence[tuple[Visit, dict[str, Any]]]) -> None:
        by_kind: dict[tuple[str, bool], list[tuple[Visit, dict[str, Any]]]] = {}
        for visit, values in sends:
            by_kind.setdefault((visit.kind.name, _present(visit).link is None), []).append((visit, values))
        for (_name, first), group in by_kind.items():
            for chunk in _calls(group):
                await self._call(chunk[0][0].kind, chunk, first=first)

    async def _call(self, kind: Kind, chunk: Sequence[tuple[Visit, dict[str, Any]]], *, first: bool) -> None:
        """Number and store each write, make one call, take each row's outcome back."""
        taken = {visit.id: take(_present(visit), values, now=self._now()) for visit, values in chunk}
        lost = await self._save(kind, [visit for visit, _values in chunk])
        sent = [visit for visit, _values in chunk if visit.id not in lost]
        if not sent:
            return
        updates = [_update(visit, kind, taken[visit.id], first=first) for visit in sent]
        if first:
            answers = await self._records.upsert(kind.sobject, kind.external_id, updates)
        else:
            answers = await self._records.update(kind.sobject, updates)
        by_id = {visit.id: answer for visit, answer in zip(sent, answers, strict=True)}
        await self._take_back(kind, sent, taken, by_id)

    async def _take_back(
        self, kind: Kind, sent: Sequence[Visit], taken: Mapping[str, Write], answers: Mapping[str, RowResult]
    ) -> None:
        """Store what each answer means, however often others change the documents meanwhile."""
        waiting = list(sent)
        for _try in range(TRIES_TO_SAVE):
            await self._look(waiting)
            now = self._now()
            for visit in waiting:
                answer = answers[visit.id]
                means = answered(_present(visit), kind, taken[visit.id].number, answer, self._retry, now=now)
                visit.result = _result(means, answer)
            lost = await self._save(kind, waiting)
            waiting = [visit for visit in waiting if visit.id in lost]
            if not waiting:
                break
        else:
            raise Unavailable("the same documents are being written by others without end")
        await self._log.append([_log_row(visit, taken[visit.id], answers[visit.id], self._now()) for visit in sent])

    async def _read(self, visits: Sequence[Visit]) -> None:
        """Rules 18, 19, 24: read records whole, and decide again."""
        for kind, group in _by_kind(visits):
            for start in range(0, len(group), ROWS_A_READ):
                await self._read_rows(kind, group[start : start + ROWS_A_READ])

    async def _read_rows(self, kind: Kind, visits: Sequence[Visit]) -> None:
        records = {visit.id: _record_id(visit) for visit in visits}
        try:
            read = await self._records.read(kind.sobject, sorted(set(records.values())), kind.read_fields())
        except Unavailable as error:
            await self._defer(visits, "UNAVAILABLE", str(error))
            return
        # Salesforce tells its time with the answer: what counts is its time when the read began, at the earliest.
        server_time = read.server_time - (self._now() - read.began_at)
        await self._look(visits)
        now = self._now()
        present = [visit for visit in visits if visit.state is not None]
        for visit in present:
            state = _present(visit)
            values = read.rows.get(records[visit.id])
            row = Row(read.began_at, server_time, values, modified_at(values))
            occasion = Occasion(
                f"row:{records[visit.id]}@{row.modified}:{state.next_revision}", now, now + self._timing.visible_after
            )
            visit.result = apply_row(state, row, kind, occasion)
            if visit.result.outcome is Outcome.DEFERRED:
                wait(state, "READ_AGAIN", until=now + self._timing.quiet_before_read)
        await self._save(kind, present)

    async def _defer(self, visits: Sequence[Visit], code: str, why: str) -> None:
        """Salesforce is away: nobody's try is used up."""
        for kind, group in _by_kind(visits):
            for visit in group:
                state = _present(visit)
                wait(state, code, until=self._now() + self._retry.org_wait)
                visit.result = Result(Outcome.DEFERRED, why)
            await self._save(kind, group)

    async def _save(self, kind: Kind, visits: Sequence[Visit]) -> set[str]:
        """Store the states, guarded; the documents that another took meanwhile keep theirs and are looked at again."""
        if not visits:
            return set()
        now = self._now()
        writes = []
        for visit in visits:
            state = _present(visit)
            forget_old_writes(state, now=now)
            due = due_at(state, kind, self._timing, now=now)
            writes.append(
                document_write(
                    state, kind, now=now, due=due, ring_again=self._timing.ring_again, decision=uuid.uuid4().hex
                )
            )
        lost = await self._documents.write(kind.collection, writes)
        rows = [row for visit in visits if visit.id not in lost for row in _present(visit).audit]
        if rows:
            await self._log.append(rows)
            for row in rows:
                self._on_conflict(row)
            await self._documents.clear_audit(
                kind.collection,
                {
                    visit.id: [row["_id"] for row in _present(visit).audit]
                    for visit in visits
                    if visit.id not in lost and _present(visit).audit
                },
            )
        return lost

    async def _park_refused(self, visits: Iterable[Visit], records: Sequence[Record]) -> None:
        rows: list[Parked] = []
        for visit in visits:
            if visit.result.outcome is not Outcome.PARKED or visit.state is None or visit.state.refusal is None:
                continue
            refusal = visit.state.refusal
            rows.append(
                parked_record(
                    records[visit.bells[-1]],
                    refusal.code,
                    refusal.message,
                    self._now(),
                    kind=visit.kind.name,
                    document_id=visit.id,
                )
            )
        await self._parked.park(rows)


def _present(visit: Visit) -> DocumentState:
    if visit.state is None:
        raise AssertionError(f"{visit.kind.name} {visit.id} was looked at and is gone: documents are never removed")
    return visit.state


def _record_id(visit: Visit) -> str:
    link = _present(visit).link
    if link is None:
        raise AssertionError("only linked documents are read by Id")
    return link.record_id


def _by_kind(visits: Iterable[Visit]) -> list[tuple[Kind, list[Visit]]]:
    groups: dict[str, tuple[Kind, list[Visit]]] = {}
    for visit in visits:
        groups.setdefault(visit.kind.name, (visit.kind, []))[1].append(visit)
    return list(groups.values())


def _calls(group: Sequence[tuple[Visit, dict[str, Any]]]) -> list[list[tuple[Visit, dict[str, Any]]]]:
    """Chunks of at most 200 rows in which no record stands twice: two documents may share one."""
    calls: list[list[tuple[Visit, dict[str, Any]]]] = []
    taken: list[set[str]] = []
    for visit, values in group:
        state = _present(visit)
        record = state.link.record_id if state.link else f"{visit.kind.name}:{visit.id}"
        for call, records in zip(calls, taken, strict=True):
            if len(call) < ROWS_A_CALL and record not in records:
                call.append((visit, values))
                records.add(record)
                break
        else:
            calls.append([(visit, values)])
            taken.append({record})
    return calls


def _update(visit: Visit, kind: Kind, write: Write, *, first: bool) -> RecordUpdate:
    values = {**write.values, kind.token: token_of(visit.id, write.number)}
    if first:
        return RecordUpdate(values=values, external_id=visit.id)
    return RecordUpdate(values=values, record_id=_record_id(visit))


def _result(means: Answer, answer: RowResult) -> Result:
    match means:
        case Answer.COMMITTED | Answer.LATE:
            return Result(Outcome.APPLIED)
        case Answer.DEFERRED:
            return Result(Outcome.DEFERRED, answer.code)
        case Answer.REFUSED:
            return Result(Outcome.PARKED, answer.code)


def _log_row(visit: Visit, write: Write, answer: RowResult, at: int) -> dict[str, Any]:
    """What became of one write: its number makes a repeat the same row."""
    return {
        "_id": f"{visit.kind.name}:{visit.id}:write:{write.number}",
        "type": "write",
        "kind": visit.kind.name,
        "document": visit.id,
        "record": answer.record_id,
        "write": write.number,
        "fields": sorted(write.values),
        "outcome": str(visit.result.outcome),
        "code": answer.code,
        "reason": answer.message,
        "at": at,
    }
