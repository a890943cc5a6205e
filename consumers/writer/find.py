"""Rules 18 and 20: before a first write, the record is looked for by external id."""

from collections.abc import Mapping, Sequence

from consumers.ports import Records, Unavailable
from consumers.rules.kinds import Kind
from consumers.rules.state import Refusal
from consumers.rules.writes import Send, Until, after_find, due_values, linked, wait
from consumers.writer.send import Sending
from consumers.writer.visit import Desk, Visit, by_kind
from schemas.outcome import Outcome, Result

SEVERAL_RECORDS = "DUPLICATE_EXTERNAL_ID"
ANOTHERS_RECORD = "EXTERNAL_ID_ON_ANOTHERS_RECORD"
OTHER_CASE = "EXTERNAL_ID_IN_OTHER_CASE"


class Finder:
    """Links what is there, and hands on what is not."""

    def __init__(self, desk: Desk, records: Records) -> None:
        self._desk = desk
        self._records = records

    async def find(self, visits: Sequence[Visit]) -> list[Sending]:
        """Look these up; the first writes of those that are not there."""
        sendings: list[Sending] = []
        for kind, group in by_kind(visits):
            try:
                found = await self._records.find(kind.sobject, kind.external_id, [visit.id for visit in group])
            except Unavailable as error:
                await self._desk.defer(group, "UNAVAILABLE", str(error))
                continue
            owners = await self._desk.owners(kind, sorted({ids[0] for ids in found.values() if len(ids) == 1}))
            spelled = {external_id.casefold() for external_id in found}
            decided: list[Visit] = []
            for visit in group:
                if visit.id not in found and visit.id.casefold() in spelled:
                    # An upsert would write over that record, which is another document's.
                    self._refuse(kind, visit, OTHER_CASE, "a record holds this external id in another case")
                    decided.append(visit)
                    continue
                sending = self._decide(kind, visit, found.get(visit.id, []), owners)
                if sending is None:
                    decided.append(visit)
                else:
                    sendings.append(sending)
            await self._desk.save(decided)
        return sendings

    def _decide(
        self, kind: Kind, visit: Visit, matches: Sequence[str], owners: Mapping[str, Sequence[str]]
    ) -> Sending | None:
        now = self._desk.now()
        state = visit.state
        others = [owner for owner in owners.get(matches[0], ()) if owner != visit.id] if len(matches) == 1 else []
        if others:
            # Somebody has given another document's record this external id: neither may take the other's values.
            self._refuse(kind, visit, ANOTHERS_RECORD, f"the record {matches[0]} is that of {', '.join(others)}")
            return None
        if len(matches) == 1:
            linked(state, matches[0], now=now)
            visit.result = Result(Outcome.APPLIED, "linked to the record that was there")
            return None
        if matches:
            self._refuse(kind, visit, SEVERAL_RECORDS, f"{len(matches)} records hold this external id")
            return None
        step = after_find(state, kind, self._desk.timing, now=now)
        if isinstance(step, Send):
            return Sending(visit, step.values)
        if isinstance(step, Until):
            wait(state, "LOOK_AGAIN", until=step.at)
            visit.result = Result(Outcome.DEFERRED, "rule 20: a first write may still land")
        return None

    def _refuse(self, kind: Kind, visit: Visit, code: str, why: str) -> None:
        visit.state.refusal = Refusal(due_values(visit.state, kind), code, why, self._desk.now())
        visit.result = Result(Outcome.PARKED, code)
