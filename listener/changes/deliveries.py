"""Whether change events may be had, or the day's deliveries of them have to be left to others. Pure; times are
milliseconds since 1970.

The allocation is that of 24 rolling hours, for all subscribers of the org together; when it is used up Salesforce ends
every subscription.
"""

from dataclasses import dataclass
from enum import StrEnum

from schemas.allocation import Allocation


class Way(StrEnum):
    """How the changes of objects with change events are had."""

    EVENTS = "events"
    POLLING = "polling"


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """`reserve` is the share of a day's deliveries at which events are given up, `room` the one at which they are
    taken up again; `lag` is how old Salesforce's own count may be, `look_after` when to try without a count."""

    reserve: float = 0.1
    room: float = 0.2
    lag: int = 5 * 60 * 1000
    look_after: int = 60 * 60 * 1000


def way(now_by: Way, seen: Allocation | None, policy: DeliveryPolicy, *, now: int, exceeded_at: int) -> Way:
    """How to go on, coming from `now_by`.

    `seen` is the org's count of event deliveries, as far as it is known; `exceeded_at` is when Salesforce last ended a
    subscription for want of deliveries, 0 if never. A count that is older than that refusal, or too soon after it,
    says nothing; where there is no other, events are tried again after a while, since only Salesforce can tell.
    """
    refused = exceeded_at > 0
    told = seen is not None and seen.limit > 0 and now - seen.seen_at < policy.look_after
    if seen is None or not told or (refused and seen.seen_at < exceeded_at + policy.lag):
        return Way.POLLING if refused and now < exceeded_at + policy.look_after else Way.EVENTS
    share = seen.left / seen.limit
    if now_by is Way.EVENTS:
        return Way.POLLING if share < policy.reserve else Way.EVENTS
    return Way.EVENTS if share >= policy.room else Way.POLLING
