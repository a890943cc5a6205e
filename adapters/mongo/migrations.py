"""`tandem_migrations`: which migrations were made, and how far one has come; and the rows that they change.

Rows that have still to be changed are found by a filter that no changed row meets. So a migration may be stopped and
begun again at any moment, and by two people at once: nothing is changed twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pymongo import ASCENDING, UpdateOne

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from schemas.versions import DOCUMENT_FORMAT, NewerDocument

MIGRATIONS: Final = "tandem_migrations"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Changed:
    """One row as it shall be: `values` by MongoDB path. A `revision` guards it, and is raised; None: it has none."""

    id: Any
    revision: int | None
    values: Mapping[str, Any]


class MongoMigrations:
    """Every method raises `Unavailable` while MongoDB does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._made = database[MIGRATIONS]

    async def refuse_newer(self) -> None:
        """Return if no newer release has begun to bring documents into a format that this one does not know.

        Raises:
            NewerDocument: one has.
        """
        with answering():
            newer = await self._made.find_one({"format": {"$gt": DOCUMENT_FORMAT}})
        if newer is not None:
            raise NewerDocument(
                f"a newer release brings documents into format {newer['format']}, and this one reads up to "
                f"{DOCUMENT_FORMAT}: start the newer release again"
            )

    async def count(self, collection: str, due: Mapping[str, Any]) -> int:
        """How many rows have still to be changed."""
        with answering():
            return await self._database[collection].count_documents(dict(due))

    async def page(self, collection: str, due: Mapping[str, Any], after: Any, limit: int) -> list[Row]:
        """So many of them in the order of `_id`, behind that of `after`; None: from the first on."""
        behind = {} if after is None else {"_id": {"$gt": after}}
        with answering():
            found = self._database[collection].find({"$and": [dict(due), behind]}).sort("_id", ASCENDING)
            return await found.limit(limit).to_list()

    async def change(self, collection: str, due: Mapping[str, Any], rows: Sequence[Changed]) -> int:
        """Change those that nobody has changed since they were read, and that are still due; how many were."""
        if not rows:
            return 0
        with answering():
            done = await self._database[collection].bulk_write([_update(row, due) for row in rows], ordered=False)
        return done.modified_count

    async def begin(self, name: str, *, format: int | None, by: str, at: int) -> Row:  # noqa: A002 - the field's name
        """The row of a migration, made where there is none: from then on no older release may start.

        `format` is that of documents once it is made, where it changes that.
        """
        first: Row = {"state": "begun", "by": by, "begun_at": at, "changed": 0, "after": {}}
        if format is not None:
            first["format"] = format
        with answering():
            await self._made.update_one({"_id": name}, {"$setOnInsert": first}, upsert=True)
            found = await self._made.find_one({"_id": name})
        return found or {"_id": name, **first}

    async def keep(self, name: str, collection: str, after: Any, changed: int) -> None:
        """How far it has come with a collection: behind which row it goes on, and how many more were changed."""
        with answering():
            await self._made.update_one(
                {"_id": name}, {"$set": {f"after.{collection}": after}, "$inc": {"changed": changed}}
            )

    async def end(self, name: str, at: int) -> None:
        """It is made: nothing was left to be changed."""
        with answering():
            await self._made.update_one({"_id": name}, {"$set": {"state": "done", "ended_at": at, "after": {}}})

    async def made(self) -> dict[str, Row]:
        """Those that were begun or made, by name."""
        with answering():
            return {row["_id"]: row for row in await self._made.find().to_list()}


def _update(row: Changed, due: Mapping[str, Any]) -> UpdateOne:
    guard: Row = {"_id": row.id}
    change: Row = {"$set": dict(row.values)}
    if row.revision is not None:
        guard["revision"] = row.revision
        change["$inc"] = {"revision": 1}
    return UpdateOne({"$and": [guard, dict(due)]}, change)
