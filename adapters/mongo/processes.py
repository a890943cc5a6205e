"""The processes that run, or ran lately (`tandem_processes`), as each tells of itself."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import PROCESSES
from schemas.process import OrgSeen, ProcessSeen, SignOfLife, StreamSeen

KEPT: Final = timedelta(days=7)
"""So long one that is gone without a word is told of."""
KEPT_STOPPED: Final = timedelta(days=1)
MOST: Final = 500


class MongoProcesses:
    """Every method raises `Unavailable` while MongoDB does not answer. All times are by its clock."""

    def __init__(self, database: Database) -> None:
        self._rows = database[PROCESSES]

    async def tell(self, sign: SignOfLife) -> None:
        """This process lives. Stages that it once had stay named, so that one that never comes up again is missed."""
        up = sorted(sign.up)
        began = {"$cond": [{"$eq": [{"$ifNull": ["$stopped", True]}, False]}, "$worked_at", "$$NOW"]}
        moved = {
            "stages": {"$setUnion": [{"$ifNull": ["$stages", []]}, up]},
            "worked_at": "$$NOW" if up else began,
            "told_at": "$$NOW",
            "stopped": False,
            "expires_at": {"$add": ["$$NOW", _milliseconds(KEPT)]},
        }
        with answering():
            await self._rows.update_one(
                {"_id": sign.process},
                [{"$replaceWith": {"$mergeObjects": ["$$ROOT", {"$literal": _dump(sign)}, moved]}}],
                upsert=True,
            )

    async def stopped(self, process: str) -> None:
        """It has ended as it was told to."""
        until = {"$add": ["$$NOW", _milliseconds(KEPT_STOPPED)]}
        with answering():
            await self._rows.update_one({"_id": process}, [{"$set": {"stopped": True, "expires_at": until}}])

    async def all(self) -> list[ProcessSeen]:
        """By name; of very many those that were heard of last."""
        since = {
            name: {"$subtract": ["$$NOW", f"${at}"]} for name, at in (("told", "told_at"), ("worked", "worked_at"))
        }
        pipeline: list[dict[str, Any]] = [{"$set": since}, {"$sort": {"told_at": -1}}, {"$limit": MOST}]
        with answering():
            rows = await (await self._rows.aggregate(pipeline)).to_list()
        return sorted(map(_load, rows), key=lambda seen: (seen.name, seen.process))


def _milliseconds(kept: timedelta) -> int:
    return int(kept.total_seconds() * 1000)


def _dump(sign: SignOfLife) -> dict[str, Any]:
    return {
        "name": sign.name,
        "away": [[part, why] for part, why in sorted(sign.away.items())],
        "org": None if sign.org is None else asdict(sign.org),
        "stream": None if sign.stream is None else asdict(sign.stream),
    }


def _load(row: Mapping[str, Any]) -> ProcessSeen:
    return ProcessSeen(
        process=row["_id"],
        name=row["name"],
        stages=sorted(row["stages"]),
        told=max(0, int(row["told"])),
        worked=max(0, int(row["worked"])),
        stopped=row["stopped"],
        away=dict(row["away"]),
        org=None if row["org"] is None else OrgSeen(**row["org"]),
        stream=None if row["stream"] is None else StreamSeen(**row["stream"]),
    )
