"""What runs need of the outside beside what the stages need."""

from collections.abc import Sequence
from typing import Protocol

from schemas.gap_change import GapRecord


class ChangeLog(Protocol):
    """`salesforce.changes`."""

    async def append(self, records: Sequence[GapRecord]) -> None:
        """Append; return once all are acknowledged.

        Raises:
            Unavailable: not all were acknowledged in time.
        """


class Pace(Protocol):
    """Whether there is room for another part of a run."""

    async def hindrance(self, collection: str) -> str:
        """What is to be waited for, in words; empty where nothing is."""
