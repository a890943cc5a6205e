"""Takes all that is kept of a person out of every collection but the documents of others."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bson import Binary

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import (
    API_ANSWERS,
    CLAIMS,
    DEBUG,
    DELIVERIES,
    IDENTITIES,
    OPERATIONS,
    PARKED,
    SYNC_LOGS,
)
from adapters.mongo.mentions import Mentions, forget_deliveries, forget_mentions, mentioning
from adapters.mongo.people_cache import digest

Row = dict[str, Any]

NAMED_BY_DOCUMENT: Final = (SYNC_LOGS, PARKED, OPERATIONS, DELIVERIES, DEBUG)
"""Collections whose rows name a document by `kind` and `document`."""
NAMED_BY_ADDRESS: Final = (IDENTITIES,)
"""Collections whose rows give a document to an address: `<kind>:<digest>`, and the document's id."""
PAGE: Final = 1_000


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What Salesforce may have told of a person who is not linked: the records taken, and the addresses asked for."""

    records: Sequence[str] = ()
    addresses: Sequence[str] = ()
    """In the form in which they are compared."""


NOT_LOOKED_UP: Final = LookedUp()


class MongoRemoval:
    """Every method raises `Unavailable` as `answering`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def document(self, collection: str, document_id: str) -> Row | None:
        """The document, as it is."""
        with answering():
            return await self._database[collection].find_one({"_id": document_id})

    async def naming(self, collection: str, path: str, values: Sequence[str]) -> list[str]:
        """Ids of documents whose path names one of these."""
        with answering():
            rows = await self._database[collection].find({path: {"$in": list(values)}}, {"_id": 1}).to_list()
        return [row["_id"] for row in rows]

    async def remove_documents(self, collection: str, ids: Sequence[str]) -> int:
        """Remove them; how many there were."""
        with answering():
            return (await self._database[collection].delete_many({"_id": {"$in": list(ids)}})).deleted_count

    async def forget_lookup(self, collection: str, path: str, field: str, values: Sequence[str]) -> int:
        """Take the name of one who is gone out of documents that go on without; how many there were.

        `field` is the Salesforce field, whose registers go too. The revision guards whoever decides meanwhile.
        """
        gone = {path: "", f"_sync.fields.{field}": "", f"_sync.awaited.{field}": ""}
        with answering():
            ended = await self._database[collection].update_many(
                {path: {"$in": list(values)}}, {"$unset": gone, "$inc": {"revision": 1}}
            )
        return ended.modified_count

    async def remove_rows(
        self,
        things: Sequence[tuple[str, str]],
        collections: Mapping[str, str],
        records: Sequence[str],
        looked_up: LookedUp = NOT_LOOKED_UP,
    ) -> dict[str, int]:
        """Remove all rows about these (kind, id) and these records; how many, by collection.

        `collections` are those of the kinds.
        """
        asked = _about(things, collections, records, looked_up)
        named = await forget_deliveries(self._database, asked[DELIVERIES])
        with answering():
            gone = {
                name: (await self._database[name].delete_many(about)).deleted_count for name, about in asked.items()
            }
        return {**gone, f"{OPERATIONS}.{DELIVERIES}": named}

    async def forget_mentions(self, mentions: Mentions) -> dict[str, int]:
        """Take them out of what people asked for and wrote; how many rows, by what the certificate calls them."""
        return await forget_mentions(self._database, mentions)

    async def mentioning(self, mentions: Mentions) -> dict[str, list[Row]]:
        """The rows that `forget_mentions` would remove or change, by collection."""
        return await mentioning(self._database, mentions)

    async def held_rows(
        self,
        things: Sequence[tuple[str, str]],
        collections: Mapping[str, str],
        records: Sequence[str],
        looked_up: LookedUp = NOT_LOOKED_UP,
    ) -> dict[str, list[Row]]:
        """The rows that `remove_rows` would remove, by collection; of what is debugged without the key of hashes."""
        with answering():
            return {
                name: await self._database[name].find(about, {"key": 0} if name == DEBUG else None).to_list()
                for name, about in _about(things, collections, records, looked_up).items()
            }

    async def ids(self, collection: str) -> AsyncIterator[list[str]]:
        """All ids of a kind's documents, in pages."""
        last = ""
        while True:
            with answering():
                cursor = self._database[collection].find({"_id": {"$gt": last}}, {"_id": 1}).sort("_id").limit(PAGE)
                rows = await cursor.to_list()
            if not rows:
                return
            last = rows[-1]["_id"]
            yield [row["_id"] for row in rows]

    async def things(self, kind: str) -> AsyncIterator[list[str]]:
        """Ids of all things of a kind that rows beside the documents name, each collection by itself, in pages."""
        for name in NAMED_BY_DOCUMENT:
            last = ""
            while True:
                of_kind = {"kind": kind, "document": {"$gt": last}}
                with answering():
                    cursor = await self._database[name].aggregate(
                        [{"$match": of_kind}, {"$group": {"_id": "$document"}}, {"$sort": {"_id": 1}}, {"$limit": PAGE}]
                    )
                    rows = await cursor.to_list()
                if not rows:
                    break
                last = rows[-1]["_id"]
                yield [row["_id"] for row in rows]


def _about(
    things: Sequence[tuple[str, str]], collections: Mapping[str, str], records: Sequence[str], looked_up: LookedUp
) -> dict[str, Row]:
    """By collection: what asks for all rows about these (kind, id) and these records."""
    named: list[Row] = [{"kind": kind, "document": document_id} for kind, document_id in things]
    asked: dict[str, Row] = {name: {"$or": list(named)} for name in NAMED_BY_DOCUMENT}
    if records:
        for name in (SYNC_LOGS, DEBUG):
            asked[name]["$or"].append({"record": {"$in": list(records)}})
    keys = [Binary(key.encode()) for key in (*(f"{kind}:{each}" for kind, each in things), *records)]
    asked[PARKED]["$or"].append({"key": {"$in": keys}})
    for name in NAMED_BY_ADDRESS:
        asked[name] = {"$or": [{"_id": {"$regex": f"^{re.escape(kind)}:"}, "document": each} for kind, each in things]}
    asked[API_ANSWERS] = {"about": {"$in": [f"{kind}/{each}" for kind, each in things]}}
    claims = [f"{each}:{record}" for each in collections.values() for record in records]
    told_of = [{"records": {"$in": [*records, *looked_up.records]}}]
    if looked_up.addresses:
        told_of.append({"address": {"$in": [digest(each) for each in looked_up.addresses]}})
    asked[CLAIMS] = {"$or": [{"_id": {"$in": claims}}, *told_of]}
    return asked
