"""How the platform sees its documents: through the view, again and again, whatever is new."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ConnectionFailure

from simulator.platform.actor import CannotLook, ReadDocuments

_AT_A_TIME = 500


class ViewReader:
    """Reads the documents of one view whose revision has changed since the last reading."""

    def __init__(self, database: AsyncDatabase[dict[str, Any]], view: str, paths: Sequence[str]) -> None:
        self._view = database[view]
        self._paths = paths
        self._read: dict[str, int] = {}

    async def new(self) -> AsyncIterator[tuple[str, int, Mapping[str, Any], int]]:
        """Document id, revision, values by path, and when it had been read in epoch milliseconds."""
        revisions = {row["_id"]: row.get("revision", 0) async for row in self._view.find({}, {"revision": 1})}
        new = [key for key, revision in revisions.items() if self._read.get(key, -1) < revision]
        for first in range(0, len(new), _AT_A_TIME):
            rows = [row async for row in self._view.find({"_id": {"$in": new[first : first + _AT_A_TIME]}})]
            at = time.time_ns() // 1_000_000
            for row in rows:
                revision = self._read[row["_id"]] = row.get("revision", 0)
                yield row["_id"], revision, {path: _at(row, path) for path in self._paths}, at


def _at(document: Mapping[str, Any], path: str) -> Any:
    value: Any = document
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


@asynccontextmanager
async def open_views(uri: str, database: str, views: Mapping[str, Sequence[str]]) -> AsyncIterator[ReadDocuments]:
    """The platform's eyes, as `PlatformActor` takes them; `views` are paths by the name of the view.

    A reading raises `CannotLook` where MongoDB is away.
    """
    async with AsyncMongoClient[dict[str, Any]](uri, tz_aware=True) as client:
        readers = [ViewReader(client[database], view, paths) for view, paths in views.items()]

        async def new() -> AsyncIterator[tuple[str, int, Mapping[str, Any], int]]:
            try:
                for reader in readers:
                    async for each in reader.new():
                        yield each
            except ConnectionFailure as away:
                raise CannotLook from away

        yield new
