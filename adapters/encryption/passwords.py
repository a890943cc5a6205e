"""Passwords of people, hashed on a thread: the loop serves others meanwhile."""

import asyncio
from typing import Final

from adapters.encryption.secret_hash import SecretHashes

_HASHES: Final = SecretHashes()


async def hash_password(password: str) -> str:
    """Its hash, salted."""
    return await asyncio.to_thread(_HASHES.hash, password)


async def is_password(password: str, stored: str) -> bool:
    """Whether this is the password of that hash; of what is no hash, never."""
    return await asyncio.to_thread(_HASHES.verify, stored, password)
