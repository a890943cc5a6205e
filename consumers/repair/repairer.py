"""The repair of one gap: look, publish, keep how far it has come, close when that is handled. In that order, any
instant is good to die.

What is published has the record read whole by the ordinary path. The same look makes the same changes, and of a record
that has been read since they are no news: a page that is published twice changes nothing.

Of an event that names records there is nothing to look for: the ordinary path reads them, and the gap waits for that.

While a gap is not closed the writer reads a record before it writes. A look that waits in the log has told no document
yet that it has something to read, so the gap is closed only when the reconcilers have come past the last of them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from consumers.catalog import Catalog
from consumers.repair.ports import Backlog, Changes, GapRows, LinkedDocuments, Looks
from consumers.rules.repair import ByHand, Reading, Swept, Window, has_been_read, is_unheard, means_for
from consumers.rules.state import DocumentState
from consumers.rules.stored import load
from schemas import gap_change, topics
from schemas.gap import Found, GapRow, Handling, ObjectProgress
from schemas.gap_change import GapRecord
from schemas.mapping import Unlinked
from schemas.polling import ModifiedRow
from schemas.unavailable import Unavailable

BY_ITSELF = "repair"
"""Who has closed a gap that no person has."""
RECORDS_A_QUERY = 1_000
Linked = tuple[str, str, DocumentState]
"""A document, with its kind and the id of the record by which it was found."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The gap is closed, with what was found."""

    found: Found
    note: str


@dataclass(frozen=True, slots=True)
class Published:
    """All that may have been missed is in the log; the gap is closed once that is handled."""

    found: Found


@dataclass(frozen=True, slots=True)
class Waits:
    """The gap stays open for now: what it waits for comes by itself."""

    why: str


@dataclass(frozen=True, slots=True)
class NeedsPerson:
    """The gap stays open until a person closes it."""

    why: str


Repaired = Closed | Published | Waits | NeedsPerson

MET_AGAIN = "it was met again, or closed, while it was repaired"
NOT_IN_LOG = "what was published is not in the log any more: it is looked for anew"


class Repairer:
    """Repairs gaps of one org, one at a time. Keeps nothing between two of them."""

    def __init__(
        self,
        *,
        catalog: Callable[[], Catalog],
        gaps: GapRows,
        looks: Looks,
        changes: Changes,
        backlog: Backlog,
        documents: LinkedDocuments,
        org_id: str,
        overlap: int,
        now: Callable[[], int],
        on_page: Callable[[GapRow, str, Found], None] = lambda _gap, _sobject, _found: None,
    ) -> None:
        """`overlap` is in milliseconds; `on_page` hears what has been found so far of an object."""
        self._catalog = catalog
        self._gaps = gaps
        self._looks = looks
        self._changes = changes
        self._backlog = backlog
        self._documents = documents
        self._org_id = org_id
        self._overlap = overlap
        self._now = now
        self._on_page = on_page

    async def repair(self, gap: GapRow) -> Repaired:
        """Repair it, from where the last try ended, and close it.

        Raises:
            Unavailable: Salesforce, Kafka or MongoDB does not answer, or Salesforce refuses the look; why is kept with
                the gap where that could be stored, and what was done stands.
        """
        try:
            return await self._repair(gap)
        except Unavailable as error:
            await self._gaps.failed(gap, str(error), self._now())
            raise

    async def _repair(self, gap: GapRow) -> Repaired:
        if gap.covered_by:
            return await self._close_handled(gap, gap.published_to, gap.found, gap.covered_note)
        match means_for(gap, self._catalog().mapped_objects(), overlap=self._overlap):
            case Window() as window:
                return await self._compare(gap, window)
            case Reading(entity, record_ids):
                return await self._wait_for_reading(gap, entity, record_ids)
            case Swept(why):
                return await self._close(gap, Found(), why)
            case ByHand(why):
                return NeedsPerson(why)
            case other:
                assert_never(other)

    async def _compare(self, gap: GapRow, window: Window) -> Repaired:
        """Every object is tried, also where one is refused: that one is told of when the others are through."""
        found, refused = Found(), list[Unavailable]()
        for sobject in window.sobjects:
            progress = gap.progress.get(sobject, ObjectProgress())
            try:
                through = await self._compare_object(gap, window, sobject, progress)
            except Unavailable as error:
                refused.append(error)
                continue
            if through is None:
                return Waits(MET_AGAIN)
            found += through
        if refused:
            raise refused[0]
        since = "every record" if window.every_record or not window.since else "every record changed since"
        which = f"{since}: {', '.join(window.sobjects)}; {found.unheard:,} of them had changed unheard"
        note = which if window.sobjects else "no kind is kept in the object"
        published_to = gap.published_to if found == _found_before(gap, window) else {}
        if found.published and not published_to:
            published_to = await self._backlog.ends(topics.SALESFORCE_CHANGES)
            if not await self._gaps.keep_published(gap, published_to):
                return Waits(MET_AGAIN)
        return await self._close_handled(gap, published_to, found, note)

    async def _close_handled(self, gap: GapRow, published_to: Mapping[int, int], found: Found, note: str) -> Repaired:
        left = await self._unhandled(gap, topics.SALESFORCE_CHANGES, published_to, Published(found))
        return await self._close(gap, found, note) if left is None else left

    async def _unhandled(
        self,
        gap: GapRow,
        topic: str,
        ends: Mapping[int, int],
        pending: Published,
        looks: Sequence[GapRecord] = (),
    ) -> Repaired | None:
        """What becomes of a gap while not all of this is handled; nothing once it is. Where the log is another one the
        repair begins anew, with these looks."""
        match await self._backlog.handling(topic, ends):
            case Handling.DONE:
                return None
            case Handling.PENDING:
                return pending
            case Handling.NOT_IN_LOG:
                if looks:
                    await self._changes.append(looks)
                begun = await self._gaps.start_anew(gap, NOT_IN_LOG, self._now())
                return Waits(NOT_IN_LOG if begun else MET_AGAIN)
            case other:
                assert_never(other)

    async def _compare_object(
        self, gap: GapRow, window: Window, sobject: str, progress: ObjectProgress
    ) -> Found | None:
        """What was found, all tries together; nothing where the gap was met again meanwhile."""
        if progress.done:
            return progress.found
        async for page in self._looks.changed(sobject, window.since, progress.after):
            records = [self._record(sobject, seen, every_record=window.every_record) for seen in page]
            unheard = await self._unheard(sobject, page)
            await self._changes.append(records)
            deleted = sum(seen.deleted for seen in page)
            found = progress.found + Found(len(page), len(records), deleted, unheard)
            progress = replace(progress, found=found, after=page[-1] if page else progress.after)
            if not await self._gaps.keep_progress(gap, sobject, progress):
                return None
            self._on_page(gap, sobject, progress.found)
        progress = replace(progress, done=True)
        return progress.found if await self._gaps.keep_progress(gap, sobject, progress) else None

    async def _unheard(self, sobject: str, page: Sequence[ModifiedRow]) -> int:
        """How many of these records have a document that had heard nothing of their change."""
        states: dict[str, list[DocumentState]] = {}
        for _, record_id, state in await self._linked(sobject, [seen.record_id for seen in page]):
            states.setdefault(record_id, []).append(state)
        return sum(is_unheard(states.get(seen.record_id, ()), seen) for seen in page)

    async def _linked(self, sobject: str, record_ids: Sequence[str]) -> list[Linked]:
        """The documents of these records."""
        found: list[Linked] = []
        for kind in self._catalog().kinds_of(sobject):
            for ids in _parts(record_ids, RECORDS_A_QUERY):
                linked = await self._documents.read_linked(kind.collection, ids)
                found += [
                    (kind.name, record_id, load(document, document["_id"], kind))
                    for record_id, documents in linked.items()
                    for document in documents
                ]
        return found

    def _record(self, sobject: str, seen: ModifiedRow, *, every_record: bool) -> GapRecord:
        if seen.deleted:
            change = gap_change.missing(sobject, seen.record_id, seen.modified)
        elif every_record:
            change = gap_change.differing(sobject, seen.record_id, seen.modified)
        else:
            change = gap_change.stamped(sobject, seen.record_id, seen.modified)
        return gap_change.record_of(change, self._org_id, received_at=self._now())

    async def _wait_for_reading(self, gap: GapRow, entity: str, record_ids: Sequence[str]) -> Repaired:
        linked = await self._linked(entity, record_ids)
        left: Repaired | None = _unread(linked)
        if left is None and (wanting := self._wanting(entity, record_ids, linked)):
            left = await self._unvisited(gap, entity, wanting, Found(len(record_ids), len(linked)))
            if left is None:  # a document that was made meanwhile has its record still to read
                linked = await self._linked(entity, record_ids)
                left = _unread(linked)
        if left is not None:
            return left
        found = Found(looked=len(record_ids), published=len(linked))
        if not await self._gaps.keep_progress(gap, entity, ObjectProgress(found, done=True)):
            return Waits(MET_AGAIN)
        return await self._close(gap, found, f"{len(linked)} documents have read their record")

    def _wanting(self, entity: str, record_ids: Sequence[str], linked: Sequence[Linked]) -> list[str]:
        """Those of the records that a kind would take in and has no document of."""
        takers = [kind.name for kind in self._catalog().kinds_of(entity) if kind.on_unlinked is not Unlinked.IGNORE]
        met = {(kind, record_id) for kind, record_id, _ in linked}
        return [each for each in record_ids if any((kind, each) not in met for kind in takers)]

    async def _unvisited(self, gap: GapRow, entity: str, wanting: Sequence[str], found: Found) -> Repaired | None:
        """What becomes of a gap while the writer may not have looked at a record without a document.

        Whoever handles the event rings for it: once that is handled the doorbell is in the log. Where a log is gone the
        look that has it rung for is published.
        """
        pending = Published(found)
        rows = [ModifiedRow(record_id, gap.until, deleted=False) for record_id in wanting]
        looks = [self._record(entity, row, every_record=True) for row in rows]
        rung_to = gap.rung_to
        if not rung_to:
            published_to = gap.published_to
            if not published_to:
                published_to = await self._backlog.ends(topics.SALESFORCE_CHANGES)
                if not await self._gaps.keep_published(gap, published_to):
                    return Waits(MET_AGAIN)
            left = await self._unhandled(gap, topics.SALESFORCE_CHANGES, published_to, pending, looks)
            if left is not None:
                return left
            rung_to = await self._backlog.ends(topics.SALESFORCE_WRITES)
            if not await self._gaps.keep_rung(gap, rung_to):
                return Waits(MET_AGAIN)
        return await self._unhandled(gap, topics.SALESFORCE_WRITES, rung_to, pending, looks)

    async def _close(self, gap: GapRow, found: Found, note: str) -> Repaired:
        if not await self._gaps.close(gap, by=gap.covered_by or BY_ITSELF, note=note, at=self._now()):
            return Waits(MET_AGAIN)
        return Closed(found, note)


def _found_before(gap: GapRow, window: Window) -> Found:
    """What earlier tries have found of the objects of the window."""
    return sum((gap.progress[each].found for each in window.sobjects if each in gap.progress), Found())


def _unread(linked: Sequence[Linked]) -> Waits | None:
    unread = sum(not has_been_read(state) for _, _, state in linked)
    return Waits(f"{unread} of {len(linked)} documents have still to read their record") if unread else None


def _parts(ids: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))
