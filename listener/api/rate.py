"""How many requests a key may make: a bucket of tokens for each. Pure; time is an argument, in seconds."""

from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """Fills by `rate` tokens a second up to `burst`; a request takes one."""

    rate: float
    burst: float
    tokens: float
    at: float

    def take(self, now: float) -> float:
        """0 where there was a token, else the seconds until there is one; then none is taken."""
        self.tokens = min(self.burst, self.tokens + max(0.0, now - self.at) * self.rate)
        self.at = now
        if self.tokens >= 1:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) / self.rate


class Rates:
    """A bucket for each name, the least lately used of which is forgotten where there are too many."""

    def __init__(self, rate: float, burst: float, *, most: int = 10_000) -> None:
        self._rate = rate
        self._burst = burst
        self._most = most
        self._buckets: dict[str, Bucket] = {}

    def take(self, name: str, now: float, rate: float | None = None) -> float:
        """As `Bucket.take`; `rate` in the place of the usual one, with a burst in proportion."""
        each = self._rate if rate is None else rate
        bucket = self._buckets.pop(name, None)
        if bucket is None or bucket.rate != each:
            burst = max(1.0, self._burst * each / self._rate)
            bucket = Bucket(each, burst, burst, now)
        self._buckets[name] = bucket
        if len(self._buckets) > self._most:
            del self._buckets[next(iter(self._buckets))]
        return bucket.take(now)
