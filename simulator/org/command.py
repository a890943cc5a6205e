"""`python -m simulator org`: the org alone, until it is told to stop."""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import Any

import orjson

from simulator.org.app import running_org
from simulator.org.settings import OrgSettings


def run(port: int) -> None:
    """Serve an org on this port (0 picks a free one) until SIGINT or SIGTERM.

    One JSON line on standard output tells `base_url`, `client_id` and `client_secret`.
    """
    try:
        _run(_serve(port))
    except OSError as error:
        sys.exit(f"the org cannot listen on port {port}: {error.strerror}")


def _run(main: Coroutine[Any, Any, None]) -> None:
    """On the quicker loop, where there is one: whoever uses the org shares the cores with it."""
    if sys.platform == "win32":
        asyncio.run(main)
        return
    import uvloop  # noqa: PLC0415 - not on every platform

    uvloop.run(main)


async def _serve(port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, stop.set)
    async with running_org(OrgSettings(), port=port) as org:
        told = {"base_url": org.base_url, "client_id": org.client_id, "client_secret": org.client_secret}
        sys.stdout.write(orjson.dumps(told).decode() + "\n")
        sys.stdout.flush()
        await stop.wait()
