"""What the sender hears. Bodies are JSON and hold no value that was posted, but the event's own id in a 202."""

from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from time import time

import orjson
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpVersion11

_JSON = {"Content-Type": "application/json"}

CLIENT_GONE = 499
"""For the metrics only, after nginx: the sender hung up before its body was whole, and hears nothing."""


@dataclass(eq=False)
class Refusal(Exception):
    """Why a request is not accepted.

    `code` is a stable word. `last` closes the connection after the answer.
    """

    status: int
    code: str
    detail: str = ""
    fields: Sequence[str] = ()
    retry_after: int | None = None
    allow: str | None = None
    last: bool = False


class _Accepted(web.StreamResponse):
    """The 202 of every good webhook, written as it stands.

    What aiohttp does to make these bytes from a `Response` costs as much as verifying and validating the event.
    """

    def __init__(self, body: bytes) -> None:
        super().__init__(status=202)
        self._raw = _ACCEPTED % (_date(int(time())), len(body), body)

    @property
    def keep_alive(self) -> bool:
        return True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        await request.writer.write(self._raw)
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        """All is written."""


_ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nDate: %s\r\nContent-Length: %d\r\n\r\n%s"


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


def accepted(webhook_id: str, request: web.BaseRequest) -> web.StreamResponse:
    """202: the event is in the log for good."""
    body = orjson.dumps({"id": webhook_id})
    if request.keep_alive and request.version == HttpVersion11:
        return _Accepted(body)
    return web.Response(status=202, body=body, headers=_JSON)


def refused(refusal: Refusal) -> web.Response:
    """The answer to a request that is not accepted."""
    body: dict[str, object] = {"error": refusal.code}
    if refusal.detail:
        body["detail"] = refusal.detail
    if refusal.fields:
        body["fields"] = list(refusal.fields)
    headers = dict(_JSON)
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(refusal.retry_after)
    if refusal.allow is not None:
        headers["Allow"] = refusal.allow
    response = web.Response(status=refusal.status, body=orjson.dumps(body), headers=headers)
    if refusal.last:
        response.force_close()
    return response


def plain(status: int, body: object) -> web.Response:
    """A JSON answer to a health check."""
    return web.Response(status=status, body=orjson.dumps(body), headers=_JSON)
