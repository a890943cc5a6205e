"""A certificate authority of the tests' own, and a way to reach a made-up host on this machine."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from requests.adapters import HTTPAdapter


def server_context(authority: trustme.CA, host: str) -> ssl.SSLContext:
    """A server's TLS with a certificate for this host."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(host).configure_cert(context)
    return context


def locked_certificate() -> tuple[bytes, bytes]:
    """A certificate and its key, which has a passphrase that nobody is told; both in PEM form."""
    own = trustme.CA().issue_cert("tandem")
    key = load_pem_private_key(own.private_key_pem.bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"unknown to all"))
    return own.cert_chain_pems[0].bytes(), locked


class _Resolver(HTTPAdapter):
    """Sends what is meant for one host to a port of this machine; the certificate must be the host's all the same."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options, server_hostname=self._host, assert_hostname=self._host)

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        parts = urlsplit(str(request.url))
        request.url = urlunsplit(parts._replace(netloc=f"127.0.0.1:{self._port}"))
        request.headers["Host"] = self._host
        return super().send(request, *arguments, **options)

    def add_headers(self, request: requests.PreparedRequest, **options: Mapping[str, Any]) -> None:
        del request, options


def session_for(authority: trustme.CA, host: str, port: int, folder: Path) -> requests.Session:
    """A `requests` session that finds the host here and trusts the authority alone."""
    bundle = folder / "authority.pem"
    authority.cert_pem.write_to_path(bundle)
    session = requests.Session()
    session.trust_env = False
    session.verify = str(bundle)
    session.mount(f"https://{host}", _Resolver(host, port))
    return session
