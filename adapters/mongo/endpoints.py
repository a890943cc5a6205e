"""Where the platform is told (`tandem_endpoints`): the URL that an admin set, and how it has done."""

from typing import Any

from pymongo import ReturnDocument

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import ENDPOINTS
from schemas.delivery import ENDPOINT, Endpoint

_ONE = {"_id": ENDPOINT}


class MongoEndpoints:
    """Satisfies `consumers.deliver.ports.Endpoints`. Every method raises `Unavailable` as `answering`.

    A URL that was set by command takes precedence over that of the settings.
    """

    def __init__(self, database: Database, default_url: str = "") -> None:
        self._rows = database[ENDPOINTS]
        self._default_url = default_url

    async def current(self) -> Endpoint | None:
        """The endpoint; None where no URL was ever set."""
        with answering():
            return self._read(await self._rows.find_one(_ONE))

    async def took(self) -> None:
        """It has taken a delivery."""
        with answering():
            await self._rows.update_one({**_ONE, "failing_since": {"$ne": None}}, {"$set": {"failing_since": None}})

    async def failed(self, now: int) -> Endpoint | None:
        """It has not; as it stands now."""
        since = {"$ifNull": ["$failing_since", now]}
        with answering():
            row = await self._rows.find_one_and_update(
                _ONE, [{"$set": {"failing_since": since}}], upsert=True, return_document=ReturnDocument.AFTER
            )
        return self._read(row)

    async def disable(self, reason: str, now: int) -> None:
        """Post nothing more until a person enables it."""
        await self._set({"enabled": False, "reason": reason, "changed_at": now})

    async def enable(self, who: str, now: int) -> None:
        """Go on; what waits is posted."""
        await self._set({"enabled": True, "reason": "", "failing_since": None, "changed_by": who, "changed_at": now})

    async def set_url(self, url: str, who: str, now: int) -> None:
        """Post there from now on; empty: where the settings say."""
        await self._set({"url": url, "failing_since": None, "changed_by": who, "changed_at": now})

    async def _set(self, values: dict[str, Any]) -> None:
        with answering():
            await self._rows.update_one(_ONE, {"$set": values}, upsert=True)

    def _read(self, row: dict[str, Any] | None) -> Endpoint | None:
        stored = row or {}
        url = stored.get("url") or self._default_url
        if not url:
            return None
        return Endpoint(url, stored.get("enabled", True), stored.get("reason", ""), stored.get("failing_since"))
