"""Which addresses a URL that somebody has set may lead to: none inside, unless the settings name its network.

The address that was checked is the one connected to: what a name resolves to is checked where it is resolved for the
connection, and a name that resolves to several has only those left that may be used.
"""

import ipaddress
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
LONGEST_URL: Final = 2_000


class AddressRefused(OSError):
    """The name leads inside; the message says which rule refuses it, and no address."""


class UnfitUrl(ValueError):
    """This cannot be where deliveries go; the message says why."""


class Guard:
    """Says which addresses may be connected to. `allowed` are networks inside that may be used all the same."""

    def __init__(self, allowed: Sequence[Network] = ()) -> None:
        self._allowed = tuple(allowed)

    def is_allowed(self, address: str) -> bool:
        """Whether a connection may be made to it."""
        found = _plain(ipaddress.ip_address(address.partition("%")[0]))
        return self.is_named(address) or (found.is_global and not found.is_multicast and not _is_reserved(found))

    def is_named(self, address: str) -> bool:
        """Whether the settings name its network."""
        found = _plain(ipaddress.ip_address(address.partition("%")[0]))
        return any(found.version == network.version and found in network for network in self._allowed)

    def check_url(self, url: str) -> None:
        """Of a URL what can be told without resolving it.

        Raises:
            UnfitUrl: not https, or not one at all, or its address leads inside. Plain http is for named networks.
        """
        if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
            raise UnfitUrl("must be a URL of visible ASCII characters")
        try:
            parts = urlsplit(url)
            host, _port = parts.hostname, parts.port
        except ValueError:
            raise UnfitUrl("must be a URL with a valid host and port") from None
        if parts.scheme not in ("https", "http") or not host:
            raise UnfitUrl("must begin with https:// and name a host")
        if parts.username is not None or parts.password is not None:
            raise UnfitUrl("must hold no user and no password: what is posted is signed")
        if parts.fragment:
            raise UnfitUrl("must have no fragment")
        if parts.scheme == "http" and not self._allowed:
            raise UnfitUrl("must be https: http is for networks that DELIVER_ALLOWED_NETWORKS names")
        if (address := literal(host)) is not None:
            self._check_literal(address, plain=parts.scheme == "http")

    def _check_literal(self, address: str, *, plain: bool) -> None:
        if not self.is_allowed(address):
            raise UnfitUrl("leads inside: to a loopback, link-local, private or reserved address")
        if plain and not self.is_named(address):
            raise UnfitUrl("must be https: http is for networks that DELIVER_ALLOWED_NETWORKS names")


class GuardedResolver(AbstractResolver):
    """Resolves as `lookup` does, and leaves only the addresses that may be connected to."""

    def __init__(self, lookup: AbstractResolver, guard: Guard, *, named_only: bool = False) -> None:
        """`named_only`: only addresses of networks that the settings name, as for plain http."""
        self._lookup = lookup
        self._guard = guard
        self._named_only = named_only

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        """As any resolver.

        Raises:
            AddressRefused: none of the addresses may be used.
            OSError: the name is not known.
        """
        found = await self._lookup.resolve(host, port, family)  # type: ignore[arg-type]
        allowed = self._guard.is_named if self._named_only else self._guard.is_allowed
        left = [each for each in found if allowed(each["host"])]
        if not left:
            raise AddressRefused("the name leads inside: to a loopback, link-local, private or reserved address")
        return left

    async def close(self) -> None:
        """Let go."""
        await self._lookup.close()


def literal(host: str) -> str | None:
    """The address that a host is, where it is one; a name otherwise, which is resolved."""
    try:
        return str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        return None


def networks(text: str) -> tuple[Network, ...]:
    """Networks with commas between: `127.0.0.0/8, fd00::/8`.

    Raises:
        ValueError: one is none.
    """
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def _plain(address: Address) -> Address:
    """The IPv4 address that is wrapped in an IPv6 one, where it is."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    wrapped = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    if wrapped is None and address in _NAT64:
        wrapped = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return wrapped or address


def _is_reserved(address: Address) -> bool:
    return address.is_reserved or address.is_unspecified or address.is_loopback or address.is_link_local
