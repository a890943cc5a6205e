"""What a failed call or row means, by what to do next. Pure: replies in, a fault out.

Which code asks for what stands in `adapters.salesforce.error_codes`; here it is told what that is for a row, or for a
call as a whole. A row or call is NOT_RUN only where Salesforce certainly did not run it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from adapters.salesforce.error_codes import Remedy, remedy_of
from schemas.record_id import is_id, to_18
from schemas.records import Failure


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a call or a row failed.

    `code` has the form of a code, whatever Salesforce put there. `message` is Salesforce's own text. It may quote a
    field's value, so it is stored with the row and never logged.
    `fields` are those that it names; `existing` the ids of records that are in the way, as far as it tells.
    """

    failure: Failure
    code: str
    message: str = ""
    org_wide: bool = False
    fields: tuple[str, ...] = ()
    existing: tuple[str, ...] = ()


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
    existing: tuple[str, ...] = ()
    """Of DUPLICATES_DETECTED: the records that a duplicate rule has found, where the reply tells them."""


LIMIT_EXCEEDED: Final = "REQUEST_LIMIT_EXCEEDED"
ROW_LOCK: Final = "UNABLE_TO_LOCK_ROW"
UNREADABLE_ERROR: Final = "UNREADABLE_ERROR"
"""Ours: an error that names no code in the form of one. All that it says is in the message."""
UNEXPECTED_REPLY: Final = "UNEXPECTED_REPLY"
"""Ours: an answer that is not of the promised shape, so nobody can say which row fared how."""
SEVERAL_MATCHES: Final = "DUPLICATE_EXTERNAL_ID"
"""The code of what a single upsert answers with 300 and a list of addresses."""

_CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{1,80}")
_WAITING: Final = frozenset({Remedy.LOG_IN, Remedy.WAIT_FOR_ORG})
_NOT_RUN: Final = frozenset({Remedy.WAIT_FOR_LOCK, Remedy.TRY_AGAIN})
_ID: Final = re.compile(r"(?<![0-9A-Za-z])[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?(?![0-9A-Za-z])")


def call_fault(status: int, body: bytes) -> Fault:
    """What a reply other than 2xx means for every row of the call.

    Only a JSON body of Salesforce's own form speaks for Salesforce; anything else came from something in front of it.
    A 401 is believed whoever sent it: without a login nothing is run. A refusal with 400 may be one row's doing. Every
    other one speaks of our rights, the API version or the object: nothing was run, no row is to blame, and the call
    will do once a person has put that right.
    """
    if status == 300:
        return Fault(Failure.REJECTED, SEVERAL_MATCHES, existing=_of_addresses(body))
    errors = errors_of(body)
    if not errors:
        known = status == 401
        return Fault(Failure.NOT_RUN if known else Failure.UNKNOWN, f"HTTP_{status}", org_wide=True)
    error, remedy = errors[0], remedy_of(errors[0].code)
    if status == 401:
        return _fault(error, Failure.NOT_RUN, org_wide=True)
    if status == 503:
        said = remedy is Remedy.WAIT_FOR_ORG
        return _fault(error, Failure.NOT_RUN if said else Failure.UNKNOWN, org_wide=True)
    if status >= 500 or remedy is Remedy.LOOK_AGAIN:
        return _fault(error, Failure.UNKNOWN)
    if remedy in _WAITING or status == 429:
        return _fault(error, Failure.NOT_RUN, org_wide=True)
    if remedy in _NOT_RUN:
        return _fault(error, Failure.NOT_RUN)
    if remedy is Remedy.SHRINK:
        return _fault(error, Failure.REJECTED)
    if status != 400 or remedy is Remedy.WAIT_FOR_ADMIN:
        return _fault(error, Failure.NOT_RUN, org_wide=True)
    return _fault(error, Failure.REJECTED)


def row_fault(errors: Sequence[ApiError], *, by_id: bool) -> Fault:
    """What one row's errors mean; `by_id` where the row named its record by Id.

    Of several errors the most final one counts: a row that was refused was not committed, whatever else befell it.
    """
    if not errors:
        return Fault(Failure.UNKNOWN, UNEXPECTED_REPLY)
    faults = [_of_one(error, by_id=by_id) for error in errors]
    return min(faults, key=lambda fault: _FINALITY.index(fault.failure))


_FINALITY: Final = (
    Failure.GONE,
    Failure.CONVERTED,
    Failure.REJECTED,
    Failure.DUPLICATE,
    Failure.LOCKED,
    Failure.UNKNOWN,
    Failure.NOT_RUN,
)


def _of_one(error: ApiError, *, by_id: bool) -> Fault:
    match remedy_of(error.code):
        case Remedy.LOG_IN | Remedy.WAIT_FOR_ORG:
            return _fault(error, Failure.NOT_RUN, org_wide=True)
        case Remedy.WAIT_FOR_LOCK | Remedy.TRY_AGAIN:
            return _fault(error, Failure.NOT_RUN)
        case Remedy.WAIT_FOR_APPROVAL:
            return _fault(error, Failure.LOCKED)
        case Remedy.LOOK_AGAIN:
            return _fault(error, Failure.UNKNOWN)
        case Remedy.UPDATE_INSTEAD:
            return _fault(error, Failure.DUPLICATE)
        case Remedy.FOLLOW_CONVERSION:
            return _fault(error, Failure.CONVERTED)
        case Remedy.FOLLOW_MERGE:
            return _fault(error, _of_an_id(error, by_id=by_id))
        case Remedy.LOOK_INSIDE:
            if ROW_LOCK in error.message:
                return Fault(Failure.NOT_RUN, ROW_LOCK, error.message)
            return _fault(error, Failure.REJECTED)
        case Remedy.SHRINK | Remedy.WAIT_FOR_ADMIN | Remedy.PARK:
            return _fault(error, Failure.REJECTED)


def _of_an_id(error: ApiError, *, by_id: bool) -> Failure:
    """The row's own id, or a lookup's: only the named fields tell."""
    if any(field.casefold() != "id" for field in error.fields):
        return Failure.REJECTED
    if by_id:
        return Failure.GONE
    # Deleted between the lookup and the write of an upsert: a repeat makes it anew.
    return Failure.NOT_RUN if error.code == "ENTITY_IS_DELETED" else Failure.REJECTED


def _fault(error: ApiError, failure: Failure, *, org_wide: bool = False) -> Fault:
    existing = error.existing
    if failure is Failure.DUPLICATE:
        # The only place where Salesforce names the record. What it is, a read tells; the text decides nothing.
        existing = tuple(dict.fromkeys(_ids_in(error.message)))
    return Fault(failure, error.code, error.message, org_wide, error.fields, existing)


def _ids_in(text: str) -> Iterator[str]:
    for found in _ID.findall(text):
        if is_id(found) and any(character.isdigit() for character in found):
            yield to_18(found)


def _of_addresses(body: bytes) -> tuple[str, ...]:
    """Record ids of the list of addresses that a 300 brings ("Upsert", REST API guide)."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ()
    addresses = [each for each in parsed if isinstance(each, str)] if isinstance(parsed, list) else []
    last = [address.rpartition("/")[2] for address in addresses]
    return tuple(to_18(each) for each in last if is_id(each))


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
            found.append(api_error(code, str(each.get("message") or ""), named, _duplicates_of(each)))
    return found


def is_code(text: str) -> bool:
    """Whether it has the form of an error code, whatever Salesforce means by it."""
    return _CODE.fullmatch(text) is not None


def api_error(code: str, message: str, fields: tuple[str, ...] = (), existing: tuple[str, ...] = ()) -> ApiError:
    """One error, by what stands where its code does.

    Codes go into metrics and logs. A text that is none makes it UNREADABLE_ERROR, and stands before the message.
    """
    if is_code(code):
        return ApiError(code, message, fields, existing)
    return ApiError(UNREADABLE_ERROR, f"{code}: {message}" if message else code, fields, existing)


def _duplicates_of(error: dict[str, Any]) -> tuple[str, ...]:
    """The records of a `duplicateResut`, as the REST API spells it, or a `duplicateResult`."""
    result = error.get("duplicateResut") or error.get("duplicateResult")
    matches = _listed(result.get("matchResults") if isinstance(result, dict) else None)
    records = [
        record.get("record")
        for match in matches
        if isinstance(match, dict)
        for record in _listed(match.get("matchRecords"))
        if isinstance(record, dict)
    ]
    ids = [record.get("Id") for record in records if isinstance(record, dict)]
    return tuple(to_18(each) for each in ids if isinstance(each, str) and is_id(each))


def _listed(told: object) -> list[Any]:
    return told if isinstance(told, list) else []
