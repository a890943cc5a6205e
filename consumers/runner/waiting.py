"""What waits in a key queue, and when enough of it has gathered. Pure; times are the event loop's, in seconds."""

from collections.abc import Iterator
from dataclasses import dataclass

from consumers.runner.offsets import Ledger
from consumers.runner.ports import Partition, Record

Key = tuple[str, int, int] | bytes


@dataclass(frozen=True, slots=True)
class Work:
    """A record taken, and the ledger of the assignment under which it was taken."""

    record: Record
    ledger: Ledger

    @property
    def partition(self) -> Partition:
        """Where the record came from."""
        return self.record.topic, self.record.partition


class Waiting:
    """Rows in the order in which they came. Each is one record; or all records of a key, where those say the same."""

    def __init__(self, *, coalesce: bool) -> None:
        self._coalesce = coalesce
        self._rows: dict[Key, list[Work]] = {}
        self._came: dict[Key, float] = {}
        self.records = 0
        """How many records wait."""

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def since(self) -> float:
        """When the oldest row came; asked for only where there is one."""
        return next(iter(self._came.values()))

    def has(self, key: Key) -> bool:
        """Whether the row of this key waits."""
        return key in self._rows

    def key(self, record: Record) -> Key:
        """The row that a record is of."""
        place = (record.topic, record.partition, record.offset)
        return record.key if self._coalesce and record.key is not None else place

    def put(self, work: Work, now: float) -> None:
        """Add a record, to its row where there is one."""
        key = self.key(work.record)
        row = self._rows.get(key)
        if row is None:
            self._rows[key] = [work]
            self._came[key] = now
        else:
            row.append(work)
        self.records += 1

    def take(self, rows: int) -> list[Work]:
        """All records of so many of the oldest rows."""
        return list(self._taken([key for key, _ in zip(self._rows, range(rows), strict=False)]))

    def drop_closed(self) -> None:
        """Forget the records of partitions that are being given away."""
        for key, row in list(self._rows.items()):
            kept = [work for work in row if work.ledger.open]
            self.records -= len(row) - len(kept)
            if kept:
                self._rows[key] = kept
            else:
                del self._rows[key], self._came[key]

    def _taken(self, keys: list[Key]) -> Iterator[Work]:
        for key in keys:
            row = self._rows.pop(key)
            del self._came[key]
            self.records -= len(row)
            yield from row


def ready_at(since: float, rows: int, *, most: int, linger: float, fill: float = 0.0, hold: bool = False) -> float:
    """When rows that have waited since then should go, where no more come.

    Each waits for `linger`. Where they come so fast that `most` would be together within `fill`, they are waited for: a
    row more moves the moment by the time that it may take. A full batch goes at once, unless it is to `hold`: then
    records of the same keys may still join it.
    """
    if rows >= most:
        return since + linger if hold else since
    return since + max(linger, fill * rows / most)
