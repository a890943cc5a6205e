"""What is posted to the token endpoint, flow by flow. Pure: settings and time in, form fields out.

Source: "OAuth Authorization Flows" in Salesforce Help; RFC 6749 (4.1.3, 4.3, 4.4, 6), RFC 7523 (JWT bearer), RFC 7636
(PKCE).
"""

from collections.abc import Mapping
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from adapters.salesforce.settings import SalesforceSettings

JWT_SECONDS: Final = 180
"""How long an assertion is good for; Salesforce refuses one that is good for much longer."""

_JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_NO_SECRETS: Final = frozenset({"grant_type", "redirect_uri"})

Form = dict[str, str]


def client_credentials_form(settings: SalesforceSettings) -> Form:
    """The app's own secret."""
    return {"grant_type": "client_credentials", **_app(settings)}


def jwt_bearer_form(settings: SalesforceSettings, key: RSAPrivateKey, *, now: int) -> Form:
    """An assertion about the user, signed by us. `now` is epoch milliseconds."""
    claims = {
        "iss": settings.client_id,
        "sub": settings.username,
        "aud": settings.audience,
        "exp": now // 1000 + JWT_SECONDS,
    }
    return {"grant_type": _JWT_BEARER, "assertion": jwt.encode(claims, key, algorithm="RS256")}


def password_form(settings: SalesforceSettings) -> Form:
    """The user's own password, the security token behind it."""
    secret = settings.password.get_secret_value() + settings.security_token.get_secret_value()
    return {"grant_type": "password", **_app(settings), "username": settings.username, "password": secret}


def exchange_form(settings: SalesforceSettings, code: str, verifier: str) -> Form:
    """The code of a redirect, with the PKCE verifier whose challenge was sent before."""
    return {
        "grant_type": "authorization_code",
        **_app(settings),
        "code": code,
        "redirect_uri": settings.redirect,
        "code_verifier": verifier,
    }


def refresh_form(settings: SalesforceSettings, refresh_token: str) -> Form:
    """A refresh token. With rotation it is used up by this, and the answer has the next one."""
    return {"grant_type": "refresh_token", **_app(settings), "refresh_token": refresh_token}


def secrets_of(form: Mapping[str, str]) -> tuple[str, ...]:
    """What of a form must appear in no message."""
    return tuple(value for name, value in form.items() if name not in _NO_SECRETS and value)


def _app(settings: SalesforceSettings) -> Form:
    secret = settings.client_secret.get_secret_value()
    return {"client_id": settings.client_id} | ({"client_secret": secret} if secret else {})
