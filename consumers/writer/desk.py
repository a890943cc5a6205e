"""The desk where the writer's steps read and store the documents that they visit."""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from consumers.ports import Document, Documents, DocumentsRefused, SyncLog, Tellings, Unavailable
from consumers.reconciler.batch import document_write, mapping_name
from consumers.reconciler.reconciler import DOCUMENT_REFUSED
from consumers.reconciler.tell import tell_all
from consumers.rules.audit import Occasion
from consumers.rules.derived import mark_totals
from consumers.rules.existence import merged_into
from consumers.rules.kept_writes import forget_old_writes
from consumers.rules.kinds import Kind
from consumers.rules.linked import link_row
from consumers.rules.lookups import Ids, Parents, children_of, depths, may_be_named_anew
from consumers.rules.parents import parent_kinds
from consumers.rules.retry import RetryPolicy
from consumers.rules.state import DocumentState
from consumers.rules.stored import load, updated, value_at
from consumers.rules.timing import Timing
from consumers.rules.unread import end_unread
from consumers.rules.versions import DecidedByNewerMapping, bring_up
from consumers.rules.write_rows import seen_first
from consumers.rules.writes import due_at, give_up_unanswered, wait
from consumers.writer.visit import NO_DOCUMENT, Visit, by_kind, parts, put_down
from schemas.debugging import NOTHING_DEBUGGED, Debugged
from schemas.outcome import Outcome, Result
from schemas.place import Place

TRIES_TO_SAVE = 50
MERGES_FOLLOWED = 5
"""So many documents merged one into the next are followed, each at the cost of a query; nobody merges so often."""


class Desk:
    """Reads and stores documents for the writer's steps. `now` gives epoch milliseconds."""

    def __init__(
        self,
        *,
        documents: Documents,
        log: SyncLog,
        now: Callable[[], int],
        timing: Timing,
        retry: RetryPolicy,
        on_conflict: Callable[[dict[str, Any]], None],
        kinds: Callable[[], Mapping[str, Kind]],
        off: Callable[[], frozenset[str]] = frozenset,
        tellings: Tellings | None = None,
        debugged: Callable[[], Debugged] = lambda: NOTHING_DEBUGGED,
        on_decision: Callable[[dict[str, Any]], None] = lambda _row: None,
    ) -> None:
        """`tellings` is where the platform is told of what Salesforce changed; without it, it is told nothing.

        `debugged` is what somebody looks at closely: `on_decision` is told each decision about it.
        """
        self.debugged = debugged
        self._on_decision = on_decision
        self._tellings = tellings
        self._documents = documents
        self._kinds = kinds
        self._off = off
        self._on_conflict = on_conflict
        self.log = log
        self.now = now
        self.timing = timing
        self.retry = retry

    async def look(self, visits: Iterable[Visit], ahead: list[Visit] | None = None) -> list[Visit]:
        """Read the documents that have not just been saved; the visits of those that are there. The others have ended.

        Raises:
            DecidedByNewerMapping: this process has still to take the mapping up; unless `ahead` takes those documents.
        """
        there: list[Visit] = []
        for kind, group in by_kind(visits):
            for some in parts(group):
                there += await self._look(kind, some, ahead)
        return there

    async def _look(self, kind: Kind, group: Sequence[Visit], ahead: list[Visit] | None) -> list[Visit]:
        there: list[Visit] = []
        asked = [visit.id for visit in group if not visit.just_saved]
        found = await self._documents.read(kind.collection, asked) if asked else {}
        for visit in group:
            document = visit.document if visit.just_saved else found.get(visit.id)
            visit.document, visit.just_saved, visit.kept = document, False, None
            if document is None:
                visit.found, visit.result = None, NO_DOCUMENT
                continue
            try:
                visit.found = self.decided(kind, visit.id, document)
            except DecidedByNewerMapping:
                if ahead is None:
                    raise
                ahead.append(visit)
            else:
                there.append(visit)
        return there

    async def take_up(self, visits: Sequence[Visit]) -> list[Visit]:
        """Those in hand, and those put down that nobody has changed since; the others' next step is another one.

        Raises:
            DecidedByNewerMapping: as `look`.
        """
        known = {id(visit): visit.kept.revision for visit in visits if visit.found is None and visit.kept is not None}
        changed: set[int] = set()
        for visit in await self.look([visit for visit in visits if id(visit) in known]):
            if visit.state.revision != known[id(visit)]:
                changed.add(id(visit))
            else:
                give_up_unanswered(visit.state, visit.kind, self.timing, now=self.now())
        put_down(visit for visit in visits if id(visit) in changed)
        return [visit for visit in visits if visit.found is not None and id(visit) not in changed]

    async def read(self, kind: Kind, ids: Sequence[str]) -> dict[str, Document]:
        """The documents that exist, by id."""
        return await self._documents.read(kind.collection, ids)

    def decided(self, kind: Kind, document_id: str, document: Document | None) -> DocumentState:
        """The state of a document, or of one that is not there yet, under the mapping in force.

        Raises:
            DecidedByNewerMapping: this process has still to take the mapping up.
        """
        state = load(document, document_id, kind)
        if document is not None and state.mapping != kind.version:
            now = self.now()
            occasion = Occasion(mapping_name(kind), now, now + self.timing.visible_after)
            bring_up(state, kind, occasion, partial(value_at, document))
        return state

    async def save(self, visits: Sequence[Visit]) -> set[str]:
        """Store what was decided, guarded; the ids of documents that another took meanwhile, which keep theirs."""
        lost: set[str] = set()
        for kind, group in by_kind(visits):
            for some in parts(group):
                lost |= await self._save(kind, some)
        return lost

    async def settle(self, visits: Sequence[Visit], decide: Callable[[Visit, int], None]) -> None:
        """Store what `decide(visit, now)` makes of each document, however often others change them meanwhile.

        Raises:
            DecidedByNewerMapping: this process has still to take the mapping up for some; all others are stored.
            Unavailable: others change the same documents without end.
        """
        waiting, ahead = visits, list[Visit]()
        for _try in range(TRIES_TO_SAVE):
            left: list[Visit] = []
            for some in parts(waiting):
                there = await self.look(some, ahead)
                now = self.now()
                for visit in there:
                    decide(visit, now)
                lost = await self.save(there)
                left += [visit for visit in there if visit.id in lost and not visit.refused]
                put_down(some)
            waiting = left
            if not waiting:
                break
        if ahead:
            raise DecidedByNewerMapping(f"{len(ahead)} documents were decided by a newer version of the mapping")
        if waiting:
            raise Unavailable("the same documents are being written by others without end")

    async def tell_decisions(self, rows: Sequence[dict[str, Any]]) -> None:
        """Keep what was decided about what somebody looks at closely, and say it; mostly there is none."""
        if rows:
            for row in await self.log.append(rows):
                self._on_decision(row)

    async def owners(self, kind: Kind, record_ids: Sequence[str]) -> dict[str, list[str]]:
        """The ids of the documents whose record this is now, by record id; but for those that the platform deleted."""
        if not record_ids:
            return {}
        linked = await self._documents.read_linked(kind.collection, record_ids)
        return {
            record_id: [
                document["_id"]
                for document in documents
                if (state := load(document, document["_id"], kind)).record
                and state.record.record_id == record_id
                and not state.deleted
            ]
            for record_id, documents in linked.items()
        }

    async def matching(self, kind: Kind, path: str, texts: Sequence[str]) -> list[DocumentState]:
        """The documents whose path shows one of these texts, in whatever case."""
        found = await self._documents.matching(kind.collection, path, sorted(set(texts))) if texts else []
        return [self.decided(kind, document["_id"], document) for document in found]

    async def claim(self, kind: Kind, wanted: Mapping[str, str]) -> dict[str, str]:
        """Give each of these records to a document where it is no other's; whose they are, by record id."""
        return await self._documents.claim(kind.collection, wanted)

    async def linked_states(self, kind: Kind, record_ids: Sequence[str]) -> dict[str, list[DocumentState]]:
        """The documents whose record this is now or was before, or is and is gone, by record id."""
        linked = await self._documents.read_linked(kind.collection, record_ids)
        return {
            record_id: [self.decided(kind, document["_id"], document) for document in documents]
            for record_id, documents in linked.items()
        }

    def end_unread(self, kind: Kind, state: DocumentState) -> None:
        """Before another record takes the place of one that has gone unread: what others had set in it counts
        (rule 23)."""
        if state.link is not None:
            now = self.now()
            event = f"gone:{state.link.record_id}:{state.next_revision}"
            end_unread(state, kind, Occasion(event, now, now + self.timing.visible_after))

    def places_on(self, kind: Kind) -> list[Place]:
        """The objects in which the kind's records are looked for: those that are not switched off."""
        return [place for place in kind.places() if place.sobject not in self._off()]

    def depth(self, kind: Kind) -> int:
        """How deep the kind lies below its parents."""
        return depths(self._kinds())[kind.name]

    def kinds(self) -> Mapping[str, Kind]:
        """All kinds of the mapping in force."""
        return self._kinds()

    def kind(self, name: str) -> Kind:
        """A kind of the mapping in force."""
        return self._kinds()[name]

    def parent_kinds(self) -> frozenset[str]:
        """The kinds that lookups name."""
        return parent_kinds(self._kinds())

    async def parents_by_record(self, ids: Ids) -> Parents:
        """The documents that are of these records, or were before."""
        parents = Parents()
        for name, record_ids in ids.items():
            kind = self._kinds()[name]
            for documents in (await self._documents.read_linked(kind.collection, sorted(record_ids))).values():
                parents.add(name, [load(document, document["_id"], kind) for document in documents])
        return parents

    async def parents_by_document(self, ids: Ids) -> Parents:
        """These documents, with the records that they have."""
        parents = Parents()
        for name, document_ids in ids.items():
            kind, states = self._kinds()[name], dict[str, DocumentState]()
            wanted = document_ids
            for _merge in range(MERGES_FOLLOWED):
                found = await self._documents.read(kind.collection, sorted(wanted))
                states |= {document_id: load(document, document_id, kind) for document_id, document in found.items()}
                wanted = {into for each in states.values() if (into := merged_into(each)) and into not in states}
                if not wanted:
                    break
            parents.add(name, states.values())
        return parents

    async def defer(self, visits: Sequence[Visit], code: str, why: str) -> None:
        """Salesforce is away: look again later. Nobody's try is used up."""
        await self.put_off(visits, code, until=self.now() + self.retry.org_wait, why=why)

    async def put_off(self, visits: Sequence[Visit], code: str, *, until: int, why: str) -> None:
        """Look again at `until`, epoch milliseconds."""
        for some in parts(visits):
            there = await self.take_up(some)
            for visit in there:
                wait(visit.state, code, until=until)
                visit.result = Result(Outcome.DEFERRED, why)
            await self.save(there)
            put_down(there)

    async def _save(self, kind: Kind, visits: Sequence[Visit]) -> set[str]:
        now = self.now()
        writes = []
        for visit in visits:
            give_up_unanswered(visit.state, kind, self.timing, now=now)
            forget_old_writes(visit.state, now=now)
            mark_totals(visit.state, kind)
            due = due_at(visit.state, kind, self.timing, now=now)
            writes.append(
                document_write(
                    visit.state,
                    kind,
                    now=now,
                    due=due,
                    ring_again=self.timing.ring_again,
                    decision=uuid.uuid4().hex,
                    tells=self._tellings is not None,
                )
            )
        links = {visit.id: row for visit in visits if (row := link_row(visit.state, at=now)) is not None}
        seen = {visit.id: rows for visit in visits if (rows := seen_first(visit.state, at=now))}
        named_anew = {visit.id for visit in visits if may_be_named_anew(visit.state, visit.document)}
        try:
            lost = await self._documents.write(kind.collection, writes)
        except DocumentsRefused as error:
            lost = await self._set_aside(kind, visits, error)
        for visit, write in zip(visits, writes, strict=True):
            # What is drained below is still among what was written.
            visit.just_saved = visit.document is not None and visit.id not in lost and not _holds_rows(visit.state)
            if visit.just_saved and visit.document is not None:
                visit.document = updated(visit.document, write.set, write.unset)
        await self._wake(kind, [visit.state for visit in visits if visit.id in named_anew - lost])
        befell = [row for document_id, row in links.items() if document_id not in lost]
        befell += [row for document_id, rows in seen.items() if document_id not in lost for row in rows]
        audited = [visit.state for visit in visits if visit.id not in lost and visit.state.audit]
        await self._drain(kind, audited, befell)
        if self._tellings is not None:
            told = [(kind, visit.state) for visit in visits if visit.id not in lost and visit.state.told]
            await tell_all(self._documents, self._tellings, told)
        return lost

    async def _wake(self, kind: Kind, parents: Sequence[DocumentState]) -> None:
        """What waits for the records of these is due at once: the sweep's next round rings for it.

        A child that is noting this moment that it waits looks again soon by itself. One that a crash just here leaves
        asleep waits at most as long again as it had.
        """
        if parents:
            for child, rule, values in children_of(self._kinds(), kind.name, parents):
                await self._documents.wake(child.collection, rule.name, values, self.now())

    async def _set_aside(self, kind: Kind, visits: Sequence[Visit], error: DocumentsRefused) -> set[str]:
        """What the store will not write cannot be decided upon: a person is told, and the sweep asks tomorrow."""
        due: dict[str, int] = {}
        for visit in visits:
            if (why := error.refused.get(visit.id)) is None:
                continue
            visit.refused = why
            visit.result = Result(Outcome.PARKED, DOCUMENT_REFUSED)
            if visit.state.stored_due_at is not None:
                due[visit.id] = visit.state.stored_due_at
        await self._documents.postpone(kind.collection, due, self.now() + self.retry.longest)
        return {*error.lost, *error.refused}

    async def _drain(self, kind: Kind, states: Sequence[DocumentState], befell: Sequence[dict[str, Any]]) -> None:
        """Audit rows are safe in their documents: now they go to the log and out of the documents, others with them."""
        if not states and not befell:
            return
        rows = [row for state in states for row in state.audit]
        for row in await self.log.append([*befell, *rows]):
            if row["type"] == "audit":  # and not in the log yet: another may have drained it meanwhile
                self._on_conflict(row)
        await self._documents.clear_audit(
            kind.collection, {state.id: [row["_id"] for row in state.audit] for state in states}
        )


def _holds_rows(state: DocumentState) -> bool:
    """What was written holds rows that are taken out of it again at once."""
    return bool(state.audit or state.told)
