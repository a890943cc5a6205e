"""What the sender hears. Bodies are JSON and hold no value that was posted, but the event's own id in a 202."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from aiohttp import web

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


def accepted(webhook_id: str) -> web.Response:
    """202: the event is in the log for good."""
    return web.Response(status=202, body=orjson.dumps({"id": webhook_id}), headers=_JSON)


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
