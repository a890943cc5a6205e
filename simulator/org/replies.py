"""HTTP replies in Salesforce's form."""

from collections.abc import Sequence
from typing import Any

import orjson
from aiohttp import web

from simulator.org.errors import SalesforceError

_GATEWAY_PAGE = "<html><head><title>{status}</title></head><body><h1>Please try again in a moment</h1></body></html>"


def json_reply(body: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON reply."""
    return web.Response(
        body=orjson.dumps(body), status=status, headers=headers, content_type="application/json", charset="UTF-8"
    )


def empty_reply(status: int = 204) -> web.Response:
    """A reply without a body."""
    return web.Response(status=status)


def error_reply(error: SalesforceError) -> web.Response:
    """A call's error, as the array Salesforce sends."""
    return json_reply([error.of_call()], error.status)


def oauth_error(error: str, description: str, status: int = 400) -> web.Response:
    """An error of the OAuth endpoints."""
    return json_reply({"error": error, "error_description": description}, status)


def gateway_page(status: int) -> web.Response:
    """The HTML page of a gateway before Salesforce."""
    return web.Response(text=_GATEWAY_PAGE.format(status=status), status=status, content_type="text/html")


def read_json(body: bytes) -> Any:
    """A request's JSON.

    Raises:
        SalesforceError: it is none.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as problem:
        raise SalesforceError(
            "JSON_PARSER_ERROR", f"Unexpected input at [line:1, column:{problem.pos + 1}]"
        ) from problem


def read_object(body: bytes) -> dict[str, Any]:
    """A request's JSON object.

    Raises:
        SalesforceError: it is none.
    """
    read = read_json(body)
    if not isinstance(read, dict):
        raise SalesforceError("JSON_PARSER_ERROR", "A JSON object is expected at [line:1, column:1]")
    return read


def listed(values: str | None) -> Sequence[str]:
    """The parts of a comma-separated parameter."""
    return [part.strip() for part in (values or "").split(",") if part.strip()]
