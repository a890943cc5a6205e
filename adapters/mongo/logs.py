"""What happened to every record (`salesforce_sync_logs`), and what was parked (`tandem_parked`)."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from bson import Binary
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import PARKED, SYNC_LOGS
from adapters.mongo.retention import DEFAULT, dated
from schemas import marks
from schemas.debugging import DECISION
from schemas.storage import Concluded, Parked
from schemas.unavailable import Unavailable

_DUPLICATE_KEY = 11000
_DATES: Final = {"audit": "audited_at", DECISION: "debugged_at"}
"""Of rows that are kept for another time than the plain ones."""
LOG_DATES: Final = ("logged_at", *_DATES.values())
"""A row of the log has one of these."""


async def _insert_new(database: Database, collection: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Insert rows; one whose `_id` is there already stays as it is. Those that were not there yet.

    Raises:
        Unavailable: as `answering`, or not confirmed by a majority.
    """
    if not rows:
        return []
    with answering():
        try:
            await database[collection].insert_many(rows, ordered=False)
        except BulkWriteError as error:
            if error.details.get("writeConcernErrors"):
                raise Unavailable("MongoDB did not confirm a write by a majority") from error
            failures = error.details.get("writeErrors", [])
            if not failures or any(failure.get("code") != _DUPLICATE_KEY for failure in failures):
                raise
            there = {failure["index"] for failure in failures}
            return [row for place, row in enumerate(rows) if place not in there]
    return rows


class MongoSyncLog:
    """Satisfies `consumers.ports.SyncLog`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Keep these rows; a row whose `_id` is there already stays as it is. Those that were not there yet."""
        return await _insert_new(self._database, SYNC_LOGS, [log_dates(row) | row for row in rows])


def log_dates(row: Mapping[str, Any]) -> dict[str, Any]:
    """By which a row of the log goes in the end, as `adapters.mongo.collections` has it."""
    return {_DATES.get(row["type"], "logged_at"): dated(row["at"])}


WAITING: Final = ("parked", "redriven")
"""The states of a row that is not closed: it waits for a person, or for how its redriven record ends."""


class MongoParkedRecords:
    """Satisfies `consumers.ports.ParkedRecords`."""

    def __init__(self, database: Database, kept: timedelta = DEFAULT.parked) -> None:
        """`kept` is how long a row is there once it is resolved."""
        self._database = database
        self._kept = kept

    async def park(self, records: Sequence[Parked]) -> None:
        """Keep these; the same topic, partition and offset parked twice is one row, and so is a redriven record's."""
        await _insert_new(self._database, PARKED, [_row(record) for record in records if record.redriven is None])
        await self._update([_parked_again(record, mark) for record in records if (mark := record.redriven)])

    async def conclude(self, records: Sequence[Concluded]) -> None:
        """Say of redriven records how they ended. A row that is closed, or was tried more often, stays as it is."""
        await self._update([_concluded(record, self._kept) for record in records])

    async def _update(self, updates: list[UpdateOne]) -> None:
        if not updates:
            return
        with answering():
            try:
                await self._database[PARKED].bulk_write(updates, ordered=False)
            except BulkWriteError as error:
                if error.details.get("writeConcernErrors"):
                    raise Unavailable("MongoDB did not confirm a write by a majority") from error
                # An upsert whose row is there, and closed: it stays as it is.
                if any(failure.get("code") != _DUPLICATE_KEY for failure in error.details.get("writeErrors", [])):
                    raise

    async def count_waiting(self) -> int:
        """How many nobody has dealt with yet.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        with answering():
            return await self._database[PARKED].count_documents({"state": "parked"}, hint="state")


def closing(kept: timedelta) -> dict[str, Any]:
    """When a row that is closed now is to be removed, as an expression by MongoDB's own clock."""
    return {"$add": ["$$NOW", int(kept.total_seconds() * 1000)]}


def literal(values: dict[str, Any]) -> dict[str, Any]:
    """Values in an update by expressions: none of them is read as one, whatever it holds."""
    return {name: {"$literal": value} for name, value in values.items()}


def _row(record: Parked) -> dict[str, Any]:
    mark = record.redriven
    return {
        "_id": mark.row if mark else f"{record.topic}:{record.partition}:{record.offset}",
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "key": _bytes(record.key),
        "value": _bytes(record.value),
        "headers": [[name, Binary(value)] for name, value in marks.unmarked(record.headers)],
        "timestamp": record.timestamp,
        "reason": record.reason,
        "detail": record.detail,
        "kind": record.kind,
        "document": record.document_id,
        "at": record.at,
        "last_at": record.at,
        "attempts": mark.attempt if mark else 1,
        "state": "parked",
    }


def _parked_again(record: Parked, mark: marks.Redriven) -> UpdateOne:
    """A row that is missing, as when somebody removed it, is made anew: the bytes are never lost."""
    first = _row(record)
    now = {name: first.pop(name) for name in ("reason", "detail", "last_at", "attempts", "state")}
    named = {name: first.pop(name) for name in ("kind", "document") if first[name]}
    return UpdateOne(
        _open(mark),
        {"$set": {**now, **named}, "$setOnInsert": {name: first[name] for name in first if name != "_id"}},
        upsert=True,
    )


def _concluded(record: Concluded, kept: timedelta) -> UpdateOne:
    told = {
        "state": "resolved",
        "attempts": record.redriven.attempt,
        "outcome": str(record.outcome),
        "outcome_reason": record.reason,
        "closed_at": record.at,
    }
    return UpdateOne(_open(record.redriven), [{"$set": {**literal(told), "expires_at": closing(kept)}}])


def _open(mark: marks.Redriven) -> dict[str, Any]:
    """The row where this attempt is news. Rows of an earlier release do not say how often they were tried: once."""
    return {"_id": mark.row, "state": {"$in": list(WAITING)}, "attempts": {"$not": {"$gte": mark.attempt}}}


def _bytes(raw: bytes | None) -> Binary | None:
    return None if raw is None else Binary(raw)
