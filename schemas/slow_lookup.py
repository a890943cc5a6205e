"""Look-ups that somebody waited for: how many, how long, and which too long. Nothing in it says of whom."""

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


@dataclass(frozen=True, slots=True)
class LookupsHeard:
    """How many were answered within the seconds before `at` (epoch milliseconds), and how long all of them took."""

    at: int
    number: int
    milliseconds: int
