"""Rows written by a Bulk job, and what came of the job and of each row."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from schemas.records import RecordUpdate, RowResult
from schemas.unavailable import Unavailable

UNPROCESSED: Final = "UNPROCESSED"
"""Ours: the job ended before the row's turn came."""


class JobsUsedUp(Unavailable):
    """The day's allocation of jobs is used up: the same rows can go by calls."""


class BulkOperation(StrEnum):
    """What a job does with its rows."""

    UPDATE = "update"
    UPSERT = "upsert"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class BulkLoad:
    """What a job is to do.

    `key` names the field whose value every row holds and no two rows share: it comes back with each outcome, for
    Salesforce tells the rows in no order. A deletion's rows hold their Id alone, so that is its key.
    """

    sobject: str
    operation: BulkOperation
    key: str
    external_id: str = ""
    """Of an upsert: the field that finds the records."""

    def __post_init__(self) -> None:
        if (self.operation is BulkOperation.UPSERT) != bool(self.external_id):
            raise ValueError("an upsert names its external id field, and nothing else does")
        if self.operation is BulkOperation.DELETE and self.key != "Id":
            raise ValueError("a deletion's key is Id")

    def key_of(self, row: RecordUpdate) -> str:
        """The row's value of `key`."""
        own = {"Id": row.record_id, self.external_id: row.external_id}
        return str(row.values.get(self.key) or own.get(self.key, ""))


class BulkState(StrEnum):
    """Where a job is, by what to do next."""

    OPEN = "open"
    """Not closed: nothing of it was run. A process that finds one that it did not make itself abandons it."""
    RUNNING = "running"
    """Closed; look again later."""
    ENDED = "ended"
    """Complete, failed or aborted: its rows' outcomes can be read."""
    MISSING = "missing"
    """Salesforce knows no such job any more: nobody can tell what became of its rows."""


@dataclass(frozen=True, slots=True)
class BulkOutcome:
    """What became of the row with this key."""

    key: str
    result: RowResult
