"""What Salesforce told of people lately, for all processes of ours: `salesforce_object_cache`.

A row names the address by its digest, and holds what was read: personal data, so it is gone when it runs out. Another
sort of rows says what was dropped lately, so that an answer which was on its way then is not kept after all.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pymongo import UpdateOne

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import CLAIMS
from schemas.people import PersonRows

_PERSON: Final = "person"
_DROPPED: Final = "dropped"
MARKED: Final = timedelta(minutes=2)
"""Longer than any call about people lasts, and what is done with its answer."""


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
        if not kept:
            return
        with answering():
            await self._rows.bulk_write(kept, ordered=False)
        # Only now: whoever drops marks first and deletes then, so one of the two sees what the other has done.
        if late := await self.overtaken(found):
            mine = [{"_id": _key(kind, email), "told": found[email].at} for email in sorted(late)]
            with answering():
                await self._rows.delete_many({"$or": mine})

    async def drop(self, *, now: int, records: Sequence[str] = (), emails: Sequence[str] = ()) -> int:
        """As the port."""
        digests = [digest(email) for email in emails]
        if not records and not digests:
            return 0
        marks = [*(_mark("records", each, [each], now) for each in records)]
        marks += [_mark("address", each, each, now) for each in digests]
        asked = [{"records": {"$in": list(records)}}, {"address": {"$in": digests}}]
        with answering():
            await self._rows.bulk_write(marks, ordered=False)
            gone = await self._rows.delete_many({"$or": asked, "dropped_at": {"$exists": False}})
        return int(gone.deleted_count)

    async def overtaken(self, found: Mapping[str, PersonRows]) -> set[str]:
        """As the port, in one query by ids."""
        names = {
            email: [f"{_DROPPED}:{each}" for each in (digest(email), *one.record_ids())] for email, one in found.items()
        }
        wanted = sorted({name for several in names.values() for name in several})
        with answering():
            rows = await self._rows.find({"_id": {"$in": wanted}}, {"dropped_at": 1}).to_list()
        dropped = {row["_id"]: row["dropped_at"] for row in rows}
        return {
            email for email, several in names.items() if any(dropped.get(each, 0) > found[email].at for each in several)
        }


def _mark(path: str, name: str, value: Any, now: int) -> UpdateOne:
    """Also found by what it speaks of, so that an erasure takes it away."""
    latest = {"dropped_at": now, "expires_at": _moment(now) + MARKED}
    return UpdateOne({"_id": f"{_DROPPED}:{name}"}, {"$set": {path: value}, "$max": latest}, upsert=True)


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
