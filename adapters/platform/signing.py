"""Standard Webhooks 1.0: the headers of one try, signed with every secret that is in use."""

import base64
import hmac
from collections.abc import Sequence


def signed_headers(keys: Sequence[bytes], event_id: str, sent_at: int, body: bytes) -> dict[str, str]:
    """Headers of a post made at `sent_at`, whole epoch seconds.

    With several keys there are as many signatures: a receiver takes the one that it can verify, so that a secret is
    replaced without an hour in which one side knows only the old one.
    """
    signed = f"{event_id}.{sent_at}.".encode() + body
    signatures = [base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(sent_at),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
        "content-type": "application/json",
        "user-agent": "tandem",
    }
