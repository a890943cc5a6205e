"""Which call the org's API allocation has room for, and how long rows gather before one. Pure; times are milliseconds.

The allocation is that of 24 rolling hours, as `Sforce-Limit-Info` tells it with every answer: it counts the calls of
all of us and of the org's other users.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

from schemas.allocation import Allocation

DAY_SECONDS: Final = 24 * 60 * 60
EASY: Final = 0.5
"""The share of what is ours that may be used before rows gather longer."""


class BudgetLane(StrEnum):
    """What a call is for. Each next lane stops before the one above it does."""

    LIVE = "live"
    """An edit of somebody's, now."""
    REPAIR = "repair"
    """What was missed: gaps, comparisons, replays."""
    BACKFILL = "backfill"
    """First loads and scheduled syncs."""


class Refusal(StrEnum):
    """Why no call may be made now."""

    RESERVE_REACHED = "reserve_reached"
    """What is left is the reserve of the org's other users, or of a lane above this one."""
    LIMIT_EXCEEDED = "limit_exceeded"
    """Salesforce has refused a call with REQUEST_LIMIT_EXCEEDED."""
    JOBS_USED_UP = "jobs_used_up"
    """Of the day's Bulk jobs no more are left than the reserve: rows go by calls."""


@dataclass(frozen=True, slots=True)
class BudgetPolicy:
    """`reserve` is the share of the limit that is left to others; the other shares are of what is ours then.

    Where a lane has no room one call in `probe_every` looks whether it has again, since only an answer tells.
    """

    reserve: float = 0.2
    repair: float = 0.9
    backfill: float = 0.7
    probe_every: int = 300_000
    busy_wait: int = 5_000
    """After REQUEST_LIMIT_EXCEEDED while the day's allocation has room: too many long calls at once."""
    longest_linger: float = 60.0
    """Seconds."""

    def share(self, lane: BudgetLane) -> float:
        """Of what is ours, the part in which this lane may call."""
        match lane:
            case BudgetLane.LIVE:
                return 1.0
            case BudgetLane.REPAIR:
                return self.repair
            case BudgetLane.BACKFILL:
                return self.backfill
            case _:
                assert_never(lane)


def ours(seen: Allocation, policy: BudgetPolicy) -> int:
    """Calls used at which our own have to stop."""
    return int(seen.limit * (1.0 - policy.reserve))


def room(seen: Allocation, lane: BudgetLane, policy: BudgetPolicy) -> int:
    """Calls that this lane may still make; none below zero."""
    return max(0, int(ours(seen, policy) * policy.share(lane)) - seen.used)


def refusal(
    seen: Allocation | None, lane: BudgetLane, policy: BudgetPolicy, *, now: int, exceeded_until: int, probed_at: int
) -> Refusal | None:
    """Why this lane may make no call now; nothing where it may.

    `exceeded_until` is until when Salesforce's own refusal stands, `probed_at` when the last look was taken whether
    there is room again. Where nothing is known of the allocation the first call tells.
    """
    if now < exceeded_until:
        return Refusal.LIMIT_EXCEEDED
    if seen is None or room(seen, lane, policy) > 0:
        return None
    if lane is BudgetLane.LIVE and now >= max(probed_at, seen.seen_at) + policy.probe_every:
        return None
    return Refusal.RESERVE_REACHED


def job_refusal(seen: Allocation | None, lane: BudgetLane, policy: BudgetPolicy, *, now: int) -> Refusal | None:
    """Why this lane may make no Bulk job now, by the day's allocation of such jobs; nothing where it may.

    What is known of it is old after `probe_every`: a job is tried again then, and Salesforce says if none is left.
    """
    if seen is None or room(seen, lane, policy) > 0 or now >= seen.seen_at + policy.probe_every:
        return None
    return Refusal.JOBS_USED_UP


def exceeded_wait(seen: Allocation | None, policy: BudgetPolicy) -> int:
    """How long Salesforce's refusal stands: shortly, where the day's allocation still has room."""
    busy = seen is not None and seen.used < seen.limit
    return policy.busy_wait if busy else policy.probe_every


def linger_seconds(seen: Allocation | None, policy: BudgetPolicy, *, least: float, callers: int) -> float:
    """How long rows gather before a call, of `callers` who call at the same time.

    Half of what is ours may be used at the pace of the edits. From there on the pace nears the one at which what is
    left would last a day: 15,000 calls are one in six seconds.
    """
    if seen is None or seen.limit <= 0:
        return least
    mine = ours(seen, policy)
    spent = seen.used / mine if mine else 1.0
    pressure = min(1.0, max(0.0, (spent - EASY) / (1.0 - EASY)))
    pace = DAY_SECONDS / max(1, mine - seen.used) * max(1, callers)
    return max(least, min(policy.longest_linger, pressure * pace))


def slots(at_once: int, processes: int) -> int:
    """Calls that one process may have under way, of those that all may have together."""
    return max(1, at_once // max(1, processes))
