"""Rules 18 and 20: before a first write, the record is looked for by external id."""

from collections.abc import Mapping, Sequence, Set

from consumers.ports import Records, Unavailable
from consumers.rules.answers import linked
from consumers.rules.kinds import Kind
from consumers.rules.making import WHY, why_unmade
from consumers.rules.state import Refusal
from consumers.rules.writes import Send, Until, after_find, due_values, not_found, wait
from consumers.writer.desk import Desk
from consumers.writer.kept import Found, KeptRecords
from consumers.writer.match import Matcher
from consumers.writer.sending import Sending
from consumers.writer.visit import Visit, by_kind, parts, put_down
from schemas.outcome import Outcome, Result

SEVERAL_RECORDS = "DUPLICATE_EXTERNAL_ID"
ANOTHERS_RECORD = "EXTERNAL_ID_ON_ANOTHERS_RECORD"
OTHER_CASE = "EXTERNAL_ID_IN_OTHER_CASE"


class Finder:
    """Links what is there, and hands on what is not."""

    def __init__(self, desk: Desk, records: Records) -> None:
        self._desk = desk
        self._records = KeptRecords(records)
        self._matcher = Matcher(desk, self._records)

    async def find(self, visits: Sequence[Visit]) -> list[Sending]:
        """Look these up; the first writes of those that are not there."""
        sendings: list[Sending] = []
        for kind, group in by_kind(visits):
            try:
                answer = await self._records.find_all(kind, [visit.id for visit in group])
            except Unavailable as error:
                await self._desk.defer(group, "UNAVAILABLE", str(error))
                continue
            for some in parts(group):
                unmade = await self._link(kind, await self._desk.take_up(some), answer)
                sendings += [Sending(one.visit) if one.visit.one_of_many else one for one in unmade]
                put_down(some)
        return sendings

    async def _link(self, kind: Kind, visits: Sequence[Visit], answer: Found) -> list[Sending]:
        """Link those that are there; those that a record is to be made for."""
        found = answer.records
        one_each = {ids[0] for visit in visits if len(ids := found.get(visit.id, [])) == 1}
        owners = await self._desk.owners(kind, sorted(one_each))
        spelled = {external_id.casefold() for external_id in found}
        decided: list[Visit] = []
        unfound: list[Sending] = []
        for visit in visits:
            if visit.id not in found and visit.id.casefold() in spelled:
                # An upsert would write over that record, which is another document's.
                self._refuse(kind, visit, OTHER_CASE, "a record holds this external id in another case")
                decided.append(visit)
                continue
            sending = self._decide(kind, visit, found.get(visit.id, []), owners, answer.by_conversion)
            if sending is None:
                decided.append(visit)
            else:
                unfound.append(sending)
        await self._desk.save(decided)
        return await self._made(kind, await self._matcher.match(kind, unfound))

    async def _made(self, kind: Kind, sendings: Sequence[Sending]) -> list[Sending]:
        """Those for which a record may be made. The others are looked for again once they change."""
        made: list[Sending] = []
        unmade: list[Visit] = []
        for one in sendings:
            state = one.visit.state
            if code := why_unmade(state, kind):
                state.refusal = Refusal(due_values(state, kind), code, WHY[code], self._desk.now())
                one.visit.result = Result(Outcome.IGNORED, WHY[code])
                unmade.append(one.visit)
            else:
                made.append(one)
        await self._desk.save(unmade)
        return made

    def _decide(
        self,
        kind: Kind,
        visit: Visit,
        matches: Sequence[str],
        owners: Mapping[str, Sequence[str]],
        by_conversion: Set[str],
    ) -> Sending | None:
        now = self._desk.now()
        state = visit.state
        others = [owner for owner in owners.get(matches[0], ()) if owner != visit.id] if len(matches) == 1 else []
        if others:
            # Somebody has given another document's record this external id: neither may take the other's values.
            self._refuse(kind, visit, ANOTHERS_RECORD, f"the record {matches[0]} is that of {', '.join(others)}")
            return None
        if len(matches) == 1:
            linked(state, matches[0], now=now, claimed=matches[0] not in by_conversion)
            visit.result = Result(Outcome.APPLIED, "linked to the record that was there")
            return None
        if matches:
            self._refuse(kind, visit, SEVERAL_RECORDS, f"several records hold this external id: {', '.join(matches)}")
            return None
        step = after_find(state, kind, self._desk.timing, now=now)
        not_found(state, self._desk.timing, now=now)
        if isinstance(step, Send):
            return Sending(visit, step.values)
        if isinstance(step, Until):
            wait(state, "LOOK_AGAIN", until=step.at)
            visit.result = Result(Outcome.DEFERRED, "rule 20: a first write may still land")
        return None

    def _refuse(self, kind: Kind, visit: Visit, code: str, why: str) -> None:
        visit.state.refusal = Refusal(due_values(visit.state, kind), code, why, self._desk.now())
        visit.result = Result(Outcome.PARKED, code)
