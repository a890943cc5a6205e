"""What the runner needs of the outside: a stream of records, and somebody who handles them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from schemas.log_record import Record
from schemas.outcome import Result
from schemas.unavailable import Unavailable

__all__ = ["Handler", "Partition", "Record", "RecordStream", "Unavailable"]

Partition = tuple[str, int]
"""Topic and number."""


class RecordStream(Protocol):
    """The partitions that one member of a consumer group owns right now.

    Whoever opens the stream gives it the runner, whose `on_revoked` is awaited before partitions are given away and
    whose `on_assigned` is awaited before a record of newly owned ones is fetched.
    """

    async def fetch(self, max_records: int, timeout: float) -> Sequence[Record]:
        """Up to `max_records` records, in order for each partition; none if none came within `timeout` seconds.

        Awaited without a task between, so that no record is under way when a partition is revoked.

        Raises:
            Unavailable: the log does not answer; ask again.
        """

    def pause(self) -> None:
        """Fetch nothing until `resume`: `fetch` then only says that we are alive."""

    def resume(self) -> None:
        """End a pause; without one it does nothing."""

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Store where each partition goes on: the offset after the last finished record.

        Raises:
            Unavailable: not stored, or not known to be, within the stream's own time limit.
        """


class Handler(Protocol):
    """What is done about records."""

    async def handle(self, records: Sequence[Record]) -> Sequence[Result]:
        """Handle records to their end; one result each, in the same order. May be given a record more than once.

        Raises:
            Unavailable: an outside part is away; the same records are given again later. None counts as handled.
        """
