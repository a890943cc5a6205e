"""What the real stages are given in the proof: documents that are watched, and the oracle's org as Salesforce."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from adapters.mongo.documents import MongoDocuments
from schemas.records import Failure, RecordRead, RecordUpdate, RowResult
from schemas.storage import DocumentWrite
from support.oracle import NOBODY
from support.oracle_world import Visit, World

Document = dict[str, Any]
TIMED_OUT: Final = RowResult(failure=Failure.UNKNOWN, code="TIMEOUT")
LOCKED: Final = RowResult(failure=Failure.NOT_RUN, code="UNABLE_TO_LOCK_ROW")
DELETED: Final = RowResult(failure=Failure.GONE, code="ENTITY_IS_DELETED")


class WatchedDocuments:
    """MongoDB's documents for one process. `took_effect` hears of each of its updates that did.

    `before_write` is awaited once, between a decision and its update.
    """

    def __init__(self, documents: MongoDocuments, took_effect: Callable[[DocumentWrite], None]) -> None:
        self._documents = documents
        self._took_effect = took_effect
        self.before_write: Callable[[], Awaitable[object]] | None = None
        self.revision_read = 0
        self.wrote = False
        """Its last look at the document led to an update."""
        self.saved = 0
        """The revision that its last update made."""

    async def read(self, collection: str, ids: Sequence[str]) -> dict[str, Document]:
        found = await self._documents.read(collection, ids)
        self._look(list(found.values()))
        return found

    async def read_linked(self, collection: str, record_ids: Sequence[str]) -> dict[str, list[Document]]:
        found = await self._documents.read_linked(collection, record_ids)
        self._look([document for documents in found.values() for document in documents])
        return found

    def _look(self, found: Sequence[Document]) -> None:
        self.wrote = False
        self.revision_read = max((document["revision"] for document in found), default=0)

    async def write(self, collection: str, writes: Sequence[DocumentWrite]) -> set[str]:
        hook, self.before_write = self.before_write, None
        if hook is not None:
            await hook()
        lost = await self._documents.write(collection, writes)
        for write in writes:
            if write.id not in lost:
                self.wrote, self.saved = True, write.set["revision"]
                self._took_effect(write)
        return lost

    async def claim(self, collection: str, wanted: Mapping[str, str]) -> dict[str, str]:
        return await self._documents.claim(collection, wanted)

    async def due(self, collection: str, now: int, limit: int) -> list[Document]:
        return await self._documents.due(collection, now, limit)

    async def postpone(self, collection: str, due: Mapping[str, int], until: int) -> None:
        await self._documents.postpone(collection, due, until)

    async def wake(self, collection: str, field: str, parents: Sequence[str], now: int) -> int:
        return await self._documents.wake(collection, field, parents, now)

    async def let_go(self, collection: str, field: str, keepers: Sequence[str], now: int) -> int:
        return await self._documents.let_go(collection, field, keepers, now)

    async def undrained(self, collection: str, limit: int) -> list[Document]:
        return await self._documents.undrained(collection, limit)

    async def in_review(self, collection: str, field: str = "", most: int = 0) -> AsyncIterator[Document]:
        async for document in self._documents.in_review(collection, field, most):
            yield document

    async def untold(self, collection: str, limit: int) -> list[Document]:
        return await self._documents.untold(collection, limit)

    async def clear_told(self, collection: str, rows: Mapping[str, Sequence[str]]) -> None:
        await self._documents.clear_told(collection, rows)

    async def clear_audit(self, collection: str, rows: Mapping[str, Sequence[str]]) -> None:
        await self._documents.clear_audit(collection, rows)


class Holds(Protocol):
    """Where a writer process stands still until the schedule lets it go on."""

    async def __call__(self, visit: Visit) -> str:
        """Wait before or after a call, as `visit.phase` says; what is to become of the call."""


class OrgRecords:
    """The org's one record for one writer process, which is held before each call and before each answer."""

    def __init__(self, world: World, documents: WatchedDocuments, hold: Holds) -> None:
        self._world = world
        self._documents = documents
        self._hold = hold

    async def update(self, sobject: str, updates: Sequence[RecordUpdate]) -> list[RowResult]:
        return [await self._write(update) for update in updates]

    async def upsert(self, sobject: str, external_id_field: str, updates: Sequence[RecordUpdate]) -> list[RowResult]:
        return [await self._write(update, {external_id_field: update.external_id}) for update in updates]

    async def _write(self, update: RecordUpdate, key: Mapping[str, str] | None = None) -> RowResult:
        world = self._world
        kind = world.kind
        values = {**update.values, **(key or {})}
        # The values are those that the document showed when the write was stored.
        shown = next(each for each in reversed(world.history) if each.revision <= self._documents.saved)
        carries = {name: shown.made_by.get(name, NOBODY) for name in update.values if name in kind.by_name}
        first = key is not None
        visit = Visit("stored", values, carries, first, began_at=world.now, record_id=update.record_id)
        world._call(visit, await self._hold(visit))
        await self._hold(visit)
        assert visit.result is not None
        return visit.result

    async def delete(self, sobject: str, record_ids: Sequence[str]) -> list[RowResult]:
        return [await self._delete(record_id) for record_id in record_ids]

    async def _delete(self, record_id: str) -> RowResult:
        org = self._world.org
        visit = Visit("deleting", began_at=self._world.now, record_id=record_id)
        fate = await self._hold(visit)
        found = org.record is not None and record_id == org.record_id
        if found and fate not in ("lost", "late", "not_run"):
            org.delete(self._world.now)
        visit.phase = "deleted"
        await self._hold(visit)
        if fate in ("lost", "late", "unanswered"):
            return TIMED_OUT
        if fate == "not_run":
            return LOCKED
        return RowResult(record_id) if found else DELETED

    async def read(self, sobject: str, record_ids: Sequence[str], fields: Sequence[str]) -> RecordRead:
        world = self._world
        org = world.org
        visit = Visit("begun", began_at=world.now, record_id=record_ids[0])
        await self._hold(visit)
        rows: dict[str, Document] = {}
        if org.record is not None and org.record_id in record_ids:
            modified = {"SystemModstamp": stamp(org.modified)}
            rows[org.record_id] = {"Id": org.record_id, **dict.fromkeys(fields), **org.record, **modified}
        server_time = (world.now + org.skew) // 1_000 * 1_000
        visit.phase = "read"
        await self._hold(visit)
        return RecordRead(began_at=visit.began_at, server_time=server_time, rows=rows)

    async def find(self, sobject: str, external_id_field: str, external_ids: Sequence[str]) -> dict[str, list[str]]:
        # As in `World._look`: this org holds one record. Beside one that a merge has left without our external id an
        # upsert of ours would make a second, which it has no place for.
        org = self._world.org
        return {} if org.record is None else {external_ids[0]: [org.record_id]}

    async def successors(self, sobject: str, record_ids: Sequence[str]) -> dict[str, str]:
        masters = self._world.org.masters
        found: dict[str, str] = {}
        for record_id in record_ids:
            last = record_id
            while last in masters:
                last = found[record_id] = masters[last]
        return found

    async def merged(self, sobject: str, record_ids: Sequence[str]) -> dict[str, list[str]]:
        masters = self._world.org.masters
        after = await self.successors(sobject, list(masters))
        return {each: [loser for loser in masters if after[loser] == each] for each in record_ids}


def stamp(at: int) -> str:
    """As Salesforce writes a time, to the second."""
    return moment(at // 1_000 * 1_000).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def moment(at: int) -> datetime:
    """Of epoch milliseconds."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)


class Process:
    """A writer process, held at each call of its. Between two holds it runs as it likes."""

    def __init__(self, visits: list[Visit | None], number: int) -> None:
        self._visits = visits
        self._number = number
        self._task: asyncio.Task[object] | None = None
        self._gate: asyncio.Future[str] | None = None
        self._stopped: asyncio.Future[None] | None = None

    async def hold(self, visit: Visit) -> str:
        """What `OrgRecords` waits for."""
        self._visits[self._number] = visit
        self._gate = asyncio.get_running_loop().create_future()
        self._stop()
        return await self._gate

    async def begin(self, work: Awaitable[object]) -> str:
        """Begin; the phase in which it is held first, "done" where it is not."""
        self._visits[self._number] = Visit("looking")
        self._stopped = asyncio.get_running_loop().create_future()
        self._task = asyncio.ensure_future(work)
        self._task.add_done_callback(lambda _task: self._stop())
        return await self._until_held()

    async def go_on(self, fate: str) -> str:
        """Go on to the next hold; this is what becomes of the call that it is about to make."""
        assert self._gate is not None
        self._stopped = asyncio.get_running_loop().create_future()
        self._gate.set_result(fate)
        return await self._until_held()

    async def kill(self) -> None:
        """It dies where it is held."""
        task, self._task = self._task, None
        self._visits[self._number] = None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def _stop(self) -> None:
        if self._stopped is not None and not self._stopped.done():
            self._stopped.set_result(None)

    async def _until_held(self) -> str:
        assert self._stopped is not None
        await self._stopped
        if self._task is not None and self._task.done():
            task, self._task = self._task, None
            self._visits[self._number] = None
            await task
            return "done"
        visit = self._visits[self._number]
        return "done" if visit is None else visit.phase
