"""A streaming org on a loopback port, and a client that sends what it is told, frame by frame, and judges nothing."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import aiohttp
from aiohttp import web

from simulator.org.changes import ChangeBus, StoredChange
from simulator.org.cometd import Cometd, CometdSettings, add_routes
from simulator.org.tokens import TokenStore, User

ALICE = User("005000000000001AAA", "alice@example.org", "Alice")
BOB = User("005000000000002AAA", "bob@example.org", "Bob")
CHANNEL = "/data/ContactChangeEvent"
HANDSHAKE = {
    "channel": "/meta/handshake",
    "version": "1.0",
    "minimumVersion": "1.0",
    "supportedConnectionTypes": ["long-polling"],
    "ext": {"replay": True},
}
Frames = list[dict[str, Any]]


class ManualClock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


class StreamOrg:
    """The streaming part of an org with its bus and its tokens."""

    def __init__(self, runner: web.AppRunner, cometd: Cometd, bus: ChangeBus, tokens: TokenStore) -> None:
        self.runner = runner
        self.cometd = cometd
        self.bus = bus
        self.tokens = tokens

    def url(self, path: str = "/cometd/60.0") -> str:
        host, port = self.runner.addresses[0][:2]
        return f"http://{host}:{port}{path}"

    def login(self, user: User = ALICE) -> str:
        return self.tokens.issue(user, "client").token

    async def holding(self, connects: int = 1) -> None:
        """Return once so many connects are held."""
        async with asyncio.timeout(30):
            while sum(session.hold is not None for session in self.cometd.sessions.live()) < connects:  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    def publish(self, number: int = 1, entity: str = "Contact") -> list[StoredChange]:
        """So many changes, each with its own number in `LastName`."""
        events = [
            (entity, {"ChangeEventHeader": {"entityName": entity, "changeType": "UPDATE"}, "LastName": f"n{index}"})
            for index in range(number)
        ]
        return self.bus.publish_all(events, 0, 0)


@asynccontextmanager
async def stream_org(now: ManualClock | None = None, **settings: Any) -> AsyncIterator[StreamOrg]:
    """An org that holds a connect for 0.2 s unless told otherwise."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        bus = ChangeBus(database, retention_ms=10**13)
        tokens = TokenStore("00D000000000001EAA", lifetime_ms=10**9)
        options = CometdSettings(**{"hold_seconds": 0.2, "token_check_seconds": 0.02} | settings)
        cometd = Cometd(options, bus, tokens) if now is None else Cometd(options, bus, tokens, now=now)
        app = web.Application()
        add_routes(app, cometd)
        # Not aiohttp's TestServer: it cancels the handler of a client that left, and the org must not notice.
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield StreamOrg(runner, cometd, bus, tokens)
        finally:
            await runner.cleanup()


class RawClient:
    """Sends frames and returns frames."""

    def __init__(self, http: aiohttp.ClientSession, org: StreamOrg, token: str | None) -> None:
        self.http = http
        self.org = org
        self.token = token
        self.client_id = ""
        self.headers: dict[str, str] = {}

    async def post(self, *messages: dict[str, Any], path: str = "/cometd/60.0") -> Frames:
        """The frames of the reply, which must be a 200 with an array."""
        async with self.raw(list(messages), path=path) as response:
            assert response.status == 200, await response.text()
            frames: Frames = await response.json()
            return frames

    def raw(self, body: Any, path: str = "/cometd/60.0") -> Any:
        """The request itself."""
        headers = dict(self.headers)
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        return self.http.post(self.org.url(path), json=body, headers=headers)

    async def handshake(self, **members: Any) -> dict[str, Any]:
        (frame,) = await self.post(HANDSHAKE | members)
        self.client_id = frame.get("clientId", "")
        return frame

    def connect_message(self, **members: Any) -> dict[str, Any]:
        return {"channel": "/meta/connect", "clientId": self.client_id, "connectionType": "long-polling"} | members

    async def connect(self, **members: Any) -> Frames:
        return await self.post(self.connect_message(**members))

    async def subscribe(self, replay: object = None, channel: str = CHANNEL) -> Frames:
        message: dict[str, Any] = {
            "channel": "/meta/subscribe",
            "clientId": self.client_id,
            "subscription": channel,
        }
        if replay is not None:
            message["ext"] = {"replay": {channel: replay}}
        return await self.post(message)

    async def open(self, replay: object = None, channel: str = CHANNEL) -> Frames:
        """Handshake, first connect, subscribe; the frames of the subscribe reply."""
        assert (await self.handshake())["successful"]
        assert (await self.connect())[-1]["successful"]
        return await self.subscribe(replay, channel)


@asynccontextmanager
async def raw_client(org: StreamOrg, token: str | None = None, *, cookies: bool = True) -> AsyncIterator[RawClient]:
    """A logged-in client, with a cookie jar that works on IP addresses."""
    jar = aiohttp.CookieJar(unsafe=True) if cookies else aiohttp.DummyCookieJar()
    limit = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(cookie_jar=jar, timeout=limit) as http:
        yield RawClient(http, org, token if token is not None else org.login())


def replay_ids(frames: Frames) -> list[int]:
    """The replay ids of the events among these frames."""
    return [frame["data"]["event"]["replayId"] for frame in frames if "data" in frame]
