"""Where a change stands in Salesforce's own order of commits."""

from typing import NamedTuple


class CommitPosition(NamedTuple):
    """A commit's place: compares in commit order for the changes of one record.

    `timestamp` is epoch milliseconds (`commitTimestamp`), `number` the org's commit number (64 bits), `sequence` the
    place within the transaction, from 1. Source: ChangeEventHeader in the Change Data Capture guide.
    """

    timestamp: int
    number: int
    sequence: int


BEGINNING = CommitPosition(0, 0, 0)
