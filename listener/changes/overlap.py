"""What a poll reads twice: a transaction's commit may be seen later than its records' `SystemModstamp`, so every poll
begins some time before the end of the last one. Rows that were published then are left out. Pure.
"""

from collections.abc import Iterable
from typing import Final

from schemas.polling import ModifiedRow

SECOND: Final = 1_000


class Overlap:
    """The rows of one object that were seen lately, as they were then: at most `most`, of which the oldest go first.

    A row that is forgotten too early is published once more, which does no harm.
    """

    def __init__(self, most: int = 100_000) -> None:
        self._most = most
        self._seen: dict[str, tuple[int, bool]] = {}

    def __len__(self) -> int:
        return len(self._seen)

    def news(self, rows: Iterable[ModifiedRow], *, server_time: int) -> list[ModifiedRow]:
        """The rows that were not seen, or not so; they are seen from now on.

        `server_time` is Salesforce's clock when the query was begun. A row whose second was not over then is not
        remembered: a later change within that second would look the same.
        """
        fresh = []
        for row in rows:
            now = (row.modified, row.deleted)
            if self._seen.get(row.record_id) == now:
                continue
            fresh.append(row)
            self._seen.pop(row.record_id, None)
            if row.modified // SECOND * SECOND + SECOND <= server_time:
                self._seen[row.record_id] = now
        while len(self._seen) > self._most:
            del self._seen[next(iter(self._seen))]
        return fresh

    def forget_before(self, since: int) -> None:
        """No poll begins before `since` any more."""
        self._seen = {record_id: seen for record_id, seen in self._seen.items() if seen[0] >= since}
