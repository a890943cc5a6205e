"""What of MongoDB's errors means that it is away, and what is its refusal."""

import pytest
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ExecutionTimeout,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from adapters.mongo.answering import answering
from schemas.unavailable import Unavailable

UNCONFIRMED = {"code": 64, "errmsg": "waiting for replication timed out"}
DUPLICATE = {"index": 0, "code": 11000, "errmsg": "E11000"}
STEPPED_DOWN = OperationFailure("not primary", 10107, {"errorLabels": ["RetryableWriteError"]})


@pytest.mark.parametrize(
    "error",
    [
        AutoReconnect("closed"),
        NetworkTimeout("late"),
        ServerSelectionTimeoutError("nobody"),
        ExecutionTimeout("too slow"),
        STEPPED_DOWN,
        BulkWriteError({"writeErrors": [], "writeConcernErrors": [UNCONFIRMED]}),
    ],
)
def test_an_answer_that_is_missing_is_waited_for(error: PyMongoError) -> None:
    """Also one that a majority of the replica set has not confirmed: it may be rolled back."""
    with pytest.raises(Unavailable), answering():
        raise error


@pytest.mark.parametrize(
    "error",
    [
        OperationFailure("bad", 2),
        BulkWriteError({"writeErrors": [DUPLICATE], "writeConcernErrors": []}),
        BulkWriteError({"writeErrors": [DUPLICATE], "writeConcernErrors": [UNCONFIRMED]}),
    ],
)
def test_a_refusal_passes_through(error: OperationFailure) -> None:
    """Trying again would be refused again; whoever asked looks at which row it was."""
    with pytest.raises(type(error)), answering():
        raise error
