"""How the last hour went against the product's targets: shares and counts of the samples, and their signs. No I/O."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from ops.admin.sign import HOUR, MINUTE, STATE, Level, Sign
from schemas import topics
from schemas.outcome import Outcome
from schemas.samples import FROM_SALESFORCE, LONGER, LOOKUP_MS, LOOKUPS, TO_SALESFORCE, TOOK, Sample, took
from schemas.slow_lookup import TARGET_MS

LEAST: Final = 20
"""Of fewer no share is told: one failure of two is no trend."""
TAKEN: Final = 0.95
"""The share of the writes that ended that Salesforce should have taken, at least."""
ERRORS: Final = 0.05
"""The share of records and writes that may have been parked or put off, at most."""
MANY_FAILURES: Final = 10
GROWN: Final = 5
"""So many records more may wait for a person than an hour ago."""
LEAST_LOOKUPS: Final = 5
"""Of fewer no mean is told: one that waited for a login is no trend."""
FEW_MINUTES: Final = 5 * MINUTE + 30_000
"""Of so many rates are told; a sample comes half a minute after its beginning."""
PARKED_PAGE: Final = "/admin/parked"


@dataclass(frozen=True, slots=True)
class Targets:
    """The product's: what an hour is held against."""

    success: float = TAKEN
    errors: float = ERRORS
    lookup_ms: int = TARGET_MS


@dataclass(frozen=True, slots=True)
class Took:
    """How long edits of the last hour took to the other side: half of them no longer than `half` milliseconds, 19 of 20
    no longer than `most`, each a limit of `schemas.samples.TOOK`, or `LONGER`. `number` is how many there were."""

    direction: str
    half: int
    most: int
    number: int


@dataclass(frozen=True, slots=True)
class Lately:
    """What is known of the last hour. `counts` are those of its samples, `parked_before` is None where nobody looked
    an hour ago."""

    counts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    parked_before: int | None = None
    parked_since: int = 0
    """Records that were parked since and still wait."""
    rates: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """By topic, records a minute of the last few minutes; empty where nobody looked."""

    @property
    def took(self) -> list[Took]:
        """For each direction in which anything came."""
        return [found for each in (TO_SALESFORCE, FROM_SALESFORCE) if (found := _took(self.counts, each)) is not None]

    @property
    def taken(self) -> int:
        """Writes that Salesforce took."""
        return self.counts.get(f"write:{Outcome.APPLIED}", 0)

    @property
    def refused(self) -> int:
        """Writes that ended with a person."""
        return self.counts.get(f"write:{Outcome.PARKED}", 0)

    @property
    def parked(self) -> int:
        """Records of both topics of facts that ended with a person."""
        return self.counts.get(f"outcome:{Outcome.PARKED}", 0)

    @property
    def deferred(self) -> int:
        """Records and writes that were put off; each is tried again by itself."""
        return sum(self.counts.get(f"{sort}:{Outcome.DEFERRED}", 0) for sort in ("outcome", "write"))

    @property
    def handled(self) -> int:
        """Records and writes in all."""
        return sum(self.counts.get(f"handled:{topic}", 0) for topic in topics.ALL)

    @property
    def success(self) -> float | None:
        """The share of the writes that ended that Salesforce took; None where there were too few."""
        ended = self.taken + self.refused
        return self.taken / ended if ended >= LEAST else None

    @property
    def errors(self) -> float | None:
        """The share of records and writes that were parked or put off; None where there were too few."""
        return (self.parked + self.refused + self.deferred) / self.handled if self.handled >= LEAST else None

    @property
    def lookup_ms(self) -> int | None:
        """How long look-ups took on average, milliseconds; None where there were too few."""
        number = self.counts.get(LOOKUPS, 0)
        return math.ceil(self.counts.get(LOOKUP_MS, 0) / number) if number >= LEAST_LOOKUPS else None

    @property
    def failures(self) -> int:
        """Records and writes that ended with a person, by whichever count is higher: samples come a little later."""
        return max(self.parked + self.refused, self.parked_since)


def lately(samples: Sequence[Sample], *, now: int, parked_since: int = 0) -> Lately:
    """Of the narrowest samples of the last hour, by time."""
    counts = Counter[str]()
    for sample in samples:
        counts.update(sample.counts)
    first = samples[0] if samples and now - samples[0].at >= HOUR * 3 // 4 else None
    return Lately(
        counts=dict(counts),
        parked_before=None if first is None else first.levels.get("parked"),
        parked_since=parked_since,
        rates=_rates([sample for sample in samples if now - sample.at <= FEW_MINUTES]),
    )


def _rates(samples: Sequence[Sample]) -> dict[str, float]:
    covered = sum(sample.covered for sample in samples)
    if not covered:
        return {}
    numbers = {topic: sum(sample.counts.get(f"handled:{topic}", 0) for sample in samples) for topic in topics.ALL}
    return {topic: round(number * MINUTE / covered, 1) for topic, number in numbers.items()}


def _took(counts: Mapping[str, int], direction: str) -> Took | None:
    numbers = {limit: counts.get(took(direction, limit), 0) for limit in (*TOOK, LONGER)}
    number = sum(numbers.values())
    if not number:
        return None
    return Took(direction, _within(numbers, number * 0.5), _within(numbers, number * 0.95), number)


def _within(numbers: Mapping[int, int], wanted: float) -> int:
    """The limit within which so many came."""
    so_far = 0
    for limit, number in numbers.items():
        so_far += number
        if so_far >= wanted:
            return limit
    return LONGER


def of_targets(seen: Lately, parked: int) -> Iterator[Sign]:
    """Which targets the last hour has missed. `parked` is how many wait for a person now."""
    if seen.success is not None and seen.success < TAKEN:
        told = f"Salesforce took {below(seen.success)} of the last hour's writes; {TAKEN:.0%} is the target"
        yield Sign("success_low", Level.LOOK, told, PARKED_PAGE)
    if seen.errors is not None and seen.errors > ERRORS:
        told = f"{above(seen.errors)} of the last hour's records were parked or put off; {ERRORS:.0%} is the limit"
        yield Sign("errors_high", Level.LOOK, told, PARKED_PAGE)
    if seen.failures > MANY_FAILURES:
        yield Sign("many_failures", Level.ILL, f"{seen.failures:,} failures within an hour", PARKED_PAGE)
    if seen.parked_before is not None and parked - seen.parked_before > GROWN:
        told = f"{parked - seen.parked_before:,} more records wait for a person than an hour ago"
        yield Sign("parked_growing", Level.LOOK, told, PARKED_PAGE)
    if seen.lookup_ms is not None and seen.lookup_ms > TARGET_MS:
        told = f"look-ups of the last hour took {seen.lookup_ms:,} ms on average; {TARGET_MS} ms is the target"
        yield Sign("lookups_slow", Level.LOOK, told, STATE)


def below(share: float) -> str:
    """`94.9%`: so that what misses a target is not told as having met it."""
    return f"{math.floor(share * 1000) / 10:.1f}%"


def above(share: float) -> str:
    """`5.1%`, for the same."""
    return f"{math.ceil(share * 1000) / 10:.1f}%"
