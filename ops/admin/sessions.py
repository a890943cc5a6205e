"""When a visit has run out, and how long a wrong password is waited for. No I/O."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from schemas.operators import Session, User

MINUTE: Final = 60_000
FREE_TRIES: Final = 5
"""Wrong passwords that cost no waiting."""
LONGEST_WAIT: Final = 15 * MINUTE
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


def wait_ms(user: User, now: int) -> int:
    """How long this user's password is not looked at yet: it doubles with each wrong one beyond the first few."""
    beyond = user.failures - FREE_TRIES
    if beyond < 0:
        return 0
    return max(0, user.failed_at + min(LONGEST_WAIT, 1_000 << min(beyond, 20)) - now)
