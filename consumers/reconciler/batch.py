"""One batch decided in memory: documents as they were read, facts applied in order, writes that follow. No I/O."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from consumers.catalog import Catalog
from consumers.ports import Document
from consumers.reconciler.incoming import ChangeFact, PlatformFact
from consumers.rules.audit import Occasion
from consumers.rules.closely import look, of_record
from consumers.rules.derived import is_underived, owners
from consumers.rules.enrichment import first_look, verify
from consumers.rules.filters import unasked
from consumers.rules.kept_writes import forget_old_writes
from consumers.rules.kinds import Kind
from consumers.rules.lookups import Parents
from consumers.rules.platform import assert_platform
from consumers.rules.redrive import after_redrive
from consumers.rules.salesforce import apply_change
from consumers.rules.state import DocumentState
from consumers.rules.stored import load, narrow, value_at
from consumers.rules.telling import telling
from consumers.rules.timing import Timing
from consumers.rules.versions import bring_up
from consumers.rules.writes import due_at, give_up_unanswered
from schemas.change import Change, ChangeType
from schemas.debugging import NOTHING_DEBUGGED, Debugged
from schemas.mapping import Unlinked
from schemas.outcome import Outcome, Result
from schemas.storage import DocumentWrite

Fact = PlatformFact | ChangeFact

NAMES_NO_RECORD = "an event named no record: the whole object is compared"
NEAREST_BELL = 5
"""The part of `ring_again` that a doorbell has to be answered before the sweep's comes."""
FIRST_LOOK_MS = 10_000
"""How long after somebody has registered whoever finds them not looked up begins to."""
FRESH_SECONDS = 1.0
"""The least that a decision may take into its document: less is a store as it is, and no stall."""


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
    shows: bool = False
    """It may show a value of Salesforce's from now on."""
    decisions: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """How facts were decided, by their places, where somebody looks closely (`consumers.rules.closely`)."""


@dataclass(slots=True)
class Batch:
    """Decides facts about documents already read. `results` has one end for each fact, in their order.

    What comes from Salesforce counts as seen after `patience` times the usual time. With `decided_at`, seconds of the
    monotonic clock, it must be in the document when half of that is over (a second at least), or it is decided again:
    whoever edits later would count as having seen what was not there yet.
    """

    catalog: Catalog
    timing: Timing
    now: int
    new_decision: Callable[[], str]
    patience: int = 1
    decided_at: float | None = None
    documents: dict[tuple[str, str], Touched] = field(default_factory=dict)
    linked: dict[tuple[str, str], list[tuple[str, str]]] = field(default_factory=dict)
    """Documents by sObject kind and record id."""
    results: dict[int, Result] = field(default_factory=dict)
    parents: Parents = field(default_factory=Parents)
    """The documents that lookups of the batch's changes name."""
    owners: dict[tuple[str, str], int] = field(default_factory=dict)
    """Documents to be derived anew (rule 28), and the place of a fact that is the reason."""
    tells: bool = False
    """Whether the platform is told of what Salesforce changes."""
    unlinked: set[tuple[str, str]] = field(default_factory=set)
    """Kind and record id of the records that belong to no document and are to be looked at."""
    debugged: Debugged = NOTHING_DEBUGGED
    """What is looked at closely: how each fact about it was decided is told."""
    stray_decisions: dict[int, dict[str, Any]] = field(default_factory=dict)
    """The same of records that belong to no document, by the facts' places."""

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

    def decisions(self) -> list[tuple[int, dict[str, Any]]]:
        """How facts about what is looked at closely were decided, and what was written. Asked for after `writes`."""
        told = list(self.stray_decisions.items())
        for touched in self.documents.values():
            for place, row in touched.decisions:
                written = {"revision": touched.state.next_revision, "due_at": touched.due} if touched.changed else {}
                told.append((place, row | written))
        return told

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
        was_unasked = fact.kind.enrichment is not None and unasked(touched.state, fact.kind)
        closely = look(self.debugged, touched.state, fact.kind, now=self.now)
        result = assert_platform(touched.state, fact.assertion, fact.kind, self._occasion(fact.assertion.event_id))
        self._note(touched, index, result)
        if closely is not None:
            touched.decisions.append((index, closely.event(fact.assertion, result)))
        if fact.verifies and result.outcome is not Outcome.STALE and verify(touched.state, fact.kind):
            touched.changed = True
        if (fact.registers or was_unasked) and result.outcome is Outcome.APPLIED:
            # Who registers by the API is in the log first and looked up at once: that has its time to begin.
            touched.changed |= first_look(touched.state, fact.kind, due=self.now + FIRST_LOOK_MS)
        return result

    def _change(self, index: int, fact: ChangeFact) -> Result:
        change = fact.change
        if change.names_no_record:
            return Result(Outcome.APPLIED, NAMES_NO_RECORD)
        results: list[Result] = []
        unlinked: list[Kind] = []
        for kind in fact.kinds:
            if (kind.name, change.record_id) not in self.linked:
                unlinked.append(kind)
                continue
            told = self._translated(kind, change)
            for key in self.linked.get((kind.name, change.record_id), ()):
                touched = self.documents[key]
                closely = look(self.debugged, touched.state, kind, now=self.now)
                result = apply_change(touched.state, told, kind, self._occasion(commit_name(change)))
                if fact.redriven:
                    result = after_redrive(touched.state, result)
                self._note(touched, index, result)
                if closely is not None:
                    touched.decisions.append((index, closely.change(told, commit_name(change), result)))
                touched.shows = touched.shows or result.outcome is Outcome.APPLIED
                results.append(result)
        unheard = self._unlinked(change, fact.kinds, unlinked)
        if not results:
            if self.debugged.record(change.record_id, now=self.now) is not None:
                row = of_record(change.record_id, "change", commit_name(change), unheard, self.now)
                self.stray_decisions[index] = row
            return unheard
        return next((result for result in results if result.outcome is Outcome.APPLIED), results[0])

    def _translated(self, kind: Kind, change: Change) -> Change:
        """By the kind's names, and with the ids of documents in its lookups, instead of those of their records."""
        change = kind.told(change)
        values = self.parents.incoming(kind, change.fields)
        return change if values is change.fields else change.model_copy(update={"fields": values})

    def _unlinked(self, change: Change, kinds: Sequence[Kind], unlinked: Sequence[Kind]) -> Result:
        """A record without a document of some kinds: the writer looks whether it should have one (`on_unlinked`).

        What names a write of ours, of whichever kind, is linked as soon as that write is answered.
        """
        ours = any(kind.told(change).fields.get(kind.token) for kind in kinds)
        wanting = [kind for kind in unlinked if kind.on_unlinked is not Unlinked.IGNORE and not ours]
        if not wanting or change.type in (ChangeType.DELETE, ChangeType.GAP_DELETE):
            return Result(Outcome.IGNORED, "rule 19: the record is not linked")
        self.unlinked |= {(kind.name, change.record_id) for kind in wanting}
        return Result(Outcome.APPLIED, "on_unlinked: the writer looks at the record")

    def _note(self, touched: Touched, index: int, result: Result) -> None:
        for kind, rule in self.catalog.dependants.get(touched.kind.name, ()):
            self.owners |= {(kind.name, owner): index for owner in owners(touched.state, rule)}
        if touched.kind.derived and (touched.state.underived or is_underived(touched.state, touched.kind)):
            self.owners[touched.kind.name, touched.state.id] = index
        touched.facts.append(index)
        touched.changed = touched.changed or result.outcome in (Outcome.APPLIED, Outcome.ECHO)

    def _occasion(self, event: str) -> Occasion:
        return Occasion(event, self.now, self.now + self._seen_after)

    @property
    def _seen_after(self) -> int:
        return self.timing.visible_after * self.patience

    def _fresh_until(self, touched: Touched) -> float | None:
        if self.decided_at is None or not touched.shows or not self._seen_after:
            return None
        return self.decided_at + max(self._seen_after / 2 / 1000, FRESH_SECONDS)

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
            fresh_until=self._fresh_until(touched),
            tells=self.tells,
        )


def document_write(
    state: DocumentState,
    kind: Kind,
    *,
    now: int,
    due: int | None,
    ring_again: int,
    decision: str,
    fresh_until: float | None = None,
    tells: bool = False,
) -> DocumentWrite:
    """The guarded update of one decided document. What is due at once has its doorbell, and the sweep's as a second.

    A second bell that is near enough is left where it is: to move it costs MongoDB a fifth of the update. With `tells`
    it carries what the platform is told of it.
    """
    if tells and (row := telling(state, kind, now=now)) is not None:
        state.told.append(row)
    if state.underived or state.uncounted:
        due = now  # whoever stores it takes the totals next; if that never happens, whom the sweep rings for does
    later, stands = due, False
    if due is not None and due <= now:
        later, stands = now + ring_again, _is_near(state.stored_due_at, now=now, ring_again=ring_again)
    changes, gone = narrow(state, kind, now=now, due_at=later, decision=decision, due_stands=stands)
    return DocumentWrite(state.id, state.revision, decision, set=changes, unset=gone, fresh_until=fresh_until)


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
