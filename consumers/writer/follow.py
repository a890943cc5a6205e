"""Rule 23: a record that is gone may have been merged into another, which is the thing's record from then on."""

from collections.abc import Sequence

from consumers.ports import Records, Unavailable
from consumers.rules.existence import MERGED_INTO_ANOTHERS, merged_into_anothers, moved, stays_gone
from consumers.rules.kinds import Kind
from consumers.rules.state import Refusal
from consumers.rules.writes import due_values, wait
from consumers.writer.visit import Desk, Visit, by_kind
from schemas.outcome import Outcome, Result


class Follower:
    """Looks for what has taken the place of records that are gone."""

    def __init__(self, desk: Desk, records: Records) -> None:
        self._desk = desk
        self._records = records

    async def follow(self, visits: Sequence[Visit]) -> None:
        """Link these to what their records were merged into; the others stay gone."""
        for kind, group in by_kind(visits):
            try:
                successors = await self._records.successors(kind.sobject, [visit.record_id for visit in group])
            except Unavailable as error:
                await self._desk.defer(group, "UNAVAILABLE", str(error))
                continue
            owners = await self._desk.owners(kind, sorted(set(successors.values())))
            for visit in group:
                self._decide(kind, visit, successors.get(visit.record_id, ""), owners)
            await self._desk.save(group)

    def _decide(self, kind: Kind, visit: Visit, successor: str, owners: dict[str, list[str]]) -> None:
        now = self._desk.now()
        if not successor:
            stays_gone(visit.state)
            visit.result = Result(Outcome.APPLIED, "rule 23: nothing has taken the record's place")
            return
        others = [owner for owner in owners.get(successor, ()) if owner != visit.id]
        if others:
            # Asked again tomorrow: a person may have decided by then which of the two stays.
            known = merged_into_anothers(visit.state)
            wait(visit.state, MERGED_INTO_ANOTHERS, until=now + self._desk.retry.longest)
            why = f"its record was merged into {successor}, which is the record of {', '.join(others)}"
            visit.state.refusal = Refusal(due_values(visit.state, kind), MERGED_INTO_ANOTHERS, why, now)
            visit.result = Result(Outcome.DEFERRED if known else Outcome.PARKED, MERGED_INTO_ANOTHERS)
            return
        moved(visit.state, successor, now=now, claimed=False)
        owners.setdefault(successor, []).append(visit.id)
        visit.result = Result(Outcome.APPLIED, "rule 23: merged into another record")
