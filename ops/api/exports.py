"""Exports as the API's route asks for them, with their audit."""

import json
import uuid
from collections.abc import Callable
from typing import Any

from adapters.mongo.client import Database
from adapters.mongo.operations import MongoOperations
from adapters.mongo.removal import MongoRemoval
from consumers.catalog import Catalog
from consumers.ports import Records
from listener.api.exports import NothingHeld
from ops import held


class AuditedExports:
    """Satisfies `listener.api.exports.ExportDesk`."""

    def __init__(self, database: Database, records: Records, catalog: Callable[[], Catalog]) -> None:
        self._removal = MongoRemoval(database)
        self._operations = MongoOperations(database)
        self._records = records
        self._catalog = catalog

    async def held(self, kind: str, document_id: str, now: int, by: str) -> dict[str, Any]:
        """As the port. Of whom nothing is held no row is made: it would be all that is held of one who was erased."""
        try:
            found = await held.held_of(self._removal, self._records, self._catalog(), kind, document_id)
        except held.NothingHeld as nothing:
            raise NothingHeld(str(nothing)) from None
        await self._operations.add([held.audit_row(kind, document_id, by=by, at=now, row_id=uuid.uuid4().hex)])
        told: dict[str, Any] = json.loads(held.as_json(found))
        return told
