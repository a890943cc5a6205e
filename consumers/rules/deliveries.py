"""What the answer to a delivery means: done, again at a later time, or given up; and when an endpoint is left alone."""

from dataclasses import dataclass
from typing import Final

from schemas.delivery import Answer

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
GONE: Final = 410
"""The receiver says that it wants nothing more (Standard Webhooks)."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The platform has it."""


@dataclass(frozen=True, slots=True)
class Again:
    """Try again at this time, epoch milliseconds."""

    at: int


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The tries are used up: it waits for a person."""


@dataclass(frozen=True, slots=True)
class Unwanted:
    """The endpoint wants nothing more: it is disabled, and the delivery waits."""


Ending = Delivered | Again | GivenUp | Unwanted


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """Waits after each failed try, milliseconds; with the last one the delivery is given up.

    `disable_after` is how long an endpoint may fail without one success before it is left alone.
    """

    waits: tuple[int, ...] = (
        2 * SECOND,
        10 * SECOND,
        MINUTE,
        5 * MINUTE,
        30 * MINUTE,
        2 * HOUR,
        5 * HOUR,
        10 * HOUR,
        14 * HOUR,
        20 * HOUR,
        24 * HOUR,
    )
    disable_after: int = 72 * HOUR
    longest_asked: int = 24 * HOUR
    """A receiver may ask for a longer wait, up to this."""

    def after(self, answer: Answer, tries: int, *, now: int, chance: float) -> Ending:
        """What follows an answer when `tries` have failed before it; `chance` in [0, 1) spreads the waits."""
        if 200 <= answer.status < 300:
            return Delivered()
        if answer.status == GONE:
            return Unwanted()
        if tries >= len(self.waits):
            return GivenUp()
        wait = round(self.waits[tries] * (1.0 + chance / 5.0))
        if answer.retry_after is not None:
            wait = max(wait, min(answer.retry_after * SECOND, self.longest_asked))
        return Again(now + wait)

    def leaves_alone(self, failing_since: int | None, *, now: int) -> bool:
        """Whether an endpoint that has failed since then (epoch milliseconds) is to be disabled."""
        return failing_since is not None and now - failing_since >= self.disable_after
