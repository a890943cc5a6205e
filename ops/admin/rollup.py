"""How long samples are kept, and how many become one. Pure: the time is an argument."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from schemas.samples import Sample

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
KEPT_WEEKS: Final = 9
"""Hours are kept for so long, for the weekly report and the weeks before it."""


class Span(StrEnum):
    """How far back a chart goes."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


@dataclass(frozen=True, slots=True)
class Tier:
    """Samples of one width, kept for a while longer than the span that they draw. Milliseconds."""

    width: int
    shown: int
    kept: int


TIERS: Final = {
    Span.HOUR: Tier(30 * SECOND, HOUR, 2 * HOUR),
    Span.DAY: Tier(10 * MINUTE, DAY, DAY + 2 * HOUR),
    Span.WEEK: Tier(HOUR, 7 * DAY, KEPT_WEEKS * 7 * DAY),
}
"""From 120 to 168 samples each: as many as a chart can show. Each width is a multiple of the one before."""
RAW: Final = TIERS[Span.HOUR]


def slot(at: int, width: int) -> int:
    """Where the while begins that holds this moment."""
    return at - at % width


def rollup(samples: Iterable[Sample], width: int) -> list[Sample]:
    """The same in whiles of `width`, by time: what happened is added up, of levels the highest is kept.

    So it does not matter in how many steps it is done, nor in which order the samples come. `width` is a multiple of
    theirs.
    """
    found: dict[int, Sample] = {}
    for sample in samples:
        at = slot(sample.at, width)
        before = found.get(at, Sample(at, width, 0))
        levels = dict(before.levels)
        for name, level in sample.levels.items():
            levels[name] = max(level, levels.get(name, level))
        counts = Counter(before.counts)
        counts.update(sample.counts)
        found[at] = Sample(at, width, before.covered + sample.covered, dict(counts), levels)
    return [found[at] for at in sorted(found)]
