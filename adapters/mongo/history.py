"""What the log and the parked records say of one document, for a person who asks."""

from typing import Any

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


async def is_replica_set(database: Database) -> bool:
    """True where writes survive the loss of one server: a replica set, or a sharded cluster. Raises as `log_rows`."""
    with answering():
        hello = await database.client.admin.command("hello")
    return "setName" in hello or hello.get("msg") == "isdbgrid"
