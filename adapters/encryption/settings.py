"""The keys that seal secrets in the database."""

import base64
import binascii
import re
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from adapters.encryption.keyring import KEY_BYTES, Keyring


class EncryptionSettings(BaseSettings):
    """The group `ENCRYPTION_*`."""

    model_config = SettingsConfigDict(
        env_prefix="ENCRYPTION_", frozen=True, extra="ignore", populate_by_name=True, hide_input_in_errors=True
    )

    keys: SecretStr = Field(
        default=SecretStr(""),
        description="Keys that seal stored tokens, the newest first: `id:key`, a comma between several; a key is 32 "
        "bytes in base64 (`openssl rand -base64 32`). Needed by web_server.",
    )

    @model_validator(mode="after")
    def _are_keys(self) -> Self:
        parse_keys(self.keys.get_secret_value())
        return self

    def keyring(self) -> Keyring | None:
        """The keys, if there are any."""
        keys = parse_keys(self.keys.get_secret_value())
        return Keyring(keys) if keys else None


def parse_keys(text: str) -> dict[str, bytes]:
    """Keys by id, in order.

    Raises:
        ValueError: with the place of the first that is wrong, and nothing of it.
    """
    keys: dict[str, bytes] = {}
    for place, entry in enumerate((part.strip() for part in text.split(",") if part.strip()), start=1):
        key_id, colon, encoded = entry.partition(":")
        if not colon or not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", key_id):
            raise ValueError(f"ENCRYPTION_KEYS: key {place} must be `id:key`, the id of letters, digits, - and _")
        if key_id in keys:
            raise ValueError(f"ENCRYPTION_KEYS: key {place} has an id that another one has")
        try:
            key = base64.b64decode(encoded, altchars=b"-_" if {"-", "_"} & {*encoded} else None, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(f"ENCRYPTION_KEYS: key {place} is not base64") from None
        if len(key) != KEY_BYTES:
            raise ValueError(f"ENCRYPTION_KEYS: key {place} has {len(key)} bytes; it must have {KEY_BYTES}")
        keys[key_id] = key
    return keys
