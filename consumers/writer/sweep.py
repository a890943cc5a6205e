"""The sweep: rings again for documents whose time has come, and drains audit rows that a crash left behind."""

from collections.abc import Callable

from consumers.catalog import Catalog
from consumers.ports import Documents, Doorbells, SyncLog, Tellings
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
        tellings: Tellings | None = None,
        limit: int = 2_000,
        ring_again: int = 30_000,
    ) -> None:
        self._catalog = catalog
        self._documents = documents
        self._doorbells = doorbells
        self._log = log
        self._now = now
        self._tellings = tellings
        self._limit = limit
        self._ring_again = ring_again

    async def ring_due(self) -> int:
        """Ring for what is due now, at most `limit` documents of each kind; how many.

        Raises:
            Unavailable: MongoDB or Kafka did not answer.
        """
        rung = 0
        now = self._now()
        catalog = self._catalog()
        for kind in catalog.kinds.values():
            if catalog.is_all_off(kind):
                continue
            found = await self._documents.due(kind.collection, now, self._limit)
            if not found:
                continue
            bells = [_bell(kind.name, each) for each in found if not catalog.is_off(kind, _record_id(each))]
            await self._doorbells.ring(bells)
            due = {document["_id"]: document["_sync"]["due_at"] for document in found}
            await self._documents.postpone(kind.collection, due, now + self._ring_again)
            rung += len(bells)
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

    async def tell(self) -> int:
        """Tell the platform what a process that ended has left untold; how much.

        Raises:
            Unavailable: MongoDB or Kafka did not answer.
        """
        if self._tellings is None:
            return 0
        told = 0
        for kind in self._catalog().kinds.values():
            found = await self._documents.untold(kind.collection, self._limit)
            rows = {document["_id"]: document["_sync"]["told"] for document in found}
            if not rows:
                continue
            await self._tellings.tell([row for each in rows.values() for row in each])
            await self._documents.clear_told(
                kind.collection, {key: [row["_id"] for row in each] for key, each in rows.items()}
            )
            told += sum(len(each) for each in rows.values())
        return told


def _bell(kind: str, document: dict[str, object]) -> tuple[bytes, bytes]:
    document_id = str(document["_id"])
    record_id = _record_id(document)
    key = topics.record_key(record_id) if record_id else topics.document_key(kind, document_id)
    return key, encode(Doorbell(kind=kind, id=document_id, record_id=record_id))


def _record_id(document: dict[str, object]) -> str:
    sync = document.get("_sync")
    link = sync.get("link") if isinstance(sync, dict) else None
    return str(link["id"]) if isinstance(link, dict) else ""
