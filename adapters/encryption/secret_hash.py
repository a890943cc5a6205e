"""Hashes of secrets that are compared and never read again: argon2id, as RFC 9106 recommends where memory is short."""

from argon2 import Parameters, PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from argon2.profiles import RFC_9106_LOW_MEMORY


class SecretHashes:
    """Satisfies `listener.api.ports.SecretHash`. 64 MiB and some tens of milliseconds of a core for each."""

    def __init__(self, parameters: Parameters = RFC_9106_LOW_MEMORY) -> None:
        """`parameters` are those of new hashes; each hash has its own with it."""
        self._hasher = PasswordHasher.from_parameters(parameters)

    def hash(self, secret: str) -> str:
        """The hash to store, with its parameters and salt."""
        return self._hasher.hash(secret)

    def verify(self, hashed: str, secret: str) -> bool:
        """Whether this is the hash of the secret; a text that is no hash is one of nothing."""
        try:
            return self._hasher.verify(hashed, secret)
        except VerifyMismatchError:
            return False
        except (InvalidHashError, VerificationError):
            return False
