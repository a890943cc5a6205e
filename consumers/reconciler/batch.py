"""One batch decided in memory: documents as they were read, facts applied in order, writes that follow. No I/O."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from consumers.catalog import Catalog
from consumers.ports import Document
from consumers.reconciler.incoming import ChangeFact, PlatformFact
from consumers.rules.audit import Occasion
from consumers.rules.kinds import Kind
from consumers.rules.platform import assert_platform
from consumers.rules.salesforce import apply_change
from consumers.rules.state import DocumentState
from consumers.rules.stored import load, narrow, value_at
from consumers.rules.timing import Timing
from consumers.rules.versions import bring_up
from consumers.rules.writes import due_at, forget_old_writes, give_up_unanswered
from schemas.change import Change, ChangeType
from schemas.mapping import Unlinked
from schemas.outcome import Outcome, Result
from schemas.storage import DocumentWrite

Fact = PlatformFact | ChangeFact

NAMES_NO_RECORD = "gap_names_no_record"
"""Why an overflow or wildcard event is parked."""
NEAREST_BELL = 5
"""The part of `ring_again` that a doorbell has to be answered before the sweep's comes."""


@dataclass(slots=True)
class Touched:
    """One document of the batch."""

    state: DocumentState
    kind: Kind
    changed: bool = False
    due: int | None = None
    """When the writer should look at it, once that is known: where it was changed, from `Batch.writes` on."""
    facts: list[int] = field(default_factory=list)
    """Places in the batch of the facts that spoke of it."""


@dataclass(slots=True)
class Batch:
    """Decides facts about documents already read. `results` has one end for each fact, in their order."""

    catalog: Catalog
    timing: Timing
    now: int
    new_decision: Callable[[], str]
    documents: dict[tuple[str, str], Touched] = field(default_factory=dict)
    linked: dict[tuple[str, str], list[tuple[str, str]]] = field(default_factory=dict)
    """Documents by sObject kind and record id."""
    results: dict[int, Result] = field(default_factory=dict)
    unlinked: set[tuple[str, str]] = field(default_factory=set)
    """Kind and record id of the records that belong to no document and are to be looked at."""

    def add(self, kind: Kind, documents: Mapping[str, Document]) -> None:
        """Take in documents that were read."""
        for document_id, document in documents.items():
            self._touch(kind, document_id, document)

    def add_linked(self, kind: Kind, documents: Mapping[str, Sequence[Document]]) -> None:
        """Take in documents that were read by their link."""
        for record_id, found in documents.items():
            for document in found:
                self._touch(kind, document["_id"], document)
                self.linked.setdefault((kind.name, record_id), []).append((kind.name, document["_id"]))

    def decide(self, facts: Iterable[tuple[int, Fact]]) -> None:
        """Apply facts in order. An index names each fact's place in the batch."""
        for index, fact in facts:
            match fact:
                case PlatformFact():
                    self.results[index] = self._platform(index, fact)
                case ChangeFact():
                    self.results[index] = self._change(index, fact)

    def writes(self) -> dict[str, list[DocumentWrite]]:
        """The guarded updates that follow, by collection."""
        by_collection: dict[str, list[DocumentWrite]] = {}
        for touched in self.documents.values():
            if touched.changed:
                by_collection.setdefault(touched.kind.collection, []).append(self._write(touched))
        return by_collection

    def due(self) -> list[tuple[Kind, DocumentState]]:
        """Documents that the writer should look at now, whatever became of their records. Asked for after `writes`."""
        return [
            (touched.kind, touched.state)
            for touched in self.documents.values()
            if touched.facts and (touched.due if touched.changed else self._due_at(touched)) == self.now
        ]

    def _touch(self, kind: Kind, document_id: str, document: Document | None) -> Touched:
        key = (kind.name, document_id)
        touched = self.documents.get(key)
        if touched is None:
            state = load(document, document_id, kind)
            if document is not None and state.mapping != kind.version:
                bring_up(state, kind, self._occasion(mapping_name(kind)), partial(value_at, document))
            touched = self.documents[key] = Touched(state, kind)
        return touched

    def _platform(self, index: int, fact: PlatformFact) -> Result:
        touched = self._touch(fact.kind, fact.document_id, None)
        result = assert_platform(touched.state, fact.assertion, fact.kind, self._occasion(fact.assertion.event_id))
        self._note(touched, index, result)
        return result

    def _change(self, index: int, fact: ChangeFact) -> Result:
        change = fact.change
        if change.names_no_record:
            return Result(Outcome.PARKED, NAMES_NO_RECORD)
        results: list[Result] = []
        unlinked: list[Kind] = []
        for kind in fact.kinds:
            if (kind.name, change.record_id) not in self.linked:
                unlinked.append(kind)
            for key in self.linked.get((kind.name, change.record_id), ()):
                touched = self.documents[key]
                result = apply_change(touched.state, change, kind, self._occasion(commit_name(change)))
                self._note(touched, index, result)
                results.append(result)
        unheard = self._unlinked(change, fact.kinds, unlinked)
        if not results:
            return unheard
        return next((result for result in results if result.outcome is Outcome.APPLIED), results[0])

    def _unlinked(self, change: Change, kinds: Sequence[Kind], unlinked: Sequence[Kind]) -> Result:
        """A record without a document of some kinds: the writer looks whether it should have one (`on_unlinked`).

        What names a write of ours, of whichever kind, is linked as soon as that write is answered.
        """
        ours = any(change.fields.get(kind.token) for kind in kinds)
        wanting = [kind for kind in unlinked if kind.on_unlinked is not Unlinked.IGNORE and not ours]
        if not wanting or change.type in (ChangeType.DELETE, ChangeType.GAP_DELETE):
            return Result(Outcome.IGNORED, "rule 19: the record is not linked")
        self.unlinked |= {(kind.name, change.record_id) for kind in wanting}
        return Result(Outcome.APPLIED, "on_unlinked: the writer looks at the record")

    def _note(self, touched: Touched, index: int, result: Result) -> None:
        touched.facts.append(index)
        touched.changed = touched.changed or result.outcome in (Outcome.APPLIED, Outcome.ECHO)

    def _occasion(self, event: str) -> Occasion:
        return Occasion(event, self.now, self.now + self.timing.visible_after)

    def _due_at(self, touched: Touched) -> int | None:
        return due_at(touched.state, touched.kind, self.timing, now=self.now)

    def _write(self, touched: Touched) -> DocumentWrite:
        state = touched.state
        give_up_unanswered(state, touched.kind, self.timing, now=self.now)
        forget_old_writes(state, now=self.now)
        touched.due = self._due_at(touched)
        return document_write(
            state,
            touched.kind,
            now=self.now,
            due=touched.due,
            ring_again=self.timing.ring_again,
            decision=self.new_decision(),
        )


def document_write(
    state: DocumentState, kind: Kind, *, now: int, due: int | None, ring_again: int, decision: str
) -> DocumentWrite:
    """The guarded update of one decided document. What is due at once has its doorbell, and the sweep's as a second.

    A second bell that is near enough is left where it is: to move it costs MongoDB a fifth of the update.
    """
    later, stands = due, False
    if due is not None and due <= now:
        later, stands = now + ring_again, _is_near(state.stored_due_at, now=now, ring_again=ring_again)
    changes, gone = narrow(state, kind, now=now, due_at=later, decision=decision, due_stands=stands)
    return DocumentWrite(id=state.id, revision=state.revision, decision=decision, set=changes, unset=gone)


def _is_near(bell: int | None, *, now: int, ring_again: int) -> bool:
    """True where a second bell comes no later than one set now would, and not before the first can be answered."""
    return bell is not None and now + ring_again // NEAREST_BELL < bell <= now + ring_again


def mapping_name(kind: Kind) -> str:
    """Names a version of the mapping in audit rows."""
    return f"mapping:{kind.version}"


def commit_name(change: Change) -> str:
    """Names a change in audit rows: record and commit."""
    timestamp, number, sequence = change.position
    return f"{change.record_id}@{timestamp}.{number}.{sequence}"
