"""The ops port of a process: its metrics, whether it is alive, whether what it needs is there."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

from adapters.telemetry.metrics import CONTENT_TYPE

Ping = Callable[[], Awaitable[object]]
"""Returns if what it asks answers; raises anything if not."""

Alive = Callable[[], bool]
"""Whether a part of the process does its work: a task runs, a frame came in time."""


@asynccontextmanager
async def serve(
    *,
    host: str,
    port: int,
    metrics: Callable[[], bytes],
    pings: Mapping[str, Ping],
    ping_seconds: float,
    alive: Mapping[str, Alive] | None = None,
) -> AsyncIterator[int]:
    """Listen while the block runs; gives the port, which with 0 is any free one.

    `metrics` gives Prometheus' text. `pings` and `alive` go by names that the answers may show.

    Raises:
        OSError: the address is taken or is not ours.
    """
    runner = web.AppRunner(
        application(metrics=metrics, pings=pings, ping_seconds=ping_seconds, alive=alive),
        access_log=None,
        keepalive_timeout=30,
        shutdown_timeout=2,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def application(
    *,
    metrics: Callable[[], bytes],
    pings: Mapping[str, Ping],
    ping_seconds: float,
    alive: Mapping[str, Alive] | None = None,
) -> web.Application:
    """`/metrics`, `/health` (503 names what stands still) and `/ready` (503 names what is away)."""

    async def show_metrics(_request: web.Request) -> web.Response:
        return web.Response(body=metrics(), headers={"Content-Type": CONTENT_TYPE})

    async def health(_request: web.Request) -> web.Response:
        still = sorted(name for name, is_alive in (alive or {}).items() if not is_alive())
        return _answer({"alive": not still, "still": still}, ok=not still)

    async def ready(_request: web.Request) -> web.Response:
        away = await failing(pings, ping_seconds)
        return _answer({"ready": not away, "away": away}, ok=not away)

    app = web.Application()
    app.add_routes([web.get("/metrics", show_metrics), web.get("/health", health), web.get("/ready", ready)])
    return app


async def failing(pings: Mapping[str, Ping], seconds: float) -> dict[str, str]:
    """Those that fail or do not answer in time, all asked at once, with the type of their error and not its message."""

    async def ask(ping: Ping) -> str | None:
        try:
            async with asyncio.timeout(seconds):
                await ping()
        except Exception as error:  # noqa: BLE001 - whatever it raises, it is away, and the answer says so
            return type(error).__name__
        return None

    asked = dict(pings)  # parts come and go while the answers are awaited
    errors = await asyncio.gather(*(ask(ping) for ping in asked.values()))
    return {name: error for name, error in sorted(zip(asked, errors, strict=True)) if error is not None}


def _answer(body: Mapping[str, object], *, ok: bool) -> web.Response:
    return web.json_response(body, status=200 if ok else 503, dumps=lambda value: json.dumps(value, sort_keys=True))
