"""The committed OpenAPI document against the server, by schemathesis, which reads it and tries to break it."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from requests.auth import AuthBase
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from support.fakes_webhook import listening, signed

DOCUMENT = files("listener.webhook") / "openapi.yaml"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

schema = schemathesis.openapi.from_file(DOCUMENT.read_text(encoding="utf-8"))


class Signing(AuthBase):
    """Signs what is about to be sent, as the platform would."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body or b""
        content_type = request.headers.get("Content-Type")
        request.headers.update(signed(body.encode() if isinstance(body, str) else body))
        if content_type is not None:
            request.headers["Content-Type"] = content_type
        return request


@contextmanager
def server() -> Iterator[str]:
    """A webhook on a loop of its own, since the client blocks."""
    started: list[str] = []
    ready, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def run() -> None:
        async with listening(body_seconds=2) as running:
            started.append(running.url)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield started[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with server() as url:
        yield url


@schema.parametrize()
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_server_does_as_its_document_says(case: schemathesis.Case, url: str) -> None:
    """Whatever is sent, signed, to the source there is: an answer of the document, by status, headers and shape."""
    if "source" in case.path_parameters:
        case.path_parameters["source"] = "tickets"
    response = case.call(base_url=url, auth=Signing())
    case.validate_response(response, checks=CHECKS)


@schema.include(operation_id="postWebhook").parametrize()
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_stranger_is_let_in(case: schemathesis.Case, url: str) -> None:
    """Whatever is sent unsigned is refused, in the document's words."""
    response = case.call(base_url=url)
    assert response.status_code in (400, 401, 404, 405, 415)
    case.validate_response(response, checks=CHECKS)


def test_it_is_served(url: str) -> None:
    """Whoever reaches the webhook can read how to use it."""
    served = requests.get(f"{url}/openapi.yaml", timeout=5)
    assert served.headers["Content-Type"] == "application/yaml"
    assert served.text == DOCUMENT.read_text(encoding="utf-8")
