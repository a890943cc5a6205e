"""The reconciler: read, decide, write under guard, log and ring. In that order, any instant is a good one to die."""

import asyncio
import itertools
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from consumers.catalog import Catalog
from consumers.ports import (
    Concluded,
    Documents,
    DocumentsRefused,
    Doorbells,
    Erasures,
    ObjectGaps,
    Parked,
    ParkedRecords,
    Record,
    SyncLog,
    Tellings,
    Unavailable,
)
from consumers.reconciler.batch import Batch, Fact
from consumers.reconciler.derive import Deriver
from consumers.reconciler.forget import FORGOTTEN, NOT_SET_UP, Forgotten, erased_among, forget
from consumers.reconciler.gaps import gaps_of
from consumers.reconciler.incoming import ChangeFact, ErasedFact, Incoming, PlatformFact, Unmapped, Unreadable, read
from consumers.reconciler.reading import read_documents
from consumers.reconciler.tell import Key, link_and_write_rows, tell_all, with_audit, with_news
from consumers.rules.kinds import Kind
from consumers.rules.state import DocumentState
from consumers.rules.timing import Timing
from schemas import cloudevents, marks, topics
from schemas.change import Told
from schemas.debugging import DECISION, NOTHING_DEBUGGED, Debugged
from schemas.doorbell import ring_for
from schemas.gap import ObjectGap
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
    owners: dict[tuple[str, str], int] = field(default_factory=dict)
    """Documents to be derived anew (rule 28), and the place of a fact that is the reason."""
    audited: dict[tuple[str, str], tuple[Kind, DocumentState]] = field(default_factory=dict)
    """Documents in which audit rows are, as they were written last."""
    told: dict[tuple[str, str], tuple[Kind, DocumentState]] = field(default_factory=dict)
    """Documents in which something is for the platform to be told, as they were written or found last."""
    befell: list[dict[str, Any]] = field(default_factory=list)
    """What befell the links and writes of documents: rows of the log."""
    decisions: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """How facts about what somebody looks at closely were decided, by their places: rows of the log."""

    def add(self, other: "Decided") -> None:
        """Take in what became of other facts, decided later."""
        self.results |= other.results
        self.partings += other.partings
        self.due |= other.due
        self.unlinked |= other.unlinked
        self.owners |= other.owners
        self.audited |= other.audited
        self.told |= other.told
        self.befell += other.befell
        self.decisions += other.decisions


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
        gaps: ObjectGaps,
        now: Callable[[], int],
        timing: Timing | None = None,
        tellings: Tellings | None = None,
        erasures: Erasures | None = None,
        on_gap: Callable[[ObjectGap], None] = lambda _gap: None,
        on_conflict: Callable[[dict[str, Any]], None] = lambda _row: None,
        debugged: Callable[[], Debugged] = lambda: NOTHING_DEBUGGED,
        on_decision: Callable[[dict[str, Any]], None] = lambda _row: None,
        on_spoken_of: Callable[[str, str, Sequence[int]], None] = lambda _kind, _id, _places: None,
    ) -> None:
        """`tellings` is where the platform is told of what Salesforce changed; without it, it is told nothing.

        `erasures` is the list of erased people; without it nobody can be erased, and who asks for it is parked.
        `debugged` is what somebody looks at closely: `on_decision` is told each decision about it.
        `on_spoken_of` hears which document (kind, id) the records at these places of a batch speak of.
        """
        self._catalog = catalog
        self._documents = documents
        self._log = log
        self._parked = parked
        self._doorbells = doorbells
        self._gaps = gaps
        self._now = now
        self._on_gap = on_gap
        self._timing = timing or Timing()
        self._tellings = tellings
        self._erasures = erasures
        self._deriver = Deriver(documents, self._timing, now, tells=tellings is not None)
        self._on_conflict = on_conflict
        self._debugged = debugged
        self._on_decision = on_decision
        self._on_spoken_of = on_spoken_of

    async def handle(self, records: Sequence[Record]) -> list[Result]:
        """One end for each record, in order.

        Raises:
            Unavailable: MongoDB or Kafka did not answer; nothing was skipped, and the same records may be handed in
                again.
        """
        catalog = self._catalog()
        incoming = [read(record, catalog) for record in records]
        forgotten = await self._forget(records, incoming, catalog)
        for place in forgotten.ends:
            incoming[place] = Unmapped("")  # from here on nothing names whom it was about
        for place, fact in forgotten.facts.items():
            incoming[place] = fact
        results = await self._park(records, incoming, catalog) | forgotten.ends
        facts = [(place, fact) for place, fact in enumerate(incoming) if isinstance(fact, (PlatformFact, ChangeFact))]
        decided = await self._decide(catalog, facts)
        results |= decided.results
        derived = await self._deriver.derive(catalog, decided.owners)
        decided.due |= derived.due
        decided.partings += [Parting(decided.owners[key], *key, why) for key, why in derived.refused.items()]
        await self._park_refused(records, decided.partings)
        # Behind the documents: a gap whose records nobody has been told to read yet would be taken for closed.
        for gap in await self._gaps.note(gaps_of((fact for _place, fact in facts), catalog)):
            self._on_gap(gap)
        now = self._now()
        rows = [_log_row(records[place], incoming[place], result, now, catalog) for place, result in results.items()]
        rows += decided.befell
        rows += [_decision_row(records[place], row) for place, row in decided.decisions]
        bells = [doorbell(kind, state) for kind, state in decided.due.values()]
        bells += [stray(*named) for named in sorted(decided.unlinked)]
        # None of these waits for another: whoever ends among them leaves what the repeat or the sweep does.
        await _all(
            self._doorbells.ring(bells),
            self._report(rows, list(decided.audited.values())),
            self._tell(list(decided.told.values())),
        )
        ends = [results[place] for place in range(len(records))]
        await self._parked.conclude(concluded(records, ends, now))
        return ends

    async def _decide(self, catalog: Catalog, facts: list[tuple[int, Fact]]) -> Decided:
        """Decide and write until each fact is taken in, or its document will not be written."""
        end, late, lost_at = Decided(), 0, dict[Key, int | None]()
        for number in range(ROUNDS):
            if number and self._erasures is not None:  # whoever took the documents meanwhile may have erased them
                gone = await erased_among(self._erasures, facts)
                end.results |= dict.fromkeys(gone, FORGOTTEN)
                facts = [(place, fact) for place, fact in facts if place not in gone]
            if not facts:
                break
            batch = Batch(
                catalog,
                self._timing,
                self._now(),
                decisions(),
                decided_at=time.monotonic(),
                tells=self._tellings is not None,
                debugged=self._debugged(),
            )
            await read_documents(self._documents, batch, facts)
            # Where nobody has written the document since, nobody was first: the decision came too late.
            late += any(touched.state.revision == lost_at.get(key, -1) for key, touched in batch.documents.items())
            batch.patience = patience(late)
            batch.decide(facts)
            for key, touched in batch.documents.items():
                self._on_spoken_of(*key, touched.facts)
            end.unlinked |= batch.unlinked
            end.owners |= batch.owners
            lost, refused = await self._write(batch)
            lost_at = {key: batch.documents[key].state.revision for key in lost}
            end.audited |= with_audit(batch, lost | refused.keys())
            end.told |= with_news(batch, lost | refused.keys())
            end.befell += link_and_write_rows(batch, lost | refused.keys())
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
            end.decisions += [each for each in batch.decisions() if each[0] not in again | left.keys()]
            if len(facts) == 1:
                end.partings += [Parting(place, *key, refused[key]) for place, key in left.items()]
                end.results |= {place: Result(Outcome.PARKED, DOCUMENT_REFUSED) for place in left}
            else:
                # One fact may be to blame for what befell all that spoke of its document.
                for place, fact in facts:
                    if place in left:
                        end.add(await self._decide(catalog, [(place, fact)]))
            facts = [(place, fact) for place, fact in facts if place in again]
        if facts:
            raise Unavailable("the same documents are being written by others without end")
        return end

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

    async def _report(self, rows: Sequence[dict[str, Any]], audited: Sequence[tuple[Kind, DocumentState]]) -> None:
        """Audit rows are safe in their documents: now they go to the log with the others, and out of the documents."""
        left: dict[str, dict[str, list[str]]] = {}
        for kind, state in audited:
            left.setdefault(kind.collection, {})[state.id] = [row["_id"] for row in state.audit]
        for row in await self._log.append([*rows, *(row for _kind, state in audited for row in state.audit)]):
            if row["type"] == "audit":  # and not in the log yet: another may have drained it meanwhile
                self._on_conflict(row)
            elif row["type"] == DECISION:
                self._on_decision(row)
        for collection, by_document in left.items():
            await self._documents.clear_audit(collection, by_document)

    async def _tell(self, told: Sequence[tuple[Kind, DocumentState]]) -> None:
        if self._tellings is not None:
            await tell_all(self._documents, self._tellings, told)

    async def _forget(self, records: Sequence[Record], incoming: Sequence[Incoming], catalog: Catalog) -> Forgotten:
        if self._erasures is None:
            return Forgotten()
        return await forget(self._erasures, records, incoming, catalog, self._now())

    async def _park(
        self, records: Sequence[Record], incoming: Sequence[Incoming], catalog: Catalog
    ) -> dict[int, Result]:
        results: dict[int, Result] = {}
        unreadable: list[Parked] = []
        for place, fact in enumerate(incoming):
            match fact:
                case Unreadable(reason, detail):
                    results[place] = Result(Outcome.PARKED, reason)
                    kind, document_id = named_by_key(records[place], catalog)
                    unreadable.append(
                        parked_record(records[place], reason, detail, self._now(), kind=kind, document_id=document_id)
                    )
                case Unmapped(reason):
                    results[place] = Result(Outcome.IGNORED, reason)
                case ErasedFact(of_kind, document_id, _):
                    why = "ERASED_KEY is not set"
                    results[place] = Result(Outcome.PARKED, NOT_SET_UP)
                    unreadable.append(
                        parked_record(
                            records[place], NOT_SET_UP, why, self._now(), kind=of_kind.name, document_id=document_id
                        )
                    )
                case _:
                    pass
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


async def _all(*each: Awaitable[object]) -> None:
    """Await all at once; what one of them raises is raised when all have ended."""
    for outcome in await asyncio.gather(*each, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


def patience(late: int) -> int:
    """How many times as long as usual a decision may take into its document, after so many that came too late: the
    slower the store, the longer it is waited for, up to some hours. That others were first says nothing of that."""
    return 1 << min(max(late - 1, 0), 12)


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
        timestamp=record.timestamp,
        redriven=marks.redriven(record.headers),
    )


def named_by_key(record: Record, catalog: Catalog) -> tuple[str, str]:
    """Kind and document id of a platform event, by the key that the webhook gave it: its bytes may say neither."""
    if record.topic != topics.PLATFORM_EVENTS or record.key is None:
        return "", ""
    kind, colon, document_id = record.key.decode("utf-8", "replace").partition(":")
    return (kind, document_id) if colon and kind in catalog.kinds else ("", "")


def concluded(records: Sequence[Record], results: Sequence[Result], at: int) -> list[Concluded]:
    """The redriven ones among these that were not parked again."""
    return [
        Concluded(mark, result.outcome, result.reason, at)
        for record, result in zip(records, results, strict=True)
        if result.outcome is not Outcome.PARKED and (mark := marks.redriven(record.headers)) is not None
    ]


def _decision_row(record: Record, row: dict[str, Any]) -> dict[str, Any]:
    """Each time that the same event or change comes it is decided on: what makes a repeat is the record's own place."""
    return row | {"_id": f"{row['_id']}:{record.topic}:{record.partition}:{record.offset}"}


def _log_row(record: Record, incoming: Incoming, result: Result, at: int, catalog: Catalog) -> dict[str, Any]:
    """The plain row of one record: its id makes a repeat the same row."""
    row: dict[str, Any] = {
        "_id": f"{record.topic}:{record.partition}:{record.offset}",
        "type": "outcome",
        "topic": record.topic,
        "outcome": str(result.outcome),
        "reason": result.reason,
        "at": at,
        "mapping": catalog.version,
    }
    if mark := record.headers.get(marks.REDRIVE) or record.headers.get(marks.REPLAY):
        row["again"] = mark
    match incoming:
        case ErasedFact(kind, document_id, event_id):
            row |= {"kind": kind.name, "document": document_id, "event": event_id}
        case PlatformFact(kind, document_id, assertion):
            row |= {"kind": kind.name, "document": document_id, "event": assertion.event_id}
        case ChangeFact(_, change):
            row |= {"record": change.record_id, "event": change.event_id}
            if change.told is Told.EVENT:
                row["since"] = change.position.timestamp
            if change.user_id:
                row["user"] = change.user_id
        case Unreadable():
            of_kind, document_id = named_by_key(record, catalog)
            if of_kind:
                row |= {"kind": of_kind, "document": document_id, "event": record.headers.get(cloudevents.ID, "")}
        case Unmapped():
            pass
    return row
