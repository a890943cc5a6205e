"""Both sides compared: documents in chunks, their records in as few calls as it takes, and what differs explained.

What is truly different at the first look is looked at once more: a document may have been decided, or an order come,
between the two readings. What is so then may be on its way to us still (`ops.verify_untold`). Nothing else is held but
a chunk and counts.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Protocol

from consumers.catalog import Catalog
from consumers.ports import Documents, Records
from consumers.repair.ports import Looks
from consumers.rules import derived
from consumers.rules.kinds import Kind
from consumers.rules.lookups import Parents, named_records
from consumers.rules.stored import load, value_at
from consumers.rules.timing import Timing
from consumers.rules.verify import BothSides, differences
from consumers.writer.kept import KeptRecords
from consumers.writer.read import modified_at
from ops.verify_alone import Alone
from ops.verify_findings import Looked, Report, is_different
from ops.verify_repair import Repair
from ops.verify_untold import Untold
from schemas.record_id import to_18

CHUNK: Final = 2_000
"""Documents at a time: as many records as one call reads."""

_FOR_EVER: Final = 1 << 53

Document = dict[str, Any]


class Pages(Protocol):
    """The documents of a collection, page by page. Each raises Unavailable where the store does not answer."""

    def all(self, collection: str, undecided: Callable[[int], None]) -> AsyncIterator[list[Document]]:
        """Every document that Tandem has decided; `undecided` hears how many others were passed over."""

    def changed(self, collection: str, since: int, until: int) -> AsyncIterator[list[Document]]:
        """Every document that Tandem has written between these moments, epoch milliseconds."""

    def sample(self, collection: str, size: int) -> AsyncIterator[list[Document]]:
        """So many of them at random."""


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
        untold: Untold,
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
        self._untold = untold
        self._alone = Alone(catalog, documents, self._records, timing, now, untold)

    async def run(
        self,
        kinds: Sequence[Kind],
        report: Report,
        *,
        since: int = 0,
        until: int = 0,
        sample: int = 0,
        repair: Repair | None = None,
    ) -> None:
        """Compare all documents of these kinds, or a sample; with `since` those that either side has changed since.

        `until`, epoch milliseconds as `since`, is the end of that time; 0: now. But for a sample, records without a
        document are looked at too.

        Raises:
            Unavailable: MongoDB or Salesforce does not answer, or Salesforce refuses the read; what was compared until
                then is in the report.
        """
        try:
            await self._run(kinds, report, since, until or _FOR_EVER, sample, repair)
        finally:
            report.unseen = self._untold.unseen

    async def _run(
        self,
        kinds: Sequence[Kind],
        report: Report,
        since: int,
        until: int,
        sample: int,
        repair: Repair | None,
    ) -> None:
        for kind in kinds:
            found = _Told(report, repair, kind, since)
            if not sample:
                await self._by_records(kind, found, since, until)
            async for chunk in self._chunks(kind, report, since, until, sample):
                looked = [one for one in await self._looked_at(kind, chunk) if not (since and found.has(one))]
                await found.take(looked)
                self._passed(len(chunk))

    async def _by_records(self, kind: Kind, found: "_Told", since: int, until: int) -> None:
        """What the records tell: which have no document, and within a window whose document is to be compared."""
        for place in kind.places():
            async for page in self._looks.changed(place.sobject, since, None):
                seen = [one for one in page if one.modified <= until]
                ids = [one.record_id for one in seen]
                linked = await self._documents.read_linked(kind.collection, ids) if ids else {}
                await found.take(await self._alone.look(kind, [one for one in seen if one.record_id not in linked]))
                if since:
                    documents = {each["_id"]: each for several in linked.values() for each in several}
                    await found.take(await self._looked_at(kind, list(documents.values())))
                    self._passed(len(documents))
                found.upto = max([found.upto, *(one.modified for one in seen)])
                if len(seen) < len(page):
                    break

    async def _looked_at(self, kind: Kind, chunk: Sequence[Document]) -> list[Looked]:
        """These compared, and once more those that are truly different."""
        looked = await self._compare(kind, chunk) if chunk else []
        suspects = [one.document_id for one in looked if is_different(one.found)]
        if not suspects:
            return looked
        await self._untold.mark()
        again = await self._documents.read(kind.collection, suspects)
        compared = await self._compare(kind, list(again.values())) if again else []
        return [one for one in looked if not is_different(one.found)] + await self._untold.explain(kind, compared)

    async def _chunks(
        self, kind: Kind, report: Report, since: int, until: int, sample: int
    ) -> AsyncIterator[list[Document]]:
        if since:
            pages = self._pages.changed(kind.collection, since, until)
        elif sample:
            pages = self._pages.sample(kind.collection, sample)
        else:
            pages = self._pages.all(kind.collection, partial(report.add_undecided, kind.name))
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


class _Told:
    """What was found of one kind: told in the report, and asked for again."""

    def __init__(self, report: Report, repair: Repair | None, kind: Kind, since: int) -> None:
        self._report = report
        self._repair = repair
        self._kind = kind
        self._since = since
        self._different: set[str] = set()
        self.upto = 0
        """Records that were changed between `since` and then have been looked at."""

    async def take(self, looked: Sequence[Looked]) -> None:
        """Take these in."""
        for one in looked:
            self._report.add(self._kind.name, one.document_id, one.record_id, one.found)
        different = [one for one in looked if is_different(one.found)]
        self._different |= {one.document_id for one in different}
        if self._repair is not None:
            await self._repair.ask(self._kind, different, self._report)

    def has(self, one: Looked) -> bool:
        """Whether the document was compared by its record already."""
        return self._since <= one.modified <= self.upto or one.document_id in self._different
