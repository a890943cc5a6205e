"""Rules 14 to 16: each write is numbered and stored, then called, then its own answer is taken back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from consumers.ports import Records, RecordUpdate, RowResult
from consumers.rules.kinds import Kind, token_of
from consumers.rules.state import Write
from consumers.rules.writes import Answer, answered, take
from consumers.writer.visit import NOTHING_DUE, Desk, Visit
from schemas.outcome import Outcome, Result

ROWS_A_CALL = 200


@dataclass(frozen=True, slots=True)
class Sending:
    """Values that a document's record should take over, in Salesforce's form."""

    visit: Visit
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sent:
    """A stored write that was sent, and its own answer."""

    visit: Visit
    write: Write
    answer: RowResult


class Sender:
    """Writes records, many in a call."""

    def __init__(self, desk: Desk, records: Records) -> None:
        self._desk = desk
        self._records = records

    async def send(self, sendings: Sequence[Sending]) -> None:
        """Make the calls, one after the other."""
        groups: dict[tuple[str, bool], list[Sending]] = {}
        for sending in sendings:
            first = sending.visit.state.record is None
            groups.setdefault((sending.visit.kind.name, first), []).append(sending)
        for (_kind, first), group in groups.items():
            for call in calls(group):
                await self._call(call[0].visit.kind, call, first=first)

    async def _call(self, kind: Kind, call: Sequence[Sending], *, first: bool) -> None:
        now = self._desk.now()
        stored = {one.visit.id: take(one.visit.state, one.values, now=now) for one in call}
        lost = await self._desk.save([one.visit for one in call])
        visits = [one.visit for one in call if one.visit.id not in lost]
        if not visits:
            return
        updates = [_update(visit, stored[visit.id], first=first) for visit in visits]
        if first:
            answers = await self._records.upsert(kind.sobject, kind.external_id, updates)
        else:
            answers = await self._records.update(kind.sobject, updates)
        await self._take_back(
            [Sent(visit, stored[visit.id], answer) for visit, answer in zip(visits, answers, strict=True)]
        )

    async def _take_back(self, sent: Sequence[Sent]) -> None:
        """Store what each answer means, however often others change the documents meanwhile."""
        answers = {one.visit.id: one for one in sent}

        def decide(visit: Visit, now: int) -> None:
            one = answers[visit.id]
            means = answered(visit.state, visit.kind, one.write.number, one.answer, self._desk.retry, now=now)
            visit.result = _result(means, one.answer)

        try:
            await self._desk.settle([one.visit for one in sent], decide)
        finally:
            now = self._desk.now()
            await self._desk.log.append([_log_row(one, now) for one in sent if one.visit.result is not NOTHING_DUE])


def calls(sendings: Iterable[Sending]) -> list[list[Sending]]:
    """Calls of at most 200 rows in which no record stands twice: two documents may share one."""
    made: list[list[Sending]] = []
    records: list[set[str]] = []
    for sending in sendings:
        visit = sending.visit
        record = visit.record_id if visit.state.record else f"{visit.kind.name}:{visit.id}"
        for call, taken in zip(made, records, strict=True):
            if len(call) < ROWS_A_CALL and record not in taken:
                call.append(sending)
                taken.add(record)
                break
        else:
            made.append([sending])
            records.append({record})
    return made


def _update(visit: Visit, write: Write, *, first: bool) -> RecordUpdate:
    values = {**write.values, visit.kind.token: token_of(visit.id, write.number)}
    if first:
        return RecordUpdate(values=values, external_id=visit.id)
    if not visit.claimed:
        values[visit.kind.external_id] = visit.id
    return RecordUpdate(values=values, record_id=visit.record_id)


def _result(means: Answer, answer: RowResult) -> Result:
    match means:
        case Answer.COMMITTED | Answer.LATE:
            return Result(Outcome.APPLIED)
        case Answer.DEFERRED:
            return Result(Outcome.DEFERRED, answer.code)
        case Answer.REFUSED:
            return Result(Outcome.PARKED, answer.code)


def _log_row(sent: Sent, at: int) -> dict[str, Any]:
    """What became of one write: its number makes a repeat the same row."""
    visit = sent.visit
    return {
        "_id": f"{visit.kind.name}:{visit.id}:write:{sent.write.number}",
        "type": "write",
        "kind": visit.kind.name,
        "document": visit.id,
        "record": sent.answer.record_id,
        "write": sent.write.number,
        "fields": sorted(sent.write.values),
        "outcome": str(visit.result.outcome),
        "code": sent.answer.code,
        "reason": sent.answer.message if visit.found is not None else visit.result.reason,
        "at": at,
    }
