"""The rows of `tandem_gaps` as their repair and a person see them."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import GAPS
from adapters.mongo.retention import DEFAULT, dated
from schemas.gap import Found, GapReason, GapRow, GapState, ObjectProgress
from schemas.polling import ModifiedRow

_LONGEST_ERROR: Final = 500
OF_THE_REPAIR: Final = ("progress", "published_to", "rung_to", "covered_by", "covered_note")
"""What a row keeps of its repair: nothing of it holds once the gap was met again."""


class MongoGapRows:
    """Satisfies `consumers.repair.ports.GapRows`: those of one org, and those that name none. With no org, of all."""

    def __init__(self, database: Database, org_id: str = "", kept: timedelta = DEFAULT.gaps) -> None:
        """`kept` is how long a gap is there once it is closed."""
        self._kept = kept
        self._gaps = database[GAPS]
        self._of_org: dict[str, Any] = {"org": {"$in": [org_id, None]}} if org_id else {}

    async def unrepaired(self) -> list[GapRow]:
        """The gaps that are not closed, the one that was noticed first first.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        return await self.rows(states=(GapState.OPEN, GapState.REPAIRING))

    async def rows(self, *, states: Sequence[GapState] = tuple(GapState), limit: int = 0) -> list[GapRow]:
        """Gaps in these states, the one that was noticed first first; with a limit so many, of the latest.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        with answering():
            found = self._gaps.find({**self._of_org, "state": {"$in": [str(state) for state in states]}})
            if limit:
                return [_row(each) for each in await found.sort([("until", -1), ("_id", -1)]).limit(limit).to_list()][
                    ::-1
                ]
            return [_row(each) for each in await found.sort([("until", 1), ("_id", 1)]).to_list()]

    async def noticed(self, since: int, until: int) -> int:
        """How many were noticed from `since` on and before `until`, epoch milliseconds, whatever became of them.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        asked = {"state": {"$in": [str(state) for state in GapState]}, "until": {"$gte": since, "$lt": until}}
        with answering():
            return await self._gaps.count_documents({**self._of_org, **asked}, hint="unrepaired")

    async def read(self, row_id: str) -> GapRow | None:
        """One gap by its id.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        with answering():
            found = await self._gaps.find_one({"_id": row_id})
        return None if found is None else _row(found)

    async def keep_progress(self, gap: GapRow, sobject: str, progress: ObjectProgress) -> bool:
        """Keep how far the repair of one object has come; false where the gap was met again, or closed, meanwhile.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        kept = {"state": str(GapState.REPAIRING), f"progress.{sobject}": stored_progress(progress)}
        return await self._update(gap, {"$set": kept, "$unset": {"error": ""}})

    async def keep_published(self, gap: GapRow, published_to: Mapping[int, int]) -> bool:
        """Keep up to where `salesforce.changes` has to be handled; false where the gap was met again, or closed,
        meanwhile.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        return await self._update(gap, {"$set": {"published_to": stored_ends(published_to)}, "$unset": {"error": ""}})

    async def keep_rung(self, gap: GapRow, rung_to: Mapping[int, int]) -> bool:
        """The same of `salesforce.writes`.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        return await self._update(gap, {"$set": {"rung_to": stored_ends(rung_to)}, "$unset": {"error": ""}})

    async def start_anew(self, gap: GapRow, why: str, at: int) -> bool:
        """Forget what its repair has done, and keep why; false where it was met again, closed, or waits for something
        else, meanwhile.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        anew = {"state": str(GapState.OPEN), "error": why[:_LONGEST_ERROR], "tried_at": at}
        waited_for = {name: stored_ends(ends) or None for name, ends in _waits(gap).items()}
        return await self._update(gap, {"$set": anew, "$unset": dict.fromkeys(OF_THE_REPAIR, "")}, **waited_for)

    async def close(self, gap: GapRow, *, by: str, note: str, at: int) -> bool:
        """Close it; false where it was met again, or closed, meanwhile.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        closed: dict[str, Any] = {"state": str(GapState.CLOSED), "closed_at": at, "closed_by": by, "note": note}
        closed["expires_at"] = dated(at) + self._kept
        return await self._update(gap, {"$set": closed, "$unset": {"error": ""}})

    async def ask(self, gap: GapRow, *, by: str, at: int) -> bool:
        """Have it tried now; false where it was met again, or closed, meanwhile.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        return await self._update(gap, {"$set": {"asked_at": at, "asked_by": by}})

    async def failed(self, gap: GapRow, why: str, at: int) -> None:
        """Keep why a try ended.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        await self._update(gap, {"$set": {"error": why[:_LONGEST_ERROR], "tried_at": at}})

    async def _update(self, gap: GapRow, update: dict[str, Any], **asked: Any) -> bool:
        met = {"opened": gap.opened} if gap.opened > 1 else {"opened": {"$in": [1, None]}}
        with answering():
            done = await self._gaps.update_one(
                {"_id": gap.id, "state": {"$ne": str(GapState.CLOSED)}, **met, **asked}, update
            )
        return bool(done.matched_count)


def _waits(gap: GapRow) -> dict[str, Mapping[int, int]]:
    """What has to be handled before it is closed, by the field that tells."""
    return {"published_to": gap.published_to, "rung_to": gap.rung_to}


def _row(found: Mapping[str, Any]) -> GapRow:
    return GapRow(
        id=found["_id"],
        reason=GapReason(found["reason"]),
        channel=found.get("channel", ""),
        state=GapState(found["state"]),
        since=found.get("since", 0),
        until=found.get("until", 0),
        opened=found.get("opened", 1),
        noticed_at=found.get("noticed_at", 0),
        met_at=found.get("met_at", 0),
        entity=found.get("entity", ""),
        record_ids=tuple(found.get("record_ids", ())),
        refused_replay_id=found.get("refused_replay_id"),
        group=found.get("group", ""),
        partition=found.get("partition", -1),
        wanted=found.get("wanted", -1),
        first=found.get("first", -1),
        end=found.get("end", -1),
        progress={name: _progress(each) for name, each in found.get("progress", {}).items()},
        published_to={int(number): end for number, end in found.get("published_to", {}).items()},
        rung_to={int(number): end for number, end in found.get("rung_to", {}).items()},
        covered_by=found.get("covered_by", ""),
        covered_note=found.get("covered_note", ""),
        error=found.get("error", ""),
        tried_at=found.get("tried_at", 0),
        asked_at=found.get("asked_at", 0),
        asked_by=found.get("asked_by", ""),
        closed_at=found.get("closed_at", 0),
        closed_by=found.get("closed_by", ""),
        note=found.get("note", ""),
    )


def stored_progress(progress: ObjectProgress) -> dict[str, Any]:
    """How far the repair of an object has come, as a row keeps it."""
    after = progress.after
    return {
        "looked": progress.found.looked,
        "published": progress.found.published,
        "deleted": progress.found.deleted,
        "unheard": progress.found.unheard,
        "after": None if after is None else {"id": after.record_id, "modified": after.modified},
        "done": progress.done,
    }


def stored_ends(published_to: Mapping[int, int]) -> dict[str, int]:
    """Offsets by partition, as a row keeps them."""
    return {str(number): end for number, end in published_to.items()}


def _progress(stored: Mapping[str, Any]) -> ObjectProgress:
    after = stored["after"]
    return ObjectProgress(
        Found(stored["looked"], stored["published"], stored["deleted"], stored.get("unheard", 0)),
        None if after is None else ModifiedRow(after["id"], after["modified"], deleted=False),
        stored["done"],
    )
