"""One topic in memory, as it is read apart from the consumer groups."""

from dataclasses import dataclass, field

from schemas.log_record import Record
from schemas.unavailable import Unavailable


@dataclass
class FakeTopic:
    """Satisfies `ops.verify_backlog.LogPart`: records by partition, of which a group has handled so many."""

    partitions: dict[int, list[bytes]] = field(default_factory=dict)
    done: dict[int, int] = field(default_factory=dict)
    removed: dict[int, int] = field(default_factory=dict)
    """By partition: the first offset that the log still has."""
    away: bool = False
    reads: list[tuple[int, int]] = field(default_factory=list)
    """Partition and first offset of each read."""

    def put(self, *keys: str, partition: int = 0) -> None:
        """A record of each key."""
        self.partitions.setdefault(partition, []).extend(key.encode() for key in keys)

    def handle_all(self) -> None:
        """The group has handled everything."""
        self.done = {partition: len(records) for partition, records in self.partitions.items()}

    async def bounds(self) -> dict[int, tuple[int, int]]:
        """As the port."""
        self._answer()
        return {at: (self.removed.get(at, 0), len(records)) for at, records in self.partitions.items()}

    async def handled(self, _group: str) -> dict[int, int]:
        """As the port."""
        self._answer()
        return dict(self.done)

    async def read(self, partition: int, first: int, end: int, limit: int) -> tuple[list[Record], int]:
        """As the port."""
        self._answer()
        self.reads.append((partition, first))
        upto = min(end, first + limit)
        keys = self.partitions[partition][first:upto]
        return [Record("t", partition, first + at, key, b"", {}, 0) for at, key in enumerate(keys)], upto

    def _answer(self) -> None:
        if self.away:
            raise Unavailable("Kafka does not answer: TimeoutError")
