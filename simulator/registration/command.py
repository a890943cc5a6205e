"""`python -m simulator registration`: the site alone, until it is told to stop."""

import asyncio
import os
import signal
import sys

import orjson

from simulator.registration.site import running_site

KEY = "REGISTRATION_API_KEY"


def run(api_url: str, port: int) -> None:
    """Serve the site until SIGINT or SIGTERM; its API key is read from `REGISTRATION_API_KEY`.

    One JSON line on standard output tells `url`.
    """
    key = os.environ.get(KEY, "")
    if not key:
        sys.exit(f"{KEY} is not set: a key of the API with the scopes events and enrich")
    try:
        asyncio.run(_serve(api_url, key, port))
    except OSError as error:
        sys.exit(f"the site cannot listen on port {port}: {error.strerror}")


async def _serve(api_url: str, key: str, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, stop.set)
    async with running_site(api_url, key, port) as site:
        sys.stdout.write(orjson.dumps({"url": site.url}).decode() + "\n")
        sys.stdout.flush()
        await stop.wait()
