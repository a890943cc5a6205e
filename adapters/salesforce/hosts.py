"""Where a token may be sent. Pure: addresses in, yes or no out."""

import ipaddress
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

LOGIN: Final = "https://login.salesforce.com"
SANDBOX_LOGIN: Final = "https://test.salesforce.com"
SHARED_LOGIN_HOSTS: Final = ("login.salesforce.com", "test.salesforce.com")
"""The same for every org. Client credentials are refused there."""

_OWN: Final = (
    ".salesforce.com",
    ".salesforce.mil",
    ".cloudforce.com",
    ".crmforce.mil",
    ".database.com",
    ".sfcrmproducts.cn",
)
"""Where orgs answer API calls. Domains on which customers publish pages of their own (force.com, salesforce-sites.com)
are left out. Source: "Salesforce domains to allow" in Salesforce Help, and the list in Salesforce's own command line
client."""


def is_safe(address: str) -> bool:
    """True where a secret may be sent: https, or http to this very machine."""
    parts = urlsplit(address)
    if parts.scheme == "https":
        return bool(parts.hostname)
    return parts.scheme == "http" and is_loopback(parts.hostname or "")


def is_bare(address: str) -> bool:
    """True for scheme, host and port with nothing before, between or behind."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return False
    rest = (parts.username, parts.password, parts.path, parts.query, parts.fragment)
    return bool(parts.hostname) and port != 0 and not any(rest)


def may_follow(address: str, login_url: str, allowed: Collection[str]) -> bool:
    """True where an org's `instance_url` may be given our token.

    That is one of Salesforce's own hosts, the host of the login itself, or one that a setting allows (`allowed`, host
    names in lower case).
    """
    if not is_bare(address) or not is_safe(address):
        return False
    host = urlsplit(address).hostname or ""
    return host.endswith(_OWN) or host == urlsplit(login_url).hostname or host in allowed


def is_sandbox(host: str) -> bool:
    """True for a sandbox's host: `test.salesforce.com`, or a My Domain of a sandbox or a scratch org."""
    if not host.endswith(".my.salesforce.com"):
        return host == "test.salesforce.com"
    return any(part in host for part in (".sandbox.", ".scratch.", "--"))


def jwt_audience(login_url: str) -> str:
    """The `aud` of a JWT for this login: what Salesforce takes for production, for sandboxes, else the address itself.

    Source: "OAuth 2.0 JWT Bearer Flow" in Salesforce Help: login.salesforce.com, test.salesforce.com, or the address of
    an Experience Cloud site.
    """
    host = urlsplit(login_url).hostname or ""
    if not host.endswith(_OWN):
        return login_url
    return SANDBOX_LOGIN if is_sandbox(host) else LOGIN


def is_loopback(host: str) -> bool:
    """True for this very machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
