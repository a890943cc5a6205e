"""How long the whole took to be as it was before, after each trouble: told from the looks alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ops.chaos.lag import Sample

BEFORE_SECONDS: Final = 15.0
"""Of how much calm before a trouble what is usual is told: what is in hand goes up and down within seconds."""
STILL: Final = 2
"""So many looks one after another must find it back."""

Measure = Callable[[Sample], int | None]
"""What is looked at; None where it was not told."""


@dataclass(frozen=True, slots=True)
class Strike:
    """A trouble as it was: when it began and when it had ended, in seconds after the beginning of the load."""

    what: str
    began: float
    ended: float
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Recovery:
    """How it went on. `usual` is the lag that counts as before; `worst` the most there was until it was back.

    `seconds` from the end of the trouble until the lag was back; `gaps` until every gap that was opened before the next
    trouble was closed again; `documents` until each that was out of step when the lag was back had been in step again.
    None where the looks ended before. `last` are the documents that were in step again last, or never were.
    """

    strike: Strike
    usual: int
    worst: int
    seconds: float | None
    gaps: float | None = 0.0
    documents: float | None = 0.0
    last: frozenset[str] = frozenset()


def recoveries(strikes: Sequence[Strike], samples: Sequence[Sample], *, slack: int) -> list[Recovery]:
    """One for each strike, in the order in which they began.

    What is usual is the most that was seen in the last fifteen seconds of calm, and `slack` at least: so much is always
    in hand. A trouble that follows soon upon another has calm before that one too: right after a recovery there is less
    in hand than is usual.
    A trouble that begins before the one before it is over is measured by what was usual before that one.
    """
    ordered = sorted(strikes, key=lambda one: one.began)
    lags = _lags(ordered, samples, slack=slack)
    gaps = _gaps_closed(ordered, samples)
    found = []
    for strike, lag, closed in zip(ordered, lags, gaps, strict=True):
        until = lag.back if lag.back is not None else samples[-1].at if samples else 0.0
        worst = max((sample.lag or 0 for sample in samples if strike.began <= sample.at <= until), default=0)
        in_step, last = _in_step(strike, lag.back, samples)
        back, shut, there = _since(strike, lag.back), _since(strike, closed), _since(strike, in_step)
        found.append(Recovery(strike, lag.usual, worst, back, shut, there, last))
    return found


@dataclass(frozen=True, slots=True)
class _Lag:
    usual: int
    back: float | None


def _lags(strikes: Sequence[Strike], samples: Sequence[Sample], *, slack: int) -> list[_Lag]:
    found, calm = [], list[tuple[float, float]]()
    calm_from, usual = 0.0, slack
    for strike in strikes:
        if strike.began >= calm_from:
            calm.append((calm_from, strike.began))
            usual = max([slack, *(sample.lag or 0 for sample in _last_of(calm, samples))])
        back = _back(samples, strike.ended, usual, _lag, STILL)
        found.append(_Lag(usual, back))
        calm_from = max(calm_from, float("inf") if back is None else back)
    return found


def _in_step(strike: Strike, lag_back: float | None, samples: Sequence[Sample]) -> tuple[float | None, frozenset[str]]:
    """When each document that was out of step once the lag was back had been in step at some count; those that were
    last.

    What was out of step all the time in the fifteen seconds before the trouble is not of its making.
    """
    if lag_back is None:
        return None, frozenset()
    counts = [sample for sample in samples if sample.counted]
    before = [sample.late for sample in counts if strike.began - BEFORE_SECONDS <= sample.at < strike.began]
    left, last = None, frozenset[str]()
    for sample in counts:
        if sample.at < max(lag_back, strike.ended):
            continue
        left = sample.late - _all_the_time(before) if left is None else left & sample.late
        if not left:
            return sample.at, last
        last = left
    return None, last


def _all_the_time(counts: Sequence[frozenset[str]]) -> frozenset[str]:
    """Fewer than three counts tell nothing: what is on its way is in two of them."""
    return frozenset[str].intersection(*counts) if len(counts) > 2 else frozenset()


def _last_of(calm: Sequence[tuple[float, float]], samples: Sequence[Sample]) -> list[Sample]:
    """The looks in the last `BEFORE_SECONDS` of these stretches."""
    found, left = list[Sample](), BEFORE_SECONDS
    for since, until in reversed(calm):
        begins = max(since, until - left)
        found += [sample for sample in samples if begins <= sample.at < until]
        left -= until - begins
    return found


def _back(samples: Sequence[Sample], since: float, usual: int, measure: Measure, still: int) -> float | None:
    """When the first of several looks one after another found no more than is usual."""
    row: list[float] = []
    for sample in samples:
        if sample.at < since:
            continue
        seen = measure(sample)
        row = [*row, sample.at] if seen is not None and seen <= usual else []
        if len(row) == still:
            return row[0]
    return None


def _gaps_closed(strikes: Sequence[Strike], samples: Sequence[Sample]) -> list[float | None]:
    """When the last gap that was open between a trouble and the next one had been closed.

    A gap is noticed when the trouble may be over, so that the first look that finds none open tells nothing.
    """
    found: list[float | None] = []
    ends = [*(strike.began for strike in strikes[1:]), float("inf")]
    for strike, until in zip(strikes, ends, strict=True):
        open_at = [one.at for one in samples if strike.began <= one.at < until and one.gaps]
        last = max(open_at, default=None)
        found.append(strike.ended if last is None else _back(samples, max(last, strike.ended), 0, _open_gaps, 1))
    return found


def _lag(sample: Sample) -> int | None:
    return sample.lag


def _open_gaps(sample: Sample) -> int | None:
    return sample.gaps


def _since(strike: Strike, at: float | None) -> float | None:
    return None if at is None else round(max(0.0, at - strike.ended), 1)
