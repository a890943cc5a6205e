"""Charts of samples: which there are, and the values of each line. No I/O."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ops.admin.rollup import MINUTE, Tier, slot
from schemas import topics
from schemas.outcome import Outcome
from schemas.samples import Sample

Value = float | None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chart: a value for each while, None where nobody looked."""

    name: str
    values: Sequence[Value]


@dataclass(frozen=True, slots=True)
class Chart:
    """What it shows, in which unit, in one sentence for who does not see it, and its lines."""

    name: str
    title: str
    unit: str
    told: str
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Charts:
    """All of them over the same whiles: `times` are their beginnings, epoch milliseconds, the oldest first."""

    times: Sequence[int]
    width: int
    charts: Sequence[Chart]


TOPICS: Final = {
    topics.PLATFORM_EVENTS: "from the platform",
    topics.SALESFORCE_CHANGES: "from Salesforce",
    topics.SALESFORCE_WRITES: "written to Salesforce",
}
WAITING: Final = {
    "due": "due to be written",
    "parked": "parked",
    "refused": "refused by Salesforce",
    "reviews": "conflicts",
    "gaps": "open gaps",
}


def drawn(samples: Sequence[Sample], tier: Tier, now: int) -> Charts:
    """Every chart over the tier's span until now; a while without a sample has no value."""
    end = slot(now, tier.width) + tier.width
    times = list(range(end - tier.shown, end, tier.width))
    by_time = {sample.at: sample for sample in samples}
    found = [by_time.get(at) for at in times]

    def line(name: str, of: Callable[[Sample], Value]) -> Line:
        return Line(name, [None if sample is None else of(sample) for sample in found])

    kinds = sorted({name for sample in samples for name in sample.counts if name.startswith("conflict:")})
    seen = {name for sample in samples for name in sample.counts}
    levels = {name for sample in samples for name in sample.levels}
    charts = [
        _chart(
            "handled",
            "Handled",
            "a minute",
            [line(told, _rate(f"handled:{topic}")) for topic, told in TOPICS.items()],
        ),
        _chart(
            "outcomes",
            "How records ended",
            "a minute",
            [
                line(str(outcome), _rate(f"outcome:{outcome}"))
                for outcome in Outcome
                if outcome is Outcome.APPLIED or f"outcome:{outcome}" in seen
            ],
        ),
        _chart(
            "lag",
            "To do",
            "records",
            [
                line(told, _level(f"lag:{topic}"))
                for topic, told in _TO_DO.items()
                if topic in TOPICS or f"lag:{topic}" in levels
            ],
        ),
        _chart("waiting", "Waiting", "", [line(told, _level(name)) for name, told in WAITING.items()]),
        _chart("longest", "Longest due", "seconds", [line("the oldest that is due", _seconds("longest_due"))]),
        _chart(
            "conflicts",
            "Conflicts settled by policy",
            "",
            [line(name.removeprefix("conflict:"), _count(name)) for name in kinds] or [line("any", lambda _: 0)],
        ),
        _chart(
            "api",
            "API calls of the day",
            "calls",
            [line("used", _level("api_used")), line("allowed", _level("api_limit"))],
        ),
    ]
    return Charts(times, tier.width, charts)


_TO_DO: Final = {
    topics.PLATFORM_EVENTS: "the reconciler, from the platform",
    topics.SALESFORCE_CHANGES: "the reconciler, from Salesforce",
    topics.SALESFORCE_WRITES: "the writer",
    topics.PLATFORM_CHANGES: "the deliveries",
    topics.ENRICHMENT_REQUESTS: "the enrichment",
}


def _rate(name: str) -> Callable[[Sample], Value]:
    """A minute, of the time that was looked at."""
    return lambda sample: round(sample.counts.get(name, 0) * MINUTE / sample.covered, 1) if sample.covered else None


def _count(name: str) -> Callable[[Sample], Value]:
    return lambda sample: sample.counts.get(name, 0)


def _level(name: str) -> Callable[[Sample], Value]:
    return lambda sample: sample.levels.get(name)


def _seconds(name: str) -> Callable[[Sample], Value]:
    return lambda sample: None if (level := sample.levels.get(name)) is None else round(level / 1000, 1)


def _chart(name: str, title: str, unit: str, lines: Sequence[Line]) -> Chart:
    return Chart(name, title, unit, _told(lines), lines)


def _told(lines: Sequence[Line]) -> str:
    """Of each line the newest value and the highest."""
    parts = []
    for line in lines:
        known = [value for value in line.values if value is not None]
        if known:
            parts.append(f"{line.name} {numbered(known[-1])}, at most {numbered(max(known))}")
    return "; ".join(parts) if parts else "nothing is known of this time yet"


def numbered(value: Value) -> str:
    """`1,234`, `0.5`; nothing for what is not known."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
