"""Posts signed webhooks over connections whose address was checked; redirects are not followed."""

import asyncio
import email.utils
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver

from adapters.platform.addresses import AddressRefused, Guard, GuardedResolver, UnfitUrl
from adapters.platform.signing import signed_headers
from schemas.cloudevents import TRACEPARENT
from schemas.delivery import Answer

MAX_RETRY_AFTER: Final = 7 * 24 * 60 * 60


class WebhookPoster:
    """Satisfies `consumers.deliver.ports.Poster`. Made by `open_poster`."""

    def __init__(
        self,
        sessions: dict[str, aiohttp.ClientSession],
        guard: Guard,
        keys: Sequence[bytes],
        now: Callable[[], int],
    ) -> None:
        self._sessions = sessions
        self._guard = guard
        self._keys = keys
        self._now = now
        self._fit = ""
        """The URL that was checked last: the same for thousands of deliveries."""

    async def post(self, url: str, event_id: str, body: bytes, traceparent: str = "") -> Answer:
        """Post it once; nothing of the answer's body is read or kept."""
        if url != self._fit:
            try:
                self._guard.check_url(url)
            except UnfitUrl:
                return Answer(0, "address_refused")
            self._fit = url
        headers = signed_headers(self._keys, event_id, self._now() // 1000, body)
        if traceparent:
            headers[TRACEPARENT] = traceparent
        began = time.monotonic()
        status, why, retry_after = 0, "", None
        try:
            session = self._sessions[urlsplit(url).scheme]
            async with session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                status = response.status
                why = "" if 200 <= status < 300 else f"http_{status}"
                retry_after = _seconds(response.headers.get("retry-after"), self._now() / 1000)
                response.close()  # the rest is not waited for: a receiver may send without end
        except TimeoutError:
            why = "timeout"
        except aiohttp.ClientConnectorError as error:
            why = "address_refused" if isinstance(error.os_error, AddressRefused) else "no_connection"
        except (aiohttp.ClientError, OSError):
            why = "no_answer"
        return Answer(status, why, retry_after, round((time.monotonic() - began) * 1000))


@asynccontextmanager
async def open_poster(
    keys: Sequence[bytes],
    guard: Guard,
    *,
    seconds: float,
    at_once: int,
    now: Callable[[], int],
    lookup: Callable[[], AbstractResolver] = aiohttp.ThreadedResolver,
) -> AsyncIterator[WebhookPoster]:
    """A poster that waits `seconds` for an answer and has at most `at_once` connections. `now` is epoch milliseconds.

    Proxies of the environment are not used, since it would be they who connect.
    """
    timeout = aiohttp.ClientTimeout(total=seconds)
    sessions: dict[str, aiohttp.ClientSession] = {}
    try:
        for scheme in ("https", "http"):
            resolver = GuardedResolver(lookup(), guard, named_only=scheme == "http")
            connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, limit=at_once)
            sessions[scheme] = aiohttp.ClientSession(
                connector=connector, timeout=timeout, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()
            )
        yield WebhookPoster(sessions, guard, keys, now)
    finally:
        for session in sessions.values():
            await session.close()


async def resolves(url: str, guard: Guard, lookup: AbstractResolver, seconds: float) -> None:
    """Return if the URL may be set: it is well formed, and its name leads to an address that may be used.

    Raises:
        UnfitUrl: why not.
    """
    guard.check_url(url)
    parts = urlsplit(url)
    resolver = GuardedResolver(lookup, guard, named_only=parts.scheme == "http")
    try:
        async with asyncio.timeout(seconds):
            await resolver.resolve(parts.hostname or "", parts.port or 0)
    except AddressRefused as error:
        raise UnfitUrl(str(error)) from None
    except (OSError, TimeoutError):
        raise UnfitUrl("its name cannot be resolved") from None


def _seconds(text: str | None, now: float) -> int | None:
    """What `Retry-After` asks for, in seconds, whichever of its two forms it has."""
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return min(int(text), MAX_RETRY_AFTER)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return min(max(0, round(moment.timestamp() - now)), MAX_RETRY_AFTER)
