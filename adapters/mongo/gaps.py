"""Gaps (`tandem_gaps`), in an org's change stream and in our own log: each is open until its window is repaired."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final

from pymongo import UpdateOne

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import GAPS
from adapters.mongo.gap_rows import OF_THE_REPAIR, stored_ends, stored_progress
from adapters.mongo.retention import DEFAULT, dated
from schemas.gap import ComparisonGap, GapReason, GapState, ObjectGap, ObjectProgress
from schemas.stream import Gap, LostOffsets
from schemas.topics import SALESFORCE_CHANGES

_OF_THE_END: Final = ("error", "closed_at", "closed_by", "note", "expires_at")
_FORGOTTEN: Final = [*OF_THE_REPAIR, *_OF_THE_END]
"""What was repaired before does not cover what was missed since."""
_NOW: Final = {"$toLong": "$$NOW"}
"""MongoDB's own clock: in a stall a gap is kept, and can be known, later than it was noticed."""
_FIRST_NOTICED: Final = {"$ifNull": ["$noticed_at", _NOW]}

_OF_A_STREAM: Final = tuple(
    map(str, (GapReason.POSITION_REFUSED, GapReason.POSITION_EXPIRED, GapReason.POSITION_AGING))
)
_WHOLE_OBJECTS: Final = (str(GapReason.OVERFLOW), str(GapReason.WILDCARD))
_NOT_CLOSED: Final = {"$in": [str(GapState.OPEN), str(GapState.REPAIRING)]}


async def objects_in_gaps(database: Database, mapped: frozenset[str]) -> frozenset[str]:
    """Those of the mapped objects that may have been changed without our being told, until their gaps are closed.

    A gap of a stream, or of our own log of changes, may be of any object. An event that names records has them read.

    Raises:
        Unavailable: MongoDB does not answer.
    """
    with answering():
        found = await database[GAPS].find({"state": _NOT_CLOSED}, {"reason": 1, "entity": 1, "channel": 1}).to_list()
    objects: set[str] = set()
    for gap in found:
        if gap["reason"] in _WHOLE_OBJECTS:
            objects.add(str(gap["entity"]))
        elif gap["reason"] in _OF_A_STREAM or gap.get("channel") == SALESFORCE_CHANGES:
            return mapped
    return mapped & objects


class MongoGaps:
    """Satisfies `listener.changes.ports.Gaps` for one org. Times are epoch milliseconds."""

    def __init__(self, database: Database, org_id: str, kept: timedelta = DEFAULT.gaps) -> None:
        """`kept` is how long a gap is there once it is closed."""
        self._kept = kept
        self._gaps = database[GAPS]
        self._org_id = org_id

    async def record(self, gap: Gap) -> None:
        """Keep the gap. The same one (channel, reason, since, refused id) is one row, reaches to the later end, and is
        open again: what was repaired before does not cover what was missed since.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        kept: dict[str, Any] = {
            **{name: {"$literal": value} for name, value in asdict(gap).items()},
            "org": {"$literal": self._org_id},
            "until": {"$max": ["$until", gap.until]},
            "noticed_at": _FIRST_NOTICED,
            "met_at": _NOW,
            "opened": {"$add": [{"$ifNull": ["$opened", 0]}, 1]},
            "state": str(GapState.OPEN),
        }
        row = f"{self._org_id}:{gap.channel}:{gap.reason}:{gap.since}:{gap.refused_replay_id}"
        with answering():
            await self._gaps.update_one({"_id": row}, [{"$set": kept}, {"$unset": _FORGOTTEN}], upsert=True)

    async def cover(self, until: int, *, by: str, note: str, published_to: Mapping[int, int]) -> int:
        """Leave the gaps noticed by `until`, epoch milliseconds, nothing to look for: all of it was published, up to
        these ends of `salesforce.changes`. Their repair closes them when that is handled.

        Changes that our own log has lost are among them, and those whose repair was begun and not ended. How many there
        were; `by` names who looked, `note` what was found.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        ours = {"$or": [{"org": self._org_id}, {"channel": SALESFORCE_CHANGES}]}
        covered: dict[str, Any] = {"state": str(GapState.REPAIRING), "published_to": stored_ends(published_to)}
        covered |= {"covered_by": by, "covered_note": note}
        with answering():
            done = await self._gaps.update_many(
                {"state": _NOT_CLOSED, "until": {"$lte": until}, **ours}, {"$set": covered, "$unset": {"error": ""}}
            )
        return done.modified_count

    async def compared(self, gaps: Sequence[ComparisonGap]) -> None:
        """Keep what a comparison has found, as closed gaps; a second time is no other row.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        if gaps:
            with answering():
                await self._gaps.bulk_write([self._found(gap) for gap in gaps], ordered=False)

    def _found(self, gap: ComparisonGap) -> UpdateOne:
        row = {
            "org": self._org_id,
            "channel": "",
            "entity": gap.entity,
            "reason": str(GapReason.COMPARISON),
            "since": gap.since,
            "until": gap.until,
            "noticed_at": gap.until,
            "met_at": gap.until,
            "opened": 1,
            "progress": {gap.entity: stored_progress(ObjectProgress(gap.found, done=True))},
            "state": str(GapState.CLOSED),
            "closed_at": gap.until,
            "closed_by": gap.run,
            "note": gap.note,
            "expires_at": dated(gap.until) + self._kept,
        }
        return UpdateOne({"_id": f"{GapReason.COMPARISON}:{gap.run}:{gap.kind}"}, {"$setOnInsert": row}, upsert=True)


class MongoObjectGaps:
    """Satisfies `consumers.ports.ObjectGaps`: gaps that an event told of."""

    def __init__(self, database: Database) -> None:
        self._gaps = database[GAPS]

    async def note(self, gaps: Sequence[ObjectGap]) -> list[ObjectGap]:
        """Keep these; those that were not there yet. The same event makes the same row, and opens it no second time.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        if not gaps:
            return []
        with answering():
            written = await self._gaps.bulk_write([_noting(gap) for gap in gaps], ordered=False)
        return [gap for place, gap in enumerate(gaps) if place in (written.upserted_ids or {})]


def _noting(gap: ObjectGap) -> UpdateOne:
    ids = {"$literal": list(gap.record_ids)}
    known: dict[str, Any] = {"$ifNull": ["$record_ids", []]}
    # One transaction's records come in several batches, and the first of them may have been repaired by then.
    more = {"$gt": [{"$size": {"$setDifference": [ids, known]}}, 0]}
    anew = {"$or": [{"$eq": [{"$type": "$state"}, "missing"]}, more]}
    kept = {
        "channel": "",
        "entity": {"$literal": gap.entity},
        "reason": str(gap.reason),
        "since": {"$min": [{"$ifNull": ["$since", gap.since]}, gap.since]},
        "until": {"$max": ["$until", gap.until]},
        "record_ids": {"$setUnion": [known, ids]},
        "noticed_at": _FIRST_NOTICED,
        "met_at": {"$cond": [anew, _NOW, "$met_at"]},
        "opened": {"$cond": [anew, {"$add": [{"$ifNull": ["$opened", 0]}, 1]}, "$opened"]},
        **{name: {"$cond": [anew, "$$REMOVE", f"${name}"]} for name in (*OF_THE_REPAIR, "expires_at")},
        "state": {"$cond": [anew, "open", "$state"]},
    }
    return UpdateOne({"_id": f"{gap.reason}:{gap.entity}:{gap.mark}"}, [{"$set": kept}], upsert=True)


class MongoLogGaps:
    """Records that Kafka has removed before a consumer group had handled them."""

    def __init__(self, database: Database) -> None:
        self._gaps = database[GAPS]

    async def count_open(self) -> dict[str, int]:
        """How many gaps of any sort are not closed, in an org's stream too, by reason.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        with answering():
            counted = await self._gaps.aggregate(
                [
                    {"$match": {"state": {"$in": ["open", "repairing"]}}},
                    {"$group": {"_id": "$reason", "n": {"$sum": 1}}},
                ]
            )
            return {found["_id"]: found["n"] async for found in counted}

    async def record(self, group: str, topic: str, partition: int, reason: str, lost: LostOffsets, until: int) -> None:
        """Keep the gap, noticed at `until` (epoch milliseconds). The same one (group, partition, offset wanted) is one
        row, reaches to the later end, and is open again.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        first = {"group": group, "channel": topic, "partition": partition, "reason": reason, "since": lost.since}
        with answering():
            await self._gaps.update_one(
                {"_id": f"{group}:{topic}:{partition}:{reason}:{lost.wanted}"},
                {
                    "$setOnInsert": {**first, "wanted": lost.wanted},
                    "$max": {"until": until, "met_at": until},
                    "$min": {"noticed_at": until},
                    "$set": {"state": "open", "first": lost.first, "end": lost.end},
                    "$inc": {"opened": 1},
                    "$unset": dict.fromkeys(_FORGOTTEN, ""),
                },
                upsert=True,
            )
