"""Rule 23: a record that is gone may have been merged or converted into another, which is the thing's from then on."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from consumers.ports import Records, Unavailable
from consumers.rules.existence import (
    MERGED_INTO_ANOTHERS,
    merge_documents,
    merged_into_anothers,
    moved,
    stays_gone,
)
from consumers.rules.kinds import Kind
from consumers.rules.lookups import named_records
from consumers.rules.state import Refusal
from consumers.rules.unread import hear_of_last_row
from consumers.rules.writes import due_values, wait
from consumers.writer.desk import Desk
from consumers.writer.kept import KeptRecords, Successor
from consumers.writer.read import modified_at
from consumers.writer.twins import Twins
from consumers.writer.visit import Visit, by_kind, ids_of_all, parts, put_down
from schemas.mapping import OnMerge
from schemas.outcome import Outcome, Result

MERGED_DOCUMENTS: Final = Result(Outcome.APPLIED, "rule 23: merged into another document")


class Follower:
    """Looks for what has taken the place of records that are gone."""

    def __init__(self, desk: Desk, records: Records) -> None:
        self._desk = desk
        self._records = KeptRecords(records)
        self._twins = Twins(desk, records)

    async def follow(self, visits: Sequence[Visit]) -> None:
        """Link these to what their records were merged into; the others stay gone."""
        for kind, group in by_kind(visits):
            for some in parts(group):
                await self._follow(kind, await self._desk.take_up(some))
                put_down(some)

    async def _follow(self, kind: Kind, visits: Sequence[Visit]) -> None:
        try:
            successors = await self._records.successors(kind, [visit.record_id for visit in visits])
            others = [each for each in visits if each.record_id not in successors]
            twins = await self._twins.of(kind, others)
            await self._hear_of_last_rows(kind, visits)
        except Unavailable as error:
            await self._desk.defer(visits, "UNAVAILABLE", str(error))
            return
        successors |= {
            each.record_id: Successor(twin)
            for each in others
            if (twin := twins.get(each.id)) is not None and twin != each.record_id
        }
        owners = await self._desk.owners(kind, sorted({each.record_id for each in successors.values()}))
        given = await self._claimed(kind, visits, successors, owners)
        for visit in visits:
            self._decide(kind, visit, successors.get(visit.record_id), owners, given)
        lost = await self._desk.save(visits)
        await self._desk.log.append(
            [
                _log_row(visit, successors[visit.record_id].record_id, self._desk.now())
                for visit in visits
                if visit.id not in lost and visit.result is MERGED_DOCUMENTS
            ]
        )

    async def _hear_of_last_rows(self, kind: Kind, visits: Sequence[Visit]) -> None:
        """What was set in a Lead before its conversion, and never told, only its own row shows."""
        leads = [each for each in visits if each.state.link is not None and each.state.link.converted]
        if not leads:
            return
        rows = (await self._records.read(kind, [each.record_id for each in leads])).rows
        parents = await self._desk.parents_by_record(ids_of_all(named_records(kind, row) for row in rows.values()))
        for visit in leads:
            row = rows.get(visit.record_id)
            if row is not None:
                hear_of_last_row(visit.state, kind, parents.incoming(kind, row), modified=modified_at(row))

    async def _claimed(
        self,
        kind: Kind,
        visits: Sequence[Visit],
        successors: Mapping[str, Successor],
        owners: Mapping[str, Sequence[str]],
    ) -> dict[str, str]:
        """Whose the records are that nobody has yet: two documents may be led to one at the same moment."""
        wanted: dict[str, str] = {}
        for visit in visits:
            successor = successors.get(visit.record_id)
            if successor is not None and not owners.get(successor.record_id):
                wanted.setdefault(successor.record_id, visit.id)
        return await self._desk.claim(kind, wanted) if wanted else {}

    def _decide(
        self,
        kind: Kind,
        visit: Visit,
        successor: Successor | None,
        owners: dict[str, list[str]],
        given: Mapping[str, str],
    ) -> None:
        now, state = self._desk.now(), visit.state
        self._desk.end_unread(kind, state)
        if successor is None:
            stays_gone(state)
            visit.result = Result(Outcome.APPLIED, "rule 23: nothing has taken the record's place")
            return
        record_id = successor.record_id
        others = [owner for owner in owners.get(record_id, ()) if owner != visit.id]
        if others and kind.on_merge is OnMerge.KEEP_MASTER:
            merge_documents(state, min(others))
            visit.result = MERGED_DOCUMENTS
        elif others:
            # Asked again tomorrow: a person may have decided by then which of the two stays.
            known = merged_into_anothers(state)
            wait(state, MERGED_INTO_ANOTHERS, until=now + self._desk.retry.longest)
            why = f"its record has become {record_id}, which is the record of {', '.join(others)}"
            since = state.refusal.at if known and state.refusal is not None else now
            state.refusal = Refusal(due_values(state, kind), MERGED_INTO_ANOTHERS, why, since)
            visit.result = Result(Outcome.DEFERRED if known else Outcome.PARKED, MERGED_INTO_ANOTHERS)
        elif given.get(record_id, visit.id) != visit.id:
            # Whoever has claimed it is linked to it by then; one who is not must not cost a call every moment.
            wait(state, "LOOK_AGAIN", until=now + self._desk.timing.longest_call)
            visit.result = Result(Outcome.DEFERRED, "rule 23: another document is about to take the record")
        else:
            moved(state, record_id, now=now, claimed=False, conversion=successor.conversion)
            owners.setdefault(record_id, []).append(visit.id)
            visit.result = Result(Outcome.APPLIED, "rule 23: another record has taken its place")


def _log_row(visit: Visit, successor: str, at: int) -> dict[str, Any]:
    """Which document was merged into which, and by which record."""
    link = visit.state.link
    return {
        "_id": f"merge:{visit.kind.name}:{visit.id}:{successor}",
        "type": "merge",
        "kind": visit.kind.name,
        "document": visit.id,
        "record": visit.record_id,
        "into": "" if link is None else link.merged_into,
        "into_record": successor,
        "at": at,
    }
