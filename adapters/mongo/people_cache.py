"""What Salesforce told of people lately, for all processes of ours: `salesforce_object_cache`.

A row names the address by its digest, and holds what was read: personal data, so it is gone when it runs out.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from pymongo import UpdateOne

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import CLAIMS
from schemas.people import PersonRows

_PERSON: Final = "person"


class MongoPeopleCache:
    """Satisfies `consumers.enrichment.ports.PeopleCache`."""

    def __init__(self, database: Database) -> None:
        self._rows = database[CLAIMS]

    async def get(self, kind: str, emails: Sequence[str], now: int) -> dict[str, PersonRows]:
        """As the port, in one query by ids."""
        keys = {_key(kind, email): email for email in emails}
        with answering():
            rows = await self._rows.find({"_id": {"$in": list(keys)}, "expires_at": {"$gt": _moment(now)}}).to_list()
        return {keys[row["_id"]]: PersonRows(_read(row["rows"]), row["told"]) for row in rows}

    async def put(self, kind: str, found: Mapping[str, PersonRows], until: Mapping[str, int]) -> None:
        """As the port."""
        kept = [
            UpdateOne({"_id": _key(kind, email)}, {"$set": _row(email, one, until[email])}, upsert=True)
            for email, one in found.items()
        ]
        if kept:
            with answering():
                await self._rows.bulk_write(kept, ordered=False)

    async def drop(self, *, records: Sequence[str] = (), emails: Sequence[str] = ()) -> int:
        """As the port."""
        asked: list[dict[str, Any]] = []
        if records:
            asked.append({"records": {"$in": list(records)}})
        if emails:
            asked.append({"address": {"$in": [digest(email) for email in emails]}})
        if not asked:
            return 0
        with answering():
            return int((await self._rows.delete_many({"$or": asked})).deleted_count)


def digest(email: str) -> str:
    """Names an address without saying it."""
    return hashlib.sha256(email.encode()).hexdigest()


def _key(kind: str, email: str) -> str:
    return f"{_PERSON}:{kind}:{digest(email)}"


def _row(email: str, one: PersonRows, until: int) -> dict[str, Any]:
    """Paths with a dot in them are no names to MongoDB's operators: rows are kept as lists of pairs."""
    rows = [[[list(pair) for pair in row.items()] for row in rows] for rows in one.rows]
    named = {"address": digest(email), "records": one.record_ids(), "expires_at": _moment(until)}
    return {**named, "rows": rows, "told": one.at}


def _read(stored: Any) -> list[list[dict[str, Any]]]:
    return [[dict(row) for row in rows] for rows in stored]


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
