"""`POST /cometd/{version}`: the HTTP around the conversation, and the faults of the line."""

import asyncio
import time
from collections.abc import Callable

from aiohttp import web

from simulator.org.changes import ChangeBus
from simulator.org.cometd import frames
from simulator.org.cometd.conversation import Conversation
from simulator.org.cometd.delivery import Delivery, DeliveryAllocation
from simulator.org.cometd.exchange import Answer, Caller, ConnectionCut, ConnectSuperseded
from simulator.org.cometd.faults import FaultKind, StreamFaults
from simulator.org.cometd.sessions import Ending, Sessions
from simulator.org.cometd.settings import CometdSettings
from simulator.org.tokens import TokenStore

_UNAVAILABLE_PAGE = "<html><title>Service Unavailable</title><body><h1>Down for a moment</h1></body></html>"


class Cometd:
    """The streaming side of one org: its sessions, faults and allocation, for tests in the same process."""

    def __init__(
        self,
        settings: CometdSettings,
        bus: ChangeBus,
        tokens: TokenStore,
        *,
        seed: int = 0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.sessions = Sessions(settings.session_seconds, now)
        self.allocation = DeliveryAllocation(settings.daily_deliveries, now)
        self.faults = StreamFaults(self.sessions, bus, seed=seed, now=now)
        self.requests = 0
        self.delivered = 0
        self._conversation = Conversation(
            settings,
            bus,
            tokens,
            self.sessions,
            delivery=Delivery(bus, self.allocation, settings.batch_size),
            faults=self.faults,
        )
        self._stopping = asyncio.Event()
        self._stop_listening = tokens.on_revoked(lambda _token: self.sessions.wake_all())

    async def stop(self, _app: web.Application | None = None) -> None:
        """Let go of every held connect and silent line, so that the server can close at once."""
        if not self._stopping.is_set():
            self._stop_listening()
        self._stopping.set()
        self.sessions.end_all(Ending.CUT)

    async def post(self, request: web.Request) -> web.StreamResponse:
        """One Bayeux request."""
        self.requests += 1
        body = await _read(request, self.settings.maximum_request_bytes)
        if body is None:
            return web.Response(status=413, text="Maximum Request Size Exceeded")
        try:
            messages = frames.parse(body)
        except frames.NotBayeux as problem:
            return web.Response(status=400, text=str(problem))
        channels = {str(message.get("channel")) for message in messages}
        met = self.faults.on_request(channels)
        if met is not None and met.kind is FaultKind.UNAVAILABLE:
            return web.Response(status=503, text=_UNAVAILABLE_PAGE, content_type="text/html")
        if met is not None:
            await self._silence(met.seconds)
        caller = Caller(
            version=request.match_info.get("version", ""),
            token=_token(request.headers.get("Authorization")),
            browser_id=request.cookies.get(frames.COOKIE),
        )
        try:
            answer = await self._conversation.answer(messages, caller)
        except ConnectSuperseded:
            return web.Response(status=408, text="Another connect of this client has taken over")
        except ConnectionCut:
            return await _aborted(request)
        return await self._send(request, answer, channels)

    async def _send(self, request: web.Request, answer: Answer, channels: set[str]) -> web.StreamResponse:
        events = len(answer.events)
        self.delivered += events
        silent = self.faults.in_black_hole(channels, events)
        if silent:
            await self._silence(silent)
            return await _aborted(request)
        fault = self.faults.on_reply(channels, events)
        if fault is not None and fault.kind is FaultKind.LOSE:
            return await _aborted(request)
        body = answer.body()
        if fault is not None and fault.kind is FaultKind.BAD_JSON:
            body = body[: len(body) // 2]
        response = web.Response(body=body, content_type="application/json", charset="UTF-8")
        if answer.set_browser_id is not None:
            response.set_cookie(frames.COOKIE, answer.set_browser_id, httponly=True, secure=request.secure)
        if fault is not None and fault.kind is FaultKind.CUT:
            return await _cut(request, response, body)
        return response

    async def _silence(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return


async def _read(request: web.Request, limit: int) -> bytes | None:
    """The body; nothing if it is longer than the limit, of which no more is read."""
    if request.content_length is not None and request.content_length > limit:
        return None
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)


def _token(header: str | None) -> str | None:
    """The access token of `Bearer <token>` or `OAuth <token>`."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() if scheme.lower() in {"bearer", "oauth"} and token.strip() else None


async def _aborted(request: web.Request) -> web.StreamResponse:
    """Close the connection without a byte; what is returned goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def _cut(request: web.Request, whole: web.Response, body: bytes) -> web.StreamResponse:
    """Send the headers and half the body, then close the connection."""
    response = web.StreamResponse(headers=whole.headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
