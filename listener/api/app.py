"""The HTTP server: from a request to its route, checked on the way, and from what the handler gives to an answer.

The order is strict: address (404, 405), room (503), key (401), scope (403), rate (429), length and type of the body
(413, 415), body (408, 413), its shape (400, 422), idempotency key (409, 422), and only then the handler is called.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Final

from aiohttp import web

from listener.api import problem, reading
from listener.api.idempotency import Repeats
from listener.api.keys import KeyCheck, Unknown
from listener.api.openapi import document
from listener.api.page import page_routes
from listener.api.ports import Answered, KeptAnswers, Keys, Notice, SecretHash, Unavailable
from listener.api.problem import Problem
from listener.api.rate import Rates
from listener.api.routes import Call, Found, Group, Router
from listener.api.settings import ApiSettings
from listener.serving import Listening, Server, listening
from schemas.api_key import ApiKey
from schemas.cloudevents import TRACEPARENT

_UNKNOWN: Final = "unknown"
_RETRY_SECONDS: Final = 5
_HOUR: Final = 3_600


@dataclass(frozen=True, slots=True)
class Outside:
    """What the app needs of the outside, whatever its routes do."""

    keys: Keys
    hashes: SecretHash
    kept: KeptAnswers
    answered: Answered
    notice: Notice
    now: Callable[[], int]
    """Epoch milliseconds."""
    clock: Callable[[], float]
    """Seconds that only go forward."""


class Api:
    """Answers requests. Its own routes, the OpenAPI document and the page to try it, are added to the groups."""

    def __init__(self, groups: Sequence[Group], settings: ApiSettings, outside: Outside) -> None:
        """ValueError where routes contradict one another."""
        self._settings = settings
        self._outside = outside
        self.openapi = document(groups)
        self._router = Router([*groups, page_routes(self.openapi)])
        self._keys = KeyCheck(outside.keys, outside.hashes, outside.clock)
        self._rates = Rates(settings.rate_per_second, settings.burst)
        self._hourly = Rates(1 / _HOUR, 1)
        self._repeats = Repeats(outside.kept, outside.notice)
        self._in_flight = 0

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer, whatever happens."""
        began = perf_counter()
        request_id = reading.request_id(request.headers.get("X-Request-Id"))
        heard = _Heard()
        status = 500
        try:
            response = await self._response(request, request_id, heard)
            status = response.status
            response.headers["X-Request-Id"] = request_id
            return response
        finally:
            seconds = perf_counter() - began
            self._outside.answered(heard.route, heard.method, status, seconds)

    async def _response(self, request: web.BaseRequest, request_id: str, heard: "_Heard") -> web.StreamResponse:
        try:
            with self._entered():
                return await self._answer(request, request_id, heard)
        except Problem as refusal:
            return await self._refused(request, refusal, request_id)
        except Unavailable as error:
            self._outside.notice("api_unavailable", route=heard.route, request=request_id, reason=str(error))
            away = Problem(problem.UNAVAILABLE, "try again", headers={"Retry-After": str(_RETRY_SECONDS)})
            return await self._refused(request, away, request_id)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is told in the log, and answered
            self._outside.notice(
                "api_failed", route=heard.route, request=request_id, error=type(error).__name__, exc_info=error
            )
            return await self._refused(request, Problem(problem.INTERNAL), request_id)

    @contextmanager
    def _entered(self) -> Iterator[None]:
        if self._in_flight >= self._settings.max_in_flight:
            raise Problem(problem.BUSY, headers={"Retry-After": str(_RETRY_SECONDS)})
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    async def _answer(self, request: web.BaseRequest, request_id: str, heard: "_Heard") -> web.StreamResponse:
        found = self._found(request)
        heard.route, heard.method = found.template, found.route.method
        now = self._outside.now()
        key = await self._admitted(request, found, now)
        parts, raw = await reading.parts(request, found, self._settings)
        named = reading.idempotency_key(request, found.route)
        call = Call(
            request_id=request_id,
            key=key,
            now=now,
            idempotency_key=named,
            fingerprint=reading.fingerprint(request, raw) if named is not None else "",
            etag=reading.etag(request, found.route),
            traceparent=request.headers.get(TRACEPARENT, ""),
            parts=parts,
        )
        if call.idempotency_key is None or key is None:
            made = reading.made(found.route, await found.route.handler(call))
        else:
            name = f"{key.id}:{call.idempotency_key}"
            made = await self._repeats.answer(name, call.fingerprint, found.route, call)
        return web.Response(status=made.status, body=made.body, headers=made.headers)

    def _found(self, request: web.BaseRequest) -> Found:
        found = self._router.find(request.method, request.rel_url.raw_path)
        if found is None:
            raise Problem(problem.NO_ROUTE)
        if isinstance(found, tuple):
            raise Problem(problem.METHOD, headers={"Allow": ", ".join(found)})
        return found

    async def _admitted(self, request: web.BaseRequest, found: Found, now: int) -> ApiKey | None:
        if found.route.scope is None:
            return None
        try:
            key = await self._keys.key(request.headers.get("Authorization"), now)
        except Unknown as reason:
            challenge = {"WWW-Authenticate": 'Bearer realm="tandem"'}
            raise Problem(problem.UNAUTHENTICATED, str(reason), headers=challenge) from None
        if found.route.scope not in key.scopes:
            raise Problem(problem.OUT_OF_SCOPE, f"the key needs the scope `{found.route.scope}`")
        clock = self._outside.clock()
        wait = self._rates.take(key.id, clock, key.rate)
        if found.route.per_hour and not wait:
            wait = self._hourly.take(f"{key.id} {found.template}", clock, found.route.per_hour / _HOUR)
        if wait:
            seconds = max(1, round(wait + 0.5))
            raise Problem(problem.TOO_MANY, headers={"Retry-After": str(seconds)})
        return key

    async def _refused(self, request: web.BaseRequest, refusal: Problem, request_id: str) -> web.Response:
        if not (refusal.last or request.content.is_eof()):
            refusal.last = not await reading.discarded(request, self._settings)
        return problem.answer(refusal, request_id)


@dataclass(slots=True)
class _Heard:
    """What a request is counted under."""

    route: str = _UNKNOWN
    method: str = _UNKNOWN


def serve(settings: ApiSettings, api: Api, notice: Notice) -> AbstractAsyncContextManager[Listening]:
    """Listen while the block runs; at its end take no new requests and let those in flight finish.

    Raises:
        OSError: the address is taken or is not ours.
    """
    server = Server(api, _Broken(notice), keep_alive_seconds=settings.keep_alive_seconds)
    return listening(server, settings.host, settings.port, shutdown_seconds=settings.shutdown_seconds)


class _Broken:
    """Satisfies `listener.serving.Broken`."""

    def __init__(self, notice: Notice) -> None:
        self._notice = notice

    def malformed(self, _status: int) -> web.Response:
        return problem.answer(Problem(problem.MALFORMED, "not a well-formed request", last=True), None)

    def failed(self, error: BaseException | None) -> web.Response:
        self._notice("api_failed", route=_UNKNOWN, error=type(error).__name__, exc_info=error)
        return problem.answer(Problem(problem.INTERNAL, last=True), None)
