"""The org's allocations of 24 rolling hours, and who made its API calls."""

from collections import Counter
from typing import Protocol

from simulator.org.clock import Clock

_HOUR_MS = 3600 * 1000
_HOURS = 24


class RunsOut(Protocol):
    """What of something is left."""

    def leave(self, number: int) -> None:
        """Make it so that this much is left."""

    def shown(self) -> dict[str, int]:
        """`Max` and `Remaining`."""


class Allocation:
    """So much of something in 24 hours, counted by the hour."""

    def __init__(self, most: int, clock: Clock) -> None:
        self.most = most
        self._clock = clock
        self._by_hour: dict[int, int] = {}

    def used(self) -> int:
        """How much of it was used in the last 24 hours."""
        oldest = self._clock() // _HOUR_MS - _HOURS
        for hour in [one for one in self._by_hour if one <= oldest]:
            del self._by_hour[hour]
        return sum(self._by_hour.values())

    def left(self) -> int:
        """How much is left; never below zero."""
        return max(0, self.most - self.used())

    def spend(self, number: int = 1) -> bool:
        """Use some of it; False, with nothing used, when none is left. The last use may overshoot."""
        if self.left() == 0:
            return False
        hour = self._clock() // _HOUR_MS
        self._by_hour[hour] = self._by_hour.get(hour, 0) + number
        return True

    def leave(self, number: int) -> None:
        """Make it so that this much is left, as if the rest had been used within this hour."""
        self._by_hour = {self._clock() // _HOUR_MS: self.most - number}

    def shown(self) -> dict[str, int]:
        """`Max` and `Remaining`, as the limits resource tells them."""
        return {"Max": self.most, "Remaining": self.left()}


class ApiUsage:
    """Calls of the last 24 hours, and a count of all by resource and client mark."""

    def __init__(self, daily: int, clock: Clock) -> None:
        self.allocation = Allocation(daily, clock)
        self.calls: Counter[tuple[str, str, str]] = Counter()
        """By (verb, resource, client mark)."""

    @property
    def daily(self) -> int:
        """Calls allowed in 24 hours."""
        return self.allocation.most

    def used(self) -> int:
        """Calls in the last 24 hours."""
        return self.allocation.used()

    def spend(self, verb: str, resource: str, client: str) -> bool:
        """Count one call; False, uncounted, when the allocation is used up."""
        if not self.allocation.spend():
            return False
        self.calls[verb, resource, client] += 1
        return True

    def header(self) -> str:
        """`Sforce-Limit-Info`."""
        return f"api-usage={self.used()}/{self.daily}"
