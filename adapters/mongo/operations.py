"""`tandem_operations`: what people have done, here and by command: who, what, why, when; and how far that has come.

A row with `work` is one that is still to be worked at (`ops.errands`); the field goes where nothing is left of it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import OPERATIONS
from adapters.mongo.retention import dated

Row = dict[str, Any]

ONLY_PLANNED: Final = ("planning", "planned")
"""States of a replay of which nothing has been published, nor is to be yet."""


class MongoOperations:
    """The rows. Every method raises `Unavailable` while MongoDB does not answer."""

    def __init__(self, database: Database) -> None:
        self._rows = database[OPERATIONS]

    async def add(self, rows: Sequence[Row]) -> None:
        """Keep these; their ids are new."""
        if rows:
            with answering():
                await self._rows.insert_many([{"made_at": dated(row["at"]), **row} for row in rows])

    async def end(self, row_id: str, told: Mapping[str, Any]) -> None:
        """Say how something went."""
        with answering():
            await self._rows.update_one({"_id": row_id}, {"$set": dict(told)})

    async def get(self, row_id: str) -> Row | None:
        """One row."""
        with answering():
            return await self._rows.find_one({"_id": row_id})

    async def of_document(self, kind: str, document_id: str, limit: int) -> list[Row]:
        """What was done about one document, the newest first."""
        with answering():
            found = self._rows.find({"kind": kind, "document": document_id}).sort("at", DESCENDING)
            return await found.limit(limit).to_list()

    async def unfinished(self) -> list[Row]:
        """Replays that were begun and have not come to their end, the newest first."""
        with answering():
            asked = {"what": "replay", "state": {"$nin": ["done", "cancelled", *ONLY_PLANNED]}}
            return await self._rows.find(asked).sort("at", DESCENDING).limit(20).to_list()

    async def of_sort(self, what: str, limit: int) -> list[Row]:
        """What was done of this sort, the newest first."""
        with answering():
            return await self._rows.find({"what": what}).sort("at", DESCENDING).limit(limit).to_list()

    async def next_work(self, work: str) -> Row | None:
        """Of the rows to be worked at in this way the one that has waited longest."""
        with answering():
            return await self._rows.find_one({"work": work}, sort=[("at", ASCENDING)])

    async def turn(self, row_id: str, states: Sequence[str], told: Mapping[str, Any]) -> bool:
        """Say these of a row if it is in one of these states; whether it was. What is None goes."""
        change: Row = {"$set": {name: value for name, value in told.items() if value is not None}}
        if gone := {name: "" for name, value in told.items() if value is None}:
            change["$unset"] = gone
        with answering():
            turned = await self._rows.update_one({"_id": row_id, "state": {"$in": list(states)}}, change)
        return bool(turned.matched_count)
