"""The private key that signs our JWTs: a PEM file, whose certificate is uploaded to the app in Salesforce."""

from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

SMALLEST_BITS: Final = 2048


def read_private_key(path: Path) -> RSAPrivateKey:
    """The key of a PEM file without a passphrase.

    Raises:
        ValueError: it cannot be read, is no RSA key, or is shorter than 2,048 bits. The message holds nothing of it.
    """
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise ValueError(f"cannot be read: {type(error).__name__}") from None
    except TypeError:
        raise ValueError("the key has a passphrase; give one without") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("holds no private key in PEM form") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("must hold an RSA key: Salesforce takes RS256 only")  # noqa: TRY004 - of the file, not of an argument
    if key.key_size < SMALLEST_BITS:
        raise ValueError(f"the key has {key.key_size} bits; {SMALLEST_BITS} are the least")
    return key
