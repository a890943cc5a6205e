"""What a poll brings: which records of an object were modified since a moment, as `SystemModstamp` tells."""

from dataclasses import dataclass


class PollRefused(Exception):
    """Salesforce refuses the query, and will until somebody changes something. The text is its code alone."""


@dataclass(frozen=True, slots=True)
class ModifiedRow:
    """One record: its 18-character id, its `SystemModstamp` (epoch milliseconds, of whole seconds), whether it is in
    the recycle bin."""

    record_id: str
    modified: int
    deleted: bool


@dataclass(frozen=True, slots=True)
class ModifiedPage:
    """Rows in the order of their `SystemModstamp`. `server_time` is Salesforce's clock when the query was begun, at the
    earliest: epoch milliseconds, the same for every page of it."""

    rows: tuple[ModifiedRow, ...]
    server_time: int
