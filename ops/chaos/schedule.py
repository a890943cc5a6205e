"""When what goes wrong: a function of a seed and a duration."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ops.chaos.troubles import Trouble, ends_later, lasts, tell

BETWEEN_SECONDS: Final = 20.0
"""How long it is calm after each trouble, where there is time: what comes sooner meets what is not worked off yet."""
AT_FIRST_SECONDS: Final = 60.0
"""How long nothing goes wrong at first, where there is time: servers that have just started are slow, and what is slow
already tells nothing of a trouble."""
AT_FIRST_SHARE: Final = 1 / 20
"""The most that this may take of the whole."""
JITTER: Final = 0.15
"""By how much of the calm a trouble may come sooner or later: where two do, seven tenths of it remain between them."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One trouble: when it begins, in seconds from the beginning of the load, and how long it lasts."""

    at: float
    trouble: Trouble
    lasts: float


def plan_troubles(
    seed: int, seconds: float, troubles: Sequence[Trouble], *, pause: float, silence: float
) -> tuple[Planned, ...]:
    """Each of these as often, in an order that the seed tells, spread over so many seconds after a calm beginning.

    All come once at least; they come again where there is time for all of them again. Where there is too little, they
    come more closely, and one begins while another lasts.

    Raises:
        ValueError: there is no time, or no trouble.
    """
    if seconds <= 0 or not troubles:
        raise ValueError("a schedule needs time, and something to go wrong")
    chance = random.Random(f"{seed}:chaos")  # noqa: S311 - the same seed makes the same schedule
    durations = {trouble: lasts(trouble, pause=pause, silence=silence) for trouble in troubles}
    taken = {trouble: durations[trouble] + ends_later(trouble) for trouble in troubles}
    needed = sum(taken.values()) + BETWEEN_SECONDS * len(troubles)
    at = min(AT_FIRST_SECONDS, seconds * AT_FIRST_SHARE)
    left = seconds - at
    rounds = max(1, int(left // needed))
    scale = left / (needed * rounds)
    planned = []
    for _ in range(rounds):
        for trouble in chance.sample(troubles, len(troubles)):
            calm = BETWEEN_SECONDS * scale
            begin = at + calm * (0.5 + chance.uniform(-JITTER, JITTER))
            planned.append(Planned(round(begin, 2), trouble, durations[trouble]))
            at += calm + taken[trouble] * scale
    return tuple(planned)


def told(schedule: Sequence[Planned]) -> list[str]:
    """A line for each."""
    return [
        f"{each.at:7.1f} s  {tell(each.trouble)}{f', for {each.lasts:g} s' if each.lasts else ''}" for each in schedule
    ]
