"""How long a credential has been in use: it is known by a fingerprint, and old after a quarter. Pure."""

import hashlib
from datetime import UTC, datetime
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.salesforce.flows import Flow
from adapters.salesforce.private_key import read_private_key
from adapters.salesforce.settings import SalesforceSettings
from schemas.connection import Connection

QUARTER_DAYS: Final = 92
_DAY_MS: Final = 86_400_000


def fingerprint(settings: SalesforceSettings) -> str:
    """A text that changes with the credential and does not give it away; empty where there is none to be had.

    That is the public half of a private key, or the consumer secret made slow to guess (scrypt): Salesforce makes it by
    chance, but those of old apps are short. A person's password may be guessed all the same, so it has no fingerprint.
    It takes a twentieth of a second.
    """
    if settings.flow is Flow.JWT_BEARER and settings.private_key_path is not None:
        public = read_private_key(settings.private_key_path).public_key()
        raw = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return f"key:{hashlib.sha256(raw).hexdigest()}"
    secret = settings.client_secret.get_secret_value()
    if settings.flow is Flow.PASSWORD or not secret:
        return ""
    salt = settings.client_id.encode()
    return f"secret:{hashlib.scrypt(secret.encode(), salt=salt, n=2**14, r=8, p=1).hex()}"


def in_use_since(connection: Connection) -> int:
    """Since when, epoch milliseconds: as first seen by us, else since a person agreed; 0 if that is not known."""
    return connection.credential_since or connection.connected_at


def reminder(connection: Connection, now: int) -> str:
    """What to tell of a credential that is older than a quarter; empty for a younger one."""
    since = in_use_since(connection)
    days = (now - since) // _DAY_MS
    if not since or days <= QUARTER_DAYS:
        return ""
    day = datetime.fromtimestamp(since / 1000, UTC)
    return f"the credential for Salesforce has been in use since {day:%Y-%m-%d}, {days} days: change it every quarter"
