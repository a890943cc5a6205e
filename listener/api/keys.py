"""Whose request is it? Keys are `tdm_<id>_<secret>`, sent as `Authorization: Bearer …`.

The secret's argon2 hash is stored, and to try it costs tens of milliseconds. So a key that was found good is remembered
for as long as the process runs, under an HMAC of it by a key of this process alone; what is remembered is held against
the store every few seconds, so that a revoked key is good for no longer than that.
"""

import asyncio
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from listener.api.ports import Keys, SecretHash
from listener.api.rate import Rates
from schemas.api_key import KEY_PREFIX, ApiKey

AGAIN_SECONDS: Final = 5.0
"""How old what is remembered of a key may be."""
REMEMBERED: Final = 10_000
AT_ONCE: Final = 2
"""How many hashes are tried at once; who tries out secrets waits, and nobody whose key is remembered does."""
WRONG_A_MINUTE: Final = 10
"""How often a minute a wrong secret of one key is tried at all."""
_KEY: Final = re.compile(rf"{KEY_PREFIX}_(?P<id>[0-9a-f]{{12}})_(?P<secret>[A-Za-z0-9_-]{{43}})")


class Unknown(Exception):
    """No key that is good now; the text says why, and holds nothing of it."""


@dataclass(frozen=True, slots=True)
class _Remembered:
    key: ApiKey
    seen: float


class KeyCheck:
    """Tells callers by their keys."""

    def __init__(self, keys: Keys, hashes: SecretHash, clock: Callable[[], float]) -> None:
        """`clock` tells seconds that only go forward."""
        self._keys = keys
        self._hashes = hashes
        self._clock = clock
        self._pepper = secrets.token_bytes(32)
        self._remembered: dict[bytes, _Remembered] = {}
        self._wrong = Rates(WRONG_A_MINUTE / 60, WRONG_A_MINUTE)
        self._room = asyncio.Semaphore(AT_ONCE)

    async def key(self, authorization: str | None, now: int) -> ApiKey:
        """The caller's key; `now` is epoch milliseconds.

        Raises:
            Unknown: there is none, or it is wrong, revoked or over.
            Unavailable: the keys cannot be read now.
        """
        if not authorization:
            raise Unknown("no key was sent: `Authorization: Bearer tdm_…`")
        kind, _, token = authorization.partition(" ")
        parts = _KEY.fullmatch(token.strip())
        if kind.lower() != "bearer" or parts is None:
            raise Unknown("`Authorization` holds no key of Tandem's: `Bearer tdm_…`")
        name = hmac.digest(self._pepper, token.strip().encode(), hashlib.sha256)
        remembered = self._remembered.get(name)
        if remembered is not None and self._clock() - remembered.seen < AGAIN_SECONDS:
            return good(remembered.key, now)
        key = await self._keys.read(parts["id"])
        if key is None:
            self._remembered.pop(name, None)
            raise Unknown("the key is not known here")
        if remembered is None or remembered.key.hash != key.hash:
            await self._try(name, key, parts["secret"])
        self._remember(name, key)
        return good(key, now)

    async def _try(self, name: bytes, key: ApiKey, secret: str) -> None:
        async with self._room:
            remembered = self._remembered.get(name)
            if remembered is not None and remembered.key.hash == key.hash:
                return  # somebody else's request with the same key was tried meanwhile
            if self._wrong.take(key.id, self._clock()):
                raise Unknown("the key is wrong, and was tried too often: try again in a minute")
            if not await asyncio.to_thread(self._hashes.verify, key.hash, secret):
                raise Unknown("the key is wrong")

    def _remember(self, name: bytes, key: ApiKey) -> None:
        self._remembered.pop(name, None)
        self._remembered[name] = _Remembered(key, self._clock())
        if len(self._remembered) > REMEMBERED:
            del self._remembered[next(iter(self._remembered))]


def good(key: ApiKey, now: int) -> ApiKey:
    """The key, if it is good at this time, epoch milliseconds.

    Raises:
        Unknown: it is not.
    """
    if key.revoked_at is not None:
        raise Unknown("the key was revoked")
    if key.ends_at is not None and key.ends_at.timestamp() * 1000 <= now:
        raise Unknown("the key is over")
    return key
