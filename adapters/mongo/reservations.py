"""Reservations (`tandem_reservations`): who writes children of a Salesforce record now, by the server's clock.

They spare row locks and guard nothing, so a single server's word is enough: one that a failover forgets costs a row
that Salesforce refuses and that is sent again. What is read back is that server's own word, too: a majority would not
have heard of it yet, and nobody would ever have their turn at once.
"""

from collections.abc import Sequence
from typing import Any, Final

from pymongo import UpdateOne
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import RESERVATIONS

_FREE: Final = {"$lte": [{"$ifNull": ["$expires_at", "$$NOW"]}, "$$NOW"]}


class MongoReservations:
    """Satisfies `consumers.ports.Reservations`."""

    def __init__(self, database: Database) -> None:
        self._kept = database.get_collection(
            RESERVATIONS, write_concern=WriteConcern(w=1), read_concern=ReadConcern("local")
        )

    async def reserve(self, holder: str, keys: Sequence[str], seconds: float) -> set[str]:
        """Hold these for so long, where no other holder does; those that are held now.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        if not keys:
            return set()
        us = {"$literal": holder}
        taken: dict[str, Any] = {"holder": us, "expires_at": {"$add": ["$$NOW", round(seconds * 1000)]}}
        ours = {"$or": [_FREE, {"$eq": ["$holder", us]}]}
        update = [{"$replaceWith": {"$cond": [ours, {"$mergeObjects": ["$$ROOT", taken]}, "$$ROOT"]}}]
        with answering():
            await self._kept.bulk_write([UpdateOne({"_id": key}, update, upsert=True) for key in keys], ordered=False)
            held = await self._kept.find({"_id": {"$in": list(keys)}, "holder": holder}, {"_id": 1}).to_list()
        return {row["_id"] for row in held}

    async def release(self, holder: str, keys: Sequence[str]) -> None:
        """Let these go.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        with answering():
            await self._kept.delete_many({"_id": {"$in": list(keys)}, "holder": holder})
