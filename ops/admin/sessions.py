"""When a visit has run out, and how long a wrong password is waited for. No I/O."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from schemas.operators import Session

MINUTE: Final = 60_000
FREE_TRIES: Final = 5
"""Wrong passwords that cost no waiting."""
SEEN_EVERY: Final = MINUTE
"""A click within so long of the last is not worth a write."""


@dataclass(frozen=True, slots=True)
class Lasting:
    """How long a visit lasts, in milliseconds: without a click, and at most."""

    idle: int
    longest: int

    def is_over(self, session: Session, now: int) -> bool:
        """Whether it has run out."""
        return now >= min(session.seen_at + self.idle, session.began_at + self.longest)


def new_token() -> str:
    """What a browser holds of its visit: 256 random bits."""
    return secrets.token_urlsafe(32)


def session_id(token: str) -> str:
    """What is kept of a token: who reads the database cannot visit."""
    return hashlib.sha256(token.encode()).hexdigest()


def waits(free: int, longest: int) -> list[int]:
    """What is waited after so many tries in a row, by their number, in milliseconds; the last after all that follow.

    The first `free` cost nothing; beyond, each costs twice the wait of the one before, up to the longest.
    """
    found = [0] * free
    while not found or found[-1] < longest:
        found.append(min(longest, 1_000 << (len(found) - free)))
    return found


OF_NAME: Final = waits(FREE_TRIES, 15 * MINUTE)
"""Of one name, whether there is such a user or not."""
OF_ADDRESS: Final = waits(30, 10_000)
"""Of one address, which may be that of a proxy before everybody: the wait stays short."""
