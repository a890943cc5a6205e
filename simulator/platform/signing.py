"""Standard Webhooks signatures (github.com/standard-webhooks, spec 1.0): HMAC-SHA256 over `id.timestamp.body`."""

import base64
import hashlib
import hmac


def signing_key(secret: str) -> bytes:
    """The key of a `whsec_…` secret."""
    encoded = secret.removeprefix("whsec_")
    return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)


def signed_headers(key: bytes, webhook_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of one post; `timestamp` is the time of this try in epoch seconds."""
    digest = hmac.new(key, b"%b.%d.%b" % (webhook_id.encode(), timestamp, body), hashlib.sha256).digest()
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        "content-type": "application/json",
    }
