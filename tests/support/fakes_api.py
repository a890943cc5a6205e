"""The API on a socket of its own, with its ports in memory."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import ClientResponse, ClientSession

from listener.api.app import Api, Outside, serve
from listener.api.routes import Group
from listener.api.settings import ApiSettings
from schemas.api_key import ApiKey, Scope
from schemas.kept_answer import KeptAnswer
from schemas.unavailable import Unavailable

MADE = datetime(2026, 11, 1, tzinfo=UTC)
SECRET = "s" * 43
NOW = 1_796_000_000_000


class FakeHashes:
    """The hash is the secret turned round; counts how often one was tried."""

    def __init__(self) -> None:
        self.tried = 0

    def verify(self, hashed: str, secret: str) -> bool:
        """Whether it is."""
        self.tried += 1
        return hashed == secret[::-1]


class FakeKeys:
    """Satisfies `listener.api.ports.Keys`."""

    def __init__(self) -> None:
        self.by_id: dict[str, ApiKey] = {}
        self.away = False
        self.read_count = 0

    def add(self, *scopes: Scope, id: str = "0123456789ab", **told: Any) -> str:  # noqa: A002
        """A key as its user has it."""
        self.by_id[id] = ApiKey(id=id, name="shop", hash=SECRET[::-1], scopes=scopes, made_at=MADE, **told)
        return f"tdm_{id}_{SECRET}"

    async def read(self, key_id: str) -> ApiKey | None:
        """As the port."""
        self.read_count += 1
        if self.away:
            raise Unavailable("MongoDB does not answer")
        return self.by_id.get(key_id)


class FakeKeptAnswers:
    """Satisfies `listener.api.ports.KeptAnswers`."""

    def __init__(self) -> None:
        self.by_name: dict[str, KeptAnswer] = {}
        self.about: dict[str, str] = {}
        self.fails: set[str] = set()
        """The methods by which the store is found to be away."""

    def _ask(self, method: str) -> None:
        if method in self.fails:
            raise Unavailable("MongoDB does not answer")

    async def begin(self, name: str, fingerprint: str) -> KeptAnswer | None:
        """As the port."""
        self._ask("begin")
        before = self.by_name.get(name)
        if before is None:
            self.by_name[name] = KeptAnswer(fingerprint)
        return before

    async def finish(self, name: str, answer: KeptAnswer, about: str) -> None:
        """As the port."""
        self._ask("finish")
        self.by_name[name] = answer
        self.about[name] = about

    async def drop(self, name: str) -> None:
        """As the port."""
        self._ask("drop")
        if not self.by_name[name].status:
            del self.by_name[name]


@dataclass
class RunningApi:
    """An API that listens, what it needs, and who calls it."""

    api: Api
    port: int
    keys: FakeKeys
    hashes: FakeHashes
    kept: FakeKeptAnswers
    http: ClientSession
    answered: list[tuple[str, str, int]]
    notices: list[tuple[str, dict[str, object]]]
    key: str
    clock: list[float] = field(default_factory=lambda: [0.0])

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def call(
        self, method: str, path: str, body: Any = None, *, key: str | None = "", headers: dict[str, str] | None = None
    ) -> tuple[int, Any, ClientResponse]:
        """Status, body and response; `key` is that of the fixture where it is empty, and none where it is None."""
        sent = dict(headers or {})
        if key is not None:
            sent["Authorization"] = f"Bearer {key or self.key}"
        options = {} if body is None else {"data": body} if isinstance(body, bytes) else {"json": body}
        async with self.http.request(method, self.url + path, headers=sent, **options) as response:
            text = await response.read()
            return response.status, (await response.json(content_type=None)) if text else None, response


@asynccontextmanager
async def running_api(groups: Sequence[Group], **settings: Any) -> AsyncIterator[RunningApi]:
    """The API with these routes; the key of the fixture may do everything."""
    keys, hashes, kept = FakeKeys(), FakeHashes(), FakeKeptAnswers()
    answered: list[tuple[str, str, int]] = []
    notices: list[tuple[str, dict[str, object]]] = []
    clock = [0.0]
    outside = Outside(
        keys=keys,
        hashes=hashes,
        kept=kept,
        answered=lambda route, method, status, _seconds: answered.append((route, method, status)),
        notice=lambda event, **fields: notices.append((event, fields)),
        now=lambda: NOW,
        clock=lambda: clock[0],
    )
    told = ApiSettings(port=0, **settings)
    api = Api(groups, told, outside)
    async with serve(told, api, outside.notice) as listening, ClientSession() as http:
        key = keys.add(*Scope)
        yield RunningApi(api, listening.port, keys, hashes, kept, http, answered, notices, key, clock)
    await asyncio.sleep(0)
