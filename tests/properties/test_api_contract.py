"""The OpenAPI document that is made from the routes against the server, by schemathesis, which tries to break it."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from support.api_world import ApiWorld
from support.fakes_api import RunningApi, running_api
from support.profiles import slow

from listener.api.openapi import document

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
    ignored_auth,
]

schema = schemathesis.openapi.from_dict(document(ApiWorld().groups()))
# Of those that schemathesis knows it leaves out 413, by which a text that is far too long is refused.
schema.config.checks.negative_data_rejection.expected_statuses = ["4XX"]


@contextmanager
def server() -> Iterator[RunningApi]:
    """The API on a loop of its own, since the client blocks."""
    started: list[RunningApi] = []
    ready, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def run() -> None:
        async with running_api(ApiWorld().groups(), burst=100_000, rate_per_second=100_000, body_seconds=1) as running:
            started.append(running)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        assert ready.wait(90)
        yield started[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()


@pytest.fixture(scope="module")
def api() -> Iterator[RunningApi]:
    with server() as running:
        yield running


def vanishes(name: str, value: Any) -> bool:
    """A parameter that no address can hold, as an empty list: what was to be wrong with it is never sent."""
    return requests.Request("GET", "http://x/", params={name: value}).prepare().url == "http://x/"


OPERATIONS = [found.ok() for found in schema.get_all_operations()]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["good", "bad"])
@pytest.mark.parametrize("operation", OPERATIONS, ids=[f"{one.method} {one.path}" for one in OPERATIONS])
def test_the_server_does_as_its_document_says(operation: Any, mode: GenerationMode, api: RunningApi) -> None:
    """Whatever is sent: an answer of the document by status, type and shape, and nothing wrong is taken."""
    signed = {"Authorization": f"Bearer {api.key}"}

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(slow(3), deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def ask(case: schemathesis.Case) -> None:
        assume(not any(vanishes(name, value) for name, value in (case.query or {}).items()))
        case.validate_response(case.call(base_url=api.url, headers=signed), checks=CHECKS, headers=signed)

    try:
        ask()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, "what takes nothing can be asked for nothing wrong"
