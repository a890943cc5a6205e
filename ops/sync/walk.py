"""What a step of a run walks over, as the worker sees it."""

from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Protocol

from consumers.rules.sync_verdict import Verdict


@dataclass(frozen=True, slots=True)
class Advance:
    """A part of the walk that is behind us: what it asked for is done, and the walk goes on from `cursor`."""

    passed: int
    cursor: str
    counts: Counter[Verdict] = field(default_factory=Counter)


class TooManyMissing(Exception):
    """So many linked records are in no list that our rights are to be doubted first."""


class Walk(Protocol):
    """One kind and task. May be begun again from any cursor; what is done twice is as if it was done once."""

    async def total(self) -> int:
        """About how many there are to look at.

        Raises:
            Unavailable: whoever would know is away.
            CannotRun, ListRefused: it cannot be walked.
        """

    def advances(self, cursor: str) -> AsyncGenerator[Advance, None]:
        """Part by part from behind a cursor; between two of them nothing is half done.

        Raises:
            Unavailable: a part is away; begin again from the last cursor.
            CannotRun, ListRefused, TooManyMissing: it cannot go on as it is.
        """
