"""Ids given to people who were said by their e-mail address alone (`tandem_identities`), until their document is there.

An address is kept as its hash, and for an hour: by then the document shows it.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import IDENTITIES

KEPT: Final = timedelta(hours=1)


class MongoIdentities:
    """Satisfies `listener.api.contacts.Identities`."""

    def __init__(self, database: Database) -> None:
        self._given = database[IDENTITIES]

    async def reserve(self, kind: str, email: str, document_id: str, instead_of: str | None = None) -> str:
        """This id for this address, if it has none for now, or has `instead_of`; the id that it has."""
        name = f"{kind}:{hashlib.sha256(email.encode()).hexdigest()}"
        given: dict[str, Any] = {"document": document_id, "expires_at": datetime.now(UTC) + KEPT}
        with answering():
            if instead_of is not None:
                await self._given.update_one({"_id": name, "document": instead_of}, {"$set": given})
            try:
                row = await self._given.find_one_and_update(
                    {"_id": name}, {"$setOnInsert": given}, upsert=True, return_document=ReturnDocument.AFTER
                )
            except DuplicateKeyError:  # another has made it in this moment
                row = await self._given.find_one({"_id": name})
        if row is None:
            raise RuntimeError("an upsert gave no row")
        return str(row["document"])
