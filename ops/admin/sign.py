"""Something that is not as it should be."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from adapters.mongo.overview import MOST

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


def counted(number: int, what: str, several: str = "") -> str:
    """`1 gap`, `12 gaps`, `10,000 or more gaps`; `several` where more of them are called otherwise."""
    more = " or more" if number >= MOST else ""
    return f"{number:,}{more} {what if number == 1 else several or what + 's'}"
