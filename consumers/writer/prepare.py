"""Rule 14: what of a document is sent now, and which of its lookups wait for their parents' records."""

from collections.abc import Sequence
from typing import Any

from consumers.rules.hanging import note_keeper
from consumers.rules.lookups import Parents, named_documents, note_awaited
from consumers.rules.writes import Find, Send, after_find, next_step
from consumers.writer.desk import Desk
from consumers.writer.keepers import Keepers
from consumers.writer.sending import Ready, Sending
from consumers.writer.visit import Visit, ids_of_all, put_down
from schemas.outcome import Outcome, Result

PARENT_MISSING = Result(Outcome.DEFERRED, "rule 14: a parent that it names has no record yet")
KEPT_BACK = Result(Outcome.IGNORED, "rule 14: the mapping's filter keeps back what it cannot be without")


class Preparer:
    """Takes up what is to be sent, and works out its values."""

    def __init__(self, desk: Desk, keepers: Keepers) -> None:
        self._desk = desk
        self._keepers = keepers

    async def ready(self, sendings: Sequence[Sending | Ready], *, first: bool) -> list[Ready]:
        """Those of one kind that can be sent now, less the lookups that name a parent without a record.

        The others wait for that parent, or are kept back with it; or somebody has changed them since they were put
        down, and what is due then is looked at anew.
        """
        ready = {id(one.visit): one for one in sendings if isinstance(one, Ready) and one.visit.found is not None}
        rest = [Sending(one.visit, one.values) for one in sendings if id(one.visit) not in ready]
        ready |= {id(one.visit): one for one in await self._prepared(rest, first=first)}
        return [ready[id(one.visit)] for one in sendings if id(one.visit) in ready]

    async def _prepared(self, sendings: Sequence[Sending], *, first: bool) -> list[Ready]:
        known = {id(one.visit): one.values for one in sendings if one.visit.found is not None}
        told: list[tuple[Visit, dict[str, Any]]] = []
        for visit in await self._desk.take_up([one.visit for one in sendings]):
            values = known.get(id(visit))
            values = self._values(visit) if values is None else values
            if values is not None:
                told.append((visit, values))
        return await self._without_orphans(told, first=first) if told else []

    def _values(self, visit: Visit) -> dict[str, Any] | None:
        """As they were when it was put down: its record has been looked for since, where that had to be."""
        now = self._desk.now()
        step = next_step(visit.state, visit.kind, self._desk.timing, now=now)
        if isinstance(step, Find):
            step = after_find(visit.state, visit.kind, self._desk.timing, now=now)
        return step.values if isinstance(step, Send) else None

    async def _without_orphans(self, group: Sequence[tuple[Visit, dict[str, Any]]], *, first: bool) -> list[Ready]:
        kind = group[0][0].kind
        if not kind.lookups:
            return [Ready(visit, told, Parents()) for visit, told in group]
        parents = await self._desk.parents_by_document(ids_of_all(named_documents(kind, told) for _, told in group))
        above = await self._keepers.above([visit for visit, _ in group])
        now = self._desk.now()
        ready: list[Ready] = []
        orphans: list[Visit] = []
        for visit, told in group:
            state = visit.state
            if note_keeper(state, kind, self._desk.kinds(), above, now=now):
                visit.result = KEPT_BACK
                orphans.append(visit)
                continue
            note_awaited(state, kind, told, parents, now=now)
            values = {name: value for name, value in told.items() if name not in state.awaited}
            unmade = first and any(kind.by_name[name].required for name in state.awaited)
            if unmade or (told and not values):
                visit.result = PARENT_MISSING
                orphans.append(visit)
            else:
                ready.append(Ready(visit, values, parents))
        await self._desk.save(orphans)
        put_down(orphans)
        return ready
