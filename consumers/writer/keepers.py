"""Rule 14: what hangs on a document that the mapping's filter keeps back is kept back with it, and let go with it."""

from collections.abc import Sequence

from consumers.ports import Documents
from consumers.rules.hanging import Above, Name, hanging, keeper_named, lets_go, needed
from consumers.rules.kinds import Kind
from consumers.rules.lookups import Ids
from consumers.rules.state import DocumentState
from consumers.rules.stored import load
from consumers.writer.desk import Desk
from consumers.writer.visit import Visit, by_kind, ids_of_all


class Keepers:
    """Reads what documents hang on, and makes those due whose keeper lets go."""

    def __init__(self, desk: Desk, documents: Documents) -> None:
        self._desk = desk
        self._documents = documents

    async def above(self, visits: Sequence[Visit]) -> Above:
        """All that these cannot be without and may be kept back with, however far above: by kind and id.

        It costs a query for each kind that lies above; where no filter lies above, nothing.
        """
        found: dict[Name, DocumentState] = {}
        asked: set[Name] = set()
        wanted = ids_of_all(needed(visit.state, visit.kind) for visit in visits if visit.kind.hangs)
        while wanted:
            asked |= {(name, document_id) for name, ids in wanted.items() for document_id in ids}
            states = [state for name, ids in wanted.items() for state in await self._read(self._desk.kind(name), ids)]
            found |= {(state.kind, state.id): state for state in states}
            wanted = _unasked(ids_of_all(needed(state, self._desk.kind(state.kind)) for state in states), asked)
        return found

    async def let_go(self, visits: Sequence[Visit]) -> list[Visit]:
        """Make due what was kept back with those of these documents that are kept back no more; all of them again.

        The mark goes after that: who ends in between leaves it, and the sweep has it done.

        Raises:
            DecidedByNewerMapping, Unavailable: the marks stay.
        """
        opened = [visit for visit in visits if lets_go(visit.state, visit.kind)]
        if not opened:
            return list(visits)
        for kind, group in by_kind(opened):
            names = [keeper_named(kind.name, visit.id) for visit in group]
            for child, rule in hanging(self._desk.kinds()):
                await self._documents.let_go(child.collection, rule.name, names, self._desk.now())
        for visit in opened:
            visit.state.keeps = False
        await self._desk.save(opened)  # one that somebody has changed meanwhile keeps its mark
        there = {id(visit) for visit in await self._desk.look(opened)}
        at_rest = {id(visit) for visit in visits} - {id(visit) for visit in opened}
        return [visit for visit in visits if id(visit) in there | at_rest]

    async def _read(self, kind: Kind, ids: set[str]) -> list[DocumentState]:
        found = await self._desk.read(kind, sorted(ids))
        return [load(document, document_id, kind) for document_id, document in found.items()]


def _unasked(ids: Ids, asked: set[Name]) -> Ids:
    left = {name: {one for one in named if (name, one) not in asked} for name, named in ids.items()}
    return {name: named for name, named in left.items() if named}
