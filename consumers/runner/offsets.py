"""What may be committed: of each partition, the offset after its contiguous finished prefix. Pure."""

from collections import deque
from collections.abc import Iterable, Mapping

from consumers.runner.ports import Partition


class Ledger:
    """One partition from its assignment until it is lost: the offsets taken, and those of them finished.

    Offsets are taken in rising order, with holes where the log has no record for us; they finish in any order.
    """

    __slots__ = ("_committed", "_finished", "_last", "_next", "_pending", "open")

    def __init__(self) -> None:
        self.open = True
        """False once no more work of it may be begun: it is being given away, or is lost."""
        self._pending: deque[int] = deque()
        self._finished: set[int] = set()
        self._last = -1
        self._next: int | None = None
        self._committed: int | None = None

    def take(self, offset: int) -> bool:
        """Note that the record was taken in. False for one that has been taken already: it is not to be begun again."""
        if offset <= self._last:
            return False
        self._last = offset
        self._pending.append(offset)
        return True

    def finish(self, offset: int) -> None:
        """Note that a taken record has come to its end."""
        self._finished.add(offset)
        while self._pending and self._pending[0] in self._finished:
            done = self._pending.popleft()
            self._finished.remove(done)
            self._next = done + 1

    def committed(self, offset: int) -> None:
        """Note that `offset` is stored as the place to go on from."""
        self._committed = offset

    @property
    def due(self) -> int | None:
        """The offset to commit; nothing where none is finished or it is committed already."""
        return self._next if self._next != self._committed else None


class Offsets:
    """The ledgers of the partitions owned."""

    def __init__(self) -> None:
        self._ledgers: dict[Partition, Ledger] = {}

    def ledger(self, partition: Partition) -> Ledger:
        """The partition's ledger, begun if it has none."""
        ledger = self._ledgers.get(partition)
        if ledger is None:
            ledger = self._ledgers[partition] = Ledger()
        return ledger

    def close(self, partitions: Iterable[Partition]) -> None:
        """No more work of these may be begun; what finishes may still be committed."""
        for partition in partitions:
            if (ledger := self._ledgers.get(partition)) is not None:
                ledger.open = False

    def lose(self, partitions: Iterable[Partition]) -> None:
        """These belong to somebody else: nothing of their ledgers is ever committed again."""
        for partition in partitions:
            if (ledger := self._ledgers.pop(partition, None)) is not None:
                ledger.open = False

    def due(self) -> dict[Partition, int]:
        """What to commit, by partition."""
        return {partition: due for partition, ledger in self._ledgers.items() if (due := ledger.due) is not None}

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """Note what has been committed. Partitions lost meanwhile are left out."""
        for partition, offset in offsets.items():
            if (ledger := self._ledgers.get(partition)) is not None:
                ledger.committed(offset)
