"""JWT bearer assertions, checked by hand against the app's key. Nothing of the library that made them is used here.

Source: "OAuth 2.0 JWT Bearer Flow" in Salesforce Help; RFC 7515, RFC 7523.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from simulator.org.connected_app import ConnectedApp, public_key
from simulator.org.refusal import OAuthRefused

SKEW_SECONDS = 180
"""By how much a clock may be wrong."""
AUDIENCES = ("https://login.salesforce.com", "https://test.salesforce.com")


@dataclass(frozen=True, slots=True)
class Assertion:
    """What was signed, and by whom it says it is."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def checked(text: str, app: ConnectedApp, *, own_url: str, approved: tuple[str, ...], now: int) -> str:
    """The username of a good assertion. `now` is epoch milliseconds, `own_url` the org's address.

    Raises:
        OAuthRefused: anything about it is wrong.
    """
    assertion = _read(text)
    claims = assertion.claims
    if not isinstance(claims.get("iss"), str) or not app.is_it(claims["iss"]):
        raise OAuthRefused("invalid_client_id", "client identifier invalid")
    if assertion.header.get("alg") != "RS256" or not app.policy.certificate:
        raise _invalid()
    try:
        public_key(app.policy.certificate).verify(assertion.signature, assertion.signed, PKCS1v15(), SHA256())
    except InvalidSignature:
        raise _invalid() from None
    if claims.get("aud") not in (*AUDIENCES, own_url):
        raise OAuthRefused("invalid_grant", "audience is invalid")
    expires, seconds = _number(claims.get("exp")), now / 1000
    if not seconds - SKEW_SECONDS < expires <= seconds + app.policy.assertion_seconds:
        raise _invalid()
    username = claims.get("sub")
    if not isinstance(username, str) or username not in approved:
        raise OAuthRefused("invalid_grant", "user hasn't approved this consumer")
    return username


def _invalid() -> OAuthRefused:
    return OAuthRefused("invalid_grant", "invalid assertion")


def _number(claim: object) -> float:
    """Seconds, as a number or in text: simple-salesforce sends text, and Salesforce takes it."""
    try:
        return float(claim) if isinstance(claim, int | float | str) else 0.0
    except ValueError:
        return 0.0


def _read(text: str) -> Assertion:
    parts = text.split(".")
    if len(parts) != 3:
        raise _invalid()
    try:
        header, claims, signature = (_decoded(part) for part in parts)
        read = Assertion(orjson.loads(header), orjson.loads(claims), f"{parts[0]}.{parts[1]}".encode(), signature)
    except (binascii.Error, ValueError):
        raise _invalid() from None
    if not isinstance(read.header, dict) or not isinstance(read.claims, dict):
        raise _invalid()
    return read


def _decoded(part: str) -> bytes:
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
