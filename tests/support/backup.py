"""A backup of a database, taken while it is in use, and its restore into an empty one: what `mongodump` and
`mongorestore` do, by the driver, as docs/deploy.md and docs/runbook.md have them called.

One collection is copied after the other, as by `mongodump` without `--oplog`: so the copy is of no one moment.
"""

from dataclasses import dataclass
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.database import AsyncDatabase

from adapters.mongo.collections import SESSIONS

BATCH = 1_000
LEFT_OUT = (SESSIONS,)
"""Visits of the admin page: those that were ended since would be good again."""


@dataclass(frozen=True, slots=True)
class Copied:
    """A collection or a view: what it was made with, its indexes, its documents byte for byte."""

    name: str
    options: dict[str, Any]
    indexes: list[dict[str, Any]]
    documents: list[RawBSONDocument]


async def dump(database: AsyncDatabase[dict[str, Any]]) -> list[Copied]:
    """Everything in it but what is left out; collections before views."""
    found = [each async for each in await database.list_collections()]
    copies = []
    for each in sorted(found, key=lambda each: (each["type"], each["name"])):
        if each["name"].startswith("system.") or each["name"] in LEFT_OUT:
            continue
        stored = each["type"] == "collection"
        raw: Any = database.get_collection(
            each["name"], codec_options=database.codec_options.with_options(document_class=RawBSONDocument)
        )
        indexes = [dict(one) async for one in await database[each["name"]].list_indexes()] if stored else []
        documents = await raw.find().to_list() if stored else []
        copies.append(Copied(each["name"], dict(each["options"]), indexes, documents))
    return copies


async def restore(backup: list[Copied], database: AsyncDatabase[dict[str, Any]]) -> None:
    """Into a database that holds nothing; its indexes are made last.

    Raises:
        AssertionError: it holds something.
    """
    assert not await database.list_collection_names(), "a restore goes into an empty database"
    for copy in backup:
        await database.create_collection(copy.name, **copy.options)
        for begin in range(0, len(copy.documents), BATCH):
            await database[copy.name].insert_many(copy.documents[begin : begin + BATCH])
        for index in copy.indexes:
            if index["name"] == "_id_":
                continue
            made = {name: value for name, value in index.items() if name not in ("v", "key", "ns")}
            await database[copy.name].create_index(list(index["key"].items()), **made)
