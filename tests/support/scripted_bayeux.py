"""A Bayeux server that does exactly what a test tells it to, reply by reply, on a loopback port.

It keeps events with their replay ids, queues them for each session, and empties the queue into a reply whether that
reply arrives or not, as a real one does.
"""

import asyncio
import itertools
import secrets
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

CHANGES = "/data/ChangeEvents"
INVALID_ID = (
    "400::The replayId {%s} you provided was invalid.  Please provide a valid ID, -2 to replay all events, or -1 to"
    " replay only new events."
)
Message = dict[str, Any]
Proceed = Callable[[], Awaitable[list[Message]]]
Act = Callable[[web.Request, Proceed], Awaitable[web.StreamResponse]]


@dataclass
class Peer:
    """A session as the server sees it."""

    browser: str
    queue: deque[Message] = field(default_factory=deque)
    channels: set[str] = field(default_factory=set)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    last_reply: float = 0.0


class ScriptedBayeux:
    """The server. Its public attributes may be changed at any time."""

    def __init__(self) -> None:
        self.hold_seconds = 0.2
        self.told_seconds: float | None = None
        """`advice.timeout` where it is not the truth."""
        self.interval_ms = 0
        self.session_seconds = 60.0
        self.events_on_subscribe = False
        self.reply_limit = 10_000
        self.tokens: set[str] | None = None
        """Tokens that are good; None: all are."""
        self.unauthorized_advice: Message | None = {"reconnect": "none"}
        self.refused_channels: dict[str, str] = {}
        self.known_from = 0
        """Older replay ids are refused."""
        self.asked: list[Message] = []
        """Every message received."""
        self.cookies: list[str] = []
        self.held = 0
        """Connects that wait for an event."""
        self.lost_events = 0
        """Events in replies that never arrived."""
        self._events: list[tuple[int, str, Message]] = []
        self._ids = itertools.count(100, 3)
        self._peers: dict[str, Peer] = {}
        self._script: list[tuple[str, Act]] = []
        self._runner: web.AppRunner | None = None
        self._port = 0
        self._closing = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def requests(self) -> Counter[str]:
        """How many messages of each meta channel have come."""
        return Counter(message["channel"] for message in self.asked)

    def publish(self, count: int, channel: str = CHANGES, **payload: Any) -> list[int]:
        """So many events; their replay ids."""
        ids = []
        for _ in range(count):
            replay_id = next(self._ids)
            data = {"schema": "s", "payload": change_payload(replay_id, **payload), "event": {"replayId": replay_id}}
            self.publish_data(replay_id, channel, data)
            ids.append(replay_id)
        return ids

    def publish_data(self, replay_id: int, channel: str, data: Any) -> None:
        """One event with data of the test's own."""
        self._events.append((replay_id, channel, {"channel": channel, "data": data}))
        for peer in self._peers.values():
            if channel in peer.channels:
                peer.queue.append(self._events[-1][2])
                peer.wake.set()

    def next_id(self) -> int:
        return next(self._ids)

    def script(self, on: str, act: Act, times: int = 1) -> None:
        """The next `times` requests with a message of channel `on` are answered by `act`."""
        self._script.extend([(on, act)] * times)

    def scripted(self) -> int:
        """How many scripted replies have not been given yet."""
        return len(self._script)

    def forget_sessions(self) -> None:
        """Every session is unknown from now on; held connects are told so."""
        peers, self._peers = self._peers, {}
        for peer in peers.values():
            peer.wake.set()

    def forget_events(self) -> None:
        """Every replay id given so far is refused, though its event is still there for -2."""
        self.known_from = next(self._ids)

    def drop_events(self) -> None:
        """Nothing published so far is kept, and its ids are refused."""
        self.forget_events()
        self._events.clear()

    def say_goodbye(self) -> None:
        """Send every session away by a /meta/disconnect."""
        for client_id in list(self._peers):
            peer = self._peers.pop(client_id)
            peer.queue.append({"channel": "/meta/disconnect", "clientId": client_id, "successful": True})
            peer.wake.set()

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/cometd/{version}", self._handle)
        self._closing = asyncio.Event()
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        self._port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]

    async def stop(self) -> None:
        """As kill -9: connections are cut, sessions are gone, events stay."""
        self._closing.set()
        self._peers.clear()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    # What a script may answer with.

    async def lose(self, request: web.Request, proceed: Proceed) -> web.StreamResponse:
        """Do all of it, then cut the connection."""
        self._lose(await proceed())
        return self._cut(request)

    async def deny(self, request: web.Request, proceed: Proceed) -> web.StreamResponse:
        """503 with HTML, nothing done."""
        return web.Response(status=503, text="<html>maintenance</html>", content_type="text/html")

    async def swallow(self, request: web.Request, proceed: Proceed) -> web.StreamResponse:
        """Take the request and never answer."""
        await self._closing.wait()
        return self._cut(request)

    async def hear_and_be_silent(self, request: web.Request, proceed: Proceed) -> web.StreamResponse:
        """Do all of it and never answer: a half-open connection."""
        self._lose(await proceed())
        return await self.swallow(request, proceed)

    @staticmethod
    def garble(body: bytes) -> Act:
        """Do all of it and answer with this body."""

        async def act(request: web.Request, proceed: Proceed) -> web.StreamResponse:
            await proceed()
            return web.Response(body=body, content_type="application/json")

        return act

    @staticmethod
    def answer(**members: Any) -> Act:
        """Do nothing and answer each message with these members."""

        async def act(request: web.Request, proceed: Proceed) -> web.StreamResponse:
            messages = orjson.loads(await request.read())
            replies = [
                {"channel": each["channel"], "id": each["id"], "successful": False} | members for each in messages
            ]
            return web.json_response(replies)

        return act

    def _lose(self, replies: list[Message]) -> None:
        self.lost_events += sum("data" in reply for reply in replies)

    def _cut(self, request: web.Request) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        messages: list[Message] = orjson.loads(await request.read())
        self.asked.extend(messages)
        self.cookies.append(request.cookies.get("BAYEUX_BROWSER", ""))
        response = web.Response()

        async def proceed() -> list[Message]:
            replies: list[Message] = []
            for message in messages:
                replies += await self._answer(request, response, message)
            return replies

        for index, (on, act) in enumerate(self._script):
            if any(message["channel"] == on for message in messages):
                del self._script[index]
                return await act(request, proceed)
        response.body = orjson.dumps(await proceed())
        response.content_type = "application/json"
        return response

    async def _answer(self, request: web.Request, response: web.Response, message: Message) -> list[Message]:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        reply: Message = {"channel": message["channel"], "id": message["id"], "successful": True}
        good = self.tokens is None or token in self.tokens
        if message["channel"] == "/meta/handshake":
            if not good:
                reason = {"sfdc": {"failureReason": "401::Authentication invalid"}}
                return [reply | {"successful": False, "error": "403::Handshake denied", "ext": reason}]
            return [self._handshake(response, reply)]
        if not good:
            advice = {} if self.unauthorized_advice is None else {"advice": self.unauthorized_advice}
            return [reply | {"successful": False, "error": "401::Authentication invalid"} | advice]
        peer = self._known(request, message)
        if peer is None:
            unknown = {"error": "403::Unknown client", "advice": {"interval": 0, "reconnect": "handshake"}}
            return [reply | {"successful": False} | unknown]
        if message["channel"] == "/meta/subscribe":
            return self._subscribe(peer, reply, message)
        if message["channel"] == "/meta/disconnect":
            self._peers.pop(message["clientId"], None)
            return [reply]
        return await self._connect(peer, reply, message)

    def _handshake(self, response: web.Response, reply: Message) -> Message:
        browser, client_id = secrets.token_hex(4), secrets.token_hex(8)
        self._peers[client_id] = Peer(browser, last_reply=asyncio.get_running_loop().time())
        response.set_cookie("BAYEUX_BROWSER", browser)
        return reply | {"clientId": client_id, "ext": {"replay": True, "payload.format": True}}

    def _known(self, request: web.Request, message: Message) -> Peer | None:
        peer = self._peers.get(message.get("clientId", ""))
        if peer is None or request.cookies.get("BAYEUX_BROWSER") != peer.browser:
            return None
        if asyncio.get_running_loop().time() - peer.last_reply > self.session_seconds:
            self._peers.pop(message["clientId"])
            return None
        return peer

    def _subscribe(self, peer: Peer, reply: Message, message: Message) -> list[Message]:
        channel = message["subscription"]
        reply["subscription"] = channel
        after = message["ext"]["replay"][channel]
        if channel in self.refused_channels:
            return [reply | {"successful": False, "error": self.refused_channels[channel]}]
        if after >= 0 and after < self.known_from:
            return [reply | {"successful": False, "error": INVALID_ID % after}]
        peer.channels.add(channel)
        missed = [event for id_, of, event in self._events if of == channel and id_ > after]
        peer.queue.extend(missed if after != -1 else [])
        peer.last_reply = asyncio.get_running_loop().time()
        return [reply, *self._drain(peer)] if self.events_on_subscribe else [reply]

    async def _connect(self, peer: Peer, reply: Message, message: Message) -> list[Message]:
        if not peer.queue and message.get("advice", {}).get("timeout") != 0:
            peer.wake.clear()
            self.held += 1
            try:
                async with asyncio.timeout(self.hold_seconds):
                    await peer.wake.wait()
            except TimeoutError:
                pass
            finally:
                self.held -= 1
        peer.last_reply = asyncio.get_running_loop().time()
        if peer not in self._peers.values() and not peer.queue:
            unknown = {"error": "403::Unknown client", "advice": {"interval": 0, "reconnect": "handshake"}}
            return [reply | {"successful": False} | unknown]
        told = self.hold_seconds if self.told_seconds is None else self.told_seconds
        advice = {"interval": self.interval_ms, "timeout": int(told * 1000), "reconnect": "retry"}
        return [*self._drain(peer), reply | {"advice": advice}]

    def _drain(self, peer: Peer) -> list[Message]:
        return [peer.queue.popleft() for _ in range(min(len(peer.queue), self.reply_limit))]


def change_payload(number: int, **fields: Any) -> Message:
    """The payload of an UPDATE of one contact; `number` makes it unlike any other."""
    header = {
        "entityName": "Contact",
        "recordIds": [f"003{number:012}AAA"],
        "changeType": "UPDATE",
        "changeOrigin": "com/salesforce/api/soap/60.0;client=SfdcInternalAPI/",
        "transactionKey": f"tx-{number}",
        "sequenceNumber": 1,
        "commitTimestamp": 1_700_000_000_000 + number,
        "commitNumber": 10_000_000_000 + number,
        "commitUser": "005000000000001AAA",
        "changedFields": ["Name.LastName", "LastModifiedDate"],
    }
    named = fields or {"Name": {"LastName": f"n{number}"}, "LastModifiedDate": "2026-11-22T10:00:00.000Z"}
    return {"ChangeEventHeader": header, **named}


@asynccontextmanager
async def scripted_bayeux(**attributes: Any) -> AsyncIterator[ScriptedBayeux]:
    """The server, started, with these attributes; stopped at the end."""
    server = ScriptedBayeux()
    for name, value in attributes.items():
        if not hasattr(server, name):
            raise AttributeError(name)
        setattr(server, name, value)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
