"""Where a change stands in Salesforce's own order of commits."""

from typing import Annotated, Final, NamedTuple

from pydantic import Field

LATEST_MS: Final = 253_402_300_799_999
"""The last millisecond of the year 9999; no calendar goes further."""
_LAST: Final = 2**63 - 1
_Number = Annotated[int, Field(ge=0, lt=2**63)]


class CommitPosition(NamedTuple):
    """A commit's place: compares in commit order for the changes of one record.

    `timestamp` is epoch milliseconds (`commitTimestamp`), `number` the org's commit number (64 bits), `sequence` the
    place within the transaction, from 1. Source: ChangeEventHeader in the Change Data Capture guide.

    Where it is read from a record, one beyond these bounds is refused: every true change would be older than it.
    """

    timestamp: Annotated[int, Field(ge=0, le=LATEST_MS)]
    number: _Number
    sequence: _Number

    @property
    def is_of_row(self) -> bool:
        """It is of a row that was read, and of no commit."""
        return self.number == _LAST


BEGINNING = CommitPosition(0, 0, 0)


def of_row(mark: int) -> CommitPosition:
    """Behind every commit up to `mark`, the last millisecond of the second that a row tells of."""
    return CommitPosition(mark, _LAST, _LAST)
