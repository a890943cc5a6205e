"""Round after round over the gaps that are not closed: each is tried when its time has come, whatever the others do.

Where a person asks, its time has come.
"""

from collections.abc import Callable

from consumers.repair.ports import GapRows
from consumers.repair.repairer import Repaired, Repairer
from consumers.rules.repair import next_try
from schemas.gap import GapRow
from schemas.unavailable import Unavailable

Told = Callable[[GapRow, "Repaired | Unavailable"], None]
"""Hears what became of a try."""


class Rounds:
    """The repair of all gaps by one process. What it keeps between rounds is when each is tried next."""

    def __init__(
        self,
        *,
        gaps: GapRows,
        repairer: Repairer,
        told: Told,
        first: float,
        longest: float,
        clock: Callable[[], float],
    ) -> None:
        """`first` and `longest` are the waits after tries that failed, in seconds of `clock`."""
        self._gaps = gaps
        self._repairer = repairer
        self._told = told
        self._first = first
        self._longest = longest
        self._clock = clock
        self._failures: dict[str, int] = {}
        self._next: dict[str, float] = {}
        self._asked: dict[str, int] = {}
        """When a person asked last, of what was tried since."""

    async def once(self) -> list[GapRow]:
        """Try every gap whose time has come; those that are not closed then.

        Raises:
            Unavailable: the store does not answer.
        """
        for gap in await self._gaps.unrepaired():
            if self._clock() >= self._next.get(gap.id, 0.0) or gap.asked_at > self._asked.get(gap.id, 0):
                self._asked[gap.id] = gap.asked_at
                await self._try(gap)
        left = await self._gaps.unrepaired()
        known = {gap.id for gap in left}
        self._next = {row: at for row, at in self._next.items() if row in known}
        self._failures = {row: count for row, count in self._failures.items() if row in known}
        self._asked = {row: at for row, at in self._asked.items() if row in known}
        return left

    async def _try(self, gap: GapRow) -> None:
        try:
            repaired = await self._repairer.repair(gap)
        except Unavailable as error:
            failures = self._failures[gap.id] = self._failures.get(gap.id, 0) + 1
            self._next[gap.id] = self._clock() + next_try(failures - 1, first=self._first, longest=self._longest)
            self._told(gap, error)
        else:
            self._failures.pop(gap.id, None)
            self._told(gap, repaired)
