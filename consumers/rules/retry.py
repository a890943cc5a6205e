"""When a failed write is tried again: quickly at first, then in growing waits up to a day, then not."""

from dataclasses import dataclass

DAY = 24 * 60 * 60 * 1000


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

    Times are milliseconds. A failure that speaks of the whole org counts as no try and waits `org_wait`.
    """

    quick: int = 3
    quick_wait: int = 500
    first_long_wait: int = 10_000
    longest: int = DAY
    tries: int = 20
    org_wait: int = 30_000

    def after(self, tries: int, *, org_wide: bool) -> Wait | GiveUp:
        """What follows a failure when `tries` had failed before it."""
        if org_wide:
            return Wait(self.org_wait)
        if tries + 1 >= self.tries:
            return GiveUp()
        if tries < self.quick:
            return Wait(self.quick_wait)
        return Wait(min(self.first_long_wait << (tries - self.quick), self.longest))
