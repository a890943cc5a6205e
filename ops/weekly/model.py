"""What the weekly report tells. Counted from hourly samples; the time is an argument. No I/O."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from ops.weekly.week import DAY, Week
from schemas import topics
from schemas.outcome import Outcome
from schemas.samples import Sample
from schemas.slow_lookup import SlowLookup

MOST: Final = 10
"""So many of what happened most are told."""
FAILED: Final = (Outcome.PARKED,)
FACTS: Final = (topics.PLATFORM_EVENTS, topics.SALESFORCE_CHANGES)
WELL_SEEN: Final = 0.9
"""A week that was looked at for less than this share of its time is no measure for another."""


class Unit(StrEnum):
    """In which a figure is told."""

    COUNT = "count"
    SHARE = "share"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of this week and of the one before; None where it is not known. `target` says what it should be."""

    name: str
    unit: Unit
    now: float | None
    before: float | None
    target: str = ""
    good: bool | None = None
    """Whether it is as it should be; None where nothing is asked of it, or it is not known."""


@dataclass(frozen=True, slots=True)
class Day:
    """One day by UTC, `at` its beginning. API calls are the most that was seen of the org's own count."""

    at: int
    handled: int
    written: int
    failed: int
    conflicts: int
    api_used: int | None
    api_limit: int | None


@dataclass(frozen=True, slots=True)
class Ranked:
    """Something that happened so often, this week and the one before. `where` is a topic or a kind."""

    where: str
    name: str
    now: int
    before: int


@dataclass(frozen=True, slots=True)
class Beside:
    """What is counted apart from the samples: gaps that were noticed, and look-ups over their target."""

    gaps: int = 0
    slow: int = 0
    slowest: Sequence[SlowLookup] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """All of it. `covered` and `covered_before` are the shares of each week's time that were looked at."""

    week: str
    since: int
    until: int
    sentence: str
    over: bool
    covered: float
    covered_before: float
    figures: Sequence[Figure]
    days: Sequence[Day]
    errors: Sequence[Ranked]
    fields: Sequence[Ranked]
    slowest: Sequence[SlowLookup]


@dataclass(frozen=True, slots=True)
class _Sum:
    """A week's samples added up."""

    counts: Mapping[str, int]
    busiest: tuple[int, int] | None
    """API calls and what is allowed, of the sample in which the share was the highest."""

    def of(self, prefix: str) -> int:
        return sum(number for name, number in self.counts.items() if name.startswith(prefix))

    @property
    def handled(self) -> int:
        return sum(self.counts.get(f"handled:{topic}", 0) for topic in FACTS)

    @property
    def written(self) -> int:
        return self.counts.get(f"handled:{topics.SALESFORCE_WRITES}", 0)

    @property
    def failed(self) -> int:
        return sum(self.counts.get(f"{sort}:{each}", 0) for sort in ("outcome", "write") for each in FAILED)

    @property
    def deferred(self) -> int:
        return sum(self.counts.get(f"{sort}:{Outcome.DEFERRED}", 0) for sort in ("outcome", "write"))

    @property
    def taken(self) -> float | None:
        """The share of the writes that Salesforce took."""
        return self.counts.get(f"write:{Outcome.APPLIED}", 0) / self.written if self.written else None

    @property
    def errors(self) -> float | None:
        """The share of records and writes that ended with a person."""
        ended = self.handled + self.written
        return self.failed / ended if ended else None

    @property
    def api(self) -> float | None:
        return None if self.busiest is None else self.busiest[0] / self.busiest[1]


def report(
    week: Week,
    samples: Sequence[Sample],
    samples_before: Sequence[Sample],
    beside: Beside,
    beside_before: Beside,
    *,
    now: int,
) -> Report:
    """The report of one week. `samples` are those that begin in it, `samples_before` those of the week before."""
    this, last = _sum(samples), _sum(samples_before)
    figures = _figures(this, last, beside, beside_before)
    passed = max(1, min(now, week.until) - week.since)
    covered = min(1.0, sum(sample.covered for sample in samples) / passed)
    return Report(
        week=week.name,
        since=week.since,
        until=week.until,
        sentence=_sentence(figures, seen=bool(samples)),
        over=week.until <= now,
        covered=covered,
        covered_before=min(1.0, sum(sample.covered for sample in samples_before) / (7 * DAY)),
        figures=figures,
        days=[_day(at, [each for each in samples if at <= each.at < at + DAY]) for at in week.days],
        errors=_ranked(this, last, "error:"),
        fields=_ranked(this, last, "field:"),
        slowest=beside.slowest[:MOST],
    )


def _figures(this: _Sum, last: _Sum, beside: Beside, before: Beside) -> list[Figure]:
    def count(name: str, of: Callable[[_Sum], int]) -> Figure:
        return Figure(name, Unit.COUNT, of(this), of(last))

    def share(name: str, of: Callable[[_Sum], float | None], target: str, good: Callable[[float], bool]) -> Figure:
        now = of(this)
        return Figure(name, Unit.SHARE, now, of(last), target, None if now is None else good(now))

    return [
        count("Records taken in", lambda one: one.handled),
        count("Writes sent to Salesforce", lambda one: one.written),
        share("Writes that Salesforce took", lambda one: one.taken, "more than 95 %", lambda value: value > 0.95),
        share("Ended with a person", lambda one: one.errors, "less than 5 %", lambda value: value < 0.05),
        count("Parked", lambda one: one.failed),
        count("Put off to be tried again", lambda one: one.deferred),
        count("Conflicts settled by policy", lambda one: one.of("conflict:")),
        share("API calls on the busiest day", lambda one: one.api, "less than 80 %", lambda value: value < 0.8),
        Figure("Gaps noticed", Unit.COUNT, beside.gaps, before.gaps),
        Figure("Look-ups over half a second", Unit.COUNT, beside.slow, before.slow),
    ]


def _sentence(figures: Iterable[Figure], *, seen: bool) -> str:
    if not seen:
        return "Nothing is known of this week: nobody looked."
    missed = [figure for figure in figures if figure.good is False]
    if not missed:
        return "Every target was met."
    named = "; ".join(f"{_within(each.name)} {shown(each.unit, each.now)}, not {each.target}" for each in missed)
    return f"{'A target was' if len(missed) == 1 else f'{len(missed)} targets were'} missed: {named}."


def _within(name: str) -> str:
    """A name within a sentence: `API calls` stays as it is."""
    return name if name[1].isupper() else f"{name[0].lower()}{name[1:]}"


def _sum(samples: Iterable[Sample]) -> _Sum:
    counts: Counter[str] = Counter()
    busiest: tuple[int, int] | None = None
    for sample in samples:
        counts.update(sample.counts)
        used = _api(sample)
        if used is not None and (busiest is None or used[0] * busiest[1] > busiest[0] * used[1]):
            busiest = used
    return _Sum(counts, busiest)


def _api(sample: Sample) -> tuple[int, int] | None:
    used, limit = sample.levels.get("api_used"), sample.levels.get("api_limit")
    return None if used is None or not limit else (used, limit)


def _day(at: int, samples: Sequence[Sample]) -> Day:
    one = _sum(samples)
    used, limit = one.busiest or (None, None)
    return Day(at, one.handled, one.written, one.failed, one.of("conflict:"), used, limit)


def _ranked(this: _Sum, last: _Sum, prefix: str) -> list[Ranked]:
    """What happened most, the most first: by name, so that the same numbers are told in the same order."""
    found = [(number, name) for name, number in this.counts.items() if name.startswith(prefix) and number]
    ranked = []
    for number, name in sorted(found, key=lambda each: (-each[0], each[1]))[:MOST]:
        where, _, told = name.removeprefix(prefix).partition(":")
        ranked.append(Ranked(where, told, number, last.counts.get(name, 0)))
    return ranked


def shown(unit: Unit, value: float | None) -> str:
    """`1,234`, `97.5 %`; a dash for what is not known."""
    if value is None:
        return "–"  # noqa: RUF001 - what people read as nothing
    match unit:
        case Unit.COUNT:
            return f"{value:,.0f}"
        case Unit.SHARE:
            return f"{value * 100:.1f} %"


def trend(unit: Unit, now: float | None, before: float | None) -> str:
    """How it has changed since the week before, in a few words; nothing where one of them is not known."""
    if now is None or before is None:
        return ""
    match unit:
        case Unit.SHARE:
            return f"{(now - before) * 100:+.1f} points" if round(now - before, 3) else "as before"
        case Unit.COUNT if now == before:
            return "as before"
        case Unit.COUNT if not before:
            return "none before"
        case Unit.COUNT:
            return f"{(now - before) / before * 100:+.0f} %"


def weekday(at: int) -> str:
    """`Mon 23`, of the day that begins there."""
    return f"{datetime.fromtimestamp(at / 1000, UTC):%a %d}"
