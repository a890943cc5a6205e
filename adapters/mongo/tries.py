"""Tries to sign in to the admin page (`tandem_tries`): claimed before a password is looked at, and forgotten in a day.

A row is of a name, whether there is such a user or not, or of an address; its id is a hash of it.
"""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import TRIES
from adapters.mongo.retention import dated

KEPT: Final = timedelta(days=1)
"""How long after the last try a row counts."""


def key_of_name(name: str) -> str:
    """What is kept of a name that was typed, which may be a password by mistake."""
    return _hashed("name", name.casefold())


def key_of_address(address: str) -> str:
    """What is kept of an address."""
    return _hashed("address", address)


class MongoTries:
    """Every method raises `Unavailable` while MongoDB does not answer. Times are epoch milliseconds."""

    def __init__(self, database: Database) -> None:
        self._tries = database[TRIES]

    async def claim(self, key: str, waits: Sequence[int], now: int) -> int:
        """Count a try before it is made, if it may be made now: 0, or how long until one may be.

        `waits` holds at n what is waited after the n-th try since the last that was right, and its last for all more.
        """
        tries = {"$add": [{"$cond": [{"$gt": ["$expires_at", dated(now)]}, "$tries", 0]}, 1]}
        wait = {"$arrayElemAt": [{"$literal": list(waits)}, {"$min": ["$tries", len(waits) - 1]}]}
        counted: list[dict[str, Any]] = [
            {"$set": {"tries": tries}},
            {"$set": {"free_at": {"$add": [now, wait]}, "expires_at": dated(now) + KEPT}},
        ]
        while True:
            with answering():
                try:
                    await self._tries.find_one_and_update(
                        {"_id": key, "free_at": {"$not": {"$gt": now}}},
                        counted,
                        upsert=True,
                        return_document=ReturnDocument.AFTER,
                    )
                except DuplicateKeyError:  # it is there and not free, or was made in this moment
                    row = await self._tries.find_one({"_id": key}) or {}
                else:
                    return 0
            if (left := row.get("free_at", 0) - now) > 0:
                return int(left)

    async def give_back(self, key: str) -> None:
        """Count one less: it was right."""
        with answering():
            await self._tries.update_one({"_id": key, "tries": {"$gt": 0}}, {"$inc": {"tries": -1}})

    async def forget(self, key: str) -> None:
        """Begin anew."""
        with answering():
            await self._tries.delete_one({"_id": key})


def _hashed(sort: str, text: str) -> str:
    return hashlib.sha256(f"{sort}:{text}".encode()).hexdigest()
