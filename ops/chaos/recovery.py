"""How long the whole took to be as far behind as before, after each trouble: told from the looks alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ops.chaos.lag import Sample

BEFORE_SECONDS: Final = 5.0
"""How long before a trouble its usual lag is looked for."""
STILL: Final = 2
"""So many looks one after another must find it back."""


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

    `seconds` from the end of the trouble until the lag was back; None where the looks ended before.
    """

    strike: Strike
    usual: int
    worst: int
    seconds: float | None


def recoveries(strikes: Sequence[Strike], samples: Sequence[Sample], *, slack: int) -> list[Recovery]:
    """One for each strike, in the order in which they began.

    What is usual is the most that was seen in the five seconds before, and `slack` at least: so much is always in hand.
    A trouble that begins before the one before it is over is measured by what was usual before that one.
    """
    found: list[Recovery] = []
    calm_from, usual = 0.0, slack
    for strike in sorted(strikes, key=lambda one: one.began):
        if strike.began >= calm_from:
            since = max(strike.began - BEFORE_SECONDS, calm_from)
            before = [sample.lag or 0 for sample in samples if since <= sample.at < strike.began]
            usual = max([slack, *before])
        back = _back(samples, strike.ended, usual)
        until = samples[-1].at if back is None and samples else back
        worst = max((sample.lag or 0 for sample in samples if strike.began <= sample.at <= (until or 0.0)), default=0)
        seconds = None if back is None else round(max(0.0, back - strike.ended), 1)
        found.append(Recovery(strike, usual, worst, seconds))
        calm_from = max(calm_from, float("inf") if back is None else back)
    return found


def _back(samples: Sequence[Sample], since: float, usual: int) -> float | None:
    """When the first of several looks one after another found no more than is usual."""
    row: list[float] = []
    for sample in samples:
        if sample.at < since:
            continue
        row = [*row, sample.at] if sample.lag is not None and sample.lag <= usual else []
        if len(row) == STILL:
            return row[0]
    return None
