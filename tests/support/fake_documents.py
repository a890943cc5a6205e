"""Documents, logs, parked records and doorbells in memory; one behaviour suite runs on these and on MongoDB."""

import copy
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

from schemas.counting import Counted, number
from schemas.lookup import id_named
from schemas.storage import Concluded, DocumentWrite, Parked
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


def is_late(write: DocumentWrite) -> bool:
    return write.fresh_until is not None and time.monotonic() > write.fresh_until


def at_path(document: Document, path: str) -> Any:
    found: Any = document
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def exists(document: Document) -> bool:
    return at_path(document, "_sync.existence.exists") is not False


def total_of(counted: Counted, documents: Sequence[Document]) -> Any:
    held = [one for one in documents if counted.holds(partial(at_path, one))]
    take, value = counted.total.take, counted.value
    if value is None:
        return len(held)
    values = [at_path(one, value.path) for one in held]
    match take:
        case "sum":
            exact = sum((Decimal(str(number(one))) for one in values), Decimal(0))
            return int(exact) if exact == int(exact) else float(exact)
        case "distinct":
            return len({value.key(one) for one in values} - {None})
        case "latest":
            last = max(held, key=partial(_place_of, counted), default=None)
            return at_path(last, value.path) if last is not None else None
        case _:
            placed = [(value.place(one), str(one), one) for one in values if value.place(one) is not None]
            return (min if take == "min" else max)(placed, key=lambda each: each[:2], default=(None,))[-1]


def _place_of(counted: Counted, document: Document) -> Any:
    place = counted.order.place(at_path(document, counted.order.path)) if counted.order is not None else None
    return (place is not None, place or 0, document["_id"])


@dataclass
class FakeDocuments:
    """`away` makes every call fail. `before_write` is called once, just before the next write takes effect."""

    collections: dict[str, dict[str, Document]] = field(default_factory=dict)
    away: bool = False
    before_write: Any = None
    writes: int = 0
    reads: int = 0
    claims: dict[tuple[str, str], str] = field(default_factory=dict)

    def _at(self, collection: str) -> dict[str, Document]:
        if self.away:
            raise Unavailable("away")
        return self.collections.setdefault(collection, {})

    async def read(self, collection: str, ids: Sequence[str]) -> dict[str, Document]:
        stored = self._at(collection)
        self.reads += 1
        return {key: copy.deepcopy(stored[key]) for key in ids if key in stored}

    async def matching(self, collection: str, path: str, texts: Sequence[str]) -> list[Document]:
        wanted = {text.casefold() for text in texts}
        stored = self._at(collection).values()
        return [copy.deepcopy(one) for one in stored if str(at_path(one, path) or "").casefold() in wanted]

    async def read_linked(self, collection: str, record_ids: Sequence[str]) -> dict[str, list[Document]]:
        linked: dict[str, list[Document]] = {}
        for document in self._at(collection).values():
            link = document.get("_sync", {}).get("link", {})
            for record_id in {link.get("id"), *link.get("former", ())}.intersection(record_ids):
                linked.setdefault(record_id, []).append(copy.deepcopy(document))
        return linked

    async def claim(self, collection: str, wanted: Mapping[str, str]) -> dict[str, str]:
        self._at(collection)
        return {
            record_id: self.claims.setdefault((collection, record_id), document_id)
            for record_id, document_id in wanted.items()
        }

    async def totals(
        self, collection: str, by: str, ids: Sequence[str], wanted: Sequence[Counted]
    ) -> dict[str, list[Any]]:
        stored = self._at(collection)
        found: dict[str, list[Any]] = {}
        for id_ in ids:
            counted = [one for one in stored.values() if id_named(at_path(one, by)) == id_ and exists(one)]
            found[id_] = [total_of(total, counted) for total in wanted]
        return found

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
            elif document is None or document.get("revision") != write.revision or is_late(write):
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

    async def in_review(self, collection: str, field: str = "", most: int = 0) -> AsyncIterator[Document]:
        found = []
        for document in self._at(collection).values():
            names = document.get("_sync", {}).get("reviews", [])
            if field in names or (names and not field):
                found.append(copy.deepcopy(document))
        for document in found[: most or None]:
            yield document

    async def postpone(self, collection: str, due: Mapping[str, int], until: int) -> None:
        for key, was in due.items():
            sync = self._at(collection).get(key, {}).get("_sync", {})
            if sync.get("due_at") == was:
                sync["due_at"] = until

    async def wake(self, collection: str, field: str, parents: Sequence[str], now: int) -> int:
        woken = 0
        for document in self._at(collection).values():
            waits = at_path(document, f"_sync.awaited.{field}")
            if waits and waits["parent"] in parents and waits["at"] > now:
                waits["at"] = now
                document["_sync"]["due_at"] = min(now, document["_sync"].get("due_at", now))
                document["revision"] += 1
                woken += 1
        return woken

    async def let_go(self, collection: str, field: str, keepers: Sequence[str], now: int) -> int:
        freed = 0
        for document in self._at(collection).values():
            waits = at_path(document, f"_sync.awaited.{field}")
            if waits and waits.get("keeper") in keepers:
                waits["at"] = min(now, waits["at"])
                document["_sync"]["due_at"] = min(now, document["_sync"].get("due_at", now))
                document["revision"] += 1
                freed += 1
        return freed

    async def to_enrich(self, collection: str, now: int, limit: int) -> dict[str, int]:
        found = {
            key: due
            for key, one in self._at(collection).items()
            if (due := at_path(one, "_sync.enriched.due")) is not None and due <= now
        }
        return dict(sorted(found.items(), key=lambda each: each[1])[:limit])

    async def postpone_look(self, collection: str, due: Mapping[str, int], until: int) -> None:
        for key, was in due.items():
            document = self._at(collection).get(key, {})
            if at_path(document, "_sync.enriched.due") == was:
                set_path(document, "_sync.enriched.due", until)

    async def enriched_from(self, collection: str, record_ids: Sequence[str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for key, document in self._at(collection).items():
            record = at_path(document, "_sync.enriched.record")
            if record in record_ids:
                found.setdefault(record, []).append(key)
        return found

    async def enriched_below(
        self, collection: str, parents: Sequence[str], together: int
    ) -> AsyncIterator[dict[str, list[str]]]:
        found = {
            key: sorted(named)
            for key, document in self._at(collection).items()
            if (named := set(at_path(document, "_sync.enriched.parents") or ()).intersection(parents))
        }
        for start in range(0, len(found), together):
            yield dict(list(found.items())[start : start + together])

    async def look_again(self, collection: str, ids: Sequence[str], due: int, heard: int) -> int:
        marked = 0
        for key in ids:
            document = self._at(collection).get(key, {})
            known = at_path(document, "_sync.enriched")
            if not known or not known.get("parents"):
                continue
            document["revision"] += 1
            known["due"] = min(known.get("due", due), due)
            known["old"] = heard
            known["status"] = "pending" if known["status"] == "error" else known["status"]
            known.pop("tries", None)
            known.pop("code", None)
            marked += 1
        return marked

    async def registrations(self, collection: str, path: str, people: Sequence[str]) -> dict[str, list[Document]]:
        found: dict[str, list[Document]] = {}
        for one in self._at(collection).values():
            if (named := id_named(at_path(one, path))) in people:
                found.setdefault(named, []).append(copy.deepcopy(one))
        return found

    async def naming_member(self, collection: str, member: str) -> list[str]:
        stored = self._at(collection).items()
        return [key for key, one in stored if at_path(one, "_sync.enriched.member") == member]

    async def undrained(self, collection: str, limit: int) -> list[Document]:
        stored = self._at(collection).values()
        return [copy.deepcopy(document) for document in stored if document.get("_sync", {}).get("audit")][:limit]

    async def untold(self, collection: str, limit: int) -> list[Document]:
        stored = self._at(collection).values()
        return [copy.deepcopy(document) for document in stored if document.get("_sync", {}).get("told")][:limit]

    async def clear_told(self, collection: str, rows: Mapping[str, Sequence[str]]) -> None:
        for key, ids in rows.items():
            sync = self._at(collection).get(key, {}).get("_sync", {})
            sync["told"] = [row for row in sync.get("told", []) if row["_id"] not in ids]

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
    concluded: list[Concluded] = field(default_factory=list)

    async def park(self, records: Sequence[Parked]) -> None:
        for record in records:
            self.rows.setdefault((record.topic, record.partition, record.offset), record)

    async def conclude(self, records: Sequence[Concluded]) -> None:
        self.concluded += records


@dataclass
class FakeDoorbells:
    """`salesforce.writes`: what was rung and not yet taken."""

    rung: list[tuple[bytes, bytes]] = field(default_factory=list)
    away: bool = False

    async def ring(self, bells: Sequence[tuple[bytes, bytes]]) -> None:
        if self.away:
            raise Unavailable("away")
        self.rung.extend(bells)


@dataclass
class FakeTellings:
    """`platform.changes`."""

    rows: list[Document] = field(default_factory=list)
    away: bool = False

    async def tell(self, rows: Sequence[Document]) -> None:
        if self.away:
            raise Unavailable("away")
        self.rows.extend(copy.deepcopy(list(rows)))


@dataclass
class FakeReservations:
    """`tandem_reservations`, of which none runs out."""

    holders: dict[str, str] = field(default_factory=dict)

    async def reserve(self, holder: str, keys: Sequence[str], seconds: float) -> set[str]:
        return {key for key in keys if self.holders.setdefault(key, holder) == holder}

    async def release(self, holder: str, keys: Sequence[str]) -> None:
        for key in keys:
            if self.holders.get(key) == holder:
                del self.holders[key]
