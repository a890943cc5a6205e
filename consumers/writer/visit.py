"""A document that a doorbell named, while the writer looks at it; and the desk where visits are read and stored."""

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from consumers.ports import Document, Documents, DocumentsRefused, SyncLog, Unavailable
from consumers.reconciler.batch import document_write, mapping_name
from consumers.reconciler.reconciler import DOCUMENT_REFUSED
from consumers.rules.audit import Occasion
from consumers.rules.kinds import Kind
from consumers.rules.retry import RetryPolicy
from consumers.rules.state import DocumentState
from consumers.rules.stored import load, value_at
from consumers.rules.timing import Timing
from consumers.rules.versions import DecidedByNewerMapping, bring_up
from consumers.rules.writes import due_at, forget_old_writes, give_up_unanswered, wait
from schemas.outcome import Outcome, Result

TRIES_TO_SAVE = 50
NOTHING_DUE = Result(Outcome.IGNORED, "nothing is due")
NO_DOCUMENT = Result(Outcome.IGNORED, "there is no such document")
"""We remove none, but an operator can, at any moment: between two of the writer's reads too."""


@dataclass(slots=True)
class Visit:
    """One document and the doorbells that named it, by their place in the batch."""

    kind: Kind
    id: str
    bells: list[int] = field(default_factory=list)
    found: DocumentState | None = None
    result: Result = NOTHING_DUE
    refused: str = ""
    """Why the store will not write the document, where it will not."""

    @property
    def state(self) -> DocumentState:
        """What is known of the document, as it was last read and decided."""
        if self.found is None:
            raise AssertionError("asked for the state of a document that is not there")
        return self.found

    @property
    def record_id(self) -> str:
        """The linked record."""
        if self.state.link is None:
            raise AssertionError("asked for the record of a document that is not linked")
        return self.state.link.record_id

    @property
    def claimed(self) -> bool:
        """The linked record holds our external id."""
        return self.state.link is None or self.state.link.claimed


def by_kind(visits: Iterable[Visit]) -> list[tuple[Kind, list[Visit]]]:
    """Visits of each kind, in order."""
    groups: dict[str, tuple[Kind, list[Visit]]] = {}
    for visit in visits:
        groups.setdefault(visit.kind.name, (visit.kind, []))[1].append(visit)
    return list(groups.values())


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
    ) -> None:
        self._documents = documents
        self._on_conflict = on_conflict
        self.log = log
        self.now = now
        self.timing = timing
        self.retry = retry

    async def look(self, visits: Iterable[Visit], ahead: list[Visit] | None = None) -> list[Visit]:
        """Read the documents as they are now; the visits of those that are there. The others have ended.

        Raises:
            DecidedByNewerMapping: this process has still to take the mapping up; unless `ahead` takes those documents.
        """
        there: list[Visit] = []
        for kind, group in by_kind(visits):
            found = await self._documents.read(kind.collection, [visit.id for visit in group])
            for visit in group:
                document = found.get(visit.id)
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
            lost |= await self._save(kind, group)
        return lost

    async def settle(self, visits: Sequence[Visit], decide: Callable[[Visit, int], None]) -> None:
        """Store what `decide(visit, now)` makes of each document, however often others change them meanwhile.

        Raises:
            DecidedByNewerMapping: this process has still to take the mapping up for some; all others are stored.
            Unavailable: others change the same documents without end.
        """
        waiting, ahead = visits, list[Visit]()
        for _try in range(TRIES_TO_SAVE):
            there = await self.look(waiting, ahead)
            now = self.now()
            for visit in there:
                decide(visit, now)
            lost = await self.save(there)
            waiting = [visit for visit in there if visit.id in lost and not visit.refused]
            if not waiting:
                break
        if ahead:
            raise DecidedByNewerMapping(f"{len(ahead)} documents were decided by a newer version of the mapping")
        if waiting:
            raise Unavailable("the same documents are being written by others without end")

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

    async def linked_states(self, kind: Kind, record_ids: Sequence[str]) -> dict[str, list[DocumentState]]:
        """The documents whose record this is now or was before, or is and is gone, by record id."""
        linked = await self._documents.read_linked(kind.collection, record_ids)
        return {
            record_id: [self.decided(kind, document["_id"], document) for document in documents]
            for record_id, documents in linked.items()
        }

    async def defer(self, visits: Sequence[Visit], code: str, why: str) -> None:
        """Salesforce is away: look again later. Nobody's try is used up."""
        for visit in visits:
            wait(visit.state, code, until=self.now() + self.retry.org_wait)
            visit.result = Result(Outcome.DEFERRED, why)
        await self.save(visits)

    async def _save(self, kind: Kind, visits: Sequence[Visit]) -> set[str]:
        now = self.now()
        writes = []
        for visit in visits:
            give_up_unanswered(visit.state, kind, self.timing, now=now)
            forget_old_writes(visit.state, now=now)
            due = due_at(visit.state, kind, self.timing, now=now)
            writes.append(
                document_write(
                    visit.state,
                    kind,
                    now=now,
                    due=due,
                    ring_again=self.timing.ring_again,
                    decision=uuid.uuid4().hex,
                )
            )
        try:
            lost = await self._documents.write(kind.collection, writes)
        except DocumentsRefused as error:
            lost = await self._set_aside(kind, visits, error)
        await self._drain(kind, [visit.state for visit in visits if visit.id not in lost and visit.state.audit])
        return lost

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

    async def _drain(self, kind: Kind, states: Sequence[DocumentState]) -> None:
        """Audit rows are safe in their documents: now they go to the log, and out of the documents."""
        if not states:
            return
        rows = [row for state in states for row in state.audit]
        for row in await self.log.append(rows):  # another may have drained some of them meanwhile
            self._on_conflict(row)
        await self._documents.clear_audit(
            kind.collection, {state.id: [row["_id"] for row in state.audit] for state in states}
        )
