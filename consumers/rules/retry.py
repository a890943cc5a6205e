"""When a failed write is tried again: quickly at first, then in growing waits up to a day, then not."""

from dataclasses import dataclass

HOUR = 60 * 60 * 1000
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Wait:
    """Try again after this long."""

    milliseconds: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The tries are used: park it."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`quick` tries wait `quick_wait`; after them each wait is twice the last, up to `longest`; `tries` in all.

    Times are milliseconds. A failure that speaks of the whole org counts as no try and waits `org_wait`. What a person
    has to let go first waits `locked_wait`, then twice as long each time.
    """

    quick: int = 3
    quick_wait: int = 500
    first_long_wait: int = 10_000
    longest: int = DAY
    tries: int = 20
    org_wait: int = 30_000
    locked_wait: int = HOUR

    def after(self, tries: int, *, org_wide: bool, locked: bool = False) -> Wait | GiveUp:
        """What follows a failure when `tries` had failed before it; `locked` where a person holds the record."""
        if org_wide:
            return Wait(self.org_wait)
        if tries + 1 >= self.tries:
            return GiveUp()
        if locked:
            return Wait(min(self.locked_wait << tries, self.longest))
        if tries < self.quick:
            return Wait(self.quick_wait)
        return Wait(min(self.first_long_wait << (tries - self.quick), self.longest))
