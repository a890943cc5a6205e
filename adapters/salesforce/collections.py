"""Requests and replies of sObject Collections, many records in a call. Pure.

Source: "Using sObject Collections" in the REST API guide: at most 200 records for a write and 2,000 for a read; results
come in the order of the request.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from adapters.salesforce.errors import UNEXPECTED_REPLY, ApiError, Fault, api_errors, row_fault
from adapters.salesforce.soql import name
from adapters.salesforce.values import Unrenderable, render_all
from schemas.record_id import is_id, to_18
from schemas.records import Failure, RecordUpdate, RowResult

WRITE_ROWS: Final = 200
READ_ROWS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Request:
    """One call. `path` is below the version's root."""

    method: str
    path: str
    json: Mapping[str, Any] | None = None
    params: Mapping[str, str] | None = None


class Operation(Protocol):
    """What is done to the rows of a call, each standing for itself."""

    @property
    def by_id(self) -> bool:
        """Whether rows name their records by Id."""

    def row(self, update: RecordUpdate) -> dict[str, Any]:
        """One record of the request.

        Raises:
            ValueError: the row cannot be sent.
        """

    def request(self, rows: Sequence[Mapping[str, Any]]) -> Request:
        """The call for these rows, in order."""


@dataclass(frozen=True, slots=True)
class Write:
    """Rows of one object are written: by Id, or upserted where `external_id` names the field that finds them."""

    sobject: str
    external_id: str = ""

    @property
    def by_id(self) -> bool:
        """Whether rows name their records by Id."""
        return not self.external_id

    def request(self, rows: Sequence[Mapping[str, Any]]) -> Request:
        """The call for these rows, in order."""
        path = "composite/sobjects"
        if self.external_id:
            path = f"{path}/{name(self.sobject)}/{name(self.external_id)}"
        return Request("PATCH", path, json={"allOrNone": False, "records": list(rows)})

    def row(self, update: RecordUpdate) -> dict[str, Any]:
        """One record of the request.

        Raises:
            ValueError: the row names no record, or holds a value that Salesforce has no form for.
        """
        values = render_all(update.values)
        if not self.external_id:
            if not is_id(update.record_id):
                raise Unrenderable("no record id")
            return {"attributes": {"type": self.sobject}, "id": update.record_id, **values}
        if not update.external_id:
            raise Unrenderable("no external id")
        return {"attributes": {"type": self.sobject}, **values, self.external_id: update.external_id}


class Deletion:
    """Rows are deleted by Id. Their ids alone say of which object they are."""

    by_id = True

    def request(self, rows: Sequence[Mapping[str, Any]]) -> Request:
        """The call for these rows, in order."""
        ids = ",".join(row["id"] for row in rows)
        return Request("DELETE", "composite/sobjects", params={"ids": ids, "allOrNone": "false"})

    def row(self, update: RecordUpdate) -> dict[str, Any]:
        """One record of the request.

        Raises:
            ValueError: the row names no record.
        """
        if not is_id(update.record_id):
            raise Unrenderable("no record id")
        return {"id": update.record_id}


def failed(fault: Fault, record_id: str = "") -> RowResult:
    """A row that was not done."""
    return RowResult(
        record_id=record_id,
        failure=fault.failure,
        code=fault.code,
        message=fault.message,
        org_wide=fault.org_wide,
        fields=fault.fields,
        existing=fault.existing,
    )


def results(operation: Operation, updates: Sequence[RecordUpdate], parsed: object) -> list[RowResult]:
    """Each row's outcome from the parsed reply.

    A reply of another length or shape, or one that names other records than were asked for, tells nobody's outcome for
    sure: then every row's is unknown.
    """
    if not isinstance(parsed, list) or len(parsed) != len(updates):
        return _nobody_knows(updates)
    outcomes = [_result(operation, update, row) for update, row in zip(updates, parsed, strict=True)]
    read = [outcome for outcome in outcomes if outcome is not None]
    return read if len(read) == len(outcomes) else _nobody_knows(updates)


def _result(operation: Operation, update: RecordUpdate, row: object) -> RowResult | None:
    if not isinstance(row, dict):
        return None
    told = row.get("id")
    if told is not None and not is_id(told):
        return None
    record_id = to_18(told) if told else ""
    if operation.by_id:
        asked = to_18(update.record_id)
        if record_id not in ("", asked):
            return None
        record_id = asked
    if row.get("success") is True:
        return RowResult(record_id=record_id, created=row.get("created") is True) if record_id else None
    if row.get("success") is not False:
        return None
    return failed(row_fault(_errors(row), by_id=operation.by_id), record_id)


def _errors(row: Mapping[str, Any]) -> list[ApiError]:
    listed = row.get("errors")
    return api_errors(listed) if isinstance(listed, list) else []


def _nobody_knows(updates: Sequence[RecordUpdate]) -> list[RowResult]:
    fault = Fault(Failure.UNKNOWN, UNEXPECTED_REPLY, "the reply does not match the request row by row")
    return [failed(fault, update.record_id) for update in updates]
