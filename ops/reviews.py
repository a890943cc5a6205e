"""Conflicts that wait for a person: the queue, and what is done when somebody has chosen."""

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from consumers.catalog import Catalog
from consumers.ports import Document, Documents, SyncLog
from consumers.reconciler.derive import Deriver
from consumers.rules import review
from consumers.rules.audit import Occasion
from consumers.rules.kinds import FieldRule, Kind
from consumers.rules.retry import RetryPolicy
from consumers.rules.review import OpenReview
from consumers.rules.state import DocumentState, Side
from consumers.rules.stored import load
from consumers.rules.timing import Timing
from consumers.rules.writes import due_at, due_values
from consumers.writer.desk import Desk
from consumers.writer.totals import Totals
from consumers.writer.visit import Visit
from schemas.unavailable import Unavailable

LIMIT: Final = 50


class CannotChoose(Exception):
    """Why nothing was done, in one line that holds no value of a field."""


class ReviewedDocuments(Documents, Protocol):
    """Documents that can be searched for those in question."""

    def in_review(self, collection: str, field: str = "", most: int = 0) -> AsyncIterator[Document]:
        """Documents with a conflict that waits for a person, in this Salesforce field if given; in no order.

        With `most` no more than so many of them.
        """


@dataclass(frozen=True, slots=True)
class Question:
    """One conflict that waits for a person. `since` is epoch milliseconds; the values are personal data."""

    kind: str
    id: str
    path: str
    field: str
    """The Salesforce field."""
    sobject: str
    record: str
    """The record's id; empty where none is linked."""
    platform: Any
    salesforce: Any
    shown: Side
    """Whose value the document shows meanwhile."""
    since: int

    def value(self, side: Side) -> Any:
        """What this side would have."""
        return self.platform if side is Side.PLATFORM else self.salesforce


@dataclass(frozen=True, slots=True)
class Queue:
    """The oldest questions, and how many there are in all."""

    questions: list[Question]
    count: int
    more: bool = False
    """There are more than were looked at: the oldest of all may be among those, and `count` is at least so many."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A settled question, and what follows in Salesforce."""

    question: Question
    side: Side
    differs: bool
    """Salesforce is expected to hold another value."""
    due: int | None
    """When the writer looks at the document, epoch milliseconds; None where it has no reason to, or may not."""
    at: int
    """When it was settled, epoch milliseconds."""


class Reviews:
    """The queue and the choice, for whoever shows them. `now` gives epoch milliseconds."""

    def __init__(
        self,
        *,
        documents: ReviewedDocuments,
        log: SyncLog,
        catalog: Callable[[], Catalog],
        now: Callable[[], int],
        timing: Timing | None = None,
        on_conflict: Callable[[dict[str, Any]], None] = lambda _row: None,
    ) -> None:
        self._documents = documents
        self._catalog = catalog
        # Nobody rings here: what is due at once is due in the document at once, and the sweep's next round rings.
        self._timing = replace(timing or Timing(), ring_again=0)
        self._desk = Desk(
            documents=documents,
            log=log,
            now=now,
            timing=self._timing,
            retry=RetryPolicy(),
            on_conflict=on_conflict,
            kinds=lambda: catalog().kinds,
        )
        self._totals = Totals(catalog, self._desk, Deriver(documents, self._timing, now))

    async def waiting(self, kind_name: str = "", path: str = "", limit: int = LIMIT, most: int = 0) -> Queue:
        """The oldest questions, of one kind or one platform path where these are given.

        With `most` so many documents of each kind are looked at, and no more.

        Raises:
            CannotChoose: there is no such kind or path in the mapping.
            Unavailable: MongoDB does not answer.
        """
        kinds = [self._kind(kind_name)] if kind_name else list(self._catalog().kinds.values())
        if path and not any(path in kind.by_path for kind in kinds):
            known = ", ".join(dict.fromkeys(known for kind in kinds for known in kind.by_path))
            raise CannotChoose(f'"{path}" is no mapped path of {kind_name or "any kind"}; there are: {known}')
        found: list[Question] = []
        more = False
        for kind in kinds:
            if not path or path in kind.by_path:
                questions, looked = await self._of_kind(kind, kind.by_path.get(path), most)
                found += questions
                more |= bool(most) and looked == most
        found.sort(key=lambda question: (question.since, question.kind, question.id, question.path))
        return Queue(found[:limit], len(found), more)

    async def question(self, kind_name: str, document_id: str, path: str) -> Question:
        """The question that is open there.

        Raises:
            CannotChoose: there is no such kind, path or document, or no question is open there.
            Unavailable: MongoDB does not answer.
        """
        kind = self._kind(kind_name)
        rule = _rule(kind, path)
        there = await self._desk.look([Visit(kind, document_id)])
        if not there:
            raise _no_document(kind, document_id)
        state = there[0].state
        return _question(state, kind, _open(state, kind, rule))

    async def choose(self, asked: Question, side: Side, *, who: str, why: str = "") -> Chosen:
        """Settle a question as a person says who was shown `asked`, with its audit row, in one guarded update.

        What others change of the document meanwhile stays; where it is the values in question, nothing is done.

        Raises:
            CannotChoose: the document is gone, the question has ended, or is about other values than were shown.
            Unavailable: MongoDB does not answer. The choice may have been stored: asking for the question tells.
        """
        kind = self._kind(asked.kind)
        rule = _rule(kind, asked.path)
        event = f"choice:{uuid.uuid4().hex}"
        note = f"by {who}: {why}" if why else f"by {who}"
        chosen: list[Chosen] = []

        def decide(visit: Visit, now: int) -> None:
            state = visit.state
            if not _same_values(_open(state, kind, rule), asked):
                raise CannotChoose(
                    f"{rule.dotted} of {kind.name} {state.id} is now about other values than those that were shown; "
                    "nothing was changed: look again"
                )
            occasion = Occasion(event, now, now + self._timing.visible_after)
            review.choose(state, state.field(rule.name), rule, side, occasion, note)
            due = due_at(state, kind, self._timing, now=now) if rule.pushes else None
            chosen[:] = [Chosen(asked, side, _differs(state, kind, rule), due, now)]

        visit = Visit(kind, asked.id)
        await self._desk.settle([visit], decide)
        if visit.found is None:
            raise _no_document(kind, asked.id)
        if visit.refused:
            raise CannotChoose(f"MongoDB will not store {kind.name} {asked.id}: {visit.refused}; nothing was changed")
        with suppress(Unavailable):  # it is stored; the sweep has the totals taken that are marked in the document
            await self._totals.take([visit])
        return chosen[0]

    async def _of_kind(self, kind: Kind, only: FieldRule | None, most: int) -> tuple[list[Question], int]:
        """The questions of one kind, and in how many documents."""
        questions: list[Question] = []
        looked = 0
        async for document in self._documents.in_review(kind.collection, only.name if only else "", most):
            looked += 1
            state = load(document, document["_id"], kind)
            for name in document["_sync"]["reviews"]:
                rule = kind.by_name.get(name)
                if rule is None or (only is not None and rule is not only):
                    continue
                found = review.open_review(state, rule)
                if found is not None:
                    questions.append(_question(state, kind, found))
        return questions, looked

    def _kind(self, name: str) -> Kind:
        kinds = self._catalog().kinds
        if name not in kinds:
            raise CannotChoose(f'"{name}" is no kind of the mapping; there are: {", ".join(kinds)}')
        return kinds[name]


def _rule(kind: Kind, path: str) -> FieldRule:
    if path not in kind.by_path:
        raise CannotChoose(f'"{path}" is no mapped path of {kind.name}; there are: {", ".join(kind.by_path)}')
    return kind.by_path[path]


def _no_document(kind: Kind, document_id: str) -> CannotChoose:
    return CannotChoose(f"there is no {kind.name} {document_id} in {kind.collection}")


def _open(state: DocumentState, kind: Kind, rule: FieldRule) -> OpenReview:
    found = review.open_review(state, rule)
    if found is not None:
        return found
    others = [other.rule.dotted for other in review.open_reviews(state, kind)]
    elsewhere = f"; in this document one is open on: {', '.join(others)}" if others else ""
    raise CannotChoose(f"no question is open on {rule.dotted} of {kind.name} {state.id}{elsewhere}")


def _differs(state: DocumentState, kind: Kind, rule: FieldRule) -> bool:
    if rule.pushes:
        return rule.name in due_values(state, kind)
    field = state.field(rule.name)
    return not rule.same(field.value, field.salesforce.value if field.salesforce is not None else None)


def _same_values(found: OpenReview, asked: Question) -> bool:
    """To the letter: whoever chose may have chosen for the spelling."""
    one, other = (found.platform, found.salesforce), (asked.platform, asked.salesforce)
    return one == other and [*map(type, one)] == [*map(type, other)]


def _question(state: DocumentState, kind: Kind, found: OpenReview) -> Question:
    return Question(
        kind=kind.name,
        id=state.id,
        path=found.rule.dotted,
        field=found.rule.name,
        sobject=kind.place_of(state.link.record_id if state.link else "").sobject,
        record=state.link.record_id if state.link else "",
        platform=found.platform,
        salesforce=found.salesforce,
        shown=found.shown,
        since=found.since,
    )
