"""Totals that a document's own update has left to be taken (rule 28): its own, and those of whom it counts for.

The marks stand in the document from that update on, so whoever ends before the totals are taken leaves them to the
sweep. They go when the totals are there.
"""

from collections.abc import Callable, Sequence

from consumers.catalog import Catalog
from consumers.reconciler.derive import Deriver
from consumers.rules.derived import owners
from consumers.writer.desk import Desk
from consumers.writer.visit import Visit


class Totals:
    """Takes what is marked."""

    def __init__(self, catalog: Callable[[], Catalog], desk: Desk, deriver: Deriver) -> None:
        self._catalog = catalog
        self._desk = desk
        self._deriver = deriver

    async def take(self, visits: Sequence[Visit]) -> list[Visit]:
        """Take the totals that are marked in these documents, which are in hand; those that are there then, anew.

        Raises:
            DecidedByNewerMapping, Unavailable: the marks stay.
        """
        marked = [visit for visit in visits if visit.state.underived or visit.state.uncounted]
        if not marked:
            return list(visits)
        catalog = self._catalog()
        named = {(visit.kind.name, visit.id) for visit in marked if visit.state.underived}
        counting = [visit for visit in marked if visit.state.uncounted]
        for visit in counting:
            for kind, rule in catalog.dependants.get(visit.kind.name, ()):
                named |= {(kind.name, owner) for owner in owners(visit.state, rule)}
        await self._deriver.derive(catalog, named)
        for visit in counting:
            visit.state.uncounted = False
        await self._desk.save(counting)  # who has changed one meanwhile has lost nothing: its mark stays
        for visit in marked:
            visit.just_saved = visit.just_saved and not visit.state.underived
        there = {id(visit) for visit in await self._desk.look(marked)}
        at_rest = {id(visit) for visit in visits} - {id(visit) for visit in marked}
        return [visit for visit in visits if id(visit) in there | at_rest]
