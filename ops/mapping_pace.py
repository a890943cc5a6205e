"""An application of a mapping comes after the edits of the day: it goes on while what it has made due gets through."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

from consumers.budget import Budget
from consumers.rules.budget import BudgetLane, BudgetPolicy
from ops.sync.pace import SOON
from schemas.allocation import AllocationHeard

LOOK_SECONDS: Final = 5.0
"""How long a part that has to wait does so before it looks again."""

Hindrance = Callable[[str], Awaitable[str]]
"""What the next part of a collection has to wait for, in words; empty where nothing is."""


class Due(Protocol):
    """What the writer has still to look at."""

    async def count_due(self, collection: str, until: int, most: int) -> int:
        """How many documents of a collection are due by then, epoch milliseconds; no more than `most` are counted."""


async def unhindered(_collection: str) -> str:
    """Nothing is waited for."""
    return ""


@dataclass(frozen=True, slots=True)
class MappingPace:
    """Looks before each part, as `ops.sync.pace.Pace` does before those of a load.

    It asks the org nothing: `heard` reads what the processes that call it have told each other. `most` is how many
    documents of a collection may be due; `now` gives epoch milliseconds.
    """

    heard: Callable[[], Awaitable[AllocationHeard]]
    due: Due
    policy: BudgetPolicy
    most: int
    now: Callable[[], int]

    async def hindrance(self, collection: str) -> str:
        """As `Hindrance`. Where nothing is due the decisions ask for no call, so room for one is not waited for.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        due = await self.due.count_due(collection, self.now() + SOON, self.most + 1)
        if due > self.most:
            return f"the writer has more than {self.most:,} documents to look at first"
        if not due:
            return ""
        budget = Budget(self.policy, now=self.now)
        budget.share(await self.heard(), 1)
        refusal = budget.refusal(BudgetLane.BACKFILL)
        return "" if refusal is None else f"the org's API allocation has no room for it now ({refusal})"
