"""What the processes know of an org's allocations (`tandem_allocations`): each tells its own, and reads all."""

import uuid
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pymongo import ReturnDocument

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import ALLOCATIONS
from schemas.allocation import Allocation, AllocationHeard, newest

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class MongoAllocations:
    """Of one org. Who has not told anything for a while is not counted; MongoDB removes its row by itself."""

    def __init__(self, database: Database, org: str) -> None:
        self._rows = database[ALLOCATIONS]
        self._org = org

    async def exchange(self, process: str, heard: AllocationHeard, seconds: float) -> tuple[AllocationHeard, int]:
        """Tell what this process has heard, for so many seconds; the newest of all, and how many processes there are.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        until = {"$add": ["$$NOW", round(seconds * 1000)]}
        told = {"$literal": {"org": self._org, **_dump(heard)}}
        with answering():
            await self._rows.update_one(
                {"_id": f"{self._org}:{process}"},
                [{"$replaceWith": {"$mergeObjects": ["$$ROOT", told, {"expires_at": until}]}}],
                upsert=True,
            )
            there = {"org": self._org, "$expr": {"$gt": ["$expires_at", "$$NOW"]}}
            rows = await self._rows.find(there).to_list()
        return newest([_load(row) for row in rows]), len(rows)

    async def turn(self, seconds: float) -> bool:
        """Whether it is this process's turn to ask the org for all its allocations: once in so many seconds for all.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        ours = uuid.uuid4().hex
        before = {"$subtract": ["$$NOW", round(seconds * 1000)]}
        due = {"$lte": [{"$ifNull": ["$asked_at", _LONG_AGO]}, before]}
        taken = {"asked_at": "$$NOW", "turn": ours}
        with answering():
            row = await self._rows.find_one_and_update(
                {"_id": f"{self._org}:asked"},
                [{"$replaceWith": {"$cond": [due, {"$mergeObjects": ["$$ROOT", taken]}, "$$ROOT"]}}],
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        return bool(row and row.get("turn") == ours)


async def heard_by_all(database: Database) -> AllocationHeard:
    """The newest that any process has told, for who only looks.

    Raises:
        Unavailable: MongoDB does not answer.
    """
    with answering():
        rows = await database[ALLOCATIONS].find({"org": {"$gt": ""}}).to_list()
    return newest([_load(row) for row in rows])


def _dump(heard: AllocationHeard) -> dict[str, Any]:
    stored: dict[str, Any] = {
        "exceeded_until": heard.exceeded_until,
        "jobs": {name: asdict(one) for name, one in heard.jobs.items()},
    }
    if heard.deliveries is not None:
        stored["deliveries"] = asdict(heard.deliveries)
    return stored if heard.allocation is None else stored | asdict(heard.allocation)


def _load(row: dict[str, Any]) -> AllocationHeard:
    deliveries = row.get("deliveries")
    return AllocationHeard(
        Allocation(row["used"], row["limit"], row["seen_at"]) if "limit" in row else None,
        row["exceeded_until"],
        None if deliveries is None else Allocation(**deliveries),
        {name: Allocation(**one) for name, one in row.get("jobs", {}).items()},
    )
