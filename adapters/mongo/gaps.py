"""Gaps (`tandem_gaps`), in an org's change stream and in our own log: each is open until its window is repaired."""

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import GAPS
from schemas.stream import Gap, LostOffsets


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


class MongoLogGaps:
    """Records that Kafka has removed before a consumer group had handled them."""

    def __init__(self, database: Database) -> None:
        self._gaps = database[GAPS]

    async def record(self, group: str, topic: str, partition: int, reason: str, lost: LostOffsets, until: int) -> None:
        """Keep the gap, noticed at `until` (epoch milliseconds). The same one (group, partition, offset wanted) is one
        row, reaches to the later end, and is open again.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        first = {"group": group, "channel": topic, "partition": partition, "reason": reason, "since": 0}
        with answering():
            await self._gaps.update_one(
                {"_id": f"{group}:{topic}:{partition}:{reason}:{lost.wanted}"},
                {
                    "$setOnInsert": {**first, "wanted": lost.wanted},
                    "$max": {"until": until},
                    "$set": {"state": "open", "first": lost.first, "end": lost.end},
                },
                upsert=True,
            )
