"""Authorization codes: asked for, consented to, exchanged once. Held in memory."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from simulator.org.clock import Clock
from simulator.org.refusal import OAuthRefused
from simulator.org.tokens import User

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the app has asked a user for, by an address that it sent the browser to."""

    redirect_uri: str
    scopes: tuple[str, ...]
    state: str
    challenge: str
    """The PKCE challenge, base64url of a SHA-256; empty without."""


@dataclass(frozen=True, slots=True)
class Consent:
    """What a user has agreed to, good for one exchange."""

    asked: Asked
    user: User


class OneTime(Generic[Value]):
    """Values that are taken once, within their time."""

    def __init__(self, clock: Clock, seconds: Callable[[], float]) -> None:
        self._clock = clock
        self._seconds = seconds
        self._held: dict[str, tuple[Value | None, int]] = {}

    def put(self, value: Value, *, prefix: str = "", suffix: str = "") -> str:
        """Its one-time name."""
        name = f"{prefix}{secrets.token_urlsafe(48)}{suffix}"
        self._held[name] = (value, self._clock() + round(self._seconds() * 1000))
        return name

    def take(self, name: str) -> tuple[Value | None, bool]:
        """The value, and whether the name was ever given out; no value where it is used up or late."""
        held = self._held.get(name)
        if held is None:
            return None, False
        value, until = held
        self._held[name] = (None, 0)
        return (value if self._clock() < until else None), True


class AuthorizationCodes:
    """Codes of one org."""

    def __init__(self, clock: Clock, seconds: Callable[[], float]) -> None:
        self._codes: OneTime[Consent] = OneTime(clock, seconds)

    def issue(self, asked: Asked, user: User) -> str:
        """A code; it ends in `==`, so that whoever forgets to decode it is found out."""
        return self._codes.put(Consent(asked, user), prefix="aPrx", suffix="==")

    def exchange(self, code: str, redirect_uri: str, verifier: str) -> Consent:
        """What the code stands for; it is used up by this, even where it is refused.

        Raises:
            OAuthRefused: it is unknown, used, late, or was asked for in another way.
        """
        consent, known = self._codes.take(code)
        if not known:
            raise OAuthRefused("invalid_grant", "invalid authorization code")
        if consent is None:
            raise OAuthRefused("invalid_grant", "expired authorization code")
        if redirect_uri != consent.asked.redirect_uri:
            raise OAuthRefused("redirect_uri_mismatch", "redirect_uri must match configuration")
        if consent.asked.challenge:
            if not verifier:
                raise OAuthRefused("invalid_grant", "missing code verifier")
            if not _fits(verifier, consent.asked.challenge):
                raise OAuthRefused("invalid_request", "invalid code verifier")
        return consent


def _fits(verifier: str, challenge: str) -> bool:
    if not 43 <= len(verifier) <= 128 or not verifier.isascii():
        return False
    made = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    return hmac.compare_digest(made, challenge.encode())
