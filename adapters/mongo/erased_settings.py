"""Where the list of erased people is, apart from what is backed up, and the key that it is kept by."""

import base64
import binascii
from typing import Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from adapters.mongo.settings import MongoSettings

KEY_BYTES = 32


class ErasedSettings(BaseSettings):
    """The group `ERASED_*`."""

    model_config = SettingsConfigDict(env_prefix="ERASED_", frozen=True, extra="ignore", hide_input_in_errors=True)

    key: SecretStr = Field(
        default=SecretStr(""),
        description="The key of the hashes in the list of erased people: 32 bytes in base64 "
        "(`openssl rand -base64 32`). Without it nobody can be erased. Never change it: the list would know nobody any "
        "more.",
    )
    uri: SecretStr = Field(
        default=SecretStr(""),
        description="The MongoDB that holds the list of erased people and the certificates, where it is another than "
        "MONGODB_URI's. A secret, since it may hold a password.",
    )
    database: str = Field(
        default="tandem_erased",
        pattern=r"^[A-Za-z0-9_-]{1,63}$",
        description="Its database. Leave it out of the backups that MONGODB_DATABASE is restored from, and back it up "
        "by itself: a restore must not bring back whom it names.",
    )
    settle_seconds: float = Field(
        default=600,
        ge=0,
        le=86_400,
        description="After how long a removed person is looked for once more, in seconds: longer than a call may take.",
    )

    @field_validator("key")
    @classmethod
    def _is_key(cls, key: SecretStr) -> SecretStr:
        text = key.get_secret_value()
        if text and len(_decoded(text)) != KEY_BYTES:
            raise ValueError(f"must be {KEY_BYTES} bytes in base64")
        return key

    def secret(self) -> bytes | None:
        """The key; None where there is none."""
        text = self.key.get_secret_value()
        return _decoded(text) if text else None

    def mongo(self, main: MongoSettings) -> MongoSettings:
        """How to open the database: as the main one, where nothing else is said."""
        changed: dict[str, Any] = {"database": self.database}
        if self.uri.get_secret_value():
            changed["uri"] = self.uri
        return main.model_copy(update=changed)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, altchars=b"-_" if {"-", "_"} & {*text} else None, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("must be base64") from None
