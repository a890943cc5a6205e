"""Before a first write: a record that nobody has given our external id, but that is of the same thing, is linked."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from consumers.ports import Unavailable
from consumers.rules.existence import moved
from consumers.rules.kinds import Kind
from consumers.rules.matching import (
    Matched,
    Row,
    Taken,
    choose,
    fields_to_read,
    is_another,
    matches,
    texts_to_match,
    tried_before,
)
from consumers.rules.state import Refusal
from consumers.rules.writes import due_values
from consumers.writer.desk import Desk
from consumers.writer.kept import KeptRecords
from consumers.writer.sending import Sending
from consumers.writer.visit import Visit
from schemas.mapping import Matching, Preference
from schemas.outcome import Outcome, Result
from schemas.place import Place

MATCHED_RECORD_TAKEN = "MATCHED_RECORD_TAKEN"


class Matcher:
    """Links records that match by the mapping's fields, and hands on the first writes of what matches none."""

    def __init__(self, desk: Desk, records: KeptRecords) -> None:
        self._desk = desk
        self._records = records

    async def match(self, kind: Kind, sendings: Sequence[Sending]) -> list[Sending]:
        """Those that are still to be written. A record that is linked is read whole next (rule 19)."""
        left = list(sendings)
        if kind.matching is None:
            return left
        for place in self._desk.places_on(kind):
            for field in kind.matching.by:
                if field in place.names:
                    left = await self._by(kind, kind.matching, place, field, left)
        return left

    async def _by(
        self, kind: Kind, matching: Matching, place: Place, field: str, sendings: Sequence[Sending]
    ) -> list[Sending]:
        prefer = kind.lead_prefer if place.is_lead else matching.prefer
        texts = {one.visit.id: texts_to_match(one.visit.state, kind, field) for one in sendings}
        if not any(texts.values()):
            return list(sendings)
        try:
            wanted = sorted({text for several in texts.values() for text in several})
            rows = await self._records.match(
                place, field, wanted, fields_to_read(place, prefer, field, tried_before(kind, field))
            )
        except Unavailable as error:
            await self._desk.defer([one.visit for one in sendings], "UNAVAILABLE", str(error))
            return []
        found = {
            one.visit.id: [
                row
                for row in rows
                if matches(texts[one.visit.id], row, place.names[field])
                and not is_another(one.visit.state, kind, field, partial(_held, row, place))
            ]
            for one in sendings
            if texts[one.visit.id]
        }
        chosen = await self._chosen(kind, place, prefer, found)
        ended: list[Visit] = []
        for one in sendings:
            visit = one.visit
            match chosen.get(visit.id):
                case Matched(record_id):
                    moved(visit.state, record_id, now=self._desk.now(), claimed=False)
                    visit.result = Result(Outcome.APPLIED, "linked to a record that matched")
                    ended.append(visit)
                case Taken() as taken if matching.taken == "park":
                    self._refuse(kind, visit, taken)
                    ended.append(visit)
                case _:
                    pass
        lost = await self._desk.save(ended)
        await self._tell(field, [visit for visit in ended if visit.id not in lost], chosen)
        done = {visit.id for visit in ended}
        return [one for one in sendings if one.visit.id not in done]

    async def _chosen(
        self, kind: Kind, place: Place, prefer: Sequence[Preference], found: Mapping[str, Sequence[Row]]
    ) -> dict[str, Matched | Taken | None]:
        """What each document is to have, once its record is claimed: others may match the same at the same moment."""
        record_ids = sorted({row["Id"] for rows in found.values() for row in rows})
        linked = await self._desk.owners(kind, record_ids)
        owners = {record_id: documents[0] for record_id, documents in linked.items() if documents}
        chosen: dict[str, Matched | Taken | None] = {}
        waiting = list(found)
        while waiting:
            wanted: dict[str, str] = {}
            for document_id in waiting:
                choice = choose(found[document_id], prefer, place.external_id, document_id, owners)
                chosen[document_id] = choice
                if isinstance(choice, Matched):
                    wanted.setdefault(choice.record_id, document_id)
            owners |= await self._desk.claim(kind, wanted)
            waiting = [
                document_id
                for document_id in waiting
                if isinstance(choice := chosen[document_id], Matched) and owners[choice.record_id] != document_id
            ]
        return chosen

    async def _tell(self, field: str, visits: Sequence[Visit], chosen: Mapping[str, Matched | Taken | None]) -> None:
        """Which record was linked and by what, with those that would have done too."""
        rows: list[dict[str, Any]] = []
        for visit in visits:
            if isinstance(matched := chosen[visit.id], Matched):
                row = {"type": "match", "kind": visit.kind.name, "document": visit.id, "record": matched.record_id}
                told = {"by": field, "runners_up": list(matched.runners_up), "at": self._desk.now()}
                rows.append({"_id": f"match:{visit.kind.name}:{visit.id}:{matched.record_id}", **row, **told})
        await self._desk.log.append(rows)

    def _refuse(self, kind: Kind, visit: Visit, taken: Taken) -> None:
        whose = "; ".join(f"{record_id} is that of {owner}" for record_id, owner in sorted(taken.owners.items()))
        state = visit.state
        state.refusal = Refusal(due_values(state, kind), MATCHED_RECORD_TAKEN, whose, self._desk.now())
        visit.result = Result(Outcome.PARKED, MATCHED_RECORD_TAKEN)


def _held(row: Row, place: Place, field: str) -> Any:
    """The row's value of a field, by the kind's name for it."""
    return row.get(place.names.get(field, ""))
