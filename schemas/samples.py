"""How things were in a while: what the charts are drawn of."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Sample:
    """One while of `width` milliseconds from `at` on (epoch milliseconds, a multiple of the width).

    `covered` is how many milliseconds were really looked at: less where nobody looked for a part of it.
    """

    at: int
    width: int
    covered: int
    counts: Mapping[str, int] = field(default_factory=dict)
    """What happened, by name: how often."""
    levels: Mapping[str, int] = field(default_factory=dict)
    """How much there was of something, by name: the most that was seen. What was not known is not there."""
