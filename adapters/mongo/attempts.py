"""Attempts to connect (`tandem_attempts`): the sealed verifier of each, for ten minutes or till the browser is back."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Final

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import ATTEMPTS
from adapters.mongo.connections import Seal

KEPT: Final = timedelta(minutes=10)


class MongoAttempts:
    """Kept by the hash of their state. Every method raises `Unavailable` while MongoDB does not answer."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._attempts = database[ATTEMPTS]
        self._seal = seal

    async def add(self, state: str, verifier: str) -> None:
        """Keep a new one."""
        name = _name(state)
        sealed = self._seal.seal(verifier, _about(name))
        row = {"_id": name, "verifier": sealed, "expires_at": datetime.now(UTC) + KEPT}
        with answering():
            await self._attempts.insert_one(row)

    async def take(self, state: str) -> str | None:
        """The verifier, once; nothing where there is no such attempt, or it is over.

        Raises:
            CannotOpen: it is sealed with a key that we do not have.
        """
        name = _name(state)
        with answering():
            row = await self._attempts.find_one_and_delete({"_id": name, "expires_at": {"$gt": datetime.now(UTC)}})
        return None if row is None else self._seal.open(row["verifier"], _about(name))


def _name(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()


def _about(name: str) -> str:
    return f"{ATTEMPTS}.{name}.verifier"
