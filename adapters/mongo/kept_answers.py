"""Answers by idempotency key (`tandem_api_answers`): who asks twice hears the same.

They hold what was answered, so personal data too: each names whom it is about, and MongoDB removes it when its time
is over.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from pymongo.errors import DuplicateKeyError

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import API_ANSWERS
from schemas.kept_answer import KeptAnswer

ABANDONED: Final = timedelta(minutes=2)
"""How long a request may be under way before another takes its key over: its process was killed."""


class MongoKeptAnswers:
    """Satisfies `listener.api.ports.KeptAnswers`."""

    def __init__(self, database: Database, kept: timedelta) -> None:
        self._answers = database[API_ANSWERS]
        self._kept = kept

    async def begin(self, name: str, fingerprint: str) -> KeptAnswer | None:
        """Take the key for this request, if nobody has, or somebody had it long ago and never answered."""
        now = datetime.now(UTC)
        row = {"fingerprint": fingerprint, "status": 0, "begun_at": now, "expires_at": now + self._kept}
        with answering():
            try:
                await self._answers.insert_one({"_id": name, **row})
            except DuplicateKeyError:
                left = {"_id": name, "fingerprint": fingerprint, "status": 0, "begun_at": {"$lt": now - ABANDONED}}
                if (await self._answers.update_one(left, {"$set": row})).matched_count:
                    return None
                found = await self._answers.find_one({"_id": name})
                # Let go in between: the first request was refused, and whoever made it may try again.
                return KeptAnswer(fingerprint) if found is None else _answer(found)
        return None

    async def finish(self, name: str, answer: KeptAnswer, about: str) -> None:
        """Keep what was answered."""
        told = {"status": answer.status, "body": answer.body, "headers": dict(answer.headers), "about": about}
        with answering():
            await self._answers.update_one({"_id": name}, {"$set": told})

    async def drop(self, name: str) -> None:
        """Let the key go, if it was not answered."""
        with answering():
            await self._answers.delete_one({"_id": name, "status": 0})

    async def forget(self, about: str) -> int:
        """Remove every answer that speaks of this thing, `<kind>/<id>`; how many there were."""
        with answering():
            return (await self._answers.delete_many({"about": about})).deleted_count


def _answer(row: dict[str, object]) -> KeptAnswer:
    body, headers, status = row.get("body", b""), row.get("headers", {}), row["status"]
    if not isinstance(body, bytes) or not isinstance(headers, dict) or not isinstance(status, int):
        raise TypeError("not an answer of ours")
    return KeptAnswer(str(row["fingerprint"]), status, body, headers)
