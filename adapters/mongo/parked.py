"""`tandem_parked` and the refused writes of documents, as an operator asks for them and closes them."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from bson import Binary

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import PARKED
from adapters.mongo.logs import WAITING, closing, literal
from schemas import topics
from schemas.outcome import Result

Row = dict[str, Any]

_NOT_OF_A_DOCUMENT: Final = ("undecodable", "unknown_kind", "document_refused")
"""Why a doorbell itself is parked. Any other reason is that of its document's refused write."""
WITNESS: Final[Row] = {
    "topic": topics.SALESFORCE_WRITES,
    "document": {"$gt": ""},
    "reason": {"$nin": list(_NOT_OF_A_DOCUMENT)},
}
"""Rows that tell of a refused write: the document itself says whether it still is."""
PAGE: Final = 500
_LARGE: Final = {"value": 0, "headers": 0}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which are asked for. What is empty leaves none out; times are epoch milliseconds, `until` is not included."""

    ids: Sequence[str] = ()
    reasons: Sequence[str] = ()
    topic: str = ""
    kind: str = ""
    key: str = ""
    since: int | None = None
    until: int | None = None
    states: Sequence[str] = field(default_factory=lambda: ["parked"])

    def takes_writes(self) -> bool:
        """Whether refused writes may be among them."""
        return self.topic in ("", topics.SALESFORCE_WRITES) and "parked" in self.states


class ParkedQueue:
    """What waits for a person. Every method raises `Unavailable` while MongoDB does not answer."""

    def __init__(self, database: Database, kept: timedelta) -> None:
        """`kept` is how long a row is there once it is closed."""
        self._database = database
        self._kept = kept

    async def records(self, wanted: Wanted, most: int = 0, *, newest: bool = False) -> AsyncIterator[Row]:
        """Parked records without their bytes, the oldest first or the newest; but for those that tell of a refused
        write.

        With `most` no more than so many, those of one moment in any order: an index has them so.
        """
        way = -1 if newest else 1
        found = self._database[PARKED].find(_query(wanted), _LARGE)
        whole = [(name, way) for name in ("at", "partition", "offset")]
        cursor = found.sort("at", way).limit(most) if most else found.sort(whole)
        while True:
            with answering():
                row = await anext(cursor, None)
            if row is None:
                return
            yield row

    async def record(self, row_id: str) -> Row | None:
        """One with its bytes."""
        with answering():
            return await self._database[PARKED].find_one({"_id": row_id})

    async def refused(
        self, collection: str, wanted: Wanted, kind: str, most: int = 0, *, newest: bool = False
    ) -> AsyncIterator[Row]:
        """Documents whose write is refused, with `_id`, `revision` and the refusal: the oldest first, or the newest.

        But for those whose refusal somebody has discarded. With `most` no more than so many are looked at.
        """
        asked: Row = {"_sync.refusal.at": _within(wanted) or {"$gte": 0}}
        if wanted.reasons:
            asked["_sync.refusal.code"] = {"$in": list(wanted.reasons)}
        shown = {"revision": 1, "_sync.refusal": 1, "_sync.link.id": 1, "_sync.due_at": 1}
        cursor = self._database[collection].find(asked, shown)
        cursor = cursor.sort("_sync.refusal.at", -1 if newest else 1).limit(most)
        while True:
            with answering():
                found = await cursor.to_list(PAGE)
                discarded = await self._discarded(kind, [document["_id"] for document in found])
            for document in found:
                if document["_sync"]["refusal"]["at"] > discarded.get(document["_id"], -1):
                    yield document
            if len(found) < PAGE:
                return

    async def _discarded(self, kind: str, ids: Sequence[str]) -> dict[str, int]:
        """When a refusal of these documents was last discarded: it tells of none that is later."""
        asked = {**WITNESS, "kind": kind, "document": {"$in": list(ids)}, "state": "discarded"}
        rows = self._database[PARKED].find(asked, {"document": 1, "at": 1}).sort("at", 1) if ids else None
        return {} if rows is None else {row["document"]: row["at"] for row in await rows.to_list()}

    async def witnesses(self, kind: str, document_id: str) -> list[Row]:
        """All rows that tell of this document's refused writes, the newest first, without their bytes."""
        asked = {**WITNESS, "kind": kind, "document": document_id}
        with answering():
            return await self._database[PARKED].find(asked, _LARGE).sort("at", -1).to_list()

    async def note_redrive(self, row_id: str, attempt: int, *, by: str, note: str, at: int) -> bool:
        """Say who is about to publish the record again, before it is; False where the row is closed by now."""
        told = {"attempt": attempt, "by": by, "note": note, "at": at}
        with answering():
            asked = {"_id": row_id, "state": {"$in": list(WAITING)}}
            done = await self._database[PARKED].update_one(asked, {"$push": {"redrives": told}})
        return bool(done.matched_count)

    async def mark_redriven(self, row_id: str, attempt: int) -> None:
        """Say that it was published. Where its end is told already, that stays."""
        asked = {"_id": row_id, "state": "parked", "attempts": {"$not": {"$gte": attempt}}}
        with answering():
            await self._database[PARKED].update_one(asked, {"$set": {"state": "redriven"}})

    async def mark_witnesses(self, kind: str, document_id: str, *, by: str, note: str, at: int) -> None:
        """Say who has let a refused write go out again."""
        asked = {**WITNESS, "kind": kind, "document": document_id, "state": "parked"}
        told = {"by": by, "note": note, "at": at}
        with answering():
            await self._database[PARKED].update_many(
                asked, {"$set": {"state": "redriven"}, "$push": {"redrives": told}}
            )

    async def discard(self, row_id: str, *, by: str, note: str, at: int) -> bool:
        """Close a record by a person's word; False where it is closed already. Its bytes stay for as long as is set."""
        with answering():
            asked = {"_id": row_id, "state": {"$in": list(WAITING)}}
            done = await self._database[PARKED].update_one(asked, self._closed("discarded", by=by, note=note, at=at))
        return bool(done.modified_count)

    async def discard_write(
        self, kind: str, document_id: str, refusal: Mapping[str, Any], *, by: str, note: str, at: int
    ) -> None:
        """Close what tells of a refused write. The document stays as it is, and a later refusal is told of anew."""
        asked = {**WITNESS, "kind": kind, "document": document_id, "state": {"$in": list(WAITING)}}
        closed = self._closed("discarded", by=by, note=note, at=at)
        with answering():
            # A writer killed between the document and its row has left none.
            made = f"{topics.SALESFORCE_WRITES}:{kind}:{document_id}:{refusal['at']}"
            await self._database[PARKED].update_one(
                {"_id": made}, {"$setOnInsert": _witness(kind, document_id, refusal, at)}, upsert=True
            )
            await self._database[PARKED].update_many(asked, closed)

    async def open_witnesses(self, after: str, limit: int) -> list[Row]:
        """Rows that tell of refused writes and are not closed, in the order of their ids, `limit` at a time."""
        asked = {**WITNESS, "state": {"$in": list(WAITING)}, "_id": {"$gt": after}}
        with answering():
            return await self._database[PARKED].find(asked, _LARGE).sort("_id", 1).limit(limit).to_list()

    async def resolve(self, row_ids: Iterable[str], end: Result, at: int) -> None:
        """Close rows of refused writes that are refused no more."""
        told = {
            "state": "resolved",
            "outcome": str(end.outcome),
            "outcome_reason": end.reason,
            "closed_at": at,
        }
        update = [{"$set": {**literal(told), "expires_at": closing(self._kept)}}]
        with answering():
            asked = {"_id": {"$in": list(row_ids)}, "state": {"$in": list(WAITING)}}
            await self._database[PARKED].update_many(asked, update)

    def _closed(self, state: str, *, by: str, note: str, at: int) -> list[Row]:
        told = {"state": state, "closed_at": at, "closed_by": by, "note": note}
        return [{"$set": {**literal(told), "expires_at": closing(self._kept)}}]


def _query(wanted: Wanted) -> Row:
    asked: Row = {"state": {"$in": list(wanted.states)}}
    if wanted.ids:
        asked["_id"] = {"$in": list(wanted.ids)}
    if wanted.reasons:
        asked["reason"] = {"$in": list(wanted.reasons)}
    if wanted.topic:
        asked["topic"] = wanted.topic
    if wanted.kind:
        asked["kind"] = wanted.kind
    if wanted.key:
        asked["key"] = Binary(wanted.key.encode())
    if within := _within(wanted):
        asked["at"] = within
    return {"$and": [asked, {"$nor": [WITNESS]}]}


def _within(wanted: Wanted) -> Row:
    edges = {"$gte": wanted.since, "$lt": wanted.until}
    return {name: edge for name, edge in edges.items() if edge is not None}


def _witness(kind: str, document_id: str, refusal: Mapping[str, Any], at: int) -> Row:
    return {
        "topic": topics.SALESFORCE_WRITES,
        "kind": kind,
        "document": document_id,
        "reason": refusal["code"],
        "detail": refusal["message"],
        "at": at,
        "state": "parked",
    }
