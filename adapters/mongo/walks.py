"""Whole collections in the order of their ids, in pages, for runs; and what runs make due."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pymongo import ASCENDING, UpdateOne

from adapters.mongo.answering import answering
from adapters.mongo.client import Database

Document = dict[str, Any]

LINKS_A_PAGE: Final = 5_000


@dataclass(frozen=True, slots=True)
class Standing:
    """A document as it was when somebody decided that it is due: its revision, and when it was due then."""

    revision: int
    due_at: int | None


class MongoWalks:
    """Every method raises `Unavailable` while MongoDB does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def estimate(self, collection: str) -> int:
        """About how many documents there are."""
        with answering():
            return await self._database[collection].estimated_document_count()

    async def pages(self, collection: str, after: str, size: int) -> AsyncIterator[list[Document]]:
        """The documents behind this id, so many at a time, each page read when it is asked for."""
        last = after
        while True:
            with answering():
                found = (
                    await self._database[collection]
                    .find({"_id": {"$gt": last}}, sort=[("_id", ASCENDING)], limit=size)
                    .to_list()
                )
            if not found:
                return
            last = found[-1]["_id"]
            yield found

    async def linked_between(self, collection: str, after: str, until: str | None) -> AsyncIterator[list[str]]:
        """The records that documents have behind this record id, up to and with `until`; without it to the end.

        Those that are known to be gone are not among them. In pages, in order.
        """
        last = after
        while True:
            window = {"$gt": last} if until is None else {"$gt": last, "$lte": until}
            linked = {"_sync.link.id": window, "_sync.link.gone": {"$ne": True}}
            with answering():
                cursor = self._database[collection].find(linked, {"_id": 0, "_sync.link.id": 1}, hint="link")
                found = await cursor.sort("_sync.link.id", ASCENDING).limit(LINKS_A_PAGE).to_list()
            if not found:
                return
            ids = [document["_sync"]["link"]["id"] for document in found]
            last = ids[-1]
            yield ids

    async def make_due(self, collection: str, documents: Mapping[str, Standing], at: int) -> None:
        """Set `_sync.due_at` where nobody has touched the document, or its time, since it was read."""
        if not documents:
            return
        operations = [
            UpdateOne(
                {
                    "_id": key,
                    "revision": seen.revision,
                    "_sync.due_at": {"$exists": False} if seen.due_at is None else seen.due_at,
                },
                {"$set": {"_sync.due_at": at}},
            )
            for key, seen in documents.items()
        ]
        with answering():
            await self._database[collection].bulk_write(operations, ordered=False)

    async def count_due(self, collection: str, until: int, most: int) -> int:
        """How many documents are due by then, epoch milliseconds; no more than `most` are counted."""
        with answering():
            return await self._database[collection].count_documents(
                {"_sync.due_at": {"$lte": until}}, hint="due", limit=most
            )
