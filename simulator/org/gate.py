"""What every request passes on its way: planted faults, sizes, errors in Salesforce's form, admin from here only."""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable

from aiohttp import web

from simulator.org.errors import SalesforceError, not_found
from simulator.org.faults import Fault, FaultKind
from simulator.org.oauth import bearer
from simulator.org.org import Org
from simulator.org.replies import error_reply, gateway_page

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LONGEST_HEAD = 16_384
"""Bytes of URI and headers that Salesforce takes (REST API guide, status codes 414 and 431)."""

_INVALID_SESSION = SalesforceError("INVALID_SESSION_ID", "Session expired or invalid", status=401)
_OVER_LIMIT = SalesforceError("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", status=403)


def invalid_session() -> SalesforceError:
    """401 INVALID_SESSION_ID."""
    return _INVALID_SESSION


def over_limit() -> SalesforceError:
    """403 REQUEST_LIMIT_EXCEEDED."""
    return _OVER_LIMIT


class Gate:
    """The middleware of one org."""

    def __init__(self, org: Org) -> None:
        self._org = org

    async def pass_through(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request, or let something go wrong with it."""
        if request.path.startswith("/admin"):
            return await self._admin(request, handler)
        if not request.path.startswith("/services/"):
            return await handler(request)
        head = len(request.raw_path) + sum(len(name) + len(value) for name, value in request.raw_headers)
        if len(request.raw_path) > LONGEST_HEAD:
            return error_reply(SalesforceError("URI_TOO_LONG", "URI Too Long", status=414))
        if head > LONGEST_HEAD:
            return error_reply(SalesforceError("HEADERS_TOO_LONG", "Request Header Fields Too Large", status=431))
        return await self._with_faults(request, handler)

    async def _with_faults(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        delay = self._take(FaultKind.DELAY, request)
        if delay is not None:
            await asyncio.sleep(delay.delay_ms / 1000)
        if self._take(FaultKind.REQUEST_LOST, request) is not None:
            return _hang_up(request)
        refused = self._refusal(request)
        if refused is not None:
            return error_reply(refused)
        failure = self._take(FaultKind.SERVER_ERROR, request)
        if failure is not None and not failure.runs:
            return _failed(failure)
        lost = self._take(FaultKind.REPLY_LOST, request)
        reply = await _answer(request, handler)
        if lost is not None:
            return _hang_up(request)
        return reply if failure is None else _failed(failure)

    def _refusal(self, request: web.Request) -> SalesforceError | None:
        if not request.path.startswith("/services/data/"):
            return None
        unauthorized = self._take(FaultKind.UNAUTHORIZED, request)
        if unauthorized is not None:
            if unauthorized.revoke:
                self._org.tokens.revoke(bearer(request) or "")
            return _INVALID_SESSION
        if self._take(FaultKind.LIMIT, request) is not None:
            return _OVER_LIMIT
        refused = self._take(FaultKind.REFUSE_CALL, request)
        return None if refused is None else SalesforceError(refused.code, refused.message, status=refused.status)

    def _take(self, kind: FaultKind, request: web.Request) -> Fault | None:
        return self._org.faults.take(kind, request.path, request.method)

    async def _admin(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not _is_local(request.remote):
            return error_reply(SalesforceError("FORBIDDEN", "Admin is for this machine only", status=403))
        return await _answer(request, handler)


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except SalesforceError as error:
        return error_reply(error)
    except web.HTTPNotFound:
        return error_reply(not_found())
    except web.HTTPMethodNotAllowed as error:
        allowed = ",".join(sorted(error.allowed_methods))
        message = f"HTTP Method '{request.method}' not allowed. Allowed are {allowed}"
        return error_reply(SalesforceError("METHOD_NOT_ALLOWED", message, status=405))


def _failed(fault: Fault) -> web.Response:
    if fault.body == "gateway":
        return gateway_page(fault.status)
    if fault.status == 500:
        message = "An unexpected error occurred. Please include this ErrorId if you contact support: 1234-5678 (9)"
        return error_reply(SalesforceError("UNKNOWN_EXCEPTION", message, status=500))
    return error_reply(SalesforceError("SERVER_UNAVAILABLE", "Server Too Busy", status=fault.status))


def _hang_up(request: web.Request) -> web.Response:
    """Close the connection without a byte; what is returned goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _is_local(remote: str | None) -> bool:
    try:
        return remote is not None and ipaddress.ip_address(remote).is_loopback
    except ValueError:
        return False
