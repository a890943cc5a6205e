"""Look-ups that somebody waited for: rows of `salesforce_sync_logs` that say how long, and nothing of whom."""

import uuid
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from pymongo import DESCENDING

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import SYNC_LOGS
from adapters.mongo.logs import log_dates
from schemas.slow_lookup import LookupsHeard, SlowLookup

HEARD: Final = "lookups"
"""Rows that say how many there were in a few seconds."""
_TYPE: Final = "lookup"
_INDEX: Final = "slow_lookups"


class MongoSlowLookups:
    """Satisfies `consumers.enrichment.slow.SlowLog`. Every method raises `Unavailable` while MongoDB is away."""

    def __init__(self, database: Database) -> None:
        self._log = database[SYNC_LOGS]

    async def add(self, found: Sequence[SlowLookup], heard: LookupsHeard) -> None:
        """Keep these, and how many there were in all, as long as plain rows of the log are kept."""
        rows: list[dict[str, Any]] = [
            {"_id": uuid.uuid4().hex, "type": _TYPE, "at": one.at, "end": one.end, "milliseconds": one.milliseconds}
            for one in found
        ]
        rows.append({"_id": uuid.uuid4().hex, "type": HEARD, **asdict(heard)})
        with answering():
            await self._log.insert_many([row | log_dates(row) for row in rows], ordered=False)

    async def count(self, since: int, until: int) -> int:
        """How many there were from `since` on and before `until`, epoch milliseconds."""
        with answering():
            return await self._log.count_documents(_asked(since, until), hint=_INDEX)

    async def slowest(self, since: int, until: int, limit: int) -> list[SlowLookup]:
        """Of these the ones that took longest, the longest first."""
        with answering():
            rows = self._log.find(_asked(since, until)).hint(_INDEX)
            found = await rows.sort([("milliseconds", DESCENDING), ("at", 1)]).limit(limit).to_list()
        return [SlowLookup(int(row["at"]), row["end"], int(row["milliseconds"])) for row in found]


def _asked(since: int, until: int) -> dict[str, Any]:
    return {"type": _TYPE, "at": {"$gte": since, "$lt": until}}
