"""The web-server flow's first day: the address a person opens, and what the browser brings back. Pure but for chance.

Source: "OAuth 2.0 Web Server Flow for Web App Integration" in Salesforce Help; RFC 7636 (PKCE); RFC 6749, 4.1.2.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, urlencode

from adapters.salesforce.settings import SalesforceSettings
from schemas.session import LoginFailed

AUTHORIZE_PATH: Final = "/services/oauth2/authorize"
BAD_REDIRECT: Final = "bad_redirect"


@dataclass(frozen=True, slots=True)
class Authorization:
    """One attempt. The state comes back with the redirect, the verifier is sent with the code: both are used once."""

    url: str
    state: str
    verifier: str = field(repr=False)


def new_authorization(settings: SalesforceSettings) -> Authorization:
    """Where a person agrees."""
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(96)
    query = {
        "response_type": "code",
        "client_id": settings.client_id,
        "redirect_uri": settings.redirect,
        "scope": " ".join(settings.scopes),
        "state": state,
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
    }
    return Authorization(f"{settings.login_url}{AUTHORIZE_PATH}?{urlencode(query)}", state, verifier)


def challenge_of(verifier: str) -> str:
    """The SHA-256 of the verifier, base64url without padding (RFC 7636, 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def is_answer(location: str, state: str) -> bool:
    """True where an address that a browser was sent to belongs to the attempt with this state."""
    return hmac.compare_digest(_told(location).get("state", "").encode(), state.encode())


def read_redirect(location: str, state: str) -> str:
    """The code of the address that the browser was sent to, or of what stands behind its `?`.

    Raises:
        LoginFailed: it is not the answer to this attempt, or the person or Salesforce said no. The message holds no
            code and no state.
    """
    if not is_answer(location, state):
        message = "the address is not the answer to this attempt (its state is another)"
        raise LoginFailed(message, code=BAD_REDIRECT, terminal=True)
    told = _told(location)
    if "error" in told:
        reason = f"{told['error']}: {told.get('error_description', '')}"[:200]
        raise LoginFailed(f"Salesforce said no: {reason}", code=told["error"][:80], terminal=True)
    code = told.get("code", "")
    if not code:
        raise LoginFailed("the address holds no code", code=BAD_REDIRECT, terminal=True)
    return code


def _told(location: str) -> dict[str, str]:
    text = location.strip()
    query = text.partition("?")[2].partition("#")[0] or text
    return {name: values[0] for name, values in parse_qs(query).items()}
