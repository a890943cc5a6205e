"""Large backlogs: writes of one object that go to Salesforce by a Bulk job, and come back whoever is there to ask.

Nothing waits for a job. Each write is stored in its document with the job's id before a row is sent; the document is
due again when the job is to be asked after, by any process. Rows go to a file and their documents are put down, so that
a backlog is not in memory. A job that is still open long after was never closed and has run nothing: it is abandoned,
and its writes are taken anew.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

from consumers.ports import BulkLoad, BulkOutcome, BulkRecords, BulkState, RecordUpdate, RowResult, Unavailable
from consumers.rules.jobs import ask_again, lost_with_job
from consumers.rules.kinds import Kind, token_of
from consumers.rules.parents import Row
from consumers.rules.state import WriteState
from consumers.rules.writes import Ask, take
from consumers.writer.answers import Answers, Sent
from consumers.writer.desk import Desk
from consumers.writer.prepare import Preparer
from consumers.writer.sending import Ready, Sending, update_of
from consumers.writer.visit import Visit, parts, put_down
from schemas.bulk import BulkOperation, JobsUsedUp
from schemas.outcome import Outcome, Result
from schemas.place import Place
from schemas.records import INVALID_ROW, Failure

NEVER_SENT: Final = "NEVER_SENT"
"""Ours: the job was never closed, or the row was not in it."""
NOT_FOR_BULK: Final = "NOT_FOR_BULK"
"""Ours: the row was left out of the job, and is to go by a call."""
OUTCOMES_AT_A_TIME: Final = 200
Item = Sending | Ready
_UNDER_WAY: Final = Result(Outcome.DEFERRED, "in a Bulk job")


class JobWriter:
    """Writes by Bulk jobs where there are enough rows for one."""

    def __init__(
        self,
        desk: Desk,
        bulk: BulkRecords,
        answers: Answers,
        preparer: Preparer,
        *,
        threshold: int,
        pace: Callable[[], float],
    ) -> None:
        """`pace` says how many seconds a job goes unasked at least."""
        self._pace = pace
        self._desk = desk
        self._bulk = bulk
        self._answers = answers
        self._preparer = preparer
        self._threshold = threshold

    async def send(self, rows: Sequence[Row[Item]], *, first: bool) -> list[Row[Item]]:
        """Put these rows of one kind into a job if they are many; those that it did not take.

        A record is in a job once: of two documents that share one, the second is left to a call. So is what a job ended
        before: where Salesforce fails the whole job for its header, only a call is answered row by row.
        """
        records = {row.record: row for row in reversed(rows) if not row.by_call}
        taken = [row for row in rows if records.get(row.record) is row]
        if len(taken) < self._threshold:
            return list(rows)
        try:
            await self._send([row.item for row in taken], first=first)
        except JobsUsedUp:
            return list(rows)
        return [row for row in rows if records.get(row.record) is not row]

    async def ask(self, asked: Sequence[tuple[Visit, Ask]]) -> None:
        """Take back what jobs have done with the writes of these documents, and of all others in the same jobs."""
        groups: dict[tuple[str, str, Ask], list[Visit]] = {}
        loading = {step.job for _visit, step in asked if step.may_be_loading}
        for visit, step in asked:
            groups.setdefault((visit.kind.name, visit.place.sobject, step), []).append(visit)
        for (_kind, _object, step), visits in groups.items():
            ask = self._bulk.state if step.job in loading else self._bulk.abandon
            try:
                await self._take_back(visits, step, await ask(step.job))
            except Unavailable as error:
                await self._later(visits, step.job, str(error))

    async def _send(self, items: Sequence[Item], *, first: bool) -> None:
        kind, load = items[0].visit.kind, _load(items[0].visit.place, first=first)
        try:
            job = await self._bulk.open(load)
        except JobsUsedUp:
            raise
        except Unavailable as error:
            await self._desk.defer([item.visit for item in items], "UNAVAILABLE", str(error))
            return
        loading = _Loading(self._desk, self._preparer, items, job, first=first)
        try:
            unfit = await self._bulk.send(job, load, loading.rows())
        except Unavailable:
            if not loading.stored:  # MongoDB's: the job is not closed, and whoever asks after it takes its writes anew
                raise
            return  # whether it was closed the job itself will say, when it is asked after
        except ValueError as error:  # too large: what was told of it goes by calls, the rest as before
            await self._bulk.abandon(job)
            left = RowResult(failure=Failure.NOT_RUN, code=NOT_FOR_BULK, message=str(error))
            for keys in parts(loading.keys):
                await self._file(kind, [BulkOutcome(key, left) for key in keys])
            return
        left_out = [BulkOutcome(one.key, _for_a_call(one.result)) for one in unfit]
        _end([item.visit for item in items], await self._file(kind, left_out))

    async def _take_back(self, visits: Sequence[Visit], step: Ask, found: BulkState) -> None:
        kind = visits[0].kind
        match found:
            case BulkState.OPEN | BulkState.RUNNING:
                await self._later(visits, step.job, "in a Bulk job")
            case BulkState.MISSING:
                await self._settle(visits, lambda visit: lost_with_job(visit.state, kind, step.job))
            case BulkState.ENDED:
                outcomes: list[BulkOutcome] = []
                async for outcome in self._bulk.outcomes(step.job, _load(visits[0].place, first=step.first)):
                    outcomes.append(outcome)
                    if len(outcomes) == OUTCOMES_AT_A_TIME:
                        await self._file(kind, outcomes)
                        outcomes = []
                await self._file(kind, outcomes)
                await self._never_sent(visits, step.job)

    async def _file(self, kind: Kind, outcomes: Sequence[BulkOutcome]) -> list[Visit]:
        """Each outcome into the document that its row's token names; these documents."""
        results: dict[str, tuple[int, RowResult]] = {}
        for outcome in outcomes:
            document_id, _, number = outcome.key.rpartition(":")
            results[document_id] = (int(number), outcome.result)
        sent = []
        for visit in await self._desk.look([Visit(kind, document_id) for document_id in results]):
            asked, result = results[visit.id]
            write = visit.state.write(asked)
            if write is not None:
                sent.append(Sent(visit, write, result))
        if sent:
            await self._answers.take_back(sent)
        return [one.visit for one in sent]

    async def _never_sent(self, visits: Sequence[Visit], job: str) -> None:
        """All of the job's lists were read: a write that is open still was in none of them."""
        result = RowResult(failure=Failure.NOT_RUN, code=NEVER_SENT, org_wide=True)
        for some in parts(visits):
            for visit in some:
                visit.just_saved = False
            left = [
                Sent(visit, write, result)
                for visit in await self._desk.look(some)
                for write in visit.state.writes
                if write.state is WriteState.OPEN and write.job == job
            ]
            if left:
                await self._answers.take_back(left)
            put_down(some)

    async def _later(self, visits: Sequence[Visit], job: str, why: str) -> None:
        least = int(self._pace() * 1000)
        await self._settle(visits, lambda visit: ask_again(visit.state, job, now=self._desk.now(), least=least))
        for visit in visits:
            visit.result = Result(Outcome.DEFERRED, why)

    async def _settle(self, visits: Sequence[Visit], decide: Callable[[Visit], None]) -> None:
        await self._desk.settle(visits, lambda visit, _now: decide(visit))


class _Loading:
    """The rows of a job: each stored in its document with the job's id, then told, and the document put down."""

    def __init__(self, desk: Desk, preparer: Preparer, items: Sequence[Item], job: str, *, first: bool) -> None:
        self._desk = desk
        self._preparer = preparer
        self._items = items
        self._job = job
        self._first = first
        self.keys: list[str] = []
        """The tokens of those that were stored."""
        self.stored = False
        """All of them were."""

    async def rows(self) -> AsyncIterator[RecordUpdate]:
        """Nothing of a job is run before it is closed: rows may be told while others are still to be stored."""
        for items in parts(self._items):
            ready = await self._preparer.ready(items, first=self._first)
            now = self._desk.now()
            writes = [take(one.visit.state, one.values, now=now, job=self._job) for one in ready]
            lost = await self._desk.save([one.visit for one in ready])
            for one, write in zip(ready, writes, strict=True):
                if one.visit.id not in lost:
                    one.visit.result = _UNDER_WAY
                    self.keys.append(token_of(one.visit.id, write.number))
                    yield update_of(one, write, first=self._first)
            put_down(one.visit for one in ready)
        self.stored = True


def _end(visits: Sequence[Visit], filed: Sequence[Visit]) -> None:
    """Those that are filed already end so, and not as the rows of a job that is under way."""
    ends = {visit.id: visit for visit in filed}
    for visit in visits:
        end = ends.get(visit.id)
        if end is not None:
            visit.result, visit.found, visit.document = end.result, end.found, end.document
            visit.just_saved = end.just_saved
            put_down([visit])


def _for_a_call(unfit: RowResult) -> RowResult:
    """A value that CSV has no form for can go by a call, which says for good if it cannot; what else was refused is."""
    if unfit.code != INVALID_ROW:
        return unfit
    return RowResult(unfit.record_id, failure=Failure.NOT_RUN, code=NOT_FOR_BULK, message=unfit.message)


def _load(place: Place, *, first: bool) -> BulkLoad:
    if first:
        return BulkLoad(place.sobject, BulkOperation.UPSERT, place.token, place.external_id)
    return BulkLoad(place.sobject, BulkOperation.UPDATE, place.token)
