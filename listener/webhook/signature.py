"""Standard Webhooks 1.0: is this body from whom it says, and from now?

Source: the Standard Webhooks specification, "Signature scheme" and "Webhook headers". What is signed is
`<webhook-id>.<webhook-timestamp>.<body>`, byte for byte as received, by HMAC-SHA256; `webhook-signature` holds any
number of `v1,<base64>` with spaces between, so that a sender can sign with the old secret and the new one at once.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from typing import Final, NamedTuple

TOLERANCE: Final = 5 * 60
"""How far `webhook-timestamp` may be from our clock, in seconds, either way."""

SHORTEST_SECRET: Final = 24
LONGEST_SECRET: Final = 64
"""Bytes of a secret, by the specification."""

_PREFIX: Final = "whsec_"
_LONGEST_ID: Final = 200


class Unverified(Exception):
    """The request is not proven to come from its sender, now; the message names the header and never its value."""


class BadSecret(ValueError):
    """This cannot be a secret; the message says why and does not hold it."""


class Attempt(NamedTuple):
    """A verified delivery. `sent_at` is when the sender made this attempt, in whole epoch seconds by its clock."""

    id: str
    sent_at: int


def decode_secret(text: str) -> bytes:
    """The key of a secret as it is given to people: base64, with or without `whsec_` and padding.

    Raises:
        BadSecret: empty, not base64, or not 24 to 64 bytes long.
    """
    encoded = text.strip().removeprefix(_PREFIX).rstrip("=")
    if not encoded:
        raise BadSecret("is empty")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadSecret("is not base64") from None
    if len(key) < SHORTEST_SECRET:
        raise BadSecret(f"is too short: {len(key)} bytes, at least {SHORTEST_SECRET} are needed")
    if len(key) > LONGEST_SECRET:
        raise BadSecret(f"is too long: {len(key)} bytes, at most {LONGEST_SECRET} are allowed")
    return key


def verify(
    *,
    secrets: Sequence[bytes],
    body: bytes,
    webhook_id: str | None,
    webhook_timestamp: str | None,
    webhook_signature: str | None,
    now: float,
) -> Attempt:
    """The attempt, if one of the signatures was made with one of the secrets no more than five minutes from `now`.

    `now` is in epoch seconds. Signatures are compared in their encoded form and in constant time; versions other than
    `v1` are passed over.

    Raises:
        Unverified: a header is missing or malformed, the time is off, or no signature fits.
        ValueError: `secrets` is empty or holds an empty one, which would let anyone sign.
    """
    if not secrets or not all(secrets):
        raise ValueError("no secret to verify with")
    attempt = Attempt(_checked_id(webhook_id), _checked_time(webhook_timestamp, now))
    if not webhook_signature:
        raise Unverified("webhook-signature: missing")
    given = [
        signature.encode("utf-8", "surrogateescape")
        for signature in webhook_signature.split(" ")
        if signature.startswith("v1,")
    ]
    if not given:
        raise Unverified("webhook-signature: no v1 signature")
    signed = f"{webhook_id}.{webhook_timestamp}.".encode() + body
    matched = False
    for secret in secrets:
        expected = b"v1," + binascii.b2a_base64(hmac.digest(secret, signed, "sha256"), newline=False)
        for signature in given:
            matched |= hmac.compare_digest(expected, signature)
    if not matched:
        raise Unverified("webhook-signature: made with another secret or for another body")
    return attempt


def _checked_id(text: str | None) -> str:
    if not text:
        raise Unverified("webhook-id: missing")
    if len(text) > _LONGEST_ID or not text.isascii() or not text.isprintable() or " " in text:
        raise Unverified(f"webhook-id: must be at most {_LONGEST_ID} visible ASCII characters")
    return text


def _checked_time(text: str | None, now: float) -> int:
    if not text:
        raise Unverified("webhook-timestamp: missing")
    if len(text) > 12 or not (text.isascii() and text.isdigit()):
        raise Unverified("webhook-timestamp: must be whole seconds since 1970")
    sent_at = int(text)
    if sent_at < now - TOLERANCE:
        raise Unverified("webhook-timestamp: more than five minutes ago")
    if sent_at > now + TOLERANCE:
        raise Unverified("webhook-timestamp: more than five minutes ahead")
    return sent_at
