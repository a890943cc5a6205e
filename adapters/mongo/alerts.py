"""What people were told of (`tandem_alerts`): a document for each alert that is not over, `_id` its name."""

from collections.abc import Iterable, Sequence
from typing import Any

from pymongo import UpdateOne

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import ALERTS


class MongoAlerts:
    """Rows of alerts. Every method raises `Unavailable` while MongoDB does not answer."""

    def __init__(self, database: Database) -> None:
        self._alerts = database[ALERTS]

    async def rows(self) -> list[dict[str, Any]]:
        """All of them."""
        with answering():
            return await self._alerts.find().sort("_id", 1).to_list()

    async def keep(self, rows: Iterable[dict[str, Any]]) -> None:
        """Set these fields of each; all others stay."""
        writes = [UpdateOne({"_id": row["_id"]}, {"$set": row}, upsert=True) for row in rows]
        if writes:
            with answering():
                await self._alerts.bulk_write(writes, ordered=False)

    async def set(self, name: str, fields: dict[str, Any]) -> bool:
        """Set fields of one; false where there is none of this name."""
        with answering():
            return (await self._alerts.update_one({"_id": name}, {"$set": fields})).matched_count > 0

    async def remove(self, names: Sequence[str]) -> None:
        """They are over."""
        with answering():
            await self._alerts.delete_many({"_id": {"$in": list(names)}})
