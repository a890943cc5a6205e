"""Keys and certificates for tests, made anew for each run."""

from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def new_key(bits: int = 2048, name: str = "ours") -> rsa.RSAPrivateKey:
    """An RSA key; the same for the same name."""
    return _made(bits, name)


@cache
def _made(bits: int, name: str) -> rsa.RSAPrivateKey:
    del name
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def new_curve_key() -> ec.EllipticCurvePrivateKey:
    """A key that is none of RSA."""
    return ec.generate_private_key(ec.SECP256R1())


def pem(key: Key, *, passphrase: bytes = b"") -> bytes:
    """The private key as a file holds it."""
    locked: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        locked = serialization.BestAvailableEncryption(passphrase)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)


@cache
def certificate(key: rsa.RSAPrivateKey, *, days: int = 365) -> str:
    """A self-signed certificate of the key, PEM, as an admin uploads it."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tandem.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()
