"""What would become of records if they came now: decided as the reconciler decides, and nothing is written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from consumers.catalog import Catalog
from consumers.ports import Documents, ErasedList, Record
from consumers.reconciler.batch import Batch, Fact, Touched
from consumers.reconciler.forget import FORGET, foretold
from consumers.reconciler.incoming import ChangeFact, ErasedFact, Incoming, PlatformFact, Unmapped, Unreadable, read
from consumers.reconciler.reading import read_documents
from consumers.reconciler.reconciler import named_by_key
from consumers.rules.platform import NO_MAPPED_FIELD
from consumers.rules.state import DocumentState
from consumers.rules.timing import Timing
from schemas.change import Told
from schemas.outcome import Outcome, Result

DOCUMENTS_KEPT: Final = 20_000
"""How many decided documents are carried on, so that a record sees what an earlier one would have done."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """How a record would end, and what it speaks of: the kinds, and the document or record where it names one."""

    result: Result
    kinds: tuple[str, ...] = ()
    named: str = ""


class Rehearsal:
    """Decides records in memory, in order, against the documents as they are. `now` gives epoch milliseconds."""

    def __init__(
        self,
        documents: Documents,
        erasures: ErasedList | None,
        catalog: Catalog,
        timing: Timing,
        now: Callable[[], int],
    ) -> None:
        """Without `erasures` nobody can be erased."""
        self._documents = documents
        self._erasures = erasures
        self._asked: set[str] = set()
        self._catalog = catalog
        self._timing = timing
        self._now = now
        self._touched: dict[tuple[str, str], Touched] = {}
        self._linked: dict[tuple[str, str], list[tuple[str, str]]] = {}

    async def decide(self, records: Sequence[Record]) -> list[Rehearsed]:
        """One for each record, in order.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        incoming = [read(record, self._catalog) for record in records]
        forgotten = await foretold(self._erasures, records, incoming, self._catalog, self._asked)
        if len(self._touched) > DOCUMENTS_KEPT:
            self._touched, self._linked = {}, {}
        batch = Batch(
            self._catalog, self._timing, self._now(), lambda: "", documents=self._touched, linked=self._linked
        )
        facts: list[tuple[int, Fact]] = []
        ended: dict[int, Rehearsed] = {}
        for place, record in enumerate(records):
            if place in forgotten.ends:
                ended[place] = _of_erased(incoming[place], forgotten.ends[place])
                continue
            match forgotten.facts.get(place, incoming[place]):
                case Unreadable(reason, detail):
                    kind, named = named_by_key(record, self._catalog)
                    told = Result(Outcome.PARKED, f"{reason}: {detail}")
                    ended[place] = Rehearsed(told, (kind,) if kind else (), named)
                case Unmapped(reason):
                    ended[place] = Rehearsed(Result(Outcome.IGNORED, reason))
                case ErasedFact():
                    raise AssertionError("it asks for an erasure, of which each has an end")
                case PlatformFact() | ChangeFact() as fact:
                    facts.append((place, fact))
        await read_documents(self._documents, batch, facts)
        for place, fact in facts:
            known, covered = self._existence(fact), self._is_covered(fact)
            batch.decide([(place, fact)])
            result = batch.results[place]
            if result == NO_MAPPED_FIELD and known is not None and known == self._existence(fact):
                result = Result(Outcome.DUPLICATE, result.reason)
            if result.outcome is Outcome.APPLIED and covered:
                result = Result(Outcome.DUPLICATE, "rule 25: a row read whole has shown it")
            ended[place] = Rehearsed(result, *_named(fact))
        return [ended[place] for place in range(len(records))]

    def _existence(self, fact: Fact) -> tuple[object, ...] | None:
        """What is known of whether the thing exists, as a value: the rules change it in place."""
        if not isinstance(fact, PlatformFact):
            return None
        touched = self._touched.get((fact.kind.name, fact.document_id))
        known = touched.state.existence if touched is not None else None
        return None if known is None else (known.exists, known.heard, known.events)

    def _is_covered(self, fact: Fact) -> bool:
        """A look at a record only has it read: where that has happened since, it is done."""
        if not isinstance(fact, ChangeFact) or fact.change.told is Told.EVENT:
            return False
        keys = {key for kind in fact.kinds for key in self._linked.get((kind.name, fact.change.record_id), ())}
        states = [self._touched[key].state for key in keys]
        at = fact.change.position.timestamp
        return bool(states) and all(_has_been_looked_at(state, at) for state in states)


def _has_been_looked_at(state: DocumentState, at: int) -> bool:
    """Whether the record was read since, or was found to be gone."""
    link = state.link
    if link is not None and link.gone:
        return at <= max(state.position.timestamp, state.heard_at)
    return state.record is not None and state.record.read and at <= state.row_mark


def _of_erased(fact: Incoming, result: Result) -> Rehearsed:
    """Nobody is named who was erased before."""
    match fact:
        case ErasedFact(kind, document_id, _):
            return Rehearsed(result, (kind.name,), document_id if result == FORGET else "")
        case PlatformFact() | ChangeFact():
            return Rehearsed(result, _named(fact)[0])
        case _:
            return Rehearsed(result)


def _named(fact: Fact) -> tuple[tuple[str, ...], str]:
    match fact:
        case PlatformFact(kind, document_id, _):
            return (kind.name,), document_id
        case ChangeFact(kinds, change):
            return tuple(kind.name for kind in kinds), change.record_id
