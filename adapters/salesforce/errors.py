"""What a failed call or row means, by what to do next. Pure: replies in, a fault out.

The codes are those of the REST API guide ("Status Codes and Error Responses") and of the SOAP API guide ("StatusCode");
the rule is: codes are matched, never texts. A row or call is NOT_RUN only where Salesforce certainly did not run it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from schemas.records import Failure


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a call or a row failed.

    `message` is Salesforce's own text. It may quote a field's value, so it is stored with the row and never logged.
    """

    failure: Failure
    code: str
    message: str = ""
    org_wide: bool = False


class CallFailed(Exception):
    """A whole call failed. The text names the code alone: no field's value, no token."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(f"Salesforce: {fault.code}")
        self.fault = fault


@dataclass(frozen=True, slots=True)
class ApiError:
    """One error of a reply. Whole calls name the code `errorCode`, rows name it `statusCode`."""

    code: str
    message: str = ""
    fields: tuple[str, ...] = ()


ROW_LOCK: Final = "UNABLE_TO_LOCK_ROW"
UNEXPECTED_REPLY: Final = "UNEXPECTED_REPLY"
"""Ours: an answer that is not of the promised shape, so nobody can say which row fared how."""

ORG_NOT_RUN: Final = frozenset(
    {
        "API_CURRENTLY_DISABLED",
        "API_DISABLED_FOR_ORG",
        "INVALID_SESSION_ID",
        "REQUEST_LIMIT_EXCEEDED",
        "SERVER_UNAVAILABLE",
        "STORAGE_LIMIT_EXCEEDED",
    }
)
"""The org is down, full, over its limits or does not let us in; nothing was run and no row is to blame."""

ROW_NOT_RUN: Final = frozenset(
    {
        ROW_LOCK,
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "BATCH_PROCESSING_HALTED",
        "LIMIT_EXCEEDED",
        "PROCESSING_HALTED",
        "QUERY_TIMEOUT",
        "TXN_SECURITY_METERING_ERROR",
    }
)
"""Not run, and worth another try, which counts: some of these may speak of the row after all."""

NOT_TOLD: Final = frozenset({"UNKNOWN_EXCEPTION"})
"""Salesforce itself does not say what became of it."""

RECORD_GONE: Final = frozenset({"ENTITY_IS_DELETED", "NOT_FOUND"})
BAD_REFERENCE: Final = frozenset({"INVALID_CROSS_REFERENCE_KEY", "MALFORMED_ID"})
"""The row's own id, or a lookup's: only the named fields tell."""
WRAPS_TRIGGER: Final = frozenset({"CANNOT_EXECUTE_FLOW_TRIGGER", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"})
"""A trigger's or flow's failure; the code of what stopped it stands in the message."""


def call_fault(status: int, body: bytes) -> Fault:
    """What a reply other than 2xx means for every row of the call.

    Only a JSON body of Salesforce's own form speaks for Salesforce; anything else came from something in front of it.
    A 401 is believed whoever sent it: without a login nothing is run. A refusal with 400 may be one row's doing. Every
    other one speaks of our rights, the API version or the object: nothing was run, no row is to blame, and the call
    will do once a person has put that right.
    """
    errors = errors_of(body)
    code = errors[0].code if errors else f"HTTP_{status}"
    message = errors[0].message if errors else ""
    if status == 401:
        return Fault(Failure.NOT_RUN, code, message, org_wide=True)
    if not errors:
        return Fault(Failure.UNKNOWN, code, org_wide=True)
    if status == 503:
        return Fault(Failure.NOT_RUN if code == "SERVER_UNAVAILABLE" else Failure.UNKNOWN, code, message, org_wide=True)
    if status >= 500 or code in NOT_TOLD:
        return Fault(Failure.UNKNOWN, code, message)
    if code in ORG_NOT_RUN or status == 429:
        return Fault(Failure.NOT_RUN, code, message, org_wide=True)
    if code in ROW_NOT_RUN:
        return Fault(Failure.NOT_RUN, code, message)
    if status != 400:
        return Fault(Failure.NOT_RUN, code, message, org_wide=True)
    return Fault(Failure.REJECTED, code, message)


def row_fault(errors: Sequence[ApiError], *, by_id: bool) -> Fault:
    """What one row's errors mean; `by_id` where the row named its record by Id.

    Of several errors the most final one counts: a row that was refused was not committed, whatever else befell it.
    """
    if not errors:
        return Fault(Failure.UNKNOWN, UNEXPECTED_REPLY)
    faults = [_of_one(error, by_id=by_id) for error in errors]
    return min(faults, key=lambda fault: _FINALITY.index(fault.failure))


_FINALITY: Final = (Failure.GONE, Failure.REJECTED, Failure.UNKNOWN, Failure.NOT_RUN)


def _of_one(error: ApiError, *, by_id: bool) -> Fault:
    code, message = error.code, error.message
    if code in ORG_NOT_RUN:
        return Fault(Failure.NOT_RUN, code, message, org_wide=True)
    if code in ROW_NOT_RUN:
        return Fault(Failure.NOT_RUN, code, message)
    if code in NOT_TOLD:
        return Fault(Failure.UNKNOWN, code, message)
    if code in WRAPS_TRIGGER and ROW_LOCK in message:
        return Fault(Failure.NOT_RUN, ROW_LOCK, message)
    if code in RECORD_GONE | BAD_REFERENCE and _of_own_id(error):
        if by_id:
            return Fault(Failure.GONE, code, message)
        if code == "ENTITY_IS_DELETED":  # deleted between the lookup and the write of an upsert: a repeat makes it anew
            return Fault(Failure.NOT_RUN, code, message)
    return Fault(Failure.REJECTED, code, message)


def _of_own_id(error: ApiError) -> bool:
    return all(field.casefold() == "id" for field in error.fields)


def errors_of(body: bytes) -> list[ApiError]:
    """The errors of a reply's body: an array of them, or one bare object; empty where it is not Salesforce's form."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return []
    return api_errors(parsed if isinstance(parsed, list) else [parsed])


def api_errors(parsed: Iterable[Any]) -> list[ApiError]:
    """Errors from parsed JSON; whatever has no code is left out."""
    found = []
    for each in parsed:
        if not isinstance(each, dict):
            continue
        code = each.get("errorCode") or each.get("statusCode")
        if isinstance(code, str) and code:
            fields = each.get("fields")
            named = tuple(str(field) for field in fields) if isinstance(fields, list) else ()
            found.append(ApiError(code, str(each.get("message") or ""), named))
    return found
