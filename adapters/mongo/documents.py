"""The documents of every kind: read in one query, written in one guarded bulk write."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bson import encode
from bson.errors import InvalidDocument
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, OperationFailure

from adapters.mongo import totals
from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import ANY_CASE, CLAIMS
from schemas.counting import Counted
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

    async def matching(self, collection: str, path: str, texts: Sequence[str]) -> list[Document]:
        """The documents whose path holds one of these texts, in whatever case, in one query.

        Its index has the same collation (`collections.matching_index`): without it MongoDB would read them all.
        """
        with answering():
            return await self._database[collection].find({path: {"$in": list(texts)}}, collation=ANY_CASE).to_list()

    async def totals(
        self, collection: str, by: str, ids: Sequence[str], wanted: Sequence[Counted]
    ) -> dict[str, list[Any]]:
        """What is wanted of the documents whose path `by` holds these ids, by id and in order."""
        with answering():
            cursor = await self._database[collection].aggregate(totals.pipeline(by, ids, wanted))
            found = await cursor.to_list()
        return totals.read(found, ids, wanted)

    async def claim(self, collection: str, wanted: Mapping[str, str]) -> dict[str, str]:
        """Give each of these records to a document where it was given to none yet; to which they are given now."""
        if not wanted:
            return {}
        claims = self._database[CLAIMS]
        given = [
            UpdateOne(
                {"_id": f"{collection}:{record_id}"},
                [
                    {
                        "$replaceWith": {
                            "$mergeObjects": [{"record": record_id, "document": document_id, "at": "$$NOW"}, "$$ROOT"]
                        }
                    }
                ],
                upsert=True,
            )
            for record_id, document_id in wanted.items()
        ]
        with answering():
            await claims.bulk_write(given, ordered=False)
            rows = await claims.find({"_id": {"$in": [f"{collection}:{each}" for each in wanted]}}).to_list()
        return {row["record"]: row["document"] for row in rows}

    async def write(self, collection: str, writes: Sequence[DocumentWrite]) -> set[str]:
        """Make all updates in one bulk write; the ids of those that did not take effect: another was first, or it came
        too late (`DocumentWrite.fresh_until`), by MongoDB's clock.

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

    async def in_review(self, collection: str, field: str = "", most: int = 0) -> AsyncIterator[Document]:
        """Documents with a conflict that waits for a person, in no order; with one in this Salesforce field, if given.

        Without their writes and audit rows: a queue may be long. With `most` no more than so many.
        """
        asked = {"_sync.reviews": field or {"$exists": True}}
        cursor = self._database[collection].find(asked, {"_sync.writes": 0, "_sync.audit": 0}, limit=most)
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

    async def wake(self, collection: str, field: str, parents: Sequence[str], now: int) -> int:
        """Make documents due whose lookup `field` waits for one of these parents past `now`; how many there were."""
        waits = f"_sync.awaited.{field}"
        with answering():
            woken = await self._database[collection].update_many(
                {f"{waits}.parent": {"$in": list(parents)}, f"{waits}.at": {"$gt": now}},
                {"$set": {f"{waits}.at": now}, "$min": {"_sync.due_at": now}, "$inc": {"revision": 1}},
            )
        return woken.modified_count

    async def let_go(self, collection: str, field: str, keepers: Sequence[str], now: int) -> int:
        """Make documents due that are noted as kept back by one of these; how many there were."""
        waits = f"_sync.awaited.{field}"
        with answering():
            freed = await self._database[collection].update_many(
                {f"{waits}.keeper": {"$in": list(keepers)}},
                {"$min": {f"{waits}.at": now, "_sync.due_at": now}, "$inc": {"revision": 1}},
            )
        return freed.modified_count

    async def to_enrich(self, collection: str, now: int, limit: int) -> dict[str, int]:
        """Documents whose person is to be looked up by now, oldest first: ids and due times."""
        with answering():
            cursor = self._database[collection].find({"_sync.enriched.due": {"$lte": now}}, {"_sync.enriched.due": 1})
            found = await cursor.sort("_sync.enriched.due").limit(limit).to_list()
        return {document["_id"]: document["_sync"]["enriched"]["due"] for document in found}

    async def postpone_look(self, collection: str, due: Mapping[str, int], until: int) -> None:
        """Move the time of the look to `until` where it is still the one given for the id."""
        operations = [
            UpdateOne({"_id": key, "_sync.enriched.due": was}, {"$set": {"_sync.enriched.due": until}})
            for key, was in due.items()
        ]
        if operations:
            with answering():
                await self._database[collection].bulk_write(operations, ordered=False)

    async def enriched_from(self, collection: str, record_ids: Sequence[str]) -> dict[str, list[str]]:
        """By record: the documents in which stands what was looked up from it."""
        record = "_sync.enriched.record"
        found: dict[str, list[str]] = {}
        with answering():
            async for document in self._database[collection].find({record: {"$in": list(record_ids)}}, {record: 1}):
                found.setdefault(document["_sync"]["enriched"]["record"], []).append(document["_id"])
        return found

    async def enriched_below(
        self, collection: str, parents: Sequence[str], together: int
    ) -> AsyncIterator[Mapping[str, Sequence[str]]]:
        """Documents in which something of one of these parents stands, so many at a time: ids, and of which it is."""
        above = "_sync.enriched.parents"
        cursor = self._database[collection].find({above: {"$in": list(parents)}}, {above: 1}, batch_size=together)
        while True:
            with answering():
                found = await cursor.to_list(together)
            if not found:
                return
            wanted = set(parents)
            yield {each["_id"]: sorted(wanted.intersection(each["_sync"]["enriched"]["parents"])) for each in found}

    async def look_again(self, collection: str, ids: Sequence[str], due: int, heard: int) -> int:
        """Have these people looked up anew from `due` on, unless they are to be sooner: in one call, whoever else has
        the documents in hand decides again. How many there were. What was asked for before `heard` is no answer."""
        old = {"_id": {"$in": list(ids)}, "_sync.enriched.parents": {"$exists": True}}
        status = "$_sync.enriched.status"
        began_anew = {"$cond": [{"$eq": [status, "error"]}, "pending", status]}
        again = {
            "revision": {"$add": ["$revision", 1]},
            "_sync.enriched.due": {"$min": ["$_sync.enriched.due", due]},
            "_sync.enriched.status": began_anew,
            "_sync.enriched.old": heard,
        }
        with answering():
            made_old = await self._database[collection].update_many(
                old, [{"$set": again}, {"$unset": ["_sync.enriched.tries", "_sync.enriched.code"]}]
            )
        return made_old.matched_count

    async def undrained(self, collection: str, limit: int) -> list[Document]:
        """Documents that still hold audit rows."""
        with answering():
            cursor = self._database[collection].find({"_sync.audit._id": {"$exists": True}}, {"_sync.audit": 1})
            return await cursor.limit(limit).to_list()

    async def untold(self, collection: str, limit: int) -> list[Document]:
        """Documents that still hold what the platform is to be told; only that of them."""
        with answering():
            cursor = self._database[collection].find({"_sync.told._id": {"$exists": True}}, {"_sync.told": 1})
            return await cursor.limit(limit).to_list()

    async def clear_told(self, collection: str, rows: Mapping[str, Sequence[str]]) -> None:
        """Take what has been told out of its documents. Needs no guard: a row is known by its id."""
        await self._clear(collection, "told", rows)

    async def clear_audit(self, collection: str, rows: Mapping[str, Sequence[str]]) -> None:
        """Take drained audit rows out of their documents. Needs no guard: a row is known by its id."""
        await self._clear(collection, "audit", rows)

    async def _clear(self, collection: str, name: str, rows: Mapping[str, Sequence[str]]) -> None:
        if not rows:
            return
        operations = [
            UpdateOne({"_id": key}, {"$pull": {f"_sync.{name}": {"_id": {"$in": list(ids)}}}})
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
    guard: dict[str, Any] = {"_id": write.id, "revision": write.revision}
    if write.fresh_until is not None:
        left = timedelta(seconds=write.fresh_until - time.monotonic())
        guard["$expr"] = {"$lte": ["$$NOW", datetime.now(UTC) + left]}
    return UpdateOne(guard, changes)


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
