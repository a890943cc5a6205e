"""Documents, logs, parked records and doorbells in memory; one behaviour suite runs on these and on MongoDB."""

import copy
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.storage import DocumentWrite, Parked
from schemas.unavailable import Unavailable

Document = dict[str, Any]


def set_path(document: Document, path: str, value: Any) -> None:
    """As MongoDB's `$set`."""
    *parents, last = path.split(".")
    for part in parents:
        document = document.setdefault(part, {})
    document[last] = copy.deepcopy(value)


def unset_path(document: Document, path: str) -> None:
    """As MongoDB's `$unset`."""
    *parents, last = path.split(".")
    for part in parents:
        document = document.get(part, {})
    document.pop(last, None)


@dataclass
class FakeDocuments:
    """`away` makes every call fail. `before_write` is called once, just before the next write takes effect."""

    collections: dict[str, dict[str, Document]] = field(default_factory=dict)
    away: bool = False
    before_write: Any = None
    writes: int = 0

    def _at(self, collection: str) -> dict[str, Document]:
        if self.away:
            raise Unavailable("away")
        return self.collections.setdefault(collection, {})

    async def read(self, collection: str, ids: Sequence[str]) -> dict[str, Document]:
        stored = self._at(collection)
        return {key: copy.deepcopy(stored[key]) for key in ids if key in stored}

    async def read_linked(self, collection: str, record_ids: Sequence[str]) -> dict[str, list[Document]]:
        linked: dict[str, list[Document]] = {}
        for document in self._at(collection).values():
            link = document.get("_sync", {}).get("link", {})
            for record_id in {link.get("id"), *link.get("former", ())}.intersection(record_ids):
                linked.setdefault(record_id, []).append(copy.deepcopy(document))
        return linked

    async def write(self, collection: str, writes: Sequence[DocumentWrite]) -> set[str]:
        stored = self._at(collection)
        if self.before_write is not None:
            hook, self.before_write = self.before_write, None
            await hook()
        self.writes += 1
        lost: set[str] = set()
        for write in writes:
            document = stored.get(write.id)
            if document is None and write.revision is None:
                document = stored[write.id] = {"_id": write.id}
            elif document is None or document.get("revision") != write.revision:
                lost.add(write.id)
                continue
            for path, value in write.set.items():
                set_path(document, path, value)
            for path in write.unset:
                unset_path(document, path)
        return lost

    async def due(self, collection: str, now: int, limit: int) -> list[Document]:
        found = [
            copy.deepcopy(document)
            for document in self._at(collection).values()
            if document.get("_sync", {}).get("due_at", now + 1) <= now
        ]
        return sorted(found, key=lambda document: document["_sync"]["due_at"])[:limit]

    async def in_review(self, collection: str, field: str = "") -> AsyncIterator[Document]:
        for document in list(self._at(collection).values()):
            names = document.get("_sync", {}).get("reviews", [])
            if field in names or (names and not field):
                yield copy.deepcopy(document)

    async def postpone(self, collection: str, due: Mapping[str, int], until: int) -> None:
        for key, was in due.items():
            sync = self._at(collection).get(key, {}).get("_sync", {})
            if sync.get("due_at") == was:
                sync["due_at"] = until

    async def undrained(self, collection: str, limit: int) -> list[Document]:
        stored = self._at(collection).values()
        return [copy.deepcopy(document) for document in stored if document.get("_sync", {}).get("audit")][:limit]

    async def clear_audit(self, collection: str, rows: Mapping[str, Sequence[str]]) -> None:
        for key, ids in rows.items():
            sync = self._at(collection).get(key, {}).get("_sync", {})
            sync["audit"] = [row for row in sync.get("audit", []) if row["_id"] not in ids]


@dataclass
class FakeLog:
    """`salesforce_sync_logs`."""

    rows: dict[str, Document] = field(default_factory=dict)

    async def append(self, rows: Sequence[Document]) -> list[Document]:
        new = [row for row in rows if row["_id"] not in self.rows]
        for row in new:
            self.rows.setdefault(row["_id"], copy.deepcopy(row))
        return new


@dataclass
class FakeParked:
    """`tandem_parked`."""

    rows: dict[tuple[str, int, int], Parked] = field(default_factory=dict)

    async def park(self, records: Sequence[Parked]) -> None:
        for record in records:
            self.rows.setdefault((record.topic, record.partition, record.offset), record)


@dataclass
class FakeDoorbells:
    """`salesforce.writes`: what was rung and not yet taken."""

    rung: list[tuple[bytes, bytes]] = field(default_factory=list)
    away: bool = False

    async def ring(self, bells: Sequence[tuple[bytes, bytes]]) -> None:
        if self.away:
            raise Unavailable("away")
        self.rung.extend(bells)
