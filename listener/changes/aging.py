"""How old a stored position may become. Pure: time is an argument.

Salesforce keeps an event for 72 hours and refuses the replay id of one that it has forgotten. Where nobody edits
anything the stored position ages all the same, and what comes after it would be lost with it. Replaying everything that
is retained (-2) is never refused; so a position that nears that age is replaced by it while it is certain that nothing
lies between. A channel in which nothing has ever happened has no position, and one whose events told no time has no
age: both get one by which a long absence is noticed.
"""

from enum import Enum
from typing import Final

from schemas.stream import Position

OLD: Final = 2 / 3
"""The part of the retention from which a position is renewed: a day is left to do it in."""
TOO_OLD: Final = 5 / 6
"""The part from which it is not waited for any more that a subscription stands by which it can be renewed."""


class Age(Enum):
    """What is to be done about a stored position."""

    YOUNG = "young"
    RENEW = "renew"
    """Replace it, or store a first one: the subscription has been live up to now, so every event has come."""
    COMPARE = "compare"
    """Record a gap: nobody knows what lies behind it, and it may soon be refused."""
    EXPIRED = "expired"
    """What came behind it may have been forgotten already: a gap, and everything that is retained."""


def age_at_start(position: Position, *, now: int, retention: int) -> Age:
    """Of the position that an earlier owner has left. Times in milliseconds."""
    age = _age(position, now)
    return Age.EXPIRED if age is not None and age > retention else Age.YOUNG


def age_at_work(position: Position | None, *, now: int, retention: int, all_heard: bool) -> Age:
    """Of our own position. `all_heard`: everything behind it has come, and nothing of it waits to be kept."""
    age = _age(position, now)
    if all_heard and (age is None or age > retention * OLD):
        return Age.RENEW
    return Age.COMPARE if age is not None and age > retention * TOO_OLD else Age.YOUNG


def _age(position: Position | None, now: int) -> int | None:
    """None where there is none, or its events told no time: then only Salesforce's refusal can tell."""
    return now - position.commit_timestamp if position is not None and position.commit_timestamp else None
