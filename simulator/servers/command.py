"""`python -m simulator servers`."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path

from simulator.servers.errors import ServerError, refuse_windows
from simulator.servers.local import local_servers


def run(*, directory: Path | None) -> None:
    """Start both, print one JSON line with the addresses, stay up until Ctrl-C or SIGTERM."""
    try:
        refuse_windows(sys.platform)
        asyncio.run(_serve(directory))
    except ServerError as error:
        sys.exit(str(error))


async def _serve(directory: Path | None) -> None:
    serving = asyncio.create_task(_stay_up(directory))
    for asked in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(asked, serving.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await serving


async def _stay_up(directory: Path | None) -> None:
    async with local_servers(os.environ, directory) as servers:
        addresses = {
            "kafka_bootstrap_servers": servers.kafka_bootstrap,
            "mongodb_uri": servers.mongodb_uri,
            "directory": str(servers.directory),
        }
        print(json.dumps(addresses), flush=True)  # noqa: T201 - this line is what the command is for
        await asyncio.Event().wait()
