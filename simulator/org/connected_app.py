"""The app that signs in to the org: its keys, its callback URLs, its policies. An admin changes them at any time."""

import hmac
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import BaseModel, ConfigDict, Field, model_validator


class AppPolicy(BaseModel):
    """What an admin has set up for the app."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(default="Tandem", description="what the consent page calls it")
    certificate: str = Field(default="", description="certificate or public key (PEM) that its JWTs are signed for")
    approved_users: tuple[str, ...] | None = Field(
        default=None, description="users whom an admin has approved for JWTs; the integration user if not told"
    )
    callback_urls: tuple[str, ...] = Field(
        default=("http://localhost:8719/callback",), description="where a consent may lead to, each in full"
    )
    scopes: tuple[str, ...] = Field(
        default=("api", "id", "refresh_token"), min_length=1, description="what the app may ask for"
    )
    require_pkce: bool = Field(default=False, description="a web-server login must use PKCE")
    require_secret: bool = Field(default=True, description="a web-server login and a refresh must give the secret")
    rotate_refresh_tokens: bool = Field(default=False, description="each refresh brings the next refresh token")
    code_seconds: float = Field(default=900.0, gt=0, description="how long an authorization code lives")
    consent_seconds: float = Field(default=900.0, gt=0, description="how long a consent page may stand open")
    assertion_seconds: float = Field(
        default=300.0, gt=0, description="how far ahead the end of a JWT may lie; Salesforce does not publish it"
    )
    password_flow: bool = Field(default=True, description="whether the org allows signing in with a password")

    @model_validator(mode="after")
    def _has_a_key(self) -> Self:
        if self.certificate:
            public_key(self.certificate)
        return self


class ConnectedApp:
    """The one app of the org."""

    def __init__(self, client_id: str, client_secret: str, policy: AppPolicy) -> None:
        self.client_id = client_id
        self.client_secret = client_secret
        self.policy = policy

    def is_it(self, client_id: str) -> bool:
        """Whether that is its consumer key."""
        return hmac.compare_digest(client_id.encode(), self.client_id.encode())

    def has_secret(self, secret: str) -> bool:
        """Whether that is its consumer secret."""
        return hmac.compare_digest(secret.encode(), self.client_secret.encode())


def public_key(pem: str) -> RSAPublicKey:
    """The RSA key of a certificate, or a public key by itself.

    Raises:
        ValueError: it is neither.
    """
    raw = pem.encode()
    key = x509.load_pem_x509_certificate(raw).public_key() if "BEGIN CERTIFICATE" in pem else load_pem_public_key(raw)
    if not isinstance(key, RSAPublicKey):
        raise ValueError("an RSA key is expected")  # noqa: TRY004 - of the text, not of an argument
    return key
