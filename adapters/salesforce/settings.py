"""Settings of the Salesforce login and REST client. Every message names the variable, none shows a secret."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, FilePath, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from adapters.salesforce import flows
from adapters.salesforce.flows import Flow
from adapters.salesforce.hosts import (
    LOGIN,
    SANDBOX_LOGIN,
    SHARED_LOGIN_HOSTS,
    is_bare,
    is_loopback,
    is_safe,
    is_sandbox,
    jwt_audience,
)
from adapters.salesforce.private_key import read_private_key

OLDEST_VERSION: Final = 58
NEWEST_VERSION: Final = 67
_NEEDS_MY_DOMAIN: Final = (
    "SALESFORCE_LOGIN_URL: must be the org's own My Domain address: client credentials are refused elsewhere"
)
DEFAULT_REDIRECT: Final = "http://localhost:8719/callback"


def _is_given(value: object) -> bool:
    return bool(value.get_secret_value() if isinstance(value, SecretStr) else value)


def _given(values: Mapping[str, Any]) -> set[str]:
    return {name for name in flows.CREDENTIALS if _is_given(values.get(name))}


def _told_flow(values: Mapping[str, Any]) -> Flow:
    return flows.told_flow(_given(values))


def _login_host(values: Mapping[str, Any]) -> str:
    return SANDBOX_LOGIN if values.get("sandbox") else LOGIN


class SalesforceSettings(BaseSettings):
    """How to sign in and how hard to lean on the org. The `SF_*` names are accepted for the same values."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        hide_input_in_errors=True,
        validate_default=False,  # what is not given is empty, what is given may not be
    )

    client_id: str = Field(
        default="",
        min_length=1,
        validation_alias=AliasChoices("SALESFORCE_CLIENT_ID", "SF_CLIENT_ID"),
        description="Consumer key of the external client app (or connected app).",
        json_schema_extra={"needed": True},
    )
    client_secret: SecretStr = Field(
        default=SecretStr(""),
        min_length=1,
        validation_alias=AliasChoices("SALESFORCE_CLIENT_SECRET", "SF_CLIENT_SECRET"),
        description="Consumer secret of the app. Needed by client_credentials and password, by web_server where the "
        "app asks for it, not by jwt_bearer.",
        json_schema_extra={"needed": True},
    )
    sandbox: bool = Field(
        default=False,
        validation_alias="SALESFORCE_SANDBOX",
        description="Sign in to a sandbox: a login address that is a production org's is refused.",
    )
    login_url: str = Field(
        default_factory=_login_host,
        validation_alias=AliasChoices("SALESFORCE_LOGIN_URL", "SF_LOGIN_URL"),
        description="Where to sign in: the org's My Domain address, `https://<my domain>.my.salesforce.com`, which "
        "client_credentials needs; else login.salesforce.com, or test.salesforce.com with SALESFORCE_SANDBOX; or a "
        "custom login address.",
        json_schema_extra={"needed": True},
    )
    username: str = Field(
        default="",
        min_length=1,
        validation_alias=AliasChoices("SALESFORCE_USERNAME", "SF_USERNAME"),
        description="The user to sign in as. Needed by jwt_bearer and password.",
    )
    private_key_path: FilePath | None = Field(
        default=None,
        validation_alias=AliasChoices("SALESFORCE_PRIVATE_KEY_PATH", "SF_PRIVATE_KEY_PATH"),
        description="The private key (PEM, RSA, no passphrase) whose certificate the app has; tells jwt_bearer.",
    )
    jwt_audience: str = Field(
        default="",
        min_length=1,
        validation_alias="SALESFORCE_JWT_AUDIENCE",
        description="The `aud` of the JWT, where it is not the one that follows from SALESFORCE_LOGIN_URL.",
    )
    redirect_uri: str = Field(
        default="",
        min_length=1,
        validation_alias=AliasChoices("SALESFORCE_REDIRECT_URI", "SF_REDIRECT_URI"),
        description=f"The app's callback URL; tells web_server. `{DEFAULT_REDIRECT}` where only the flow is told.",
    )
    scopes: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("api", "refresh_token"),
        min_length=1,
        validation_alias="SALESFORCE_SCOPES",
        description="What `tandem connect` asks for, comma between. Without refresh_token nothing can be kept.",
    )
    password: SecretStr = Field(
        default=SecretStr(""),
        min_length=1,
        validation_alias=AliasChoices("SALESFORCE_PASSWORD", "SF_PASSWORD"),
        description=f"The user's password; tells password. {flows.PASSWORD_ENDS}.",
    )
    security_token: SecretStr = Field(
        default=SecretStr(""),
        min_length=1,
        validation_alias=AliasChoices("SALESFORCE_SECURITY_TOKEN", "SF_SECURITY_TOKEN"),
        description="The user's security token, where the org does not trust our address.",
    )
    flow: Flow = Field(
        default_factory=_told_flow,
        validation_alias=AliasChoices("SALESFORCE_OAUTH_FLOW", "SF_OAUTH_FLOW"),
        description="How to sign in: client_credentials, jwt_bearer, web_server or password. By default as told by "
        "SALESFORCE_PRIVATE_KEY_PATH (jwt_bearer), SALESFORCE_REDIRECT_URI (web_server) or SALESFORCE_PASSWORD "
        "(password); client_credentials where none of them is given.",
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        validation_alias="SALESFORCE_ALLOWED_HOSTS",
        description="Hosts, comma between, that an org's `instance_url` may name besides Salesforce's own and that of "
        "SALESFORCE_LOGIN_URL.",
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

    @property
    def audience(self) -> str:
        """The `aud` of a JWT."""
        return self.jwt_audience or jwt_audience(self.login_url)

    @property
    def redirect(self) -> str:
        """The callback URL of the web-server flow."""
        return self.redirect_uri or DEFAULT_REDIRECT

    @property
    def redirects_here(self) -> bool:
        """True where the callback URL is this machine's."""
        return is_loopback(urlsplit(self.redirect).hostname or "")

    @field_validator("api_version")
    @classmethod
    def _known_version(cls, value: str) -> str:
        match = re.fullmatch(r"v?(\d{2,3})(\.0)?", value.strip())
        if match is None or not OLDEST_VERSION <= int(match[1]) <= NEWEST_VERSION:
            raise ValueError(f"must be v{OLDEST_VERSION}.0 to v{NEWEST_VERSION}.0")
        return f"{match[1]}.0"

    @field_validator("scopes", "allowed_hosts", mode="before")
    @classmethod
    def _by_comma(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("allowed_hosts")
    @classmethod
    def _host_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        hosts = tuple(host.lower() for host in value)
        if any(not re.fullmatch(r"[a-z0-9.-]+", host) for host in hosts):
            raise ValueError("must be host names such as acme.example.com, without scheme, port or *")
        return hosts

    @field_validator("login_url")
    @classmethod
    def _safe_address(cls, value: str) -> str:
        address = value.strip().rstrip("/")
        if not is_bare(address):
            raise ValueError("must be an address such as https://<my domain>.my.salesforce.com, and nothing behind it")
        if not is_safe(address):
            raise ValueError("must begin with https:// (http:// is for loopback only)")
        return address

    @field_validator("redirect_uri")
    @classmethod
    def _safe_redirect(cls, value: str) -> str:
        if not is_safe(value) or urlsplit(value).fragment:
            raise ValueError("must begin with https:// (http:// is for loopback only) and have no fragment")
        return value

    @field_validator("private_key_path")
    @classmethod
    def _is_key(cls, value: FilePath | None) -> FilePath | None:
        if value is not None:
            read_private_key(value)
        return value

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        lines = [*self._of_the_flow(), *self._of_the_address()]
        if lines:
            raise ValueError("\n".join(lines))
        return self

    def _of_the_flow(self) -> list[str]:
        given = _given(vars(self))
        rivals = flows.rivals(given)
        if rivals and "flow" not in self.model_fields_set:
            return [f"{' and '.join(map(_variable, rivals))} are given: say which with SALESFORCE_OAUTH_FLOW"]
        wanting = [
            f"{_variable(name)}: is not set. {type(self).model_fields[name].description}"
            for name in flows.missing(self.flow, given)
        ]
        idle = [
            f"{_variable(name)} is given, and {self.flow} does not use it; SALESFORCE_OAUTH_FLOW says how to sign in"
            for name in flows.superfluous(self.flow, given)
        ]
        return wanting + idle

    def _of_the_address(self) -> list[str]:
        host = urlsplit(self.login_url).hostname or ""
        if self.flow is Flow.CLIENT_CREDENTIALS and host in SHARED_LOGIN_HOSTS:
            return [_NEEDS_MY_DOMAIN]
        if self.sandbox and host.endswith(".salesforce.com") and not is_sandbox(host):
            return ["SALESFORCE_SANDBOX is true but SALESFORCE_LOGIN_URL is not a sandbox's address"]
        return []


def _variable(name: str) -> str:
    return f"SALESFORCE_{name.upper()}"
