"""Where the platform is told of what Salesforce changed, and how."""

import base64
import binascii
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from adapters.platform.addresses import Guard, UnfitUrl, networks

_PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64


class DeliverSettings(BaseSettings):
    """The group `DELIVER_*`."""

    model_config = SettingsConfigDict(env_prefix="DELIVER_", frozen=True, extra="ignore", hide_input_in_errors=True)

    url: str = Field(
        default="",
        description="The platform's URL that is told of what Salesforce changed; `tandem deliveries url` sets another. "
        "Without either nobody is told, and `platform.changes` is there for others to read.",
    )
    secrets: SecretStr = Field(
        default=SecretStr(""),
        description="What deliveries are signed with, as Standard Webhooks has it: `whsec_` and 24 to 64 bytes in "
        "base64. A comma between several; each signs, so that one can be replaced.",
    )
    allowed_networks: str = Field(
        default="",
        description="Networks inside that the URL may lead to, comma between: `10.1.0.0/16,fd00::/8`. Else loopback, "
        "link-local and private addresses are refused. Plain http is taken there alone.",
    )
    timeout_seconds: float = Field(
        default=15.0, gt=0, le=60, description="How long the platform may take to answer a delivery, in seconds."
    )
    at_once: int = Field(default=16, ge=1, le=256, description="Deliveries under way at once in a process.")
    look_seconds: float = Field(
        default=1.0, gt=0, le=60, description="How often it is looked for what is due, in seconds."
    )
    disable_hours: int = Field(
        default=72, ge=1, le=720, description="After so many hours without a success the URL is left alone."
    )
    kept_days: int = Field(default=30, ge=1, le=3650, description="How long ended deliveries are kept, in days.")

    @field_validator("allowed_networks")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        try:
            networks(text)
        except ValueError:
            raise ValueError("must be networks with commas between, as 10.1.0.0/16") from None
        return text

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        keys = _keys(self.secrets.get_secret_value())
        if self.url:
            if not keys:
                raise ValueError("DELIVER_SECRETS is not set: deliveries to DELIVER_URL could not be signed")
            try:
                self.guard().check_url(self.url)
            except UnfitUrl as unfit:
                raise ValueError(f"DELIVER_URL {unfit}") from None
        return self

    def keys(self) -> tuple[bytes, ...]:
        """What signs."""
        return _keys(self.secrets.get_secret_value())

    def guard(self) -> Guard:
        """Where the URL may lead."""
        return Guard(networks(self.allowed_networks))


def _keys(text: str) -> tuple[bytes, ...]:
    keys = []
    for number, secret in enumerate((part.strip() for part in text.split(",") if part.strip()), start=1):
        encoded = secret.removeprefix(_PREFIX).rstrip("=")
        try:
            key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(f"DELIVER_SECRETS: secret {number} is not base64") from None
        if not _SHORTEST <= len(key) <= _LONGEST:
            raise ValueError(f"DELIVER_SECRETS: secret {number} has {len(key)} bytes; 24 to 64 are needed")
        keys.append(key)
    return tuple(keys)
