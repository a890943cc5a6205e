"""The collections beside the documents, and every index: declared here, made at start."""

from collections.abc import Iterable

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import CollectionInvalid, OperationFailure

from adapters.mongo.answering import answering
from adapters.mongo.client import Database

SYNC_LOGS = "salesforce_sync_logs"
PARKED = "tandem_parked"
GAPS = "tandem_gaps"

_NAMESPACE_EXISTS = 48

DOCUMENT_INDEXES = (
    IndexModel([("_sync.link.id", ASCENDING)], name="link", sparse=True),
    IndexModel([("_sync.link.former", ASCENDING)], name="former", sparse=True),
    IndexModel([("_sync.due_at", ASCENDING)], name="due", sparse=True),
    IndexModel([("_sync.audit._id", ASCENDING)], name="undrained_audit", sparse=True),
    IndexModel([("_sync.reviews", ASCENDING)], name="reviews", sparse=True),
)
"""Of every kind's collection."""

INDEXES = {
    SYNC_LOGS: (
        IndexModel([("kind", ASCENDING), ("document", ASCENDING), ("at", DESCENDING)], name="document"),
        # Most rows are the plain ones of platform events, which have no record and are looked for by their document.
        IndexModel(
            [("record", ASCENDING), ("at", DESCENDING)],
            name="of_record",
            partialFilterExpression={"record": {"$gt": ""}},
        ),
        IndexModel([("type", ASCENDING), ("at", DESCENDING)], name="audit", partialFilterExpression={"type": "audit"}),
    ),
    PARKED: (
        IndexModel([("kind", ASCENDING), ("document", ASCENDING)], name="document"),
        IndexModel([("reason", ASCENDING), ("at", DESCENDING)], name="reason"),
    ),
}


async def prepare(database: Database, kinds: Iterable[str]) -> None:
    """Make the indexes, and for each kind's collection the view without `_sync` that the platform reads.

    Raises:
        Unavailable: MongoDB does not answer.
    """
    with answering():
        for name, indexes in INDEXES.items():
            await database[name].create_indexes(list(indexes))
        for name in kinds:
            await database[name].create_indexes(list(DOCUMENT_INDEXES))
            await _make_view(database, name)


async def _make_view(database: Database, name: str) -> None:
    try:
        await database.create_collection(f"{name}_public", viewOn=name, pipeline=[{"$unset": "_sync"}])
    except CollectionInvalid:
        return  # an earlier start has made it
    except OperationFailure as error:
        if error.code != _NAMESPACE_EXISTS:
            raise  # else another process has made it just now
