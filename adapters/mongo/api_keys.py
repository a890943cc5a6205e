"""Keys of the platform's API (`tandem_api_keys`): hashes of their secrets, what they may do, until when."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from bson.codec_options import CodecOptions
from pymongo import ASCENDING

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import API_KEYS
from schemas.api_key import ApiKey


class MongoApiKeys:
    """Satisfies `listener.api.ports.Keys`. Every method raises `Unavailable` while MongoDB does not answer."""

    def __init__(self, database: Database) -> None:
        self._keys = database.get_collection(API_KEYS, codec_options=CodecOptions(tz_aware=True))

    async def add(self, key: ApiKey) -> None:
        """Keep a new key; its id is new."""
        row = key.model_dump(exclude={"id", "scopes"})
        with answering():
            await self._keys.insert_one({"_id": key.id, **row, "scopes": [str(scope) for scope in key.scopes]})

    async def read(self, key_id: str) -> ApiKey | None:
        """One key, revoked or not."""
        with answering():
            row = await self._keys.find_one({"_id": key_id})
        return None if row is None else _key(row)

    async def all(self) -> Iterable[ApiKey]:
        """All of them, the oldest first."""
        with answering():
            rows = await self._keys.find({}, sort=[("made_at", ASCENDING)]).to_list()
        return [_key(row) for row in rows]

    async def revoke(self, key_id: str, at: datetime) -> bool:
        """End a key for good; False where there is no such key, or it was revoked before."""
        with answering():
            done = await self._keys.update_one({"_id": key_id, "revoked_at": None}, {"$set": {"revoked_at": at}})
        return bool(done.matched_count)

    async def end_by(self, key_id: str, at: datetime) -> bool:
        """Let a key be good until then at most; False where there is none, or it is revoked, or ends sooner."""
        later = {"_id": key_id, "revoked_at": None, "$or": [{"ends_at": None}, {"ends_at": {"$gt": at}}]}
        with answering():
            done = await self._keys.update_one(later, {"$set": {"ends_at": at}})
        return bool(done.matched_count)


def _key(row: dict[str, Any]) -> ApiKey:
    return ApiKey.model_validate({**row, "id": row["_id"]})
