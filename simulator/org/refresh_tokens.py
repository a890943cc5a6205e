"""Refresh tokens: issued, used, rotated, revoked. Held in memory.

With rotation each is good once. One that comes a second time was stolen or kept by mistake: the whole family, with the
access tokens that came of it, is revoked.
"""

import secrets
from dataclasses import dataclass

from simulator.org.tokens import TokenStore, User

MOST_FOR_A_USER = 5
"""Of one app and user; the next one ends the oldest (observed, not documented)."""


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """One live refresh token. `family` is the same for all that came of one consent."""

    token: str
    user: User
    scope: str
    family: str


class RefreshTokens:
    """Those of one app."""

    def __init__(self, sessions: TokenStore) -> None:
        self._sessions = sessions
        self._live: dict[str, RefreshToken] = {}
        self._spent: dict[str, str] = {}

    def issue(self, user: User, scope: str) -> RefreshToken:
        """The first of a new family."""
        own = [token for token in self._live.values() if token.user == user]
        for oldest in own[: max(0, len(own) + 1 - MOST_FOR_A_USER)]:
            self._end(oldest.family)
        return self._add(user, scope, secrets.token_hex(8))

    def live(self, token: str) -> RefreshToken | None:
        """The token if it lives; looking does not use it."""
        return self._live.get(token)

    def use(self, token: str, *, rotate: bool) -> tuple[RefreshToken, RefreshToken | None] | None:
        """The token, and with rotation the next one; nothing if it is dead, and if it was used up its family dies."""
        used = self._live.get(token)
        if used is None:
            if token in self._spent:
                self._end(self._spent[token])
            return None
        if not rotate:
            return used, None
        del self._live[token]
        self._spent[token] = used.family
        return used, self._add(used.user, used.scope, used.family)

    def revoke(self, token: str) -> bool:
        """End its family, access tokens too; whether it was alive."""
        found = self._live.get(token)
        if found is not None:
            self._end(found.family)
        return found is not None

    def revoke_all(self) -> int:
        """End every one; how many there were."""
        families = {token.family for token in self._live.values()}
        for family in families:
            self._end(family)
        return len(families)

    def _add(self, user: User, scope: str, family: str) -> RefreshToken:
        made = RefreshToken(f"5Aep861{secrets.token_urlsafe(40)}", user, scope, family)
        self._live[made.token] = made
        return made

    def _end(self, family: str) -> None:
        self._live = {name: token for name, token in self._live.items() if token.family != family}
        self._sessions.revoke_family(family)
