"""A Salesforce that answers what a test tells it to, on a loopback port: for what a faithful org seldom does."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer

from adapters.salesforce.settings import SalesforceSettings

CLIENT_ID = "the-client-id"
CLIENT_SECRET = "the-client-secret"
DATE = "Sun, 22 Nov 2026 10:00:00 GMT"
DATE_MS = 1_795_341_600_000


@dataclass(frozen=True)
class Seen:
    """One REST request as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any

    @property
    def token(self) -> str:
        return self.headers["Authorization"].removeprefix("Bearer ")


@dataclass(frozen=True)
class Answer:
    """What to answer. `lost` closes the connection with no answer, `stalled` never answers."""

    status: int = 200
    json: Any = None
    text: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    lost: bool = False
    stalled: bool = False


def errors(status: int, code: str, message: str = "told in words") -> Answer:
    """Salesforce's own error body."""
    return Answer(status, [{"errorCode": code, "message": message}])


def row_error(code: str, *, fields: tuple[str, ...] = (), message: str = "told in words") -> dict[str, Any]:
    """One failed row of a Collections reply."""
    return {"success": False, "errors": [{"statusCode": code, "message": message, "fields": list(fields)}]}


class ScriptedSalesforce:
    """Answers logins by itself, REST calls from `answers` in order, and when those are used up by `otherwise`."""

    def __init__(self) -> None:
        self.base_url = ""
        self.seen: list[Seen] = []
        self.logins = 0
        self.answers: deque[Answer] = deque()
        self.otherwise: Callable[[Seen], Answer] = lambda _: errors(404, "NOT_FOUND")
        self.login_answers: deque[Answer] = deque()
        self.login_forms: list[Mapping[str, str]] = []
        self.live_tokens: set[str] = set()
        self._never = asyncio.Event()

    def expire_tokens(self) -> None:
        """Every token given so far is answered 401 from now on."""
        self.live_tokens.clear()

    def settings(self, **changes: Any) -> SalesforceSettings:
        """Settings that point here."""
        values: dict[str, Any] = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "login_url": self.base_url}
        return SalesforceSettings(**{**values, **changes})

    async def log_in(self, request: web.Request) -> web.StreamResponse:
        self.login_forms.append({key: str(value) for key, value in (await request.post()).items()})
        self.logins += 1
        if self.login_answers:
            return await self._answer(request, self.login_answers.popleft())
        token = f"00D5g0000001aBc!token-{self.logins}"
        self.live_tokens.add(token)
        granted = {
            "access_token": token,
            "instance_url": self.base_url,
            "id": "https://login.salesforce.com/id/00D5g0000001aBcEAI/0055g000001MnOpAAK",
            "token_type": "Bearer",
            "issued_at": "1732200000123",
        }
        return web.json_response(granted)

    async def call(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        body = orjson.loads(raw) if raw else None
        seen = Seen(request.method, request.path, dict(request.query), request.headers.copy(), body)
        self.seen.append(seen)
        if seen.token not in self.live_tokens:
            return await self._answer(request, errors(401, "INVALID_SESSION_ID", "Session expired or invalid"))
        return await self._answer(request, self.answers.popleft() if self.answers else self.otherwise(seen))

    async def _answer(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        if answer.stalled:
            await self._never.wait()
        if answer.lost:
            assert request.transport is not None
            request.transport.close()
        headers = {"Date": DATE, **answer.headers}
        if answer.text is not None:
            return web.Response(status=answer.status, text=answer.text, headers=headers, content_type="text/html")
        return web.json_response(answer.json, status=answer.status, headers=headers)

    def release(self) -> None:
        """Let stalled requests end, so that the server can close."""
        self._never.set()


@asynccontextmanager
async def scripted_salesforce() -> AsyncIterator[ScriptedSalesforce]:
    """A scripted Salesforce for as long as the block runs."""
    salesforce = ScriptedSalesforce()
    app = web.Application()
    app.router.add_post("/services/oauth2/token", salesforce.log_in)
    app.router.add_route("*", "/services/data/{rest:.*}", salesforce.call)
    server = TestServer(app)
    await server.start_server(max_line_size=16_384)  # as long an address as Salesforce takes
    salesforce.base_url = str(server.make_url("")).rstrip("/")
    try:
        yield salesforce
    finally:
        salesforce.release()
        await server.close()
