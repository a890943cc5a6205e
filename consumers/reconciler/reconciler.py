"""The reconciler: read, decide, write under guard, log and ring. In that order, any instant is a good one to die."""

import asyncio
import itertools
import secrets
from collections.abc import Awaitable, Callable, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from consumers.catalog import Catalog
from consumers.ports import Documents, DocumentsRefused, Doorbells, Parked, ParkedRecords, Record, SyncLog, Unavailable
from consumers.reconciler.batch import NAMES_NO_RECORD, Batch, Fact
from consumers.reconciler.incoming import ChangeFact, Incoming, PlatformFact, Unmapped, Unreadable, read
from consumers.rules.kinds import Kind
from consumers.rules.state import DocumentState
from consumers.rules.timing import Timing
from schemas import topics
from schemas.doorbell import ring_for
from schemas.outcome import Outcome, Result

DOCUMENT_REFUSED = "document_refused"
"""The store will never make this update as the document is: a path of ours is not free, or it is too large."""
ROUNDS = 50
"""How often a batch is decided again for documents that another process keeps taking, before it waits."""


@dataclass(frozen=True, slots=True)
class Parting:
    """A fact that cannot be taken in, by its place in the batch: the store will not write the document, and why."""

    place: int
    kind: str
    document_id: str
    why: str


@dataclass(slots=True)
class Decided:
    """What became of facts whose documents are written."""

    results: dict[int, Result] = field(default_factory=dict)
    """By the facts' places in the batch."""
    partings: list[Parting] = field(default_factory=list)
    due: dict[tuple[str, str], tuple[Kind, DocumentState]] = field(default_factory=dict)
    """Documents that the writer should look at now."""
    unlinked: set[tuple[str, str]] = field(default_factory=set)
    """Kind and record id of the records that belong to no document and are to be looked at."""


class Reconciler:
    """Handles batches of `platform.events` and `salesforce.changes`. Stateless: everything is in the documents."""

    def __init__(
        self,
        *,
        catalog: Callable[[], Catalog],
        documents: Documents,
        log: SyncLog,
        parked: ParkedRecords,
        doorbells: Doorbells,
        now: Callable[[], int],
        timing: Timing | None = None,
        on_conflict: Callable[[dict[str, Any]], None] = lambda _row: None,
    ) -> None:
        self._catalog = catalog
        self._documents = documents
        self._log = log
        self._parked = parked
        self._doorbells = doorbells
        self._now = now
        self._timing = timing or Timing()
        self._on_conflict = on_conflict

    async def handle(self, records: Sequence[Record]) -> list[Result]:
        """One end for each record, in order.

        Raises:
            Unavailable: MongoDB or Kafka did not answer; nothing was skipped, and the same records may be handed in
                again.
        """
        catalog = self._catalog()
        incoming = [read(record, catalog) for record in records]
        results = await self._park(records, incoming)
        facts = [(place, fact) for place, fact in enumerate(incoming) if isinstance(fact, (PlatformFact, ChangeFact))]
        decided = await self._decide(catalog, facts)
        results |= decided.results
        await self._park_refused(records, decided.partings)
        now = self._now()
        rows = [_log_row(records[place], incoming[place], result, now) for place, result in results.items()]
        bells = [doorbell(kind, state) for kind, state in decided.due.values()]
        bells += [stray(*named) for named in sorted(decided.unlinked)]
        await _both(self._log.append(rows), self._doorbells.ring(bells))
        return [results[place] for place in range(len(records))]

    async def _decide(self, catalog: Catalog, facts: list[tuple[int, Fact]]) -> Decided:
        """Decide and write until each fact is taken in, or its document will not be written."""
        end = Decided()
        for _round in range(ROUNDS):
            if not facts:
                break
            batch = Batch(catalog, self._timing, self._now(), decisions())
            await self._read(batch, facts)
            batch.decide(facts)
            end.unlinked |= batch.unlinked
            lost, refused = await self._write(batch)
            await self._drain(batch, lost | refused.keys())
            again = {place for key in lost for place in batch.documents[key].facts}
            left = {place: key for key in refused for place in batch.documents[key].facts if place not in again}
            end.due |= {
                (kind.name, state.id): (kind, state)
                for kind, state in batch.due()
                if (kind.name, state.id) not in refused
            }
            end.results |= {
                place: result for place, result in batch.results.items() if place not in again | left.keys()
            }
            if len(facts) == 1:
                end.partings += [Parting(place, *key, refused[key]) for place, key in left.items()]
                end.results |= {place: Result(Outcome.PARKED, DOCUMENT_REFUSED) for place in left}
            else:
                # One fact may be to blame for what befell all that spoke of its document.
                for place, fact in facts:
                    if place in left:
                        alone = await self._decide(catalog, [(place, fact)])
                        end.results |= alone.results
                        end.partings += alone.partings
                        end.due |= alone.due
                        end.unlinked |= alone.unlinked
            facts = [(place, fact) for place, fact in facts if place in again]
        if facts:
            raise Unavailable("the same documents are being written by others without end")
        return end

    async def _read(self, batch: Batch, facts: list[tuple[int, Fact]]) -> None:
        ids: dict[str, tuple[Kind, set[str]]] = {}
        links: dict[str, tuple[Kind, set[str]]] = {}
        for _place, fact in facts:
            match fact:
                case PlatformFact():
                    ids.setdefault(fact.kind.name, (fact.kind, set()))[1].add(fact.document_id)
                case ChangeFact():
                    for kind in fact.kinds:
                        links.setdefault(kind.name, (kind, set()))[1].add(fact.change.record_id)
        for kind, wanted in links.values():
            batch.add_linked(kind, await self._documents.read_linked(kind.collection, sorted(wanted)))
        for kind, wanted in ids.values():
            batch.add(kind, await self._documents.read(kind.collection, sorted(wanted)))

    async def _write(self, batch: Batch) -> tuple[set[tuple[str, str]], dict[tuple[str, str], str]]:
        """The documents that another took meanwhile, and those that the store will not write, with its reason."""
        lost: set[tuple[str, str]] = set()
        refused: dict[tuple[str, str], str] = {}
        kinds = {touched.kind.collection: touched.kind for touched in batch.documents.values()}
        for collection, writes in batch.writes().items():
            kind = kinds[collection].name
            try:
                losers: Set[str] = await self._documents.write(collection, writes)
            except DocumentsRefused as error:
                losers = error.lost
                refused |= {(kind, document_id): why for document_id, why in error.refused.items()}
            lost |= {(kind, document_id) for document_id in losers}
        return lost, refused

    async def _drain(self, batch: Batch, unwritten: Set[tuple[str, str]]) -> None:
        """Audit rows are safe in their documents: now they go to the log, and out of the documents."""
        rows: list[dict[str, Any]] = []
        drained: dict[str, dict[str, list[str]]] = {}
        for key, touched in batch.documents.items():
            if key in unwritten or not touched.state.audit or not touched.changed:
                continue
            rows.extend(touched.state.audit)
            drained.setdefault(touched.kind.collection, {})[key[1]] = [row["_id"] for row in touched.state.audit]
        for row in await self._log.append(rows):  # another may have drained some of them meanwhile
            self._on_conflict(row)
        for collection, by_document in drained.items():
            await self._documents.clear_audit(collection, by_document)

    async def _park(self, records: Sequence[Record], incoming: Sequence[Incoming]) -> dict[int, Result]:
        results: dict[int, Result] = {}
        unreadable: list[Parked] = []
        for place, fact in enumerate(incoming):
            match fact:
                case Unreadable(reason, detail):
                    results[place] = Result(Outcome.PARKED, reason)
                    unreadable.append(parked_record(records[place], reason, detail, self._now()))
                case Unmapped(reason):
                    results[place] = Result(Outcome.IGNORED, reason)
                case ChangeFact(_, change) if change.names_no_record:
                    # What it stands for is a whole object to repair: kept for a person until repair does it by itself.
                    detail = f"{change.type} of {change.entity} names no record"
                    unreadable.append(parked_record(records[place], NAMES_NO_RECORD, detail, self._now()))
        await self._parked.park(unreadable)
        return results

    async def _park_refused(self, records: Sequence[Record], partings: Sequence[Parting]) -> None:
        await self._parked.park(
            [
                parked_record(
                    records[parting.place],
                    DOCUMENT_REFUSED,
                    f"the document cannot be written: {parting.why}",
                    self._now(),
                    kind=parting.kind,
                    document_id=parting.document_id,
                )
                for parting in partings
            ]
        )


async def _both(one: Awaitable[object], other: Awaitable[object]) -> None:
    """Await both at once; what either raises is raised when both have ended."""
    for outcome in await asyncio.gather(one, other, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


def decisions() -> Callable[[], str]:
    """Gives names that nobody else gives, ever: 96 random bits for the batch, and a count within it."""
    batch = secrets.token_hex(12)
    number = itertools.count()
    return lambda: f"{batch}{next(number):x}"


def doorbell(kind: Kind, state: DocumentState) -> tuple[bytes, bytes]:
    """Key and value of the doorbell for a document."""
    record_id = state.link.record_id if state.link else ""
    key = topics.record_key(record_id) if record_id else topics.document_key(kind.name, state.id)
    return key, ring_for(kind.name, state.id, record_id)


def stray(kind: str, record_id: str) -> tuple[bytes, bytes]:
    """Key and value of the doorbell for a record that belongs to no document."""
    return topics.record_key(record_id), ring_for(kind, "", record_id)


def parked_record(
    record: Record, reason: str, detail: str, at: int, *, kind: str = "", document_id: str = ""
) -> Parked:
    """The row of `tandem_parked` for a record, with its bytes."""
    return Parked(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        headers=record.raw_headers,
        reason=reason,
        detail=detail,
        at=at,
        kind=kind,
        document_id=document_id,
    )


def _log_row(record: Record, incoming: Incoming, result: Result, at: int) -> dict[str, Any]:
    """The plain row of one record: its id makes a repeat the same row."""
    row: dict[str, Any] = {
        "_id": f"{record.topic}:{record.partition}:{record.offset}",
        "type": "outcome",
        "topic": record.topic,
        "outcome": str(result.outcome),
        "reason": result.reason,
        "at": at,
    }
    match incoming:
        case PlatformFact(kind, document_id, assertion):
            row |= {"kind": kind.name, "document": document_id, "event": assertion.event_id}
        case ChangeFact(_, change):
            row |= {"record": change.record_id, "event": change.event_id}
        case _:
            pass
    return row
