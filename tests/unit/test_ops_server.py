"""The ops port: metrics, alive, ready."""

import asyncio
from collections.abc import Callable

from aiohttp import ClientSession

from adapters.telemetry.metrics import Metrics
from ops.server import Ping, serve


async def ask(
    path: str, *, pings: dict[str, Ping] | None = None, alive: dict[str, Callable[[], bool]] | None = None
) -> tuple[int, str, str]:
    """Status, body and content type."""
    metrics = Metrics()
    metrics.parked("platform.events", "undecodable")
    async with (
        serve(
            host="127.0.0.1", port=0, metrics=metrics.render, pings=pings or {}, ping_seconds=0.2, alive=alive
        ) as port,
        ClientSession(f"http://127.0.0.1:{port}") as client,
        client.get(path) as answer,
    ):
        return answer.status, await answer.text(), answer.headers["Content-Type"]


async def fine() -> None:
    """Answers."""


async def broken() -> None:
    raise ConnectionError("mongodb://user:marker@here")


async def silent() -> None:
    await asyncio.Event().wait()


async def test_metrics_in_prometheus_form() -> None:
    """As a scraper expects them."""
    status, body, content_type = await ask("/metrics")
    assert status == 200
    assert 'tandem_parked_total{reason="undecodable",topic="platform.events"} 1.0' in body
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"


async def test_alive_while_every_part_works() -> None:
    """A part that stands still turns it red, by name: the process running is not enough."""
    assert await ask("/health", alive={"stream": lambda: True}) == (
        200,
        '{"alive": true, "still": []}',
        "application/json; charset=utf-8",
    )
    status, body, _ = await ask("/health", alive={"stream": lambda: False, "runner": lambda: True})
    assert (status, body) == (503, '{"alive": false, "still": ["stream"]}')


async def test_ready_when_everything_answers() -> None:
    """All pings answered."""
    assert (await ask("/ready", pings={"kafka": fine, "mongodb": fine}))[:2] == (200, '{"away": {}, "ready": true}')
    assert (await ask("/ready"))[0] == 200


async def test_what_is_away_is_named() -> None:
    """By its name and the type of the error; the message, which may hold a login, is not shown."""
    status, body, _ = await ask("/ready", pings={"kafka": fine, "mongodb": broken, "salesforce": silent})
    assert status == 503
    assert body == '{"away": {"mongodb": "ConnectionError", "salesforce": "TimeoutError"}, "ready": false}'


async def test_pings_go_at_once() -> None:
    """Each waits for the other here, so that one after the other would time out."""
    meeting = asyncio.Barrier(5)
    pings: dict[str, Ping] = {f"p{number}": meeting.wait for number in range(5)}
    assert (await ask("/ready", pings=pings))[0] == 200


async def test_a_ping_that_leaves_while_it_is_asked_does_no_harm() -> None:
    """A part that stops takes its ping along; the answer is about those that were asked."""
    pings: dict[str, Ping] = {}

    async def leaving() -> None:
        del pings["leaving"]

    pings.update(leaving=leaving, mongodb=broken)
    assert (await ask("/ready", pings=pings))[1] == '{"away": {"mongodb": "ConnectionError"}, "ready": false}'
