"""UNABLE_TO_LOCK_ROW, where a fault says so."""

from simulator.org.errors import SalesforceError
from simulator.org.faults import FaultKind
from simulator.org.rest.call import Call


def check_row_lock(call: Call, record_id: str) -> None:
    """Raise SalesforceError if the row of this id is locked by a planted fault."""
    if call.org.faults.take(FaultKind.LOCK_ROW, call.request.path, call.request.method) is not None:
        message = f"unable to obtain exclusive access to this record or 1 records: {record_id}"
        raise SalesforceError("UNABLE_TO_LOCK_ROW", message, [])
