"""The daily allocation of API calls, and who made them."""

from collections import Counter

from simulator.org.clock import Clock

_HOUR_MS = 3600 * 1000
_HOURS = 24


class ApiUsage:
    """Calls of the last 24 hours, by the hour, and a count of all by resource and client mark."""

    def __init__(self, daily: int, clock: Clock) -> None:
        self.daily = daily
        self._clock = clock
        self._by_hour: dict[int, int] = {}
        self.calls: Counter[tuple[str, str, str]] = Counter()
        """By (verb, resource, client mark)."""

    def used(self) -> int:
        """Calls in the last 24 hours."""
        oldest = self._clock() // _HOUR_MS - _HOURS
        for hour in [one for one in self._by_hour if one <= oldest]:
            del self._by_hour[hour]
        return sum(self._by_hour.values())

    def spend(self, verb: str, resource: str, client: str) -> bool:
        """Count one call; False, uncounted, when the allocation is used up."""
        if self.used() >= self.daily:
            return False
        hour = self._clock() // _HOUR_MS
        self._by_hour[hour] = self._by_hour.get(hour, 0) + 1
        self.calls[verb, resource, client] += 1
        return True

    def header(self) -> str:
        """`Sforce-Limit-Info`."""
        return f"api-usage={self.used()}/{self.daily}"
