"""When the people who wait are asked about, so that many share a call. Pure; times are seconds."""

from dataclasses import dataclass
from typing import Final

MOST: Final = 200
"""People in one call: their addresses fit into the queries of one call."""


@dataclass(frozen=True, slots=True)
class GatherPolicy:
    """Whoever comes while nothing is under way waits `first` for company. While a call is under way the next one fills
    for `next`, which is how long a call takes: the calls of a steady stream follow each other. At most `at_once`."""

    first: float = 0.005
    next: float = 0.25
    at_once: int = 8


def wait_for_company(*, oldest: float, waiting: int, under_way: int, policy: GatherPolicy, now: float) -> float | None:
    """How long the next call is not made yet, 0 for at once; None where a call that is under way has to end first."""
    if waiting >= MOST and under_way < policy.at_once:
        return 0.0
    if under_way >= policy.at_once:
        return None
    fill = policy.next if under_way else policy.first
    return max(0.0, oldest + fill - now)
