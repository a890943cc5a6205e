"""What is written to Salesforce records, and what comes of it: row by row, by what to do next."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

INVALID_ROW: Final = "INVALID_ROW"
"""Ours: a row that cannot be sent at all, or not in this form."""


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
    DUPLICATE = "duplicate"
    """Another record holds a value that no two may share: it may be this thing's."""
    CONVERTED = "converted"
    """The record is a lead that was converted: a contact has taken its place."""
    LOCKED = "locked"
    """A person has locked the record, as an approval does: wait long."""


@dataclass(frozen=True, slots=True)
class RowResult:
    """One row's own outcome, in the order of the request."""

    record_id: str = ""
    created: bool = False
    failure: Failure | None = None
    code: str = ""
    message: str = ""
    """Salesforce's own words. They may quote a field's value: kept with what is parked, never logged."""
    org_wide: bool = False
    """The failure speaks of the org (down, over its limits, logged out), not of this row: it counts as no try."""
    fields: tuple[str, ...] = ()
    """The fields that Salesforce names as the cause."""
    existing: tuple[str, ...] = ()
    """Ids of records that are in this row's way, as far as Salesforce names them."""

    @property
    def succeeded(self) -> bool:
        """True where the row was committed."""
        return self.failure is None


@dataclass(frozen=True, slots=True)
class Converted:
    """What a Lead has become: record ids of 18 characters, empty where there is none."""

    contact_id: str
    account_id: str = ""
    opportunity_id: str = ""


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
