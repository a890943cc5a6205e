"""Where a poll begins and when the next one follows. Pure; moments are milliseconds since 1970, waits are seconds."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from schemas.stream import change_event, poll_channel

_IDLE_POLLS: Final = 3
"""So many polls bring nothing before the next ones come more seldom."""
_HOUR: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Pace:
    """How often an object is polled: `least` while something happens, growing to `longest` while nothing does."""

    least: float
    longest: float

    def wait(self, idle_polls: int, budget: float) -> float:
        """Seconds to the next poll after `idle_polls` that brought nothing.

        `budget` is what the org's API allocation asks for: seconds between two calls of one who polls.
        """
        grown = self.least * 2.0 ** min(max(0, idle_polls - _IDLE_POLLS), 30)
        return max(min(self.longest, grown), budget)


def begins_at(
    sobject: str, stood: Mapping[str, int], channels: Collection[str], *, by_events: bool, now: int, first_hours: int
) -> int:
    """Until when all changes of an object are in the log: a poll goes on from there, less its overlap.

    `stood` tells by channel the commit that its stored position stands for. `by_events`: the object's changes come by
    one of `channels` where they are not polled, so either has told everything up to where it stands. A channel of the
    object's own counts for it alone; of the others the one that stands furthest back does, since nobody tells which of
    them brings it. Where nothing is known it is `first_hours` back.
    """
    known = [stood.get(poll_channel(sobject), 0)]
    if by_events:
        own = f"/data/{change_event(sobject)}"
        bringing = [own] if own in channels else [each for each in channels if not each.endswith("ChangeEvent")]
        known.append(min((stood.get(each, 0) for each in bringing), default=0))
    return max(known) or now - first_hours * _HOUR
