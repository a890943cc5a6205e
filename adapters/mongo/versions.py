"""The documents by the version of the mapping that last decided them (`_sync.mapping`)."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pymongo import ASCENDING
from pymongo.asynchronous.collection import AsyncCollection

from adapters.mongo.answering import answering
from adapters.mongo.client import Database

Document = dict[str, Any]

PAGE: Final = 1_000
COUNTED_AT_ONCE: Final = 50_000


@dataclass(frozen=True, slots=True)
class Page:
    """The documents to decide within the next `passed` of a collection."""

    documents: list[Document]
    passed: int


class MongoVersions:
    """Goes through whole collections in the order of `_id`, so many documents at a time.

    No index is needed, and no question takes longer because the collection is larger. Only documents that Tandem has
    decided before count. Every method raises `Unavailable` while MongoDB does not answer.
    """

    def __init__(self, database: Database, *, page: int = PAGE) -> None:
        self._database = database
        self._page = page

    async def estimate(self, collection: str) -> int:
        """About how many documents there are."""
        with answering():
            return await self._database[collection].estimated_document_count()

    async def older(self, collection: str, version: int) -> AsyncIterator[Page]:
        """Those last decided by an older version than this, page by page; pages may be empty."""
        documents = self._database[collection]
        async for window, passed in windows(documents, self._page):
            with answering():
                found = await documents.find({"_id": window, **_older(version)}).sort("_id", ASCENDING).to_list()
            yield Page(found, passed)

    async def still_older(self, collection: str, version: int, ids: Sequence[str]) -> list[Document]:
        """Those of these ids that are still decided by an older version than this."""
        with answering():
            return await self._database[collection].find({"_id": {"$in": list(ids)}, **_older(version)}).to_list()

    async def count_older(self, collection: str, version: int) -> int:
        """How many were last decided by an older version than this."""
        documents = self._database[collection]
        count = 0
        async for window, _passed in windows(documents, COUNTED_AT_ONCE):
            with answering():
                count += await documents.count_documents({"_id": window, **_older(version)})
        return count


def _older(version: int) -> dict[str, Any]:
    # Not `$lt`, which would pass over documents from before versions were noted.
    return {"revision": {"$exists": True}, "_sync.mapping": {"$not": {"$gte": version}}}


async def windows(documents: AsyncCollection[Document], size: int) -> AsyncIterator[tuple[dict[str, str], int]]:
    """Conditions on `_id` that follow each other, each for so many documents, and how many."""
    last = ""
    while True:
        with answering():
            ids = documents.find({"_id": {"$gt": last}}, {"_id": 1}).sort("_id", ASCENDING)
            edge = await ids.skip(size - 1).limit(1).to_list()
            if not edge:
                rest = await documents.count_documents({"_id": {"$gt": last}})
                break
        yield {"$gt": last, "$lte": edge[0]["_id"]}, size
        last = edge[0]["_id"]
    yield {"$gt": last}, rest
