"""Rule 22: records deleted because the platform has deleted the thing."""

from collections.abc import Sequence
from typing import Any

from consumers.ports import Records, RowResult
from consumers.rules.existence import deletion_answered, deletion_asked
from consumers.writer.desk import Desk
from consumers.writer.kept import by_place
from consumers.writer.visit import Visit, by_kind, put_down
from schemas.outcome import Result

ROWS_A_CALL = 200


class Deleter:
    """Deletes records, many in a call. That one is asked to go is stored before, as a write is (rule 22)."""

    def __init__(self, desk: Desk, records: Records) -> None:
        self._desk = desk
        self._records = records

    async def delete(self, visits: Sequence[Visit]) -> None:
        """Delete their records, and store what became of each."""
        for _kind, group in by_kind(visits):
            for start in range(0, len(group), ROWS_A_CALL):
                some = group[start : start + ROWS_A_CALL]
                await self._call(await self._desk.take_up(some))
                put_down(some)

    async def _call(self, visits: Sequence[Visit]) -> None:
        now = self._desk.now()
        for visit in visits:
            deletion_asked(visit.state, now=now)
        lost = await self._desk.save(visits)
        visits = [visit for visit in visits if visit.id not in lost]
        if not visits:
            return
        kind = visits[0].kind
        records = {visit.id: visit.record_id for visit in visits}
        asked = list(dict.fromkeys(records.values()))
        answers: dict[str, RowResult] = {}
        for place, ids in by_place(kind, asked):
            answers |= zip(ids, await self._records.delete(place.sobject, ids), strict=True)

        def decide(visit: Visit, now: int) -> None:
            answer = answers[records[visit.id]]
            outcome = deletion_answered(visit.state, kind, answer, self._desk.retry, now=now)
            visit.result = Result(outcome, answer.code or "rule 22: deleted, as the platform has")

        await self._desk.settle(visits, decide)
        now = self._desk.now()
        await self._desk.log.append([_log_row(visit, answers[records[visit.id]], now) for visit in visits])


def _log_row(visit: Visit, answer: RowResult, at: int) -> dict[str, Any]:
    """What became of one deletion."""
    return {
        "_id": f"{visit.kind.name}:{visit.id}:deletion:{at}",
        "type": "deletion",
        "kind": visit.kind.name,
        "document": visit.id,
        "record": answer.record_id,
        "outcome": str(visit.result.outcome),
        "code": answer.code,
        "reason": answer.message,
        "at": at,
    }
