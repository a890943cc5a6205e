"""One call to the REST API: headers, login, time limit, allocation. Every way to fail ends in `CallFailed`."""

import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import IO, Any, Final, Protocol

import aiohttp
import orjson

from adapters.salesforce import limits
from adapters.salesforce.errors import LIMIT_EXCEEDED, UNEXPECTED_REPLY, CallFailed, Fault, call_fault
from adapters.salesforce.settings import SalesforceSettings
from adapters.salesforce.soql import Select, name
from schemas.allocation import Allocation
from schemas.platform_event import epoch_ms
from schemas.records import Failure
from schemas.session import LoginFailed, Session

_ROOT: Final = "/services/data/"
_RESOURCES: Final = frozenset({"composite", "jobs", "limits", "query", "queryAll", "sobjects", "tooling"})
_NEXT_PAGE: Final = re.compile(r"/services/data/v[0-9.]+(/tooling)?/query(All)?/[A-Za-z0-9_~.-]+")
FORGOTTEN: Final = "INVALID_QUERY_LOCATOR"
"""Two days have passed since a query began, or too many others were begun: its next page is not to be had."""
UNCHANGED: Final = 304
_BLOCK: Final = 1 << 16
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
class Reply:
    """A whole reply. `began_at` is our clock just before the request, epoch milliseconds."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    began_at: int

    def json(self) -> Any:
        """The body.

        Raises:
            CallFailed: it is not JSON.
        """
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            raise unexpected("not JSON") from None

    def server_time(self) -> int:
        """Salesforce's clock at its answer, epoch milliseconds in whole seconds.

        Raises:
            CallFailed: the reply has no readable `Date`.
        """
        try:
            return epoch_ms(parsedate_to_datetime(self.headers["Date"]))
        except (KeyError, ValueError, TypeError):
            raise unexpected("no Date header") from None


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a query, without their `attributes`; `total` counts those of all pages."""

    rows: list[dict[str, Any]]
    total: int
    following: str | None
    """Where the next page is: a path on the org's own host."""
    reply: Reply


@dataclass(frozen=True, slots=True)
class Described:
    """An object with all its fields; nothing where the org has no such object or the login may not see it, or where it
    is `unchanged` since an earlier answer. `last_modified` is the org's header, empty without one."""

    definition: dict[str, Any] | None
    last_modified: str = ""
    unchanged: bool = False


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


class Gate(Protocol):
    """Who may call now: the org's allocation is shared with others of ours and of its own."""

    def refusal(self) -> str | None:
        """Why this call may not be made now, a stable word; nothing where it is made at once."""

    def one(self) -> AbstractAsyncContextManager[None]:
        """Wait for one of the calls that may be under way, and hold it."""

    def exceeded(self) -> None:
        """Salesforce refused a call with REQUEST_LIMIT_EXCEEDED."""


class Open:
    """Lets every call through."""

    def refusal(self) -> str | None:
        """Nothing speaks against it."""
        return None

    def one(self) -> AbstractAsyncContextManager[None]:
        """At once."""
        return nullcontext()

    def exceeded(self) -> None:
        """Nobody else is told."""


class Rest:
    """The REST API of one org. A 401 is answered by one new login and one repeat of the very same request."""

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
        """GET a CSV reply that is too long to be held. The time limit is on each next block of it.

        Raises:
            CallFailed: no answer, any other than 2xx, a connection lost while it is read, or the gate is shut.
        """
        self._pass_gate()
        try:
            session = await self._login.current()
            for renewed in (False, True):
                async with self._streamed(session, path, params) as response:
                    if response.status == 401 and not renewed:
                        await response.read()
                    elif not 200 <= response.status < 300:
                        raise self._failed(response.status, await response.read())
                    else:
                        yield Stream(response.headers, response.content.iter_chunked(_BLOCK))
                        return
                session = await self._login.renew(session)
        except LoginFailed as failure:
            raise CallFailed(Fault(Failure.NOT_RUN, f"LOGIN:{failure.code}", str(failure), org_wide=True)) from failure

    async def versions(self) -> list[dict[str, Any]]:
        """Every API version the org speaks: `label`, `url`, `version`."""
        return _list(await self.call("GET", _ROOT))

    async def limits(self) -> dict[str, Any]:
        """Every allocation by name, with `Max` and `Remaining`."""
        return _dict(await self.call("GET", "limits"))

    async def describe_global(self) -> list[dict[str, Any]]:
        """Every object the login may see, in short."""
        found = _dict(await self.call("GET", "sobjects")).get("sobjects")
        if not isinstance(found, list):
            raise unexpected("no sobjects")
        return found

    async def describe(self, sobject: str) -> dict[str, Any] | None:
        """One object with all its fields; nothing where the org has no such object or the login may not see it."""
        return (await self.describe_since(sobject)).definition

    async def describe_since(self, sobject: str, since: str = "") -> Described:
        """The same, unless it has not changed since an earlier answer's `last_modified`."""
        try:
            reply = await self.call("GET", f"sobjects/{name(sobject)}/describe", since=since)
        except CallFailed as failed:
            if failed.fault.code == "NOT_FOUND":
                return Described(None)
            raise
        if reply.status == UNCHANGED:
            return Described(None, since, unchanged=True)
        return Described(_dict(reply), reply.headers.get("Last-Modified", ""))

    async def query(self, soql: Select | str, *, tooling: bool = False) -> AsyncIterator[dict[str, Any]]:
        """Rows of a query, page after page as they are asked for, without their `attributes`; of the Tooling API's too.

        Raises:
            CallFailed: a page could not be had; the rows before it stand.
        """
        async for page in self.pages(soql, tooling=tooling):
            for row in page.rows:
                yield row

    async def pages(self, soql: Select | str, *, tooling: bool = False) -> AsyncGenerator["Page", None]:
        """The pages of a query, each asked for when the one before has been taken: there is always a first.

        Where Salesforce has forgotten the query between two pages it is asked anew from the last row on, if its order
        tells which rows are still to come (`Select.after`). A text has been checked (`caller_soql`).

        Raises:
            CallFailed: a page could not be had; the pages before it stand.
        """
        last: dict[str, Any] | None = None
        page = await self._page(_resource(soql, tooling=tooling), {"q": str(soql)})
        while True:
            yield page
            if page.following is None:
                return
            last = page.rows[-1] if page.rows else last
            try:
                page = await self._page(page.following)
            except CallFailed as failed:
                rest = soql.after(last) if isinstance(soql, Select) and last is not None else None
                if failed.fault.code != FORGOTTEN or rest is None:
                    raise
                page = await self._page(_resource(rest, tooling=tooling), {"q": str(rest)})

    async def first_page(self, soql: Select) -> "Page":
        """The first page of a query; of a count there are no rows, and `total` is the count.

        Raises:
            CallFailed: as `call`.
        """
        return await self._page(_resource(soql), {"q": str(soql)})

    async def next_page(self, following: str) -> "Page":
        """The page that one before has told of.

        Raises:
            CallFailed: as `call`; its code is `FORGOTTEN` where Salesforce knows the query no more.
        """
        return await self._page(following)

    async def count(self, soql: Select) -> int:
        """How many rows `SELECT COUNT()` finds.

        Raises:
            CallFailed: as `call`.
        """
        return (await self.first_page(soql)).total

    async def _page(self, path: str, params: Mapping[str, str] | None = None) -> "Page":
        reply = await self.call("GET", path, params=params)
        page = _dict(reply)
        records, total, following = page.get("records"), page.get("totalSize"), page.get("nextRecordsUrl")
        if not isinstance(records, list):
            raise unexpected("a page without records")
        if not all(isinstance(row, dict) for row in records):
            raise unexpected("a row that is no object")
        if page.get("done") is True:
            following = None
        elif not isinstance(following, str) or _NEXT_PAGE.fullmatch(following) is None:
            raise unexpected("no address of the next page")
        rows = [without_attributes(row) for row in records]
        return Page(rows, total if isinstance(total, int) else len(rows), following, reply)

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
        return path if path.startswith(_ROOT) else f"{_ROOT}{self._settings.version}/{path}"

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


@dataclass(slots=True)
class _Timed:
    """How a request that is under way has gone so far."""

    status: str = "no_answer"


def resource_of(path: str) -> str:
    """The first word below the version: `query` of `/services/data/v62.0/query/01g…`; `versions` where there is none.

    Paths are ours, or begin with a word that Salesforce gave for a page of a query: no word holds a value or an id.
    """
    parts = path.removeprefix(_ROOT).split("/")
    word = parts[1] if len(parts) > 1 else ""
    return word if word in _RESOURCES else "other" if word else "versions"


def _resource(soql: Select | str, *, tooling: bool = False) -> str:
    if tooling:
        return "tooling/query"
    return "queryAll" if isinstance(soql, Select) and soql.deleted_too else "query"


def unexpected(what: str) -> CallFailed:
    """A reply that is not of the promised shape."""
    return CallFailed(Fault(Failure.UNKNOWN, UNEXPECTED_REPLY, what, org_wide=True))


def without_attributes(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row's fields."""
    return {field: value for field, value in row.items() if field != "attributes"}


def _dict(reply: Reply) -> dict[str, Any]:
    parsed = reply.json()
    if not isinstance(parsed, dict):
        raise unexpected("not an object")
    return parsed


def _list(reply: Reply) -> list[dict[str, Any]]:
    parsed = reply.json()
    if not isinstance(parsed, list) or not all(isinstance(each, dict) for each in parsed):
        raise unexpected("not a list of objects")
    return parsed
