"""What is away, told from what is refused."""

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo.errors import BulkWriteError, ConnectionFailure, ExecutionTimeout, OperationFailure, PyMongoError

from schemas.unavailable import Unavailable


@contextmanager
def answering() -> Iterator[None]:
    """Turn "MongoDB is away, or too slow" into `Unavailable`; its refusals pass through.

    Raises:
        Unavailable: no answer in time, or an error that MongoDB itself labels as passing.
    """
    try:
        yield
    except (ConnectionFailure, ExecutionTimeout) as error:
        raise Unavailable(f"MongoDB does not answer: {type(error).__name__}") from error
    except OperationFailure as error:
        if error.has_error_label("RetryableWriteError") or error.has_error_label("TransientTransactionError"):
            raise Unavailable(f"MongoDB cannot take it now: {error.code}") from error
        details = error.details or {} if isinstance(error, BulkWriteError) else {}
        if details.get("writeConcernErrors") and not details.get("writeErrors"):
            raise Unavailable("MongoDB did not confirm a write by a majority") from error
        raise
    except PyMongoError as error:
        if error.timeout:
            raise Unavailable("MongoDB did not answer in time") from error
        raise
