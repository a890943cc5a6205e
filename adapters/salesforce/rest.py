"""One call to the REST API: headers, login, time limit, allocation. Every way to fail ends in `CallFailed`."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol

import aiohttp
import orjson

from adapters.salesforce import limits
from adapters.salesforce.errors import UNEXPECTED_REPLY, CallFailed, Fault, call_fault
from adapters.salesforce.limits import Allocation
from adapters.salesforce.settings import SalesforceSettings
from adapters.salesforce.soql import name
from schemas.platform_event import epoch_ms
from schemas.records import Failure
from schemas.session import LoginFailed, Session

_ROOT: Final = "/services/data/"
_RESOURCES: Final = frozenset({"composite", "limits", "query", "queryAll", "sobjects"})
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


class Sessions(Protocol):
    """Where logins come from; both raise `schemas.session.LoginFailed`."""

    async def current(self) -> Session:
        """The live login, made if there is none."""

    async def renew(self, refused: Session) -> Session:
        """A new login after a 401 for `refused`."""


class Rest:
    """The REST API of one org. A 401 is answered by one new login and one repeat of the very same request."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        login: Sessions,
        settings: SalesforceSettings,
        *,
        now: Callable[[], int],
        on_allocation: Callable[[Allocation], None] | None = None,
        on_call: Callable[[str, str, float], None] | None = None,
    ) -> None:
        """`now` is our clock, epoch milliseconds; `on_allocation` hears of every `Sforce-Limit-Info`.

        `on_call` hears of every call: its resource, a stable word; the status or `no_answer`; the seconds it took.
        """
        self._http = http
        self._login = login
        self._settings = settings
        self.now = now
        self._on_allocation = on_allocation
        self._on_call = on_call
        self._timeout = aiohttp.ClientTimeout(total=settings.call_timeout, sock_connect=settings.connect_timeout)
        self.allocation: Allocation | None = None

    async def call(self, method: str, path: str, *, json: Any = None, params: Mapping[str, str] | None = None) -> Reply:
        """Call `path` below `/services/data/vXX.0/`, or an absolute path; the reply is a 2xx one.

        Raises:
            CallFailed: no answer, or any other than 2xx.
        """
        body = None if json is None else orjson.dumps(json)
        try:
            session = await self._login.current()
            reply = await self._send(session, method, path, body, params)
            if reply.status == 401:
                session = await self._login.renew(session)
                reply = await self._send(session, method, path, body, params)
        except LoginFailed as failure:
            raise CallFailed(Fault(Failure.NOT_RUN, f"LOGIN:{failure.code}", str(failure), org_wide=True)) from failure
        if not 200 <= reply.status < 300:
            raise CallFailed(call_fault(reply.status, reply.body))
        return reply

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
        try:
            return _dict(await self.call("GET", f"sobjects/{name(sobject)}/describe"))
        except CallFailed as failed:
            if failed.fault.code == "NOT_FOUND":
                return None
            raise

    async def query(self, soql: str, *, deleted_too: bool = False) -> AsyncIterator[dict[str, Any]]:
        """Rows of a query, page after page as they are asked for, without their `attributes`.

        Raises:
            CallFailed: a page could not be had; the rows before it stand.
        """
        page = _dict(await self.call("GET", "queryAll" if deleted_too else "query", params={"q": soql}))
        while True:
            records = page.get("records")
            if not isinstance(records, list):
                raise unexpected("a page without records")
            for row in records:
                if not isinstance(row, dict):
                    raise unexpected("a row that is no object")
                yield without_attributes(row)
            if page.get("done") is True:
                return
            following = page.get("nextRecordsUrl")
            if not isinstance(following, str) or not following.startswith(_ROOT):
                raise unexpected("no address of the next page")
            page = _dict(await self.call("GET", following))

    async def _send(
        self, session: Session, method: str, path: str, body: bytes | None, params: Mapping[str, str] | None
    ) -> Reply:
        absolute = path if path.startswith(_ROOT) else f"{_ROOT}{self._settings.version}/{path}"
        began_at, began, status = self.now(), time.monotonic(), "no_answer"
        try:
            async with self._http.request(
                method,
                session.instance_url + absolute,
                data=body,
                params=params,
                headers=self._headers(session, body),
                allow_redirects=False,
                timeout=self._timeout,
                middlewares=(sent_once,) if method == "DELETE" else None,
            ) as response:
                reply = Reply(response.status, response.headers, await response.read(), began_at)
                status = str(reply.status)
        except _NOTHING_SENT as error:
            raise CallFailed(Fault(Failure.NOT_RUN, type(error).__name__, str(error), org_wide=True)) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise CallFailed(Fault(Failure.UNKNOWN, type(error).__name__, org_wide=True)) from error
        finally:
            if self._on_call is not None:
                self._on_call(resource_of(absolute), status, time.monotonic() - began)
        self._hear_allocation(reply)
        return reply

    def _headers(self, session: Session, body: bytes | None) -> dict[str, str]:
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "Authorization": f"Bearer {session.access_token}",
            "Sforce-Call-Options": f"client={self._settings.client_name}",
        }
        if body is not None:
            headers["Content-Type"] = "application/json; charset=UTF-8"
        return headers

    def _hear_allocation(self, reply: Reply) -> None:
        allocation = limits.parse(reply.headers.get(limits.HEADER, ""), self.now())
        if allocation is not None:
            self.allocation = allocation
            if self._on_allocation is not None:
                self._on_allocation(allocation)


def resource_of(path: str) -> str:
    """The first word below the version: `query` of `/services/data/v62.0/query/01g…`; `versions` where there is none.

    Paths are ours, or begin with a word that Salesforce gave for a page of a query: no word holds a value or an id.
    """
    parts = path.removeprefix(_ROOT).split("/")
    word = parts[1] if len(parts) > 1 else ""
    return word if word in _RESOURCES else "other" if word else "versions"


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
