"""AES-256-GCM with keys by id. What is sealed says which key opens it, and is bound to what it is about.

A sealed text is `v1:<key id>:<base64url of nonce and ciphertext>`. The key's id and what the text is about are
authenticated with it, so that a sealed text put elsewhere in the database does not open there.
"""

import base64
import binascii
import os
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas.connection import CannotOpen

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_FORM: Final = "v1"


class Keyring:
    """The keys of this deployment, the newest first: that one seals, all of them open."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """Keys of 32 bytes by id, in order."""
        self._keys = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self.newest = next(iter(keys))

    def seal(self, text: str, about: str) -> str:
        """The text, readable only with our keys."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._keys[self.newest].encrypt(nonce, text.encode(), _bound(self.newest, about))
        return f"{_FORM}:{self.newest}:{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, about: str) -> str:
        """The text that was sealed about this.

        Raises:
            CannotOpen: no key of ours opens it, or it was sealed about something else, or it is damaged.
        """
        form, _, rest = sealed.partition(":")
        key_id, _, body = rest.partition(":")
        key = self._keys.get(key_id)
        if form != _FORM:
            raise CannotOpen(f"{about}: is not in the form {_FORM}")
        if key is None:
            raise CannotOpen(f"{about}: is sealed with the key {key_id}, which ENCRYPTION_KEYS does not hold")
        try:
            raw = base64.urlsafe_b64decode(body)
            return key.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _bound(key_id, about)).decode()
        except (binascii.Error, InvalidTag, ValueError):
            raise CannotOpen(f"{about}: the key {key_id} does not open it") from None


def key_of(sealed: str) -> str:
    """The id of the key that a sealed text wants."""
    return sealed.split(":")[1] if sealed.count(":") >= 2 else ""


def _bound(key_id: str, about: str) -> bytes:
    return f"{_FORM}:{key_id}:{about}".encode()
