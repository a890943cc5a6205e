"""People as the API's routes ask for them."""

from collections.abc import Sequence

from adapters.mongo.client import Database
from adapters.mongo.collections import prepare
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.history import ended_event
from listener.api.contact_bodies import Document
from listener.api.contacts import Ended
from schemas.outcome import Outcome


class StoredPeople:
    """Satisfies `listener.api.contacts.Documents`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._documents = MongoDocuments(database)
        self._indexed: set[tuple[str, str]] = set()

    async def read(self, collection: str, document_id: str) -> Document | None:
        """As the port."""
        return (await self._documents.read(collection, [document_id])).get(document_id)

    async def linked(self, collection: str, record_id: str) -> Sequence[Document]:
        """As the port."""
        return (await self._documents.read_linked(collection, [record_id])).get(record_id, [])

    async def matching(self, collection: str, path: str, text: str) -> Sequence[Document]:
        """As the port. Without an index MongoDB would read all documents; a new mapping may name another path."""
        if (collection, path) not in self._indexed:
            await prepare(self._database, (), (), [(collection, path)])
            self._indexed.add((collection, path))
        return await self._documents.matching(collection, path, [text])

    async def ended(self, kind: str, document_id: str, event_id: str) -> Ended | None:
        """As the port."""
        row = await ended_event(self._database, kind, document_id, event_id)
        return None if row is None else Ended(Outcome(row["outcome"]), row["reason"])
