"""What the reconciler and the writer need of the outside."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from schemas.log_record import Record
from schemas.records import Failure, RecordRead, RecordUpdate, RowResult
from schemas.storage import DocumentsRefused, DocumentWrite, Parked
from schemas.unavailable import Unavailable

__all__ = [
    "Document",
    "DocumentWrite",
    "Documents",
    "DocumentsRefused",
    "Doorbells",
    "Failure",
    "Parked",
    "ParkedRecords",
    "Record",
    "RecordRead",
    "RecordUpdate",
    "Records",
    "RowResult",
    "SyncLog",
    "Unavailable",
]

Document = dict[str, Any]
"""A document as MongoDB holds it."""


class Documents(Protocol):
    """The documents of one or more kinds, each in its collection."""

    async def read(self, collection: str, ids: Sequence[str]) -> dict[str, Document]:
        """The documents that exist, by id, in one query."""

    async def read_linked(self, collection: str, record_ids: Sequence[str]) -> dict[str, list[Document]]:
        """The documents linked to these Salesforce records (`_sync.link.id`), by record id, in one query."""

    async def write(self, collection: str, writes: Sequence[DocumentWrite]) -> set[str]:
        """Make all updates in one bulk write; the ids of the documents whose update did **not** take effect.

        Raises:
            DocumentsRefused: some can never be made as the documents are; all others were made, or have lost.
        """

    async def due(self, collection: str, now: int, limit: int) -> list[Document]:
        """Documents whose `_sync.due_at` (epoch milliseconds) is not after `now`, oldest first."""

    async def postpone(self, collection: str, due: Mapping[str, int], until: int) -> None:
        """Move `_sync.due_at` to `until` where it is still the value given for the id."""

    async def undrained(self, collection: str, limit: int) -> list[Document]:
        """Documents that still hold audit rows, from a process that ended before it had drained them."""

    async def clear_audit(self, collection: str, rows: Mapping[str, Sequence[str]]) -> None:
        """Take audit rows that have been drained, by document id and row id, out of their documents."""


class SyncLog(Protocol):
    """`salesforce_sync_logs`: what happened to every record and field."""

    async def append(self, rows: Sequence[Document]) -> Sequence[Document]:
        """Keep these rows; a row whose `_id` is there already stays as it is. Those that were not there yet."""


class ParkedRecords(Protocol):
    """`tandem_parked`: kept until a person redrives or discards them."""

    async def park(self, records: Sequence[Parked]) -> None:
        """Keep these; the same topic, partition and offset parked twice is one row."""


class Doorbells(Protocol):
    """`salesforce.writes`."""

    async def ring(self, bells: Sequence[tuple[bytes, bytes]]) -> None:
        """Append (key, value) records; return once all are acknowledged.

        Raises:
            Unavailable: not all were acknowledged in time.
        """


class Records(Protocol):
    """Salesforce records, many in a call. Every call carries `Sforce-Call-Options`, and so does every retry."""

    async def update(self, sobject: str, updates: Sequence[RecordUpdate]) -> list[RowResult]:
        """Update up to 200 records by Id in one call. Raises nothing of Salesforce's: each row has its outcome."""

    async def upsert(self, sobject: str, external_id_field: str, updates: Sequence[RecordUpdate]) -> list[RowResult]:
        """Upsert up to 200 records by external id in one call; outcomes as `update`."""

    async def read(self, sobject: str, record_ids: Sequence[str], fields: Sequence[str]) -> RecordRead:
        """Up to 2,000 records by Id in one call.

        Raises:
            Unavailable: no answer, or the org is down, over its limits, or does not log us in.
        """

    async def find(self, sobject: str, external_id_field: str, external_ids: Sequence[str]) -> Mapping[str, list[str]]:
        """Record ids by external id; an id that matches no record is missing, one that matches several has them all.

        An id that a record holds in another case is there as the record spells it.

        Raises:
            Unavailable: as `read`.
        """

    async def delete(self, sobject: str, record_ids: Sequence[str]) -> list[RowResult]:
        """Delete up to 200 records by Id in one call; outcomes as `update`, GONE for one that is deleted already."""

    async def successors(self, sobject: str, record_ids: Sequence[str]) -> Mapping[str, str]:
        """By id, for records that a merge has deleted: the id of the record that took their place.

        Where that one was merged again it is the last of the chain. Ids that were only deleted, never were, or have
        left the recycle bin (15 days) are missing, and so are all of an object that cannot be merged. Ids have 18
        characters. The record that is named may itself be deleted by now.

        Raises:
            Unavailable: as `read`.
        """

    async def merged(self, sobject: str, record_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """The inverse of `successors`: by id, for records into which others were merged, the ids of those.

        Raises:
            Unavailable: as `read`.
        """
