"""Row locks: who writes a record holds it until the commit, and with it the parents that a save of it locks.

Off unless transactions are given a length. Source: the Salesforce paper "Record Locking Cheat Sheet": inserts and
updates of contacts, opportunities and campaign members lock the accounts and campaigns that they name; a row that
waits for its locks for too long fails with UNABLE_TO_LOCK_ROW, and the others of its call do not.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager

from simulator.org import ids
from simulator.org.batch import BatchRow
from simulator.org.errors import SalesforceError
from simulator.org.objects import FieldDefinition, FieldType, ObjectDefinition
from simulator.org.store import Row, Store

_NEVER_LOCKED = frozenset({"User", "Organization"})


class RowLocks:
    """The locks of one org. `hold_ms` is how long a transaction takes; 0: nothing is ever locked."""

    def __init__(self, store: Store, *, hold_ms: int, wait_ms: int) -> None:
        self._store = store
        self._hold = hold_ms / 1000
        self._wait = wait_ms / 1000
        self.held: set[str] = set()
        """Ids of the records that are locked now."""
        self._released = asyncio.Event()
        self.met = 0
        """Calls that found a record held by another."""
        self.refused = 0
        """Rows that waited in vain."""

    @asynccontextmanager
    async def during(self, rows: Sequence[BatchRow], key: FieldDefinition | None = None) -> AsyncIterator[None]:
        """The rows' locks for as long as a transaction takes, then the block; rows that did not get theirs have failed.

        `key` is the external id by which rows of an upsert find their records.
        """
        if not self._hold:
            yield
            return
        mine: set[str] = set()
        try:
            await self._take(rows, self._wanted(rows, key), mine)
            await asyncio.sleep(self._hold)
            yield
        finally:
            self._let_go(mine)

    async def hold(self, record_ids: Iterable[str], seconds: float) -> None:
        """Hold records as another user's long transaction does."""
        mine = {record_id for record_id in record_ids if record_id not in self.held}
        self.held |= mine
        try:
            await asyncio.sleep(seconds)
        finally:
            self._let_go(mine)

    async def _take(self, rows: Sequence[BatchRow], wanted: Sequence[frozenset[str]], mine: set[str]) -> None:
        waiting = self._free(range(len(rows)), wanted, mine)
        self.met += bool(waiting)
        try:
            async with asyncio.timeout(self._wait):
                while waiting:
                    await self._released.wait()
                    waiting = self._free(waiting, wanted, mine)
        except TimeoutError:
            for place in waiting:
                held = sorted(wanted[place] & (self.held - mine))
                self.refused += 1
                message = f"unable to obtain exclusive access to this record or {len(held)} records: {','.join(held)}"
                rows[place].error = rows[place].error or SalesforceError("UNABLE_TO_LOCK_ROW", message, [])

    def _free(self, places: Iterable[int], wanted: Sequence[frozenset[str]], mine: set[str]) -> list[int]:
        """Take what is free; the places of rows that have still to wait."""
        waiting = []
        for place in places:
            if wanted[place] & (self.held - mine):
                waiting.append(place)
            else:
                mine |= wanted[place]
                self.held |= wanted[place]
        return waiting

    def _let_go(self, mine: set[str]) -> None:
        self.held -= mine
        self._released.set()
        self._released = asyncio.Event()

    def _wanted(self, rows: Sequence[BatchRow], key: FieldDefinition | None) -> list[frozenset[str]]:
        stored = self._stored(rows, key)
        return [_locked(row.definition, row.body, found) for row, found in zip(rows, stored, strict=True)]

    def _stored(self, rows: Sequence[BatchRow], key: FieldDefinition | None) -> list[Row | None]:
        """What each row's record holds now."""
        named = [_named(row, key) for row in rows]
        found: dict[str, Row] = {}
        for definition in {row.definition.name: row.definition for row in rows}.values():
            wanted = [one for one, row in zip(named, rows, strict=True) if one and row.definition is definition]
            if key is None or key.name == "Id":
                found |= self._store.read(definition, wanted)
            else:
                found |= {str(row[key.name]): row for row in self._store.find(definition, key, wanted).values()}
        return [found.get(one or "") for one in named]


def _named(row: BatchRow, key: FieldDefinition | None) -> str | None:
    if row.id:
        return row.id
    name = "id" if key is None else key.name.lower()
    text = next((value for each, value in row.body.items() if each.lower() == name), None)
    if not isinstance(text, str):
        return None
    return ids.normalise(text) if name == "id" else text


def _locked(definition: ObjectDefinition, body: Mapping[str, object], stored: Row | None) -> frozenset[str]:
    """The record, and what it names before and after the save."""
    found = {str(stored["Id"])} if stored is not None else set[str]()
    for field in definition.columns:
        if field.type is not FieldType.REFERENCE or field.to in _NEVER_LOCKED:
            continue
        for value in (body.get(field.name), None if stored is None else stored[field.name]):
            record_id = ids.normalise(value) if isinstance(value, str) else None
            if record_id is not None:
                found.add(record_id)
    return frozenset(found)
