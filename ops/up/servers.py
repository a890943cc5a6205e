"""The Kafka and the MongoDB of a small installation, and how other commands find them."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from simulator.servers.local import KAFKA, MONGODB, SETTINGS, Servers, local_servers

ADDRESSES_FILE = "servers.env"


@dataclass(frozen=True, slots=True)
class Addresses:
    """The settings that name the servers, and the file that holds the same for a shell."""

    settings: Mapping[str, str]
    file: Path


@asynccontextmanager
async def opened_servers(folder: Path, stop: asyncio.Event) -> AsyncIterator[Servers | None]:
    """Both, with their data in `folder`, while the block runs; nothing where `stop` was set before they were up.

    Raises:
        simulator.servers.errors.ServerError: one of them cannot be started; the message says why.
    """
    async with AsyncExitStack() as stack:
        opening = asyncio.create_task(stack.enter_async_context(local_servers(os.environ, folder)))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([opening, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            if not opening.done():
                opening.cancel()
                await asyncio.wait([opening])
        yield None if opening.cancelled() else opening.result()


@asynccontextmanager
async def set_when_one_ends(servers: Servers) -> AsyncIterator[asyncio.Event]:
    """An event that is set as soon as one of the servers has ended, while the block runs."""
    lost = asyncio.Event()
    watching = asyncio.create_task(servers.one_ended())
    watching.add_done_callback(lambda task: None if task.cancelled() else lost.set())
    try:
        yield lost
    finally:
        watching.cancel()


def tell_addresses(servers: Servers, folder: Path) -> Addresses:
    """Write the addresses into `servers.env` of the folder: `set -a; . servers.env` lets `tandem check` find them."""
    settings = {SETTINGS[KAFKA]: servers.kafka_bootstrap, SETTINGS[MONGODB]: servers.mongodb_uri}
    file = folder / ADDRESSES_FILE
    file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), encoding="utf-8")
    return Addresses(settings, file)
