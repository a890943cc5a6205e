"""Settings of the Salesforce login and REST client. Every message names the variable, none shows a secret."""

import ipaddress
import re
from typing import Final, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

OLDEST_VERSION: Final = 58
NEWEST_VERSION: Final = 67
_SHARED_LOGIN_HOSTS: Final = ("login.salesforce.com", "test.salesforce.com")


class SalesforceSettings(BaseSettings):
    """How to log in and how hard to lean on the org. The `SF_*` names are accepted for the same values."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True, hide_input_in_errors=True)

    client_id: str = Field(
        min_length=1,
        validation_alias=AliasChoices("SALESFORCE_CLIENT_ID", "SF_CLIENT_ID"),
        description="Consumer key of the external client app (OAuth client credentials flow).",
    )
    client_secret: SecretStr = Field(
        min_length=1,
        validation_alias=AliasChoices("SALESFORCE_CLIENT_SECRET", "SF_CLIENT_SECRET"),
        description="Consumer secret of the external client app.",
    )
    login_url: str = Field(
        validation_alias=AliasChoices("SALESFORCE_LOGIN_URL", "SF_LOGIN_URL"),
        description="The org's My Domain address, `https://<my domain>.my.salesforce.com`.",
    )
    sandbox: bool = Field(
        default=False,
        validation_alias="SALESFORCE_SANDBOX",
        description="True refuses a login address that is a production org's.",
    )
    api_version: str = Field(
        default="62.0",
        validation_alias="SALESFORCE_API_VERSION",
        description=f"REST API version, v{OLDEST_VERSION}.0 to v{NEWEST_VERSION}.0, with or without the v.",
    )
    client_name: str = Field(
        default="Tandem",
        pattern=r"^[A-Za-z0-9_.-]{1,40}$",
        validation_alias="SALESFORCE_CLIENT_NAME",
        description="The mark our writes leave in `changeOrigin` (`Sforce-Call-Options: client=…`).",
    )
    call_timeout: float = Field(
        default=120.0,
        gt=0,
        le=600,
        validation_alias="SALESFORCE_CALL_TIMEOUT_SECONDS",
        description="Longest wait for the answer to one call; Salesforce itself ends a call after 600 s.",
    )
    connect_timeout: float = Field(
        default=10.0,
        gt=0,
        le=600,
        validation_alias="SALESFORCE_CONNECT_TIMEOUT_SECONDS",
        description="Longest wait for a connection, TLS included.",
    )
    login_timeout: float = Field(
        default=30.0,
        gt=0,
        le=600,
        validation_alias="SALESFORCE_LOGIN_TIMEOUT_SECONDS",
        description="Longest wait for an access token.",
    )
    connections: int = Field(
        default=10,
        ge=1,
        le=100,
        validation_alias="SALESFORCE_CONNECTIONS",
        description="Connections held at once by one process; an org runs at most 25 calls longer than 20 s (5 in a "
        "Developer Edition).",
    )

    @property
    def version(self) -> str:
        """The version with its `v`, as REST paths have it: `v62.0`."""
        return f"v{self.api_version}"

    @field_validator("api_version")
    @classmethod
    def _known_version(cls, value: str) -> str:
        match = re.fullmatch(r"v?(\d{2,3})(\.0)?", value.strip())
        if match is None or not OLDEST_VERSION <= int(match[1]) <= NEWEST_VERSION:
            raise ValueError(f"must be v{OLDEST_VERSION}.0 to v{NEWEST_VERSION}.0")
        return f"{match[1]}.0"

    @field_validator("login_url")
    @classmethod
    def _safe_address(cls, value: str) -> str:
        address = value.strip().rstrip("/")
        parts = urlsplit(address)
        if (
            parts.port == 0
            or parts.username
            or parts.password
            or parts.path
            or parts.query
            or parts.fragment
            or not parts.hostname
        ):
            raise ValueError("must be an address such as https://<my domain>.my.salesforce.com, and nothing behind it")
        if not is_safe(address):
            raise ValueError("must begin with https:// (http:// is for loopback only)")
        if parts.hostname in _SHARED_LOGIN_HOSTS:
            raise ValueError("must be the org's own My Domain address: client credentials are refused elsewhere")
        return address

    @model_validator(mode="after")
    def _sandbox_is_one(self) -> Self:
        host = urlsplit(self.login_url).hostname or ""
        if self.sandbox and host.endswith(".my.salesforce.com") and ".sandbox." not in host and "--" not in host:
            raise ValueError("SALESFORCE_SANDBOX is true but SALESFORCE_LOGIN_URL is not a sandbox's address")
        return self


def is_safe(address: str) -> bool:
    """True where a secret may be sent: https, or http to this very machine."""
    parts = urlsplit(address)
    if parts.scheme == "https":
        return bool(parts.hostname)
    return parts.scheme == "http" and _is_loopback(parts.hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
