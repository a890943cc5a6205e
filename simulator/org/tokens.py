"""Access tokens: issued, used, expired, revoked."""

import base64
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from simulator.org.clock import Clock, system_clock

Expiry = Literal["idle", "fixed"]
"""`idle`: so long after the last use, as Salesforce's session time-out counts; `fixed`: so long after its issue."""


@dataclass(frozen=True, slots=True)
class User:
    """Who acts in the org."""

    id: str
    username: str
    name: str


@dataclass(slots=True)
class Session:
    """One live token. Times are epoch milliseconds."""

    token: str
    user: User
    client_id: str
    issued_at: int
    used_at: int
    scope: str = "api id"
    family: str = ""
    """Of the refresh token that it came of."""


class TokenStore:
    """The org's live sessions. Held in memory: a restart of the org ends them all."""

    def __init__(
        self,
        organization_id: str,
        *,
        lifetime_ms: int = 7_200_000,
        expiry: Expiry = "idle",
        clock: Clock = system_clock,
        seed: int = 1,
    ) -> None:
        self._organization_id = organization_id
        self._lifetime_ms = lifetime_ms
        self._expiry = expiry
        self._clock = clock
        # Seeded by time as well: a token from before a restart must not come alive again.
        self._random = random.Random(f"{seed}:{clock()}")
        self._sessions: dict[str, Session] = {}
        self._listeners: list[Callable[[str], None]] = []

    def issue(self, user: User, client_id: str, scope: str = "api id", family: str = "") -> Session:
        """A new session for this user."""
        now = self._clock()
        secret = base64.urlsafe_b64encode(self._random.randbytes(60)).decode().rstrip("=").replace("-", ".")
        session = Session(f"{self._organization_id[:15]}!AQE{secret}", user, client_id, now, now, scope, family)
        self._sessions[session.token] = session
        return session

    def valid(self, token: str) -> User | None:
        """Whose token this is, if it is alive; asking counts as a use of it."""
        session = self.session(token)
        if session is None:
            return None
        session.used_at = self._clock()
        return session.user

    def user_of(self, token: str) -> str | None:
        """The username behind a live token; asking counts as a use of it."""
        user = self.valid(token)
        return user.username if user else None

    def session(self, token: str) -> Session | None:
        """The live session of this token; asking does not count as a use."""
        session = self._sessions.get(token)
        if session is None:
            return None
        if self.expires_at(session) <= self._clock():
            self.revoke(token)
            return None
        return session

    def expires_at(self, session: Session) -> int:
        """When it ends if it is not used again, epoch milliseconds."""
        return (session.used_at if self._expiry == "idle" else session.issued_at) + self._lifetime_ms

    def revoke(self, token: str) -> bool:
        """End one session; whether it was alive."""
        if self._sessions.pop(token, None) is None:
            return False
        for listener in list(self._listeners):
            listener(token)
        return True

    def revoke_all(self) -> int:
        """End every session; how many there were."""
        tokens = list(self._sessions)
        for token in tokens:
            self.revoke(token)
        return len(tokens)

    def revoke_family(self, family: str) -> None:
        """End every session that came of these refresh tokens."""
        for token in [session.token for session in self._sessions.values() if session.family == family]:
            self.revoke(token)

    def on_revoked(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Call `listener(token)` at each revocation or expiry that is noticed; returns how to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)
