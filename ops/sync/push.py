"""The step that looks at documents: what the writer has to do with each is found by its own rules, and made due.

Nothing is written to Salesforce here. A document that is due and rung for takes the ordinary way, under every rule.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from adapters.mongo.walks import Document, MongoWalks, Standing
from consumers.catalog import Catalog
from consumers.ports import Doorbells, Records
from consumers.reconciler.derive import Deriver
from consumers.reconciler.reconciler import doorbell
from consumers.rules.derived import is_underived, owners
from consumers.rules.existence import place_of
from consumers.rules.kinds import Kind
from consumers.rules.state import DocumentState
from consumers.rules.sync_verdict import Verdict, asked_for, push_verdict
from consumers.writer.desk import Desk
from consumers.writer.kept import KeptRecords
from consumers.writer.visit import Visit
from ops.sync.asking import milliseconds
from ops.sync.walk import Advance
from schemas.place import Place
from schemas.platform_event import DocumentId
from schemas.sync_run import RunRequest

PAGE = 250
"""To decide them takes a moment in which the process does nothing else."""
LOOKED_UP = 10_000
"""So many documents without a record are looked up for a plan, some 400 a call; of the rest it is not told."""
SOON = 60_000
"""What is due within so many milliseconds is rung for by the sweep."""

_DOCUMENT_ID: TypeAdapter[str] = TypeAdapter(DocumentId)


@dataclass(frozen=True, slots=True)
class Seen:
    """A document and what follows for it. `fresh` where no event has ever spoken of it."""

    visit: Visit
    verdict: Verdict
    fresh: bool


class PushWalk:
    """Documents of one kind. Satisfies `ops.sync.walk.Walk`."""

    def __init__(
        self,
        *,
        kind: Kind,
        places: Sequence[Place],
        catalog: Catalog,
        request: RunRequest,
        walks: MongoWalks,
        desk: Desk,
        deriver: Deriver,
        doorbells: Doorbells,
        records: Records | None = None,
        page: int = PAGE,
        refused: Callable[[str, str], None] = lambda _document, _why: None,
    ) -> None:
        """`places` are those of the kind's objects that the run is about.

        `records` are asked, for a plan alone, which of the documents without a record have one.
        """
        self._kind = kind
        self._catalog = catalog
        self._request = request
        self._since, self._created = milliseconds(request.since), milliseconds(request.created_since)
        self._walks = walks
        self._desk = desk
        self._deriver = deriver
        self._doorbells = doorbells
        self._objects = frozenset(place.sobject for place in places)
        self._records = None if records is None else KeptRecords(records)
        self._page = page
        self._refused = refused
        self._looked_up = 0

    async def total(self) -> int:
        """As the port."""
        return await self._walks.estimate(self._kind.collection)

    async def advances(self, cursor: str) -> AsyncGenerator[Advance, None]:
        """As the port."""
        async for page in self._walks.pages(self._kind.collection, cursor, self._page):
            counts: Counter[Verdict] = Counter()
            seen = [one for document in page if (one := self._look(document, counts)) is not None]
            if self._request.dry_run:
                counts += await self._told(seen)
            else:
                unstorable = await self._make_due(seen)
                counts.update(Verdict.UNSTORABLE if one.visit.id in unstorable else one.verdict for one in seen)
            yield Advance(len(page), page[-1]["_id"], counts)

    def _look(self, document: Document, counts: Counter[Verdict]) -> Seen | None:
        """Raises `DecidedByNewerMapping`, which is `Unavailable`, where this process has to take a version up first."""
        if not _is_document_id(document["_id"]):
            counts[Verdict.UNSTORABLE] += 1
            return None
        fresh = document.get("revision") is None
        state = self._desk.decided(self._kind, document["_id"], document)
        about = place_of(state, self._kind).sobject in self._objects
        if not about or not asked_for(state, self._kind, self._request.filter, self._since, self._created):
            counts[Verdict.NOT_ASKED] += 1
            return None
        verdict = push_verdict(state, self._kind, self._desk.timing, now=self._desk.now())
        return Seen(Visit(self._kind, state.id, found=state), verdict, fresh)

    async def _told(self, seen: Sequence[Seen]) -> Counter[Verdict]:
        """The verdicts, those to be made told apart from those whose record is there, as far as that may cost."""
        counts = Counter(one.verdict for one in seen)
        first = (Verdict.CREATE, Verdict.LOOK_UP)
        unlinked = {one.visit.id: one.verdict for one in seen if one.verdict in first and one.visit.state.link is None}
        if self._records is None or not unlinked or self._looked_up >= LOOKED_UP:
            return counts
        self._looked_up += len(unlinked)
        found = await self._records.find(self._kind, list(unlinked))
        for document_id, verdict in unlinked.items():
            if found.get(document_id):
                counts[verdict] -= 1
                counts[Verdict.LINK] += 1
        return counts

    async def _make_due(self, seen: Sequence[Seen]) -> set[str]:
        """Make due and ring for those that have something to do; the ids of those that MongoDB will not store."""
        now = self._desk.now()
        acting = [one for one in seen if one.verdict.acts]
        unstorable = await self._take_in([one.visit for one in acting if one.fresh])
        later = [one.visit.state for one in acting if not one.fresh and not _is_near(one.visit.state, now)]
        await self._walks.make_due(
            self._kind.collection,
            {state.id: Standing(state.revision or 0, state.stored_due_at) for state in later},
            now + self._desk.timing.ring_again,
        )
        rung = [one.visit.state for one in acting if one.fresh and one.visit.id not in unstorable] + later
        await self._doorbells.ring([doorbell(self._kind, state) for state in rung])
        return unstorable

    async def _take_in(self, visits: Sequence[Visit]) -> set[str]:
        """Store what is known of documents that were there before us; another who was faster has done the same."""
        if not visits:
            return set()
        await self._desk.save(visits)
        unstorable = {visit.id for visit in visits if visit.refused}
        for visit in visits:
            if visit.refused:
                self._refused(visit.id, visit.refused)
        await self._derive([visit.state for visit in visits if not visit.refused])
        return unstorable

    async def _derive(self, states: Sequence[DocumentState]) -> None:
        """Rule 28: totals of these documents, and those that they count for. What is due then, the sweep rings for."""
        named = {(self._kind.name, state.id) for state in states if is_underived(state, self._kind)}
        for kind, rule in self._catalog.dependants.get(self._kind.name, ()):
            named |= {(kind.name, owner) for state in states for owner in owners(state, rule)}
        if named:
            await self._deriver.derive(self._catalog, sorted(named))


def _is_near(state: DocumentState, now: int) -> bool:
    return state.stored_due_at is not None and state.stored_due_at <= now + SOON


def _is_document_id(text: str) -> bool:
    try:
        _DOCUMENT_ID.validate_python(text)
    except ValidationError:
        return False
    return True
