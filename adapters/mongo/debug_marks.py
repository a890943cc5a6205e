"""What is looked at closely, until when, who wanted it (`tandem_debug`). A mark goes by itself, and its key with it."""

from typing import Any

from bson import Binary
from pymongo import ASCENDING

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import DEBUG
from adapters.mongo.retention import dated
from schemas.debugging import DebugMark

AT_MOST = 1_000
"""So many marks are in force at once: whoever looks at more looks at nothing closely."""


class MongoDebugMarks:
    """Every method raises `Unavailable` as `answering`."""

    def __init__(self, database: Database) -> None:
        self._rows = database[DEBUG]

    async def switch_on(self, mark: DebugMark) -> DebugMark:
        """Keep a mark; the one that holds now. One that lasts still keeps its key, so that its rows can be compared."""
        row = _row(mark)
        key = {"$cond": [{"$gt": ["$until", mark.at]}, "$key", row.pop("key")]}
        kept = {name: {"$literal": value} for name, value in row.items()}
        with answering():
            await self._rows.update_one({"_id": mark.name}, [{"$set": {**kept, "key": key}}], upsert=True)
            return _mark(await self._rows.find_one({"_id": mark.name}) or _row(mark))

    async def switch_off(self, name: str) -> bool:
        """Take a mark away; whether there was one."""
        with answering():
            return bool((await self._rows.delete_one({"_id": name})).deleted_count)

    async def of(self, name: str, now: int) -> DebugMark | None:
        """The mark of this name, while it lasts."""
        with answering():
            row = await self._rows.find_one({"_id": name, "until": {"$gt": now}})
        return None if row is None else _mark(row)

    async def lasting(self, now: int) -> list[DebugMark]:
        """Those that last at `now`, epoch milliseconds, the next to end first."""
        with answering():
            found = self._rows.find({"until": {"$gt": now}}).sort("until", ASCENDING)
            return [_mark(row) for row in await found.limit(AT_MOST).to_list()]


def _row(mark: DebugMark) -> dict[str, Any]:
    return {
        "kind": mark.kind,
        "document": mark.document_id,
        "record": mark.record_id,
        "until": mark.until,
        "by": mark.by,
        "why": mark.why,
        "at": mark.at,
        "key": Binary(mark.key),
        "expires_at": dated(mark.until),
    }


def _mark(row: dict[str, Any]) -> DebugMark:
    return DebugMark(
        kind=row["kind"],
        document_id=row["document"],
        record_id=row["record"],
        until=row["until"],
        by=row["by"],
        why=row["why"],
        at=row["at"],
        key=bytes(row["key"]),
    )
