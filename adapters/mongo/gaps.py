"""Gaps in an org's change stream (`tandem_gaps`): each is open until its window is repaired."""

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import GAPS
from schemas.stream import Gap


class MongoGaps:
    """Satisfies `listener.changes.ports.Gaps` for one org. Times are epoch milliseconds."""

    def __init__(self, database: Database, org_id: str) -> None:
        self._gaps = database[GAPS]
        self._org_id = org_id

    async def record(self, gap: Gap) -> None:
        """Keep the gap. The same one (channel, reason, since, refused id) is one row, reaches to the later end, and is
        open again: what was repaired before does not cover what was missed since.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        first = {
            "org": self._org_id,
            "channel": gap.channel,
            "reason": gap.reason,
            "since": gap.since,
            "refused_replay_id": gap.refused_replay_id,
        }
        row = f"{self._org_id}:{gap.channel}:{gap.reason}:{gap.since}:{gap.refused_replay_id}"
        with answering():
            await self._gaps.update_one(
                {"_id": row},
                {"$setOnInsert": first, "$max": {"until": gap.until}, "$set": {"state": "open"}},
                upsert=True,
            )
