"""One webhook: verified, validated, in the log, and only then acknowledged.

The order is strict: source (404), content type (415), length (413), room (503), body (413, 408), signature and time on
the raw bytes (401), and only then is anything parsed (400), published (503), acknowledged (202).
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from time import perf_counter, time_ns
from typing import Any, Final

import orjson
from aiohttp import web
from pydantic import ValidationError

from listener.webhook import answers, body
from listener.webhook.answers import Refusal
from listener.webhook.clock_offset import ClockOffset
from listener.webhook.ports import Answered, EventLog, Notice, Refused, Unavailable
from listener.webhook.settings import WebhookSettings
from listener.webhook.signature import Attempt, Unverified, verify
from listener.webhook.trace import Traced, carried
from schemas import cloudevents
from schemas.codec import wrong_places
from schemas.event_reading import ReadEvent, modelled, usual
from schemas.platform_event import PlatformEvent
from schemas.topics import document_key
from schemas.versions import Data, data_schema

KindOfEvent = Callable[[str], str | None]
"""The kind that an event type speaks of; nothing where no mapping names the type."""

UNKNOWN_SOURCE: Final = "unknown"


def wall_clock() -> int:
    """Epoch milliseconds."""
    return time_ns() // 1_000_000


def _untold(*_: object) -> None:
    """Nobody listens."""


class Webhook:
    """`POST /webhooks/<source>`."""

    def __init__(
        self,
        *,
        settings: WebhookSettings,
        log: EventLog,
        kind_of_event: KindOfEvent,
        answered: Answered,
        notice: Notice,
        refused: Refused = _untold,
        clock: Callable[[], int] = wall_clock,
        traced: Traced = carried,
    ) -> None:
        """`clock` gives epoch milliseconds. `traced` surrounds the publishing of an event."""
        self._settings = settings
        self._log = log
        self._kind_of_event = kind_of_event
        self._answered = answered
        self._notice = notice
        self._refused = refused
        self._traced = traced
        self._clock = clock
        self._keys = settings.keys
        self._offsets = {source: ClockOffset() for source in self._keys}
        self._in_flight = 0
        self._in_flight_bytes = 0
        self._log_away_since: int | None = None

    async def answer(self, source: str, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to one request: 202 once the event is in the log, else what is wrong."""
        began = perf_counter()
        status = 500  # where neither an acknowledgement nor a refusal comes about
        try:
            response = await self._response(source, request)
            status = response.status
            return response
        finally:
            self._answered(self._known(source), status, perf_counter() - began)

    def _known(self, source: str) -> str:
        return source if source in self._keys else UNKNOWN_SOURCE

    async def _response(self, source: str, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return answers.accepted(await self._accept(source, request), request)
        except Refusal as refusal:
            if not (refusal.last or request.content.is_eof()):
                settings = self._settings
                refusal.last = not await body.discard(
                    request, limit=settings.max_body_bytes, seconds=settings.body_seconds
                )
            self._refused(self._known(source), refusal.status, refusal.code)
            return answers.refused(refusal)

    async def _accept(self, source: str, request: web.BaseRequest) -> str:
        if source not in self._keys:
            raise Refusal(404, "unknown_source", "no such source is set up")
        if request.method != "POST":
            raise Refusal(405, "post_only", "webhooks are posted", allow="POST")
        _check_content_type(request)
        limit = self._settings.max_body_bytes
        declared = request.content_length
        if declared is not None and declared > limit:
            raise body.too_long(request, limit)
        room = limit if declared is None else declared
        self._enter(room)
        try:
            raw = await body.read(request, limit=limit, seconds=self._settings.body_seconds)
            return await self._take(source, request, raw)
        finally:
            self._in_flight -= 1
            self._in_flight_bytes -= room

    async def _take(self, source: str, request: web.BaseRequest, raw: bytes) -> str:
        received_at = self._clock()
        attempt = self._verified(source, request, raw, received_at)
        event, kind = self._parsed(raw)
        offset = self._offsets[source]
        offset.observe(received_at=received_at, sent_at=attempt.sent_at)
        clock_offset = offset.milliseconds
        occurred_at = event.occurred_at(received_at=received_at, clock_offset=clock_offset)
        if occurred_at < 0:
            raise Refusal(400, "invalid", fields=["timestamp: Input should not be before 1970"])
        with self._traced(request.headers.get(cloudevents.TRACEPARENT)) as traceparent:
            await self._publish(
                document_key(kind, event.id),
                raw,
                cloudevents.headers(
                    id=attempt.id,
                    source=f"/webhooks/{source}",
                    type=event.type,
                    subject=f"{kind}/{event.id}",
                    time=_iso(occurred_at),
                    schema=data_schema(Data.PLATFORM_EVENT),
                    traceparent=traceparent,
                    extensions={
                        cloudevents.RECEIVED_AT: str(received_at),
                        cloudevents.CLOCK_OFFSET: str(clock_offset),
                    },
                ),
            )
        return attempt.id

    def _enter(self, room: int) -> None:
        settings = self._settings
        # One body alone always has room, also where a wrong setting allows fewer bytes than it may have.
        full = self._in_flight_bytes + room > settings.max_in_flight_bytes and self._in_flight > 0
        if full or self._in_flight >= settings.max_in_flight:
            raise Refusal(503, "busy", "too many requests at once", retry_after=settings.retry_after_seconds)
        self._in_flight += 1
        self._in_flight_bytes += room

    def _verified(self, source: str, request: web.BaseRequest, raw: bytes, received_at: int) -> Attempt:
        headers = request.headers
        try:
            return verify(
                secrets=self._keys[source],
                body=raw,
                webhook_id=headers.get("webhook-id"),
                webhook_timestamp=headers.get("webhook-timestamp"),
                webhook_signature=headers.get("webhook-signature"),
                now=received_at / 1000,
            )
        except Unverified as reason:
            raise Refusal(401, "unverified", str(reason)) from None

    def _parsed(self, raw: bytes) -> tuple[ReadEvent, str]:
        try:
            parsed = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise Refusal(400, "invalid", fields=[f"body: not JSON at position {error.pos}"]) from None
        try:
            event = usual(parsed) or modelled(PlatformEvent.model_validate(parsed))
        except ValidationError as error:
            raise Refusal(400, "invalid", fields=[*wrong_places(error), *self._wrong_type(parsed, error)]) from None
        kind = self._kind_of_event(event.type)
        if kind is None:
            raise Refusal(400, "invalid", fields=[_UNNAMED_TYPE])
        return event, kind

    def _wrong_type(self, parsed: Any, error: ValidationError) -> list[str]:
        """The type may be wrong as well, where the shape of other fields was found wrong first."""
        if not isinstance(parsed, dict) or any(place["loc"][:1] == ("type",) for place in error.errors()):
            return []
        return [] if self._kind_of_event(parsed["type"]) is not None else [_UNNAMED_TYPE]

    async def _publish(self, key: bytes, value: bytes, headers: cloudevents.Headers) -> None:
        try:
            await self._log.append(key=key, value=value, headers=headers)
        except Unavailable:
            # Said once, not for every request: the metric counts those.
            if self._log_away_since is None:
                self._log_away_since = self._clock()
                self._notice("event_log_away")
            retry_after = self._settings.retry_after_seconds
            raise Refusal(503, "unavailable", "not taken, post it again", retry_after=retry_after) from None
        if self._log_away_since is not None:
            self._notice("event_log_back", away_ms=self._clock() - self._log_away_since)
            self._log_away_since = None


_UNNAMED_TYPE: Final = "type: Input should be an event type that the mapping names"


def _check_content_type(request: web.BaseRequest) -> None:
    given = request.headers.get("Content-Type", "")
    if given != "application/json" and given.partition(";")[0].strip().lower() != "application/json":
        raise Refusal(415, "content_type", "must be application/json")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refusal(415, "content_encoding", "must not be compressed")


def _iso(milliseconds: int) -> str:
    return f"{_iso_second(milliseconds // 1000)}.{milliseconds % 1000:03d}Z"


@lru_cache(maxsize=64)  # events come in bursts of the same second, and formatting is dear
def _iso_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
