"""The sweep: rings again for documents whose time has come, and drains audit rows that a crash left behind."""

from collections.abc import Callable

from consumers.catalog import Catalog
from consumers.ports import Documents, Doorbells, SyncLog
from schemas import topics
from schemas.codec import encode
from schemas.doorbell import Doorbell


class Sweep:
    """One round of it; whoever runs it decides how often. Several may run at once: a doorbell too many does no harm."""

    def __init__(
        self,
        *,
        catalog: Callable[[], Catalog],
        documents: Documents,
        doorbells: Doorbells,
        log: SyncLog,
        now: Callable[[], int],
        limit: int = 2_000,
        ring_again: int = 30_000,
    ) -> None:
        self._catalog = catalog
        self._documents = documents
        self._doorbells = doorbells
        self._log = log
        self._now = now
        self._limit = limit
        self._ring_again = ring_again

    async def ring_due(self) -> int:
        """Ring for what is due now, at most `limit` documents of each kind; how many.

        Raises:
            Unavailable: MongoDB or Kafka did not answer.
        """
        rung = 0
        now = self._now()
        for kind in self._catalog().kinds.values():
            found = await self._documents.due(kind.collection, now, self._limit)
            if not found:
                continue
            await self._doorbells.ring([_bell(kind.name, document) for document in found])
            due = {document["_id"]: document["_sync"]["due_at"] for document in found}
            await self._documents.postpone(kind.collection, due, now + self._ring_again)
            rung += len(found)
        return rung

    async def drain_audit(self) -> int:
        """Move audit rows left in documents to the log; how many.

        Raises:
            Unavailable: MongoDB did not answer.
        """
        drained = 0
        for kind in self._catalog().kinds.values():
            found = await self._documents.undrained(kind.collection, self._limit)
            rows = {document["_id"]: document["_sync"]["audit"] for document in found}
            await self._log.append([row for audit in rows.values() for row in audit])
            await self._documents.clear_audit(
                kind.collection, {key: [row["_id"] for row in audit] for key, audit in rows.items()}
            )
            drained += sum(len(audit) for audit in rows.values())
        return drained


def _bell(kind: str, document: dict[str, object]) -> tuple[bytes, bytes]:
    document_id = str(document["_id"])
    sync = document.get("_sync")
    link = sync.get("link") if isinstance(sync, dict) else None
    record_id = str(link["id"]) if isinstance(link, dict) else ""
    key = topics.record_key(record_id) if record_id else topics.document_key(kind, document_id)
    return key, encode(Doorbell(kind=kind, id=document_id, record_id=record_id))
