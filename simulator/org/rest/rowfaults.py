"""Rows that fail because a planted fault says so."""

from simulator.org.errors import SalesforceError
from simulator.org.faults import FaultKind, FaultRegistry


def check_row_faults(faults: FaultRegistry, path: str, verb: str, record_id: str) -> None:
    """Raise SalesforceError if the row of this id is locked or refused by a fault planted for this path and verb."""
    if faults.take(FaultKind.LOCK_ROW, path, verb) is not None:
        message = f"unable to obtain exclusive access to this record or 1 records: {record_id}"
        raise SalesforceError("UNABLE_TO_LOCK_ROW", message, [])
    refused = faults.take(FaultKind.REFUSE_ROW, path, verb)
    if refused is not None:
        raise SalesforceError(refused.code, refused.message, refused.fields)
