"""What the reconciler and the writer need of the outside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

Document = dict[str, Any]
"""A document as MongoDB holds it."""


class Unavailable(Exception):
    """An outside part did not answer: wait and try again, skip nothing."""


@dataclass(frozen=True, slots=True)
class Record:
    """One Kafka record as it came. `timestamp` is epoch milliseconds, by the broker or producer."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, str]
    timestamp: int
    raw_headers: Sequence[tuple[str, bytes]] = ()


@dataclass(frozen=True, slots=True)
class DocumentWrite:
    """A guarded update of one document.

    Takes effect only if the document still has `revision` (None: it has none of ours yet; it is made if missing).
    `set` and `unset` are MongoDB paths; `decision` names this very update so that a loser can be told from a winner.
    """

    id: str
    revision: int | None
    decision: str
    set: Mapping[str, Any]
    unset: Sequence[str] = ()


class Documents(Protocol):
    """The documents of one or more kinds, each in its collection."""

    async def read(self, collection: str, ids: Sequence[str]) -> dict[str, Document]:
        """The documents that exist, by id, in one query."""

    async def read_linked(self, collection: str, record_ids: Sequence[str]) -> dict[str, list[Document]]:
        """The documents linked to these Salesforce records (`_sync.link.id`), by record id, in one query."""

    async def write(self, collection: str, writes: Sequence[DocumentWrite]) -> set[str]:
        """Make all updates in one bulk write; the ids of the documents whose update did **not** take effect."""

    async def due(self, collection: str, now: int, limit: int) -> list[Document]:
        """Documents whose `_sync.due_at` (epoch milliseconds) is not after `now`, oldest first."""

    async def postpone(self, collection: str, due: Mapping[str, int], until: int) -> None:
        """Move `_sync.due_at` to `until` where it is still the value given for the id."""

    async def clear_audit(self, collection: str, rows: Mapping[str, Sequence[str]]) -> None:
        """Take audit rows that have been drained, by document id and row id, out of their documents."""


class SyncLog(Protocol):
    """`salesforce_sync_logs`: what happened to every record and field."""

    async def append(self, rows: Sequence[Document]) -> None:
        """Keep these rows; a row whose `_id` is there already stays as it is."""


@dataclass(frozen=True, slots=True)
class Parked:
    """A record that cannot be handled: its bytes, where it came from, and why."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    reason: str
    """A stable word: `undecodable`, `unknown_kind`, or Salesforce's own error code."""
    detail: str
    at: int
    kind: str = ""
    document_id: str = ""


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


class Failure(StrEnum):
    """Why a row was not written, by what to do next."""

    NOT_RUN = "not_run"
    """Salesforce certainly did not run it (401, row lock, limits, 503 with its own error body): repeat it."""
    UNKNOWN = "unknown"
    """No answer, or a gateway's 5xx: it may have run, or may yet."""
    REJECTED = "rejected"
    """Salesforce refused it for good: its code and message say why."""
    GONE = "gone"
    """The record is deleted, or never was."""


@dataclass(frozen=True, slots=True)
class RowResult:
    """One row's own outcome, in the order of the request."""

    record_id: str = ""
    created: bool = False
    failure: Failure | None = None
    code: str = ""
    message: str = ""
    org_wide: bool = False
    """The failure speaks of the org (down, over its limits, logged out), not of this row: it counts as no try."""

    @property
    def succeeded(self) -> bool:
        """True where the row was committed."""
        return self.failure is None


@dataclass(frozen=True, slots=True)
class RecordUpdate:
    """Fields to write to one record: by `record_id`, or for an upsert by `external_id`."""

    values: Mapping[str, Any]
    record_id: str = ""
    external_id: str = ""


@dataclass(frozen=True, slots=True)
class RecordRead:
    """Rows read whole; a record missing from `rows` was not found.

    `began_at` is our clock just before the request and `server_time` Salesforce's at its answer (the Date header), both
    epoch milliseconds.
    """

    began_at: int
    server_time: int
    rows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


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

        Raises:
            Unavailable: as `read`.
        """
