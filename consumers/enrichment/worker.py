"""Looks people up for whom nobody waits: in batches, again where Salesforce does not tell, and at last parked.

A handler of `enrichment.requests`. A request is a doorbell: what is to be done stands in the document, so one that
comes twice, late or not at all does no harm. The sweep asks again for every document whose time has come.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from consumers.catalog import Catalog
from consumers.enrichment.gathering import MOST
from consumers.enrichment.guarded import Change, GuardedDocuments
from consumers.enrichment.ports import DueDocuments, People, PeopleCache, Requests
from consumers.ports import Documents, ParkedRecords, Record
from consumers.reconciler.incoming import NEWER_FORMAT
from consumers.reconciler.reconciler import concluded, parked_record
from consumers.rules.enriched import Known
from consumers.rules.enrichment import (
    await_look,
    email_of,
    look_failed,
    made_old,
    names_of,
    no_more_looks,
    queries,
    take_over,
)
from consumers.rules.filters import unasked
from consumers.rules.kinds import Kind
from consumers.rules.retry import GiveUp, RetryPolicy
from consumers.rules.state import DocumentState
from consumers.rules.stored import load
from schemas import marks
from schemas.codec import Undecodable, parse, validated
from schemas.enrichment import EnrichmentRequest
from schemas.outcome import Outcome, Result
from schemas.people import LookFailed, PersonRows
from schemas.registration import CannotStore
from schemas.versions import ENRICHMENT_FORMAT, NewerFormat, check_request

NOBODY_TO_LOOK_UP = "the document is not waiting to be looked up"
NOT_LOOKED_UP = "the mapping looks up nobody of this kind"
LEFT_OUT = "the person is kept out of Salesforce, or has not consented to being looked up"
CHANGED_MEANWHILE = "what was asked for has changed in Salesforce meanwhile"
GATHERED = 1_000
"""So many due documents are asked for at once by the sweep."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One document that is to be looked up."""

    kind: Kind
    id: str
    email: str
    places: tuple[int, ...]
    """Where in the batch it was asked for."""
    old: int = 0
    """What was told before this is no answer."""


class EnrichmentWorker:
    """Satisfies `consumers.runner.ports.Handler`."""

    def __init__(
        self,
        *,
        catalog: Callable[[], Catalog],
        documents: Documents,
        guarded: GuardedDocuments,
        people: People,
        cache: PeopleCache | None,
        parked: ParkedRecords,
        now: Callable[[], int],
        retry: RetryPolicy,
        found_for: int,
        missing_for: int,
        at_once: int = 16,
        on_looked: Callable[[str], None] = lambda _end: None,
    ) -> None:
        """`found_for` and `missing_for` are how long the cache keeps what was told, milliseconds; `at_once` documents
        are stored at the same time."""
        self._catalog = catalog
        self._documents = documents
        self._guarded = guarded
        self._people = people
        self._cache = cache
        self._parked = parked
        self._now = now
        self._retry = retry
        self._found_for = found_for
        self._missing_for = missing_for
        self._room = asyncio.Semaphore(at_once)
        self._on_looked = on_looked

    async def handle(self, records: Sequence[Record]) -> list[Result]:
        """One end for each record, in order.

        Raises:
            Unavailable: MongoDB did not answer; nothing was skipped.
        """
        catalog = self._catalog()
        results: dict[int, Result] = {}
        asked: dict[tuple[str, str], list[int]] = {}
        for place, record in enumerate(records):
            try:
                request = request_of(record)
            except (Undecodable, NewerFormat) as error:
                reason = "undecodable" if isinstance(error, Undecodable) else NEWER_FORMAT
                results[place] = await self._park(record, reason, str(error))
                continue
            kind = catalog.kinds.get(request.kind)
            if kind is None or kind.enrichment is None:
                results[place] = Result(Outcome.IGNORED, NOT_LOOKED_UP)
                continue
            asked.setdefault((kind.name, request.id), []).append(place)
        for name in sorted({name for name, _ in asked}):
            ids = {id_: tuple(places) for (kind, id_), places in asked.items() if kind == name}
            results |= await self._of_kind(catalog, catalog.kinds[name], ids, records)
        ends = [results[place] for place in range(len(records))]
        await self._parked.conclude(concluded(records, ends, self._now()))
        return ends

    async def _of_kind(
        self, catalog: Catalog, kind: Kind, ids: Mapping[str, tuple[int, ...]], records: Sequence[Record]
    ) -> dict[int, Result]:
        found = await self._documents.read(kind.collection, list(ids))
        wanted: list[_Wanted] = []
        results: dict[int, Result] = {}
        for document_id, places in ids.items():
            stored = found.get(document_id)
            state = None if stored is None else load(stored, document_id, kind)
            again = any(marks.redriven(records[place].headers) for place in places)
            if state is not None and unasked(state, kind):
                await self._guarded.change(catalog, kind, document_id, no_more_looks)
                results |= dict.fromkeys(places, Result(Outcome.IGNORED, LEFT_OUT))
                continue
            email = "" if state is None or not _waits(state, again=again) else email_of(state, kind)
            if state is not None and email:
                old = 0 if state.enriched is None else state.enriched.old
                wanted.append(_Wanted(kind, document_id, email, places, old))
            else:
                results |= dict.fromkeys(places, Result(Outcome.DUPLICATE, NOBODY_TO_LOOK_UP))
        for start in range(0, len(wanted), MOST):
            part = wanted[start : start + MOST]
            answers = await self._look(kind, {one.email: one.old for one in sorted(part, key=lambda one: one.old)})
            ends = await asyncio.gather(*(self._store(catalog, one, answers[one.email], records) for one in part))
            late = await self._overtaken(catalog, part, answers)
            for one, end in zip(part, ends, strict=True):
                taken = Result(Outcome.DEFERRED, CHANGED_MEANWHILE) if one.id in late else end
                results |= dict.fromkeys(one.places, taken)
        return results

    async def _look(self, kind: Kind, old: Mapping[str, int]) -> dict[str, PersonRows | LookFailed]:
        """By address. Of what the cache holds only what is newer than the time that is given for the address."""
        name = f"{kind.name}:{kind.version}"
        ends: dict[str, PersonRows | LookFailed] = {}
        if self._cache is not None:
            kept = await self._cache.get(name, sorted(old), self._now())
            ends |= {email: rows for email, rows in kept.items() if rows.at >= old[email]}
        missing = sorted(old.keys() - ends.keys())
        if not missing:
            return ends
        asked, at = queries(kind), self._now()
        answer = await self._people.look(asked, missing)
        if isinstance(answer, LookFailed):
            return ends | dict.fromkeys(missing, answer)
        by_email = [names_of(rows, query.by) for query, rows in zip(asked, answer, strict=True)]
        told = {email: PersonRows([rows.get(email, []) for rows in by_email], at) for email in missing}
        if self._cache is not None:
            until = {e: at + (self._found_for if one.found else self._missing_for) for e, one in told.items()}
            await self._cache.put(name, told, until)
        return ends | told

    async def _overtaken(
        self, catalog: Catalog, part: Sequence[_Wanted], answers: Mapping[str, PersonRows | LookFailed]
    ) -> set[str]:
        """The documents that have taken an answer which a change has overtaken, of whose record nobody knew before:
        they are due once more."""
        told = {email: one for email, one in answers.items() if isinstance(one, PersonRows)}
        if self._cache is None or not told:
            return set()
        late = await self._cache.overtaken(told)
        for one in part:
            if one.email in late:
                await self._guarded.change(catalog, one.kind, one.id, self._due_again)
        return {one.id for one in part if one.email in late}

    def _due_again(self, state: DocumentState) -> bool:
        made_old(state, now=self._now())
        return True

    async def _store(
        self, catalog: Catalog, one: _Wanted, answer: PersonRows | LookFailed, records: Sequence[Record]
    ) -> Result:
        ended: list[Result] = []
        try:
            async with self._room:
                await self._guarded.change(catalog, one.kind, one.id, self._taking(one, answer, ended))
        except CannotStore as error:
            return await self._park(records[one.places[0]], "document_refused", str(error), one)
        if not ended:
            return Result(Outcome.DUPLICATE, "the document is gone")
        end = ended[-1]
        if end.outcome is Outcome.PARKED:
            return await self._park(records[one.places[0]], end.reason, "Salesforce did not tell", one)
        self._on_looked(str(end.outcome))
        return end

    def _taking(self, one: _Wanted, answer: PersonRows | LookFailed, ended: list[Result]) -> Change:
        """Decided anew each time that another took the document: the last word in `ended` counts."""

        def change(state: DocumentState) -> bool:
            if email_of(state, one.kind) != one.email:
                await_look(state, due=self._now())
                ended.append(Result(Outcome.DEFERRED, "the address has changed meanwhile"))
                return True
            if isinstance(answer, PersonRows):
                take_over(state, one.kind, one.email, answer)
                late = state.enriched is not None and state.enriched.due is not None
                ended.append(Result(Outcome.DEFERRED, CHANGED_MEANWHILE) if late else Result(Outcome.APPLIED))
                return True
            step = look_failed(state, answer, self._retry, now=self._now())
            gave_up = isinstance(step, GiveUp)
            ended.append(Result(Outcome.PARKED if gave_up else Outcome.DEFERRED, answer.code))
            return True

        return change

    async def _park(self, record: Record, reason: str, detail: str, one: _Wanted | None = None) -> Result:
        kind, document_id = ("", "") if one is None else (one.kind.name, one.id)
        row = parked_record(record, reason, detail, self._now(), kind=kind, document_id=document_id)
        await self._parked.park([row])
        self._on_looked("parked")
        return Result(Outcome.PARKED, reason)


class EnrichmentSweep:
    """Asks for every document whose look is due, and for those that a change in Salesforce has made old."""

    def __init__(
        self,
        *,
        catalog: Callable[[], Catalog],
        due: DueDocuments,
        requests: Requests,
        now: Callable[[], int],
        again_ms: int = 30_000,
    ) -> None:
        """What was asked for is asked for again after `again_ms`, if it still waits then."""
        self._catalog = catalog
        self._due = due
        self._requests = requests
        self._now = now
        self._again = again_ms

    async def ask_for_due(self) -> int:
        """How many documents were asked for.

        Raises:
            Unavailable: MongoDB or Kafka did not answer.
        """
        asked = 0
        for kind in self._catalog().kinds.values():
            if kind.enrichment is None:
                continue
            now = self._now()
            due = await self._due.to_enrich(kind.collection, now, GATHERED)
            if due:
                await self._due.postpone_look(kind.collection, due, now + self._again)
                await self._requests.ask([(kind.name, document_id) for document_id in due])
            asked += len(due)
        return asked


def _waits(state: DocumentState, *, again: bool) -> bool:
    known = state.enriched
    if known is None or state.deleted:
        return False
    return known.due is not None or (again and known.status is Known.ERROR)


def request_of(record: Record) -> EnrichmentRequest:
    """Whom a record of `enrichment.requests` asks for.

    Raises:
        Undecodable: it is no request.
        NewerFormat: it is one of a newer release.
    """
    content = parse(record.value)
    check_request(content, ENRICHMENT_FORMAT, "the request")
    return validated(EnrichmentRequest, content)
