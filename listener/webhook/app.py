"""The HTTP server: which path goes where, what cuts a connection, and what is said of broken requests.

Built on aiohttp's `web.Server` rather than its `Application`: three paths need no router, and every microsecond here is
paid for each webhook.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from aiohttp import web

from listener.webhook import answers
from listener.webhook.answers import Refusal
from listener.webhook.handler import Webhook
from listener.webhook.ports import EventLog, Notice, Unavailable
from listener.webhook.settings import WebhookSettings

_WEBHOOKS: Final = "/webhooks/"

_LINGER_SECONDS: Final = 1.0
"""How long a connection whose body is left unread stays open, so that the answer is heard."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where the server listens. With `port` 0 in the settings this holds the one that was taken."""

    host: str
    port: int


@asynccontextmanager
async def serve(settings: WebhookSettings, webhook: Webhook, log: EventLog, notice: Notice) -> AsyncIterator[Listening]:
    """Listen while the block runs; at its end take no new requests and let those in flight finish.

    Raises:
        OSError: the address is taken or is not ours.
    """
    server = _Server(_Paths(settings, webhook, log), settings, notice)
    runner = web.ServerRunner(server, shutdown_timeout=settings.shutdown_seconds)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port)
        await site.start()
        yield Listening(settings.host, runner.addresses[0][1])
    finally:
        await runner.cleanup()


class _Paths:
    """From path to answer."""

    def __init__(self, settings: WebhookSettings, webhook: Webhook, log: EventLog) -> None:
        self._settings = settings
        self._webhook = webhook
        self._log = log
        self._openapi = (files("listener.webhook") / "openapi.yaml").read_bytes()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path.startswith(_WEBHOOKS):
            return await self._webhook.answer(path[len(_WEBHOOKS) :], request)
        if path not in ("/health", "/ready", "/openapi.yaml"):
            return answers.refused(Refusal(404, "not_found"))
        if request.method not in ("GET", "HEAD"):
            return answers.refused(Refusal(405, "get_only", allow="GET, HEAD"))
        if path == "/ready":
            return await self._ready()
        if path == "/health":
            return answers.plain(200, {"alive": True})
        return web.Response(body=self._openapi, headers={"Content-Type": "application/yaml"})

    async def _ready(self) -> web.Response:
        try:
            async with asyncio.timeout(self._settings.ready_seconds):
                await self._log.ping()
        except (Unavailable, TimeoutError):
            return answers.plain(503, {"ready": False, "away": ["event_log"]})
        return answers.plain(200, {"ready": True})


class _Connection(web.RequestHandler):
    """A connection whose broken requests are answered in our words: aiohttp's would quote what was sent."""

    __slots__ = ("_notice",)

    def __init__(self, manager: web.Server, *, notice: Notice, **options: Any) -> None:
        super().__init__(manager, **options)
        self._notice = notice

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to bytes that are not HTTP, and to a fault of ours."""
        if status < 500:
            return answers.refused(Refusal(status, "malformed", "not a well-formed request", last=True))
        self._notice("webhook_failed", error=type(exc).__name__, exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer had begun")
        return answers.refused(Refusal(500, "internal", "not taken, post it again", last=True))


class _Server(web.Server):
    def __init__(self, paths: _Paths, settings: WebhookSettings, notice: Notice) -> None:
        super().__init__(paths)
        self._options: dict[str, Any] = {
            "notice": notice,
            "keepalive_timeout": settings.keep_alive_seconds,
            "lingering_time": _LINGER_SECONDS,
            "auto_decompress": False,
            "access_log": None,
        }

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=asyncio.get_running_loop(), **self._options)
