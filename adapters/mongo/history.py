"""What the log and the parked records say of one document, for a person who asks."""

from collections.abc import Sequence
from typing import Any

from bson import Binary
from pymongo import DESCENDING

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import PARKED, SYNC_LOGS


async def log_rows(database: Database, kind: str, document_id: str, record_id: str, limit: int) -> list[dict[str, Any]]:
    """Rows of `salesforce_sync_logs` about the document, or about its record where that is known; newest first.

    Raises:
        Unavailable: MongoDB does not answer.
    """
    with answering():
        # A change is logged under its record: it may concern several documents, or none.
        about: list[dict[str, Any]] = [{"kind": kind, "document": document_id}]
        if record_id:
            about.append({"record": record_id})
        cursor = database[SYNC_LOGS].find({"$or": about})
        return await cursor.sort("at", DESCENDING).limit(limit).to_list()


async def parked_records(database: Database, kind: str, document_id: str, limit: int) -> list[dict[str, Any]]:
    """Parked records of the document, newest first, without their bytes. Raises as `log_rows`."""
    with answering():
        cursor = database[PARKED].find({"kind": kind, "document": document_id}, {"value": 0, "headers": 0})
        return await cursor.sort("at", DESCENDING).limit(limit).to_list()


async def story_rows(
    database: Database, kind: str, document_id: str, record_ids: Sequence[str], limit: int
) -> list[dict[str, Any]]:
    """As `log_rows`, of all records that the document has had."""
    with answering():
        about: list[dict[str, Any]] = [{"kind": kind, "document": document_id}]
        about += [{"record": record_id} for record_id in record_ids]
        cursor = database[SYNC_LOGS].find({"$or": about})
        return await cursor.sort("at", DESCENDING).limit(limit).to_list()


async def parked_of(
    database: Database, kind: str, document_id: str, record_ids: Sequence[str], limit: int
) -> list[dict[str, Any]]:
    """As `parked_records`, with those that only their key names: changes of its records, and what could not be read."""
    keys = [Binary(key.encode()) for key in (f"{kind}:{document_id}", *record_ids)]
    with answering():
        about = [{"kind": kind, "document": document_id}, {"key": {"$in": keys}}]
        cursor = database[PARKED].find({"$or": about}, {"value": 0, "headers": 0})
        return await cursor.sort("at", DESCENDING).limit(limit).to_list()


async def outcomes_of(database: Database, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The outcome rows of these records (`<topic>:<partition>:<offset>`), by id. Raises as `log_rows`."""
    if not ids:
        return {}
    with answering():
        rows = await database[SYNC_LOGS].find({"_id": {"$in": list(ids)}}, {"outcome": 1, "mapping": 1}).to_list()
    return {row["_id"]: row for row in rows}


async def ended_event(database: Database, kind: str, document_id: str, event_id: str) -> dict[str, Any] | None:
    """The outcome row of a platform event about a document, once there is one. Raises as `log_rows`."""
    about = {"kind": kind, "document": document_id, "type": "outcome", "event": event_id}
    with answering():
        return await database[SYNC_LOGS].find_one(about, {"outcome": 1, "reason": 1}, sort=[("at", DESCENDING)])
