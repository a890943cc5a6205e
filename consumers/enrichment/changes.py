"""What a change in Salesforce makes old: what is cached of a person, and what stands in their document.

A handler of `salesforce.changes`, beside the reconciler's, which merges the same changes. It writes nothing that the
merge asks, so neither waits for the other.
"""

from collections.abc import Callable, Sequence, Set
from typing import Final

from consumers.catalog import Catalog
from consumers.enrichment.guarded import GuardedDocuments
from consumers.enrichment.memberships import MEMBER, Memberships
from consumers.enrichment.ports import DueDocuments, PeopleCache, Requests
from consumers.ports import Record
from consumers.rules.enrichment import comparable, made_old, queries, shown_fields, shown_of_parents
from consumers.rules.kinds import Kind
from consumers.rules.state import DocumentState
from schemas.change import Change, ChangeType
from schemas.codec import Undecodable, decode
from schemas.outcome import Outcome, Result
from schemas.people import PeopleQuery
from schemas.place import IS_CONVERTED

NOTHING = Result(Outcome.IGNORED, "nothing that is looked up of a person")
_GAP = "GAP_"
TOGETHER: Final = 1_000
EVERY_MS: Final = 10_000
"""An Account may have a hundred thousand people, of whom all show its name: so many are marked in one call, and
looked up in each such span, so that neither the handler nor the day's calls are anybody's alone."""


class EnrichmentChanges:
    """Satisfies `consumers.runner.ports.Handler`."""

    def __init__(
        self,
        *,
        catalog: Callable[[], Catalog],
        enriched: DueDocuments,
        memberships: Memberships,
        guarded: GuardedDocuments,
        cache: PeopleCache,
        requests: Requests,
        now: Callable[[], int],
    ) -> None:
        """`now` gives epoch milliseconds."""
        self._catalog = catalog
        self._enriched = enriched
        self._memberships = memberships
        self._guarded = guarded
        self._cache = cache
        self._requests = requests
        self._now = now

    async def handle(self, records: Sequence[Record]) -> list[Result]:
        """One end for each record, in order. A change that cannot be read is the reconciler's to park.

        Raises:
            Unavailable: MongoDB or Kafka did not answer; nothing was skipped.
        """
        catalog = self._catalog()
        kinds = [kind for kind in catalog.kinds.values() if kind.enrichment is not None]
        changes = [_read(record) for record in records]
        touched = {place for place, change in enumerate(changes) if change is not None and change.entity == MEMBER}
        addresses: set[str] = set()
        for kind in kinds:
            old: set[str] = set()
            parents: dict[str, list[int]] = {}
            for place, change in enumerate(changes):
                if change is None:
                    continue
                query = _reading(kind, change)
                if query is not None:
                    touched.add(place)
                    old.add(change.record_id)
                    addresses.update(_addresses(query, change))
                elif _may_be_parent(kind, change):
                    parents.setdefault(change.record_id, []).append(place)
            await self._cache.drop(now=self._now(), records=sorted({*old, *parents}), emails=sorted(addresses))
            await self._ask_again(catalog, kind, sorted(old))
            found = await self._ask_below(kind, sorted(parents)) if parents else set()
            touched.update(place for record_id in found for place in parents[record_id])
            for change in changes:
                if change is not None and change.entity == MEMBER:
                    await self._memberships.hear(catalog, kind, change)
        return [Result(Outcome.APPLIED) if place in touched else NOTHING for place in range(len(records))]

    async def _ask_again(self, catalog: Catalog, kind: Kind, record_ids: Sequence[str]) -> None:
        """What was taken over of these records is looked up anew, when nobody waits."""
        if not record_ids:
            return
        found = await self._enriched.enriched_from(kind.collection, record_ids)
        documents = sorted({document_id for several in found.values() for document_id in several})
        for document_id in documents:
            await self._guarded.change(catalog, kind, document_id, self._due)
        if documents:
            await self._requests.ask([(kind.name, document_id) for document_id in documents])

    async def _ask_below(self, kind: Kind, parents: Sequence[str]) -> Set[str]:
        """People of these parents are looked up anew, the first at once and the others part by part, by the sweep; of
        which parents anybody showed something."""
        heard = due = self._now()
        found = set[str]()
        async for part in self._enriched.enriched_below(kind.collection, parents, TOGETHER):
            await self._enriched.look_again(kind.collection, list(part), due, heard)
            if not found:
                await self._requests.ask([(kind.name, document_id) for document_id in sorted(part)])
            found.update(parent for several in part.values() for parent in several)
            due += EVERY_MS
        return found

    def _due(self, state: DocumentState) -> bool:
        made_old(state, now=self._now())
        return True


def _read(record: Record) -> Change | None:
    try:
        return decode(Change, record.value)
    except Undecodable:
        return None


def _reading(kind: Kind, change: Change) -> PeopleQuery | None:
    """The query that reads such a record, where the change may have moved something that is shown of it.

    Our own writes of other fields, above all of our external id, make nothing old.
    """
    for query in queries(kind):
        if query.sobject == change.entity and _says(change, {*shown_fields(kind), query.by, IS_CONVERTED}):
            return query
    return None


def _may_be_parent(kind: Kind, change: Change) -> bool:
    """It may be the parent of somebody of whom something of it is shown, as their Account: the documents know whose.

    One that has just been made is nobody's yet.
    """
    return change.type is not ChangeType.CREATE and _says(change, shown_of_parents(kind))


def _says(change: Change, names: Set[str]) -> bool:
    """It may have moved one of these fields."""
    if not names:
        return False
    whole = change.type.startswith(_GAP) or change.type is not ChangeType.UPDATE
    return whole or not names.isdisjoint({*change.fields, *change.differences})


def _addresses(query: PeopleQuery, change: Change) -> list[str]:
    """The address that it has now: whoever has asked for it and found nobody is told anew."""
    value = change.fields.get(query.by)
    return [comparable(value)] if isinstance(value, str) else []
