"""The HTTP server: which path goes where, what cuts a connection, and what is said of broken requests.

Built on aiohttp's `web.Server` rather than its `Application`: three paths need no router, and every microsecond here is
paid for each webhook.
"""

import asyncio
from contextlib import AbstractAsyncContextManager
from importlib.resources import files
from typing import Final

from aiohttp import web

from listener.serving import Listening, Server, listening
from listener.webhook import answers
from listener.webhook.answers import Refusal
from listener.webhook.handler import Webhook
from listener.webhook.ports import EventLog, Notice, Unavailable
from listener.webhook.settings import WebhookSettings

_WEBHOOKS: Final = "/webhooks/"


def serve(
    settings: WebhookSettings, webhook: Webhook, log: EventLog, notice: Notice
) -> AbstractAsyncContextManager[Listening]:
    """Listen while the block runs; at its end take no new requests and let those in flight finish.

    Raises:
        OSError: the address is taken or is not ours.
    """
    paths = _Paths(settings, webhook, log)
    server = Server(paths, _Broken(notice), keep_alive_seconds=settings.keep_alive_seconds)
    return listening(server, settings.host, settings.port, shutdown_seconds=settings.shutdown_seconds)


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


class _Broken:
    """Satisfies `listener.serving.Broken`."""

    def __init__(self, notice: Notice) -> None:
        self._notice = notice

    def malformed(self, status: int) -> web.Response:
        return answers.refused(Refusal(status, "malformed", "not a well-formed request", last=True))

    def failed(self, error: BaseException | None) -> web.Response:
        self._notice("webhook_failed", error=type(error).__name__, exc_info=error)
        return answers.refused(Refusal(500, "internal", "not taken, post it again", last=True))
