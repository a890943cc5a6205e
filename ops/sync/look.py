"""The step that looks at records: a list of them is held against the documents, and what differs is told as a change.

Nothing is taken over here. A change that a look found has the record read by Id, and rules 18 to 26 decide.
"""

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from adapters.mongo.walks import MongoWalks
from adapters.salesforce import soql
from adapters.salesforce.lists import Listing, RecordLists, Rows
from adapters.salesforce.soql_filter import where
from consumers.rules.kinds import Kind
from consumers.rules.lookups import named_records
from consumers.rules.state import DocumentState
from consumers.rules.sync_verdict import Verdict, pull_verdict
from consumers.writer.desk import Desk
from consumers.writer.read import modified_at
from consumers.writer.visit import ids_of_all
from ops.sync.asking import CannotRun, milliseconds
from ops.sync.ports import ChangeLog
from ops.sync.walk import Advance, TooManyMissing
from schemas.change import Change
from schemas.gap_change import differing, missing, record_of
from schemas.mapping import KindMapping, Unlinked
from schemas.place import LEAD_PREFIX, Place
from schemas.record_filter import Condition, comparisons
from schemas.record_id import to_18
from schemas.sync_run import RunRequest, Task

ROWS_AT_ONCE = 500
"""To compare them takes a moment in which the process does nothing else."""
MISSING_LEAST = 50
"""So many may be missing whatever their share."""
MISSING_SHARE = 0.1
"""Of the linked records that were compared."""


@dataclass(slots=True)
class Tally:
    """What a comparison has seen so far, to tell deleted records from ones that we may not see any more."""

    linked: int = 0
    missing: int = 0

    def doubtful(self) -> bool:
        """Whether so many are missing that a person should look first."""
        return self.missing > max(MISSING_LEAST, MISSING_SHARE * (self.linked + self.missing))


class LookWalk:
    """Records of one kind. Satisfies `ops.sync.walk.Walk`."""

    def __init__(
        self,
        *,
        kind: Kind,
        places: Sequence[Place],
        mapped: KindMapping,
        task: Task,
        request: RunRequest,
        lists: RecordLists,
        walks: MongoWalks,
        desk: Desk,
        changes: ChangeLog,
        org_id: Callable[[], Awaitable[str]],
        subscribed: Callable[[str], Awaitable[bool]],
        tally: Tally | None = None,
    ) -> None:
        """`places` are those of the kind's objects that the run is about, its own first.

        `tally` is without limit where somebody has said that records may be missing: then it is not given.
        """
        self._kind = kind
        self._places = places
        self._mapped = {kind.sobject: kind for _where, kind in mapped.by_object()}
        self._task = task
        self._request = request
        self._lists = lists
        self._walks = walks
        self._desk = desk
        self._changes = changes
        self._org_id = org_id
        self._subscribed = subscribed
        self._tally = tally

    async def total(self) -> int:
        """As the port."""
        listings = [listing for place in self._places if (listing := (await self._listing(place))[0]) is not None]
        return sum([await self._lists.count(listing) for listing in listings])

    async def advances(self, cursor: str) -> AsyncGenerator[Advance, None]:
        """As the port."""
        begun = self._kind.place_of(cursor).is_lead if cursor else False
        for place in self._places:
            if begun and not place.is_lead:
                continue
            behind = cursor if cursor and begun is place.is_lead else ""
            async for advance in self._of_place(place, behind):
                yield advance

    async def _of_place(self, place: Place, cursor: str) -> AsyncGenerator[Advance, None]:
        listing, among = await self._listing(place)
        if listing is None:
            return
        if not self._request.dry_run and not await self._subscribed(place.sobject):
            raise CannotRun(not_subscribed(place.sobject))
        last, began_at = cursor, self._desk.now()
        # The ids of Leads come behind those of Contacts: documents that are linked to the others are not missing here.
        linked_after = max(last, LEAD_PREFIX) if place.is_lead else last
        to_the_end = LEAD_PREFIX if self._kind.lead is not None and not place.is_lead else None
        left = await self._lists.count(listing, cursor)
        async with aclosing(self._lists.rows(listing, cursor, total=left)) as listed:
            async for part in _parts(listed):
                until = to_18(part[-1]["Id"])
                counts = await self._compare(place, [dict(place.incoming(row)) for row in part], among)
                if self._task is Task.COMPARE:
                    there = {to_18(row["Id"]) for row in part}
                    counts += await self._find_missing(place, linked_after, until, there, began_at)
                last = linked_after = until
                yield Advance(len(part), last, counts)
        if self._task is Task.COMPARE:
            counts = await self._find_missing(place, linked_after, to_the_end, frozenset(), began_at)
            yield Advance(0, last, counts)

    async def _listing(self, place: Place) -> tuple[Listing | None, frozenset[str] | None]:
        """Which records, and the fields to compare; nothing where there are none."""
        request = self._request
        if self._task is Task.REFRESH:
            calculated = await self._lists.calculated(place.sobject)
            among = frozenset(name for name, here in place.names.items() if here in calculated)
            if not among:
                return None, among
            return Listing(place.sobject, tuple(sorted(place.names[name] for name in among))), among
        only_if = None if request.filter is None else await self._only_if(place, request.filter)
        if (made := await self._only_made(place)) is not None:
            only_if = made if only_if is None else soql.AllOf((only_if, made))
        since, created = milliseconds(request.since), milliseconds(request.created_since)
        return Listing(place.sobject, tuple(place.read_fields()), only_if, since, created), None

    async def _only_made(self, place: Place) -> soql.Condition | None:
        """Which records a pull takes in at all: those that are ours, and those of which it makes a document.

        A plan reads the others too, since it says how many are left out.
        """
        kind, wanted = self._kind, self._kind.pull_filter
        if self._task is not Task.PULL or self._request.dry_run or kind.on_unlinked is not Unlinked.CREATE:
            return None
        if wanted is None:
            return None
        try:
            made = where(wanted, self._mapped[place.sobject], await self._lists.types(place.sobject))
        except ValueError:
            return None  # not to be told in Salesforce's words: each is looked at
        return soql.AnyOf((soql.Compare(place.external_id, soql.Operator.UNEQUAL, None), made))

    async def _only_if(self, place: Place, wanted: Condition) -> soql.Condition:
        mapped = self._mapped[place.sobject]
        known = {each.platform for each in mapped.fields}
        if elsewhere := sorted({each.path for each in comparisons(wanted)} - known):
            told = f"the filter names {', '.join(elsewhere)}, which {place.sobject} has not: ask for one object alone"
            raise CannotRun(told)
        try:
            return where(wanted, mapped, await self._lists.types(place.sobject))
        except ValueError as error:
            raise CannotRun(f"the filter cannot be asked of {place.sobject}: {error}") from error

    async def _compare(self, place: Place, rows: Rows, among: frozenset[str] | None) -> Counter[Verdict]:
        kind = self._kind
        found = {to_18(row["Id"]): row for row in rows}
        parents = await self._desk.parents_by_record(ids_of_all(named_records(kind, row) for row in rows))
        linked = await self._desk.linked_states(kind, sorted(found))
        named = await self._named(found, linked) if among is None else {}
        counts: Counter[Verdict] = Counter()
        changes: list[Change] = []
        for record_id, row in found.items():
            modified = modified_at(row)
            told = {**parents.incoming(kind, row), "Id": record_id}
            owner = named.get(str(row.get(kind.external_id)))
            verdict = pull_verdict(told, modified, linked.get(record_id, ()), owner, kind, among=among)
            counts[verdict] += 1
            if verdict.acts:
                changes.append(differing(place.sobject, record_id, modified))
        if self._tally is not None:
            self._tally.linked += len(linked)
        await self._tell(changes)
        return counts

    async def _named(
        self, found: Mapping[str, Mapping[str, Any]], linked: Mapping[str, Sequence[DocumentState]]
    ) -> dict[str, DocumentState]:
        """The documents whose ids are held by records that no document is linked to."""
        kind = self._kind
        held = {str(row[kind.external_id]) for key, row in found.items() if key not in linked and row[kind.external_id]}
        documents = await self._desk.read(kind, sorted(held)) if held else {}
        return {key: self._desk.decided(kind, key, document) for key, document in documents.items()}

    async def _find_missing(
        self, place: Place, after: str, until: str | None, there: set[str] | frozenset[str], began_at: int
    ) -> Counter[Verdict]:
        """Linked records that ought to be in this part of the list, and are not."""
        counts: Counter[Verdict] = Counter()
        async for page in self._walks.linked_between(self._kind.collection, after, until):
            gone = sorted(set(page) - there)
            counts[Verdict.MISSING] += len(gone)
            if self._tally is not None:
                self._tally.missing += len(gone)
                if self._tally.doubtful():
                    raise TooManyMissing(too_many(place.sobject, self._tally))
            await self._tell([missing(place.sobject, record_id, began_at) for record_id in gone])
        return counts

    async def _tell(self, changes: Sequence[Change]) -> None:
        if not changes or self._request.dry_run:
            return
        now, org_id = self._desk.now(), await self._org_id()
        await self._changes.append([record_of(change, org_id, received_at=now) for change in changes])


async def _parts(listed: AsyncIterable[Rows]) -> AsyncGenerator[Rows, None]:
    """The same rows, no more than `ROWS_AT_ONCE` at a time."""
    async for rows in listed:
        for start in range(0, len(rows), ROWS_AT_ONCE):
            yield rows[start : start + ROWS_AT_ONCE]


def not_subscribed(sobject: str) -> str:
    """Why a pull does not begin."""
    return (
        f"nobody follows the changes of {sobject} yet: start `tandem subscribe` first, so that what is changed during "
        "the run is not missed"
    )


def too_many(sobject: str, tally: Tally) -> str:
    """Why a comparison does not go on."""
    return (
        f"{tally.missing:,} linked {sobject} records of {tally.linked + tally.missing:,} are in no list: were they "
        "deleted, or may the login not see them any more? `tandem sync resume --accept-missing` goes on"
    )
