"""The documents of a collection page by page: all of them, or a sample."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

from pymongo import ASCENDING

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.versions import windows

Document = dict[str, Any]

_OURS: Final = {"revision": {"$exists": True}}
"""Documents that Tandem has decided; what else the platform keeps there nobody has told it of."""


def _not_counted(_count: int) -> None: ...


class MongoPages:
    """Satisfies `ops.verify.Pages`. Every method raises `Unavailable` while MongoDB does not answer."""

    def __init__(self, database: Database, page: int) -> None:
        self._database = database
        self._page = page

    async def estimate(self, collection: str) -> int:
        """About how many documents there are."""
        with answering():
            return await self._database[collection].estimated_document_count()

    async def all(
        self, collection: str, undecided: Callable[[int], None] = _not_counted
    ) -> AsyncIterator[list[Document]]:
        """Every document, in the order of `_id`; pages may be empty. `undecided` hears how many more are not ours."""
        async for found, passed in self._walk(collection, _OURS):
            undecided(max(0, passed - len(found)))
            yield found

    async def changed(self, collection: str, since: int, until: int) -> AsyncIterator[list[Document]]:
        """Every document that was written between these moments (epoch milliseconds), in the order of `_id`.

        MongoDB looks at all of them on the way: an index by that time would be moved by each update.
        """
        between = {"$gte": since, "$lte": until}
        async for found, _passed in self._walk(collection, {**_OURS, "salesforce.lastSyncedAt": between}):
            yield found

    async def _walk(self, collection: str, wanted: Mapping[str, Any]) -> AsyncIterator[tuple[list[Document], int]]:
        """Pages of those that are wanted, each with how many documents it was taken of."""
        documents = self._database[collection]
        async for window, passed in windows(documents, self._page):
            with answering():
                found = await documents.find({"_id": window, **wanted}).sort("_id", ASCENDING).to_list()
            yield found, passed

    async def sample(self, collection: str, size: int) -> AsyncIterator[list[Document]]:
        """So many documents at random, or all where there are fewer; each once."""
        ids: list[str] = []
        with answering():
            cursor = await self._database[collection].aggregate(
                [{"$match": _OURS}, {"$sample": {"size": size}}, {"$project": {"_id": 1}}]
            )
            ids = list(dict.fromkeys([found["_id"] async for found in cursor]))
        for start in range(0, len(ids), self._page):
            with answering():
                wanted = {"_id": {"$in": ids[start : start + self._page]}}
                found = await self._database[collection].find(wanted).to_list()
            yield found
