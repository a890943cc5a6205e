"""The documents of every kind: read in one query, written in one guarded bulk write."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from bson import encode
from bson.errors import InvalidDocument
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, OperationFailure

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from schemas.storage import DocumentsRefused, DocumentWrite
from schemas.unavailable import Unavailable

Document = dict[str, Any]

_DUPLICATE_KEY = 11000
_OF_THE_DOCUMENT: Final = {
    2: "BadValue",
    14: "TypeMismatch",
    28: "PathNotViable",
    52: "DollarPrefixedFieldName",
    57: "DottedFieldName",
    121: "DocumentValidationFailure",
    10334: "BSONObjectTooLarge",
    17419: "BSONObjectTooLarge",
}
"""MongoDB's codes that speak of the one document, by their names (`src/mongo/base/error_codes.yml`; 17419 stands in
`src/mongo/db/exec/update_stage.cpp`). Any other, as a full disk, ends the process loudly: nothing is parked for it."""


class MongoDocuments:
    """Documents by collection. Satisfies `consumers.ports.Documents`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, collection: str, ids: Sequence[str]) -> dict[str, Document]:
        """The documents that exist, by id, in one query."""
        with answering():
            # All in one answer: the first has 101 documents otherwise, and one more says that there is no other.
            found = (
                await self._database[collection].find({"_id": {"$in": list(ids)}}, batch_size=len(ids) + 1).to_list()
            )
        return {document["_id"]: document for document in found}

    async def read_linked(self, collection: str, record_ids: Sequence[str]) -> dict[str, list[Document]]:
        """The documents linked to these Salesforce records, by record id, in one query.

        A second one asks for the former ids of merged records, where some were not found.
        """
        linked: dict[str, list[Document]] = {}
        with answering():
            found = await self._database[collection].find({"_sync.link.id": {"$in": list(record_ids)}}).to_list()
            for document in found:
                linked.setdefault(document["_sync"]["link"]["id"], []).append(document)
            missing = [record_id for record_id in record_ids if record_id not in linked]
            if missing:
                former = {"_sync.link.former": {"$in": missing}}
                found = await self._database[collection].find(former).to_list()
                for document in found:
                    for record_id in set(document["_sync"]["link"]["former"]).intersection(missing):
                        linked.setdefault(record_id, []).append(document)
        return linked

    async def write(self, collection: str, writes: Sequence[DocumentWrite]) -> set[str]:
        """Make all updates in one bulk write; the ids of those that did not take effect.

        A bulk write tells totals only. Where fewer matched than were sent, the decisions stored in the documents are
        read back: whoever does not find its own among the last few has lost. The last alone would not do, since another
        may have written the document between the bulk write and the reading back.

        Raises:
            DocumentsRefused: some can never be made as the documents are; all others were made, or have lost.
            Unavailable: as `answering`, or not confirmed by a majority.
        """
        if not writes:
            return set()
        refused: dict[str, str] = {}
        with answering():
            try:
                applied = await self._bulk_write(collection, writes)
            except BulkWriteError as error:
                refused = {writes[index].id: why for index, why in refusals(error.details).items()}
                applied = -1
            except (OverflowError, InvalidDocument):
                # One cannot be put into BSON, and the driver has sent none or only those before it.
                refused = {write.id: why for write in writes if (why := _unencodable(write))}
                if not refused:
                    raise
                rest = [write for write in writes if write.id not in refused]
                raise DocumentsRefused(refused, await self.write(collection, rest)) from None
            if applied == len(writes):
                return set()
            lost = await self._lost(collection, writes) - refused.keys()
        if refused:
            raise DocumentsRefused(refused, lost)
        return lost

    async def _bulk_write(self, collection: str, writes: Sequence[DocumentWrite]) -> int:
        operations = [_operation(write) for write in writes]
        result = await self._database[collection].bulk_write(operations, ordered=False)
        return result.matched_count + result.upserted_count

    async def _lost(self, collection: str, writes: Sequence[DocumentWrite]) -> set[str]:
        cursor = self._database[collection].find(
            {"_id": {"$in": [write.id for write in writes]}}, {"_sync.decisions": 1}
        )
        stored = {
            document["_id"]: document.get("_sync", {}).get("decisions", "") for document in await cursor.to_list()
        }
        return {write.id for write in writes if write.decision not in stored.get(write.id, "").split()}

    async def due(self, collection: str, now: int, limit: int) -> list[Document]:
        """Documents whose `_sync.due_at` is not after `now`, oldest first; only what a doorbell needs of them."""
        with answering():
            cursor = self._database[collection].find(
                {"_sync.due_at": {"$lte": now}}, {"_sync.due_at": 1, "_sync.link.id": 1}
            )
            return await cursor.sort("_sync.due_at").limit(limit).to_list()

    async def count_due(self, collection: str) -> int:
        """How many documents have a `_sync.due_at`, whenever it is."""
        with answering():
            return await self._database[collection].count_documents({"_sync.due_at": {"$exists": True}}, hint="due")

    async def in_review(self, collection: str, field: str = "") -> AsyncIterator[Document]:
        """Documents with a conflict that waits for a person, in no order; with one in this Salesforce field, if given.

        Without their writes and audit rows: a queue may be long.
        """
        asked = {"_sync.reviews": field or {"$exists": True}}
        cursor = self._database[collection].find(asked, {"_sync.writes": 0, "_sync.audit": 0})
        while True:
            with answering():
                found = await anext(cursor, None)
            if found is None:
                return
            yield found

    async def count_reviews(self, collection: str) -> int:
        """How many fields wait for a person."""
        counted: list[Document] = [
            {"$match": {"_sync.reviews": {"$exists": True}}},
            {"$group": {"_id": None, "fields": {"$sum": {"$size": "$_sync.reviews"}}}},
        ]
        with answering():
            found = await (await self._database[collection].aggregate(counted, hint="reviews")).to_list()
        return int(found[0]["fields"]) if found else 0

    async def postpone(self, collection: str, due: Mapping[str, int], until: int) -> None:
        """Move `_sync.due_at` to `until` where it is still the value given for the id."""
        if not due:
            return
        operations = [
            UpdateOne({"_id": key, "_sync.due_at": was}, {"$set": {"_sync.due_at": until}}) for key, was in due.items()
        ]
        with answering():
            await self._database[collection].bulk_write(operations, ordered=False)

    async def undrained(self, collection: str, limit: int) -> list[Document]:
        """Documents that still hold audit rows."""
        with answering():
            cursor = self._database[collection].find({"_sync.audit._id": {"$exists": True}}, {"_sync.audit": 1})
            return await cursor.limit(limit).to_list()

    async def clear_audit(self, collection: str, rows: Mapping[str, Sequence[str]]) -> None:
        """Take drained audit rows out of their documents. Needs no guard: a row is known by its id."""
        if not rows:
            return
        operations = [
            UpdateOne({"_id": key}, {"$pull": {"_sync.audit": {"_id": {"$in": list(ids)}}}})
            for key, ids in rows.items()
        ]
        with answering():
            await self._database[collection].bulk_write(operations, ordered=False)


def _operation(write: DocumentWrite) -> UpdateOne:
    changes: dict[str, Any] = {"$set": dict(write.set)}
    if write.unset:
        changes["$unset"] = dict.fromkeys(write.unset, "")
    if write.revision is None:
        # An upsert that loses to another's insert fails by the duplicate `_id`, which is a lost race like any other.
        return UpdateOne({"_id": write.id, "revision": {"$exists": False}}, changes, upsert=True)
    return UpdateOne({"_id": write.id, "revision": write.revision}, changes)


def refusals(details: Mapping[str, Any]) -> dict[int, str]:
    """From a failed bulk write's details: the updates that can never be made, by index, and why. Lost races are none.

    Raises:
        Unavailable: made, but not confirmed by a majority.
        OperationFailure: MongoDB refuses for a reason that is not the document's, as a full disk.
    """
    refused: dict[int, str] = {}
    for failure in details.get("writeErrors", ()):
        code = failure.get("code")
        if code in _OF_THE_DOCUMENT:
            refused[failure["index"]] = _OF_THE_DOCUMENT[code]
        elif code != _DUPLICATE_KEY:
            # Its own message may quote the document.
            raise OperationFailure(f"a document was not written: code {code}", code)
    if details.get("writeConcernErrors"):
        raise Unavailable("MongoDB did not confirm a write by a majority")
    return refused


def _unencodable(write: DocumentWrite) -> str:
    try:
        encode({"_id": write.id, "set": dict(write.set)})
    except OverflowError:
        return "IntegerTooLarge"
    except InvalidDocument:
        return "InvalidBSON"
    return ""
