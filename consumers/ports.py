"""What the reconciler and the writer need of the outside."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

from schemas.bulk import BulkLoad, BulkOutcome, BulkState
from schemas.counting import Counted
from schemas.gap import ObjectGap
from schemas.log_record import Record
from schemas.records import Converted, Failure, RecordRead, RecordUpdate, RowResult
from schemas.storage import Concluded, DocumentsRefused, DocumentWrite, Parked
from schemas.unavailable import Unavailable

__all__ = [
    "BulkLoad",
    "BulkOutcome",
    "BulkRecords",
    "BulkState",
    "Concluded",
    "Converted",
    "Document",
    "DocumentWrite",
    "Documents",
    "DocumentsRefused",
    "Doorbells",
    "Erasures",
    "Failure",
    "ObjectGap",
    "ObjectGaps",
    "Parked",
    "ParkedRecords",
    "Record",
    "RecordRead",
    "RecordUpdate",
    "Records",
    "Reservations",
    "RowResult",
    "SyncLog",
    "Tellings",
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

    async def matching(self, collection: str, path: str, texts: Sequence[str]) -> list[Document]:
        """The documents whose path holds one of these texts, in whatever case, in one indexed query."""

    async def totals(
        self, collection: str, by: str, ids: Sequence[str], wanted: Sequence[Counted]
    ) -> dict[str, list[Any]]:
        """What is wanted of the documents whose path `by` holds these ids, by id and in order; of deleted ones nothing.

        An id may be held as the number that it spells. Values are read as the mapping says of them (`Counted`). Sums
        are exact to 15 digits of each value, and of what is no number 0; where there is nothing, `min`, `max` and
        `latest` are None and the others 0. `latest` is the last by order, those without one before all others, then by
        id.
        """

    async def write(self, collection: str, writes: Sequence[DocumentWrite]) -> set[str]:
        """Make all updates in one bulk write; the ids of the documents whose update did **not** take effect.

        Raises:
            DocumentsRefused: some can never be made as the documents are; all others were made, or have lost.
        """

    async def due(self, collection: str, now: int, limit: int) -> list[Document]:
        """Documents whose `_sync.due_at` (epoch milliseconds) is not after `now`, oldest first."""

    async def postpone(self, collection: str, due: Mapping[str, int], until: int) -> None:
        """Move `_sync.due_at` to `until` where it is still the value given for the id."""

    async def wake(self, collection: str, field: str, parents: Sequence[str], now: int) -> int:
        """Make documents due whose lookup `field` waits for one of these parents past `now`, in one indexed update.

        Their revision is raised, so that whoever decides on one at this moment looks again. How many there were.
        """

    async def let_go(self, collection: str, field: str, keepers: Sequence[str], now: int) -> int:
        """Make documents due that are noted as kept back by one of these (`_sync.awaited.<field>.keeper`).

        The revision of all of them is raised, for whoever decides on one at this moment. How many there were.
        """

    async def undrained(self, collection: str, limit: int) -> list[Document]:
        """Documents that still hold audit rows, from a process that ended before it had drained them."""

    async def claim(self, collection: str, wanted: Mapping[str, str]) -> dict[str, str]:
        """Give each of these records to a document, by record id, where it was given to none within the day.

        The documents to which they are given now. Whoever links a record that it has matched claims it first, so that
        two documents that match one record at the same moment never both have it.
        """

    async def untold(self, collection: str, limit: int) -> list[Document]:
        """Documents that still hold what the platform is to be told: a process ended before it had told it."""

    async def clear_told(self, collection: str, rows: Mapping[str, Sequence[str]]) -> None:
        """Take what has been told, by document id and row id, out of its documents."""

    async def clear_audit(self, collection: str, rows: Mapping[str, Sequence[str]]) -> None:
        """Take audit rows that have been drained, by document id and row id, out of their documents."""


class SyncLog(Protocol):
    """`salesforce_sync_logs`: what happened to every record and field."""

    async def append(self, rows: Sequence[Document]) -> Sequence[Document]:
        """Keep these rows; a row whose `_id` is there already stays as it is. Those that were not there yet."""


class ParkedRecords(Protocol):
    """`tandem_parked`: kept until a person redrives or discards them."""

    async def park(self, records: Sequence[Parked]) -> None:
        """Keep these; the same topic, partition and offset parked twice is one row.

        A redriven record's row is the one that it was first parked as: it is parked again, with this reason.
        """

    async def conclude(self, records: Sequence[Concluded]) -> None:
        """Say of redriven records how they ended: their rows are resolved, and kept for as long as is set."""


class Reservations(Protocol):
    """Who is writing children of a Salesforce record now, over all processes: not a lock, but a word for the others."""

    async def reserve(self, holder: str, keys: Sequence[str], seconds: float) -> set[str]:
        """Hold these for so long, where no other holder does; those that are held now."""

    async def release(self, holder: str, keys: Sequence[str]) -> None:
        """Let these go."""


class ObjectGaps(Protocol):
    """`tandem_gaps`: what events told of without saying what it was."""

    async def note(self, gaps: Sequence[ObjectGap]) -> Sequence[ObjectGap]:
        """Keep these, each open until it is repaired; those that were not there yet.

        One that is there already (reason, object, mark) stays as it is, but for records that it did not name: by them
        it is open again.

        Raises:
            Unavailable: the store does not answer.
        """


class Tellings(Protocol):
    """`platform.changes`."""

    async def tell(self, rows: Sequence[Document]) -> None:
        """Append these (`consumers.rules.telling`), in order for each document; return once all are acknowledged.

        Raises:
            Unavailable: not all were acknowledged in time.
        """


class ErasedList(Protocol):
    """The list of erased people, by keyed hashes of names (`schemas.erasure`).

    Each method raises Unavailable where the store does not answer.
    """

    async def among(self, names: Sequence[str]) -> set[str]:
        """Those of the names that were erased."""


class Erasures(ErasedList, Protocol):
    """The list, and what is asked for."""

    async def ask(self, kind: str, document_id: str, now: int, by: str) -> bool:
        """Have a person forgotten: their name is in the list when this returns. False where that was asked before."""


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

    async def match(
        self, sobject: str, field: str, values: Sequence[str], fields: Sequence[str]
    ) -> list[Mapping[str, Any]]:
        """Records whose field holds one of these texts, in whatever case, each with its Id and these fields.

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

    async def conversions(self, sobject: str, record_ids: Sequence[str]) -> Mapping[str, Converted]:
        """By id, for leads that were converted: the contact that they became, with its account and opportunity.

        A lead whose contact is gone is missing.

        Raises:
            Unavailable: as `read`.
        """

    async def converted(self, sobject: str, record_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """The inverse of `conversions`: by contact, for those that leads were converted to, the ids of the leads.

        Raises:
            Unavailable: as `read`.
        """


class BulkRecords(Protocol):
    """Salesforce records, very many in a job of its own pace. What a job does is known by its id, in any process.

    The order that survives a crash anywhere: `open`, store the id with what is to be written, `send`, look at `state`
    until it has ended, take all `outcomes` back, `discard`. A job found OPEN by a process that did not open it is not
    closed, so nothing of it was run: where whoever opened it is gone, `abandon` it, and begin anew.
    """

    async def open(self, load: BulkLoad) -> str:
        """A new job's id; it is empty and runs nothing.

        Raises:
            JobsUsedUp: no more jobs today; the rows can go by calls.
            Unavailable: no answer, or the org is down, over its limits, or does not make the job.
        """

    async def send(self, job_id: str, load: BulkLoad, rows: AsyncIterable[RecordUpdate]) -> Sequence[BulkOutcome]:
        """Upload all rows and close the job; the outcomes of rows that cannot be sent at all, which are left out.

        Raises:
            Unavailable: no answer, or refused. Whether the job was closed, its state tells.
            ValueError: more rows than one job takes; it is open still.
        """

    async def state(self, job_id: str) -> BulkState:
        """Where the job is.

        Raises:
            Unavailable: no answer.
        """

    async def abandon(self, job_id: str) -> BulkState:
        """Abort the job if it is open; its state after that. One that has been closed meanwhile is left to run.

        Raises:
            Unavailable: no answer.
        """

    def outcomes(self, job_id: str, load: BulkLoad) -> AsyncIterator[BulkOutcome]:
        """What became of each row of a job that has ended, in no order, as often as it takes.

        Once they have all come, a row that was to be in the job and is not among them was never sent.

        Raises:
            Unavailable: not all could be read; what was given stands.
        """

    async def discard(self, job_id: str) -> None:
        """Forget a job that was finished with.

        Raises:
            Unavailable: no answer.
        """
