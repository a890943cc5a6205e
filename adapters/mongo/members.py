"""Registrations by whom they are of, and people by the campaign membership that their documents name."""

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.totals import spellings
from schemas.lookup import id_named

Document = dict[str, Any]


class MongoMembers:
    """Satisfies `consumers.enrichment.ports.MemberDocuments`. Every method raises `Unavailable` as `answering`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def registrations(self, collection: str, path: str, people: Sequence[str]) -> dict[str, list[Document]]:
        """As the port, in one indexed query."""
        named = {path: {"$in": [spelt for each in people for spelt in spellings(each)]}}
        wanted = {path: 1, "_sync.link": 1, "_sync.existence": 1}
        found: dict[str, list[Document]] = {}
        with answering():
            async for document in self._database[collection].find(named, wanted):
                found.setdefault(id_named(_at(document, path)), []).append(document)
        return found

    async def naming_member(self, collection: str, member: str) -> list[str]:
        """As the port, in one indexed query."""
        with answering():
            rows = await self._database[collection].find({"_sync.enriched.member": member}, {"_id": 1}).to_list()
        return [row["_id"] for row in rows]


def _at(document: Document, path: str) -> Any:
    value: Any = document
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
