"""The webhook's address, limits and secrets."""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from listener.webhook.signature import BadSecret, decode_secret
from schemas.named_variables import named_variables

_VARIABLE: Final = "WEBHOOK_SECRETS"


class WebhookSettings(BaseSettings):
    """The group `WEBHOOK_*`."""

    model_config = SettingsConfigDict(env_prefix="WEBHOOK_", frozen=True, extra="ignore", hide_input_in_errors=True)

    host: str = Field(
        default="127.0.0.1", description="Address to listen on; 0.0.0.0 for every one, as in a container."
    )
    port: int = Field(default=8080, ge=0, le=65535, description="Port to listen on; 0 takes any free one.")
    secrets: Annotated[dict[str, tuple[SecretStr, ...]], NoDecode] = Field(
        default_factory=dict,
        validate_default=True,
        description=(
            "WEBHOOK_SECRETS_<SOURCE>: the secrets of one source, whsec_…, a comma between several while they rotate. "
            "The source posts to /webhooks/<source>, in lower case."
        ),
    )
    max_body_bytes: int = Field(
        default=1_048_576,
        ge=1,
        le=1_048_576,
        description="Longest body taken, in bytes; the log takes none beyond 1 MiB.",
    )
    body_seconds: float = Field(default=10, gt=0, le=300, description="How long a body may take to arrive, in seconds.")
    keep_alive_seconds: float = Field(
        default=75,
        gt=0,
        le=3600,
        description="How long a connection may be idle, or take to send the headers of its next request, in seconds.",
    )
    max_in_flight: int = Field(default=1_000, ge=1, description="Requests read and published at once; above it, 503.")
    max_in_flight_bytes: int = Field(
        default=67_108_864,
        ge=1,
        description="Bytes of the bodies of those requests; above it, 503. At least WEBHOOK_MAX_BODY_BYTES.",
    )
    retry_after_seconds: int = Field(
        default=5, ge=1, le=3600, description="What Retry-After tells the sender with a 503, in seconds."
    )
    ready_seconds: float = Field(default=2, gt=0, le=60, description="How long /ready waits for the log, in seconds.")
    shutdown_seconds: float = Field(
        default=15, gt=0, le=300, description="How long requests in flight may take to end at shutdown, in seconds."
    )

    @property
    def keys(self) -> dict[str, tuple[bytes, ...]]:
        """The keys of each source, decoded."""
        return {
            source: tuple(decode_secret(secret.get_secret_value()) for secret in secrets)
            for source, secrets in self.secrets.items()
        }

    @field_validator("secrets", mode="before")
    @classmethod
    def _can_be_used(cls, given: object) -> dict[str, tuple[SecretStr, ...]]:
        if not isinstance(given, Mapping):
            raise _wrong(f"{_VARIABLE}: name the source in the variable, as {_VARIABLE}_TICKETS")
        if not given:
            raise _wrong(f"{_VARIABLE}_<SOURCE>: none is set, so no webhook could be verified")
        taken = {str(source): _split(secrets) for source, secrets in given.items()}
        problems = [problem for source, secrets in taken.items() for problem in _problems(source, secrets)]
        if problems:
            raise _wrong("; ".join(problems))
        return taken

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The usual sources, and the variables whose names hold a source."""
        by_source = named_variables(settings_cls, (env_settings, dotenv_settings), field="secrets", variable=_VARIABLE)
        return (init_settings, *by_source, env_settings, dotenv_settings, file_secret_settings)


def _split(secrets: object) -> tuple[SecretStr, ...]:
    if isinstance(secrets, SecretStr):
        secrets = secrets.get_secret_value()
    if isinstance(secrets, str):
        secrets = secrets.split(",")
    if not isinstance(secrets, list | tuple):
        return ()
    return tuple(secret if isinstance(secret, SecretStr) else SecretStr(str(secret).strip()) for secret in secrets)


def _problems(source: str, secrets: tuple[SecretStr, ...]) -> list[str]:
    variable = f"{_VARIABLE}_{source.upper()}"
    if not source:
        return [f"{variable}: the name of the source is missing, as in {_VARIABLE}_TICKETS"]
    if not secrets:
        return [f"{variable}: is empty"]
    problems = []
    for number, secret in enumerate(secrets, start=1):
        try:
            decode_secret(secret.get_secret_value())
        except BadSecret as bad:
            which = f"secret {number} of {len(secrets)} " if len(secrets) > 1 else ""
            problems.append(f"{variable}: {which}{bad}")
    return problems


def _wrong(line: str) -> PydanticCustomError:
    # Not a ValueError: pydantic would put its own words before the line.
    return PydanticCustomError("webhook_secrets", "{line}", {"line": line})
