"""Something that is not as it should be."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
STATE: Final = "/admin/salesforce"
"""Where most is seen of it."""


class Level(StrEnum):
    """How bad it is."""

    WELL = "well"
    LOOK = "look"
    """Somebody should look, today."""
    ILL = "ill"
    """Something stands still, or may be lost if nobody acts."""


@dataclass(frozen=True, slots=True)
class Sign:
    """Something that is not as it should be, and the page where one acts. `name` stays the same while it lasts."""

    name: str
    level: Level
    told: str
    to: str
