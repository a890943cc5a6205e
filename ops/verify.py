"""Both sides compared: documents in chunks, their records in as few calls as it takes, and what differs explained.

What is truly different at the first look is looked at once more: a document may have been decided, or an order come,
between the two readings. Nothing is held but a chunk and counts.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from consumers.catalog import Catalog
from consumers.ports import Documents, Records
from consumers.repair.ports import Changes, Looks
from consumers.rules import derived
from consumers.rules.kinds import Kind
from consumers.rules.lookups import Parents, named_records
from consumers.rules.stored import load, value_at
from consumers.rules.timing import Timing
from consumers.rules.verify import TRULY_DIFFERENT, BothSides, Difference, Why, differences
from consumers.writer.kept import KeptRecords
from consumers.writer.read import modified_at
from schemas import gap_change
from schemas.record_id import to_18

CHUNK: Final = 2_000
"""Documents at a time: as many records as one call reads."""
READ_AGAIN: Final = frozenset({Why.DIFFERENT, Why.MISSING, Why.ANOTHERS, Why.STUCK})
"""What reading the record again by the ordinary rules puts right."""

Document = dict[str, Any]


class Pages(Protocol):
    """The documents of a collection, page by page. Each raises Unavailable where the store does not answer."""

    def all(self, collection: str) -> AsyncIterator[list[Document]]:
        """Every document that Tandem has decided."""

    def sample(self, collection: str, size: int) -> AsyncIterator[list[Document]]:
        """So many of them at random."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one document and its record differ in."""

    kind: str
    document_id: str
    record_id: str
    difference: Difference


@dataclass(slots=True)
class Report:
    """Counts, and the first findings that are truly different."""

    keep: int = 20
    documents: Counter[str] = field(default_factory=Counter)
    """By kind."""
    same: Counter[str] = field(default_factory=Counter)
    differ: Counter[str] = field(default_factory=Counter)
    """Documents that are truly different, by kind."""
    reasons: Counter[tuple[Why, str]] = field(default_factory=Counter)
    """By reason, and code where there is one."""
    findings: list[Finding] = field(default_factory=list)
    asked_again: int = 0
    """Documents whose record is read again, or whose totals are taken again, by `--repair`."""
    by_hand: int = 0
    """Documents that a person has to put right."""

    @property
    def truly_different(self) -> int:
        """Documents."""
        return sum(self.differ.values())

    def add(self, kind: str, document_id: str, record_id: str, found: Sequence[Difference]) -> None:
        """Take in one document."""
        self.documents[kind] += 1
        self.same[kind] += not found
        self.differ[kind] += is_different(found)
        for difference in found:
            self.reasons[difference.why, difference.code] += 1
            if difference.why in TRULY_DIFFERENT and len(self.findings) < self.keep:
                self.findings.append(Finding(kind, document_id, record_id, difference))


def is_different(found: Iterable[Difference]) -> bool:
    """Whether anything of it is truly different."""
    return any(difference.why in TRULY_DIFFERENT for difference in found)


@dataclass(frozen=True, slots=True)
class Looked:
    """One document that was compared."""

    document_id: str
    record_id: str
    modified: int
    found: list[Difference]


class Verifier:
    """Compares the documents of some kinds with their records."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        pages: Pages,
        documents: Documents,
        records: Records,
        looks: Looks,
        timing: Timing,
        now: Callable[[], int],
        passed: Callable[[int], None] = lambda _count: None,
    ) -> None:
        """`passed` hears how many documents more have been compared."""
        self._catalog = catalog
        self._pages = pages
        self._documents = documents
        self._records = KeptRecords(records)
        self._looks = looks
        self._timing = timing
        self._now = now
        self._passed = passed

    async def run(
        self,
        kinds: Sequence[Kind],
        report: Report,
        *,
        since: int = 0,
        sample: int = 0,
        repair: "Repair | None" = None,
    ) -> None:
        """Compare all documents of these kinds, or a sample; with `since` those whose record was changed since.

        Raises:
            Unavailable: MongoDB or Salesforce does not answer, or Salesforce refuses the read; what was compared until
                then is in the report.
        """
        for kind in kinds:
            async for chunk in self._chunks(kind, since, sample):
                looked = await self._compare(kind, chunk)
                suspects = [one.document_id for one in looked if is_different(one.found)]
                again = await self._documents.read(kind.collection, suspects) if suspects else {}
                looked = [one for one in looked if not is_different(one.found)]
                looked += await self._compare(kind, list(again.values())) if again else []
                for one in looked:
                    report.add(kind.name, one.document_id, one.record_id, one.found)
                if repair is not None:
                    await repair.ask(kind, [one for one in looked if is_different(one.found)], report)
                self._passed(len(chunk))

    async def _chunks(self, kind: Kind, since: int, sample: int) -> AsyncIterator[list[Document]]:
        if since:
            for place in kind.places():
                async for page in self._looks.changed(place.sobject, since, None):
                    ids = [seen.record_id for seen in page]
                    linked = await self._documents.read_linked(kind.collection, ids) if ids else {}
                    found = {document["_id"]: document for documents in linked.values() for document in documents}
                    if found:
                        yield list(found.values())
            return
        pages = self._pages.sample(kind.collection, sample) if sample else self._pages.all(kind.collection)
        async for found_page in pages:
            if found_page:
                yield found_page

    async def _compare(self, kind: Kind, chunk: Sequence[Document]) -> list[Looked]:
        states = [load(document, document["_id"], kind) for document in chunk]
        ids = sorted({to_18(state.record.record_id) for state in states if state.record is not None})
        read = await self._records.read(kind, ids)
        server_time = read.server_time - (self._now() - read.began_at) if ids else 0
        parents = await self._parents(kind, read.rows.values())
        totals = await self._totals(kind, [state.id for state in states])
        now, looked = self._now(), list[Looked]()
        for document, state in zip(chunk, states, strict=True):
            record_id = to_18(state.record.record_id) if state.record is not None else ""
            row = read.rows.get(record_id)
            both = BothSides(
                state=state,
                shown={rule.dotted: value_at(document, rule) for rule in kind.fields},
                row=None if row is None else parents.incoming(kind, row),
                modified=modified_at(row),
                server_time=server_time,
                totals=totals.get(state.id),
                off=self._catalog.is_off(kind, record_id),
            )
            found = differences(both, kind, self._timing, now=now)
            looked.append(Looked(state.id, record_id, both.modified, found))
        return looked

    async def _parents(self, kind: Kind, rows: Iterable[Mapping[str, Any]]) -> Parents:
        parents, wanted = Parents(), dict[str, set[str]]()
        for row in rows:
            for name, ids in named_records(kind, row).items():
                wanted.setdefault(name, set()).update(ids)
        for name, ids in wanted.items():
            parent = self._catalog.kinds[name]
            for documents in (await self._documents.read_linked(parent.collection, sorted(ids))).values():
                parents.add(name, [load(document, document["_id"], parent) for document in documents])
        return parents

    async def _totals(self, kind: Kind, ids: list[str]) -> dict[str, dict[str, Any]]:
        """By document and Salesforce field; of a kind without derived fields nothing."""
        totals: dict[str, dict[str, Any]] = {id_: {} for id_ in ids} if kind.derived else {}
        for (of, by), rules in derived.totals_of(kind).items():
            taken = await self._documents.totals(self._catalog.kinds[of].collection, by, ids, derived.wanted(rules))
            for id_ in ids:
                totals[id_] |= {rule.name: value for rule, value in zip(rules, taken[id_], strict=True)}
        return totals


class Derives(Protocol):
    """Takes the totals of documents again, by kind and id."""

    async def derive(self, catalog: Catalog, owners: Iterable[tuple[str, str]]) -> object:
        """As `consumers.reconciler.derive.Deriver`."""


class Repair:
    """Asks the ordinary rules to look again at what is truly different; decides nothing by itself."""

    def __init__(
        self, *, catalog: Catalog, changes: Changes, deriver: Derives, org_id: str, now: Callable[[], int]
    ) -> None:
        self._catalog = catalog
        self._changes = changes
        self._deriver = deriver
        self._org_id = org_id
        self._now = now

    async def ask(self, kind: Kind, looked: Sequence[Looked], report: Report) -> None:
        """Have the records read whole, and totals taken, of documents that are truly different.

        Raises:
            Unavailable: Kafka or MongoDB does not answer.
        """
        whys = {one.document_id: {difference.why for difference in one.found} for one in looked}
        read = [one for one in looked if one.record_id and whys[one.document_id] & READ_AGAIN]
        now = self._now()
        await self._changes.append(
            [
                gap_change.record_of(
                    gap_change.differing(kind.place_of(one.record_id).sobject, one.record_id, one.modified or now),
                    self._org_id,
                    received_at=now,
                )
                for one in read
            ]
        )
        underived = [one.document_id for one in looked if Why.UNDERIVED in whys[one.document_id]]
        await self._deriver.derive(self._catalog, [(kind.name, document_id) for document_id in underived])
        asked = {one.document_id for one in read} | set(underived)
        report.asked_again += len(asked)
        report.by_hand += sum(Why.BY_HAND in found or id_ not in asked for id_, found in whys.items())
