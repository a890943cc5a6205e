"""How things were in a while: what the charts are drawn of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

TO_SALESFORCE: Final = "to_salesforce"
FROM_SALESFORCE: Final = "from_salesforce"
TOOK: Final = (1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000, 3_600_000)
"""How long an edit took to the other side: counted by the first of these milliseconds that it did not go beyond."""
LOOKUPS: Final = "lookups"
"""The count of look-ups that somebody waited for."""
LOOKUP_MS: Final = "lookup_ms"
"""The count of the milliseconds that all of them took."""
LONGER: Final = 86_400_000
"""By this, where it went beyond all of them."""


def took(direction: str, limit: int) -> str:
    """The name of the count of edits that took no longer, and longer than the limit before."""
    return f"took:{direction}:{limit}"


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
