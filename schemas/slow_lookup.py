"""A look-up that somebody waited long for. Nothing in it says of whom."""

from dataclasses import dataclass
from typing import Final

TARGET_MS: Final = 500
"""Within this time a look-up should be answered: the product's target."""


@dataclass(frozen=True, slots=True)
class SlowLookup:
    """When it was answered (epoch milliseconds), how it ended (`known`, `not_found`, `pending`), how long it took."""

    at: int
    end: str
    milliseconds: int
