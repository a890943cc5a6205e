"""How things are, counted from what is stored. Every count is taken by an index and ends at a limit."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import ALLOCATIONS, GAPS, NOT_SYNCED, OPERATIONS, PARKED, RUNS, SYNC_STATUS
from adapters.mongo.connections import CONNECTIONS, without_tokens
from adapters.mongo.leases import LEASES
from adapters.mongo.positions import POSITIONS
from schemas.connection import Connection

MOST: Final = 5_000
"""What is more is told as so many or more."""


@dataclass(frozen=True, slots=True)
class KindCounts:
    """Documents of one kind: all of them (about), those due to be written, refused, and with a conflict that waits."""

    kind: str
    documents: int
    due: int
    refused: int
    reviews: int
    oldest_due: int
    """When the one that has waited longest was due, epoch milliseconds; 0 where none is."""
    held: int = 0
    """With a value that is not pushed: it waits for a choice, or Salesforce keeps what it has (`fill_only`)."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A lease: what for, who holds it, and whether it still holds. Epoch milliseconds."""

    name: str
    owner: str
    held: bool
    until: int


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """How far a channel has come: when it was last moved, and when the event there was committed. Milliseconds."""

    channel: str
    moved_at: int
    committed_at: int


class MongoOverview:
    """Every method raises `Unavailable` while MongoDB does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def counts(self, kind: str, collection: str) -> KindCounts:
        """Of one kind."""
        documents, due = self._database[collection], {"_sync.due_at": {"$gt": 0}}
        with answering():
            oldest, number, *counted = await asyncio.gather(
                documents.find_one(due, {"_sync.due_at": 1}, sort=[("_sync.due_at", 1)]),
                documents.estimated_document_count(),
                self._count(collection, due, "due"),
                self._count(collection, {"_sync.refusal.at": {"$gt": 0}}, "refused"),
                self._count(collection, {"_sync.reviews": {"$gt": ""}}, "reviews"),
                self._count(collection, {"salesforce.held": {"$gt": ""}}, "held"),
            )
        many_due, refused, reviews, held = counted
        return KindCounts(
            kind=kind,
            documents=number,
            due=many_due,
            refused=refused,
            reviews=reviews,
            held=held,
            oldest_due=oldest["_sync"]["due_at"] if oldest else 0,
        )

    async def not_synced(self, collection: str) -> dict[str, int]:
        """Documents by what the platform is told of them (`syncStatus`), but for those that are synced; each to `MOST`.

        A document on which nothing was ever decided has no such word, and is in none of these.
        """
        with answering():
            told = sorted(await self._database[collection].distinct(SYNC_STATUS, NOT_SYNCED))
            counted = await asyncio.gather(
                *(self._count(collection, {SYNC_STATUS: each}, "not_synced") for each in told)
            )
        return dict(zip(told, counted, strict=True))

    async def parked(self) -> int:
        """Records that wait for a person."""
        with answering():
            return await self._count(PARKED, {"state": "parked"}, "state")

    async def parked_since(self, at: int) -> int:
        """Records that were parked since then (epoch milliseconds) and wait for a person."""
        with answering():
            return await self._count(PARKED, {"state": "parked", "at": {"$gte": at}}, "state")

    async def open_gaps(self) -> int:
        """Gaps that are not closed."""
        with answering():
            return await self._count(GAPS, {"state": {"$in": ["open", "repairing"]}}, "unrepaired")

    async def _count(self, collection: str, asked: dict[str, Any], index: str) -> int:
        """To `MOST`. The command counts an index' keys alone: `count_documents` takes twice the time."""
        found = await self._database.command("count", collection, query=asked, limit=MOST, hint=index)
        return int(found["n"])

    async def owners(self) -> list[Owner]:
        """Every lease, by name."""
        pipeline: list[dict[str, Any]] = [
            {"$set": {"held": {"$gt": ["$expires_at", "$$NOW"]}, "until": {"$toLong": "$expires_at"}}},
            {"$sort": {"_id": 1}},
        ]
        with answering():
            rows = await (await self._database[LEASES].aggregate(pipeline)).to_list()
        return [Owner(row["_id"], row["owner"], bool(row["held"]), int(row["until"])) for row in rows]

    async def positions(self) -> list[StreamPosition]:
        """Every channel's position, by name."""
        pipeline: list[dict[str, Any]] = [{"$set": {"moved": {"$toLong": "$updated_at"}}}, {"$sort": {"channel": 1}}]
        with answering():
            rows = await (await self._database[POSITIONS].aggregate(pipeline)).to_list()
        return [StreamPosition(row["channel"], int(row["moved"]), int(row["commit_timestamp"])) for row in rows]

    async def allocation(self) -> tuple[int, int, int] | None:
        """API calls used, allowed, and when that was seen; None while nobody has heard."""
        with answering():
            row = await self._database[ALLOCATIONS].find_one({"limit": {"$gt": 0}}, sort=[("seen_at", -1)])
        return None if row is None else (row["used"], row["limit"], row["seen_at"])

    async def connections(self) -> list[Connection]:
        """What is noted of each app's connection, without its tokens."""
        with answering():
            return [without_tokens(row) async for row in self._database[CONNECTIONS].find().sort("_id", 1)]

    async def runs(self, limit: int) -> list[dict[str, Any]]:
        """The newest runs."""
        with answering():
            return await self._database[RUNS].find().sort("asked_at", -1).limit(limit).to_list()

    async def operations(self, limit: int, before: int = 0) -> list[dict[str, Any]]:
        """What operators did, the newest first; before a moment (epoch milliseconds) if one is given."""
        asked = {"at": {"$lt": before}} if before else {}
        with answering():
            return await self._database[OPERATIONS].find(asked).sort("at", -1).limit(limit).to_list()
