"""What happened to every record (`salesforce_sync_logs`), and what was parked (`tandem_parked`)."""

from collections.abc import Sequence
from typing import Any

from bson import Binary
from pymongo.errors import BulkWriteError

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import PARKED, SYNC_LOGS
from schemas.storage import Parked
from schemas.unavailable import Unavailable

_DUPLICATE_KEY = 11000


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
        return await _insert_new(self._database, SYNC_LOGS, list(rows))


class MongoParkedRecords:
    """Satisfies `consumers.ports.ParkedRecords`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def park(self, records: Sequence[Parked]) -> None:
        """Keep these; the same topic, partition and offset parked twice is one row."""
        rows = [
            {
                "_id": f"{record.topic}:{record.partition}:{record.offset}",
                "topic": record.topic,
                "partition": record.partition,
                "offset": record.offset,
                "key": _bytes(record.key),
                "value": _bytes(record.value),
                "headers": [[name, Binary(value)] for name, value in record.headers],
                "reason": record.reason,
                "detail": record.detail,
                "kind": record.kind,
                "document": record.document_id,
                "at": record.at,
                "state": "parked",
            }
            for record in records
        ]
        await _insert_new(self._database, PARKED, rows)


def _bytes(raw: bytes | None) -> Binary | None:
    return None if raw is None else Binary(raw)
