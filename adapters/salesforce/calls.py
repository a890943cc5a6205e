"""One call to the REST API: headers, login, time limit, allocation. Every way to fail ends in `CallFailed`."""

import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import IO, Any, Final, Protocol

import aiohttp
import orjson

from adapters.salesforce import limits
from adapters.salesforce.errors import LIMIT_EXCEEDED, CallFailed, Fault, call_fault
from adapters.salesforce.gate import Gate, Open
from adapters.salesforce.replies import Reply
from adapters.salesforce.settings import SalesforceSettings
from schemas.allocation import Allocation
from schemas.records import Failure
from schemas.session import LoginFailed, Session

ROOT: Final = "/services/data/"
_RESOURCES: Final = frozenset({"composite", "jobs", "limits", "query", "queryAll", "sobjects", "tooling"})
UNCHANGED: Final = 304
_BLOCK: Final = 1 << 16
_IN_MEMORY: Final = 1 << 20
"""Bytes of a long reply above which it goes to disk."""
_NOTHING_SENT: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)


class Unanswered(aiohttp.ClientError):
    """The connection was lost before the answer."""


async def sent_once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """A client middleware under which a lost connection is told.

    aiohttp by itself sends a DELETE once more then (RFC 9110, 9.2.2), and the second answer would hide that the first
    request may have run.
    """
    try:
        return await send(request)
    except _NOTHING_SENT:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise Unanswered(type(error).__name__) from error


@dataclass(frozen=True, slots=True)
class Csv:
    """A CSV body. `open` gives it from its beginning, once for each time that it is sent."""

    open: Callable[[], IO[bytes]]


@dataclass(frozen=True, slots=True)
class Stream:
    """A reply that is read as it comes: `blocks` of bytes that end anywhere."""

    headers: Mapping[str, str]
    blocks: AsyncIterator[bytes]


class Sessions(Protocol):
    """Where logins come from; both raise `schemas.session.LoginFailed`."""

    async def current(self) -> Session:
        """The live login, made if there is none."""

    async def renew(self, refused: Session) -> Session:
        """A new login after a 401 for `refused`."""


class Calls:
    """Calls of one org's REST API. A 401 is answered by one new login and one repeat of the very same request."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        login: Sessions,
        settings: SalesforceSettings,
        *,
        now: Callable[[], int],
        gate: Gate | None = None,
        on_allocation: Callable[[Allocation], None] | None = None,
        on_call: Callable[[str, str, float], None] | None = None,
    ) -> None:
        """`now` is our clock, epoch milliseconds; `on_allocation` hears of every `Sforce-Limit-Info`.

        Without a `gate` every call is made at once.

        `on_call` hears of every call: its resource, a stable word; the status or `no_answer`; the seconds it took.
        """
        self._http = http
        self._login = login
        self._settings = settings
        self.now = now
        self._gate = gate or Open()
        self._on_allocation = on_allocation
        self._on_call = on_call
        self._timeout = aiohttp.ClientTimeout(total=settings.call_timeout, sock_connect=settings.connect_timeout)
        self._long = aiohttp.ClientTimeout(
            total=None, sock_connect=settings.connect_timeout, sock_read=settings.call_timeout
        )
        self.allocation: Allocation | None = None

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        csv: Csv | None = None,
        params: Mapping[str, str] | None = None,
        since: str = "",
    ) -> Reply:
        """Call `path` below `/services/data/vXX.0/`, or an absolute path; the reply is a 2xx one.

        A body is JSON, or CSV, which may be long: then the time limit is on the answer after it. With `since`, an
        earlier reply's `Last-Modified`, a 304 is an answer too: nothing has changed, and there is no body.

        Raises:
            CallFailed: no answer, any other than 2xx, or the gate is shut.
        """
        self._pass_gate()
        body: bytes | Csv | None = csv if csv is not None else None if json is None else orjson.dumps(json)
        try:
            async with self._gate.one():
                reply = await self._answered(method, path, body, params, since)
        except LoginFailed as failure:
            raise CallFailed(Fault(Failure.NOT_RUN, f"LOGIN:{failure.code}", str(failure), org_wide=True)) from failure
        if not (200 <= reply.status < 300 or (since and reply.status == UNCHANGED)):
            raise self._failed(reply.status, reply.body)
        return reply

    async def _answered(
        self, method: str, path: str, body: bytes | Csv | None, params: Mapping[str, str] | None, since: str
    ) -> Reply:
        session = await self._login.current()
        reply = await self._send(session, method, path, body, params, since)
        if reply.status != 401:
            return reply
        return await self._send(await self._login.renew(session), method, path, body, params, since)

    def _failed(self, status: int, body: bytes) -> CallFailed:
        fault = call_fault(status, body)
        if fault.code == LIMIT_EXCEEDED:
            self._gate.exceeded()
        return CallFailed(fault)

    def _pass_gate(self) -> None:
        refusal = self._gate.refusal()
        if refusal is not None:
            raise CallFailed(Fault(Failure.NOT_RUN, f"BUDGET:{refusal}", org_wide=True))

    @asynccontextmanager
    async def stream(self, path: str, *, params: Mapping[str, str] | None = None) -> AsyncIterator[Stream]:
        """GET a CSV reply that is too long to be held in memory. The time limit is on each next block of it.

        It is on disk before any of it is given. So it counts among the calls under way for as long as it takes, and no
        longer: whoever reads it may make other calls meanwhile, for which there might be no room else.

        Raises:
            CallFailed: no answer, any other than 2xx, a connection lost on the way, or the gate is shut.
        """
        self._pass_gate()
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
            try:
                async with self._gate.one():
                    headers = await self._download(path, params, file)
            except LoginFailed as failure:
                told = Fault(Failure.NOT_RUN, f"LOGIN:{failure.code}", str(failure), org_wide=True)
                raise CallFailed(told) from failure
            file.seek(0)
            yield Stream(headers, _blocks(file))

    async def _download(self, path: str, params: Mapping[str, str] | None, file: IO[bytes]) -> Mapping[str, str]:
        """Write the reply to the file; its headers."""
        session = await self._login.current()
        async with self._streamed(session, path, params) as response:
            if response.status != 401:
                return await self._written(response, file)
            await response.read()
        async with self._streamed(await self._login.renew(session), path, params) as response:
            return await self._written(response, file)

    async def _written(self, response: aiohttp.ClientResponse, file: IO[bytes]) -> Mapping[str, str]:
        if not 200 <= response.status < 300:
            raise self._failed(response.status, await response.read())
        async for block in response.content.iter_chunked(_BLOCK):
            file.write(block)
        return response.headers

    async def _send(
        self,
        session: Session,
        method: str,
        path: str,
        body: bytes | Csv | None,
        params: Mapping[str, str] | None,
        since: str,
    ) -> Reply:
        absolute = self._absolute(path)
        began_at = self.now()
        with self._timed(absolute) as call:
            async with self._http.request(
                method,
                session.instance_url + absolute,
                data=body.open() if isinstance(body, Csv) else body,
                params=params,
                headers=self._headers(session, body) | ({"If-Modified-Since": since} if since else {}),
                allow_redirects=False,
                timeout=self._long if isinstance(body, Csv) else self._timeout,
                middlewares=(sent_once,) if method == "DELETE" else None,
            ) as response:
                reply = Reply(response.status, response.headers, await response.read(), began_at)
                call.status = str(reply.status)
        self._hear_allocation(reply.headers)
        return reply

    @asynccontextmanager
    async def _streamed(
        self, session: Session, path: str, params: Mapping[str, str] | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        absolute = self._absolute(path)
        with self._timed(absolute) as call:
            async with self._http.request(
                "GET",
                session.instance_url + absolute,
                params=params,
                headers=self._headers(session, None) | {"Accept": "text/csv"},
                allow_redirects=False,
                timeout=self._long,
            ) as response:
                self._hear_allocation(response.headers)
                call.status = str(response.status)
                yield response

    def _absolute(self, path: str) -> str:
        return path if path.startswith(ROOT) else f"{ROOT}{self._settings.version}/{path}"

    @contextmanager
    def _timed(self, absolute: str) -> Iterator["_Timed"]:
        """One request: what goes wrong on its way is told as `CallFailed`, and how it went to `on_call`."""
        call, began = _Timed(), time.monotonic()
        try:
            yield call
        except _NOTHING_SENT as error:
            raise CallFailed(Fault(Failure.NOT_RUN, type(error).__name__, str(error), org_wide=True)) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            call.status = "no_answer"
            raise CallFailed(Fault(Failure.UNKNOWN, type(error).__name__, org_wide=True)) from error
        finally:
            if self._on_call is not None:
                self._on_call(resource_of(absolute), call.status, time.monotonic() - began)

    def _headers(self, session: Session, body: bytes | Csv | None) -> dict[str, str]:
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "Authorization": f"Bearer {session.access_token}",
            "Sforce-Call-Options": f"client={self._settings.client_name}",
        }
        if isinstance(body, Csv):
            headers["Content-Type"] = "text/csv; charset=UTF-8"
        elif body is not None:
            headers["Content-Type"] = "application/json; charset=UTF-8"
        return headers

    def _hear_allocation(self, headers: Mapping[str, str]) -> None:
        allocation = limits.parse(headers.get(limits.HEADER, ""), self.now())
        if allocation is not None:
            self.allocation = allocation
            if self._on_allocation is not None:
                self._on_allocation(allocation)


async def _blocks(file: IO[bytes]) -> AsyncIterator[bytes]:
    while block := file.read(_BLOCK):
        yield block


@dataclass(slots=True)
class _Timed:
    """How a request that is under way has gone so far."""

    status: str = "no_answer"


def resource_of(path: str) -> str:
    """The first word below the version: `query` of `/services/data/v62.0/query/01g…`; `versions` where there is none.

    Paths are ours, or begin with a word that Salesforce gave for a page of a query: no word holds a value or an id.
    """
    parts = path.removeprefix(ROOT).split("/")
    word = parts[1] if len(parts) > 1 else ""
    return word if word in _RESOURCES else "other" if word else "versions"
