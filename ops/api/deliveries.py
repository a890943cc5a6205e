"""Deliveries as the API's routes ask for them, with their audit."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from adapters.mongo.client import Database
from adapters.mongo.deliveries import MongoDeliveries
from adapters.mongo.endpoints import MongoEndpoints
from adapters.mongo.operations import MongoOperations
from schemas.delivery import Endpoint

Row = Mapping[str, Any]


class AuditedDeliveries:
    """Satisfies `listener.api.deliveries.Deliveries`."""

    def __init__(self, database: Database, default_url: str = "") -> None:
        """`default_url` is that of the settings."""
        self._deliveries = MongoDeliveries(database)
        self._endpoints = MongoEndpoints(database, default_url)
        self._operations = MongoOperations(database)

    async def listed(
        self,
        *,
        state: str,
        kind: str,
        document_id: str,
        limit: int,
        behind: Row | None = None,
        among: Sequence[str] | None = None,
    ) -> Sequence[Row]:
        """As the port."""
        return await self._deliveries.listed(
            state=state, kind=kind, document_id=document_id, limit=limit, behind=behind, among=among
        )

    async def get(self, delivery_id: str) -> Row | None:
        """As the port."""
        return await self._deliveries.get(delivery_id)

    async def counts(self) -> Mapping[str, int]:
        """As the port."""
        return await self._deliveries.counts()

    async def failed_ids(self, limit: int) -> Sequence[str]:
        """As the port."""
        return await self._deliveries.failed_ids(limit)

    async def redeliver(self, ids: Sequence[str], now: int, by: str) -> int:
        """As the port. Of what is not there any more no row is made."""
        there = await self._deliveries.known(ids)
        if not there:
            return 0
        row = {"_id": uuid.uuid4().hex, "what": "redeliver", "by": by, "at": now, "note": "", "result": "done"}
        item = f"{len(there):,} deliveries"
        await self._operations.add([{**row, "item": item, "deliveries": there[:100], "count": len(there)}])
        return await self._deliveries.redeliver(there, now)

    async def endpoint(self) -> Endpoint | None:
        """As the port."""
        return await self._endpoints.current()
