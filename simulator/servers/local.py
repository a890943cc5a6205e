"""Kafka and MongoDB for a demo or a test run: those that the settings name, else real ones started here."""

import asyncio
import contextlib
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Collection, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulator.servers.errors import refuse_windows
from simulator.servers.kafka import start_kafka
from simulator.servers.mongod import start_mongod
from simulator.servers.process import LocalServer

KAFKA = "kafka"
MONGODB = "mongodb"
SETTINGS = {KAFKA: "KAFKA_BOOTSTRAP_SERVERS", MONGODB: "MONGODB_URI"}
STARTERS = {KAFKA: start_kafka, MONGODB: start_mongod}


@dataclass(frozen=True, slots=True)
class Servers:
    """Where they can be reached; empty what was not asked for. `directory` holds data and logs of what was started."""

    kafka_bootstrap: str
    mongodb_uri: str
    directory: Path
    started: tuple[LocalServer, ...] = field(default=(), compare=False, repr=False)
    """Those that were started here."""

    async def one_ended(self) -> None:
        """Return when one of those that were started here has ended, by itself or because it was stopped."""
        ends = [asyncio.create_task(server.process.ended()) for server in self.started]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()


@contextlib.asynccontextmanager
async def servers_or_start(
    environ: Mapping[str, str],
    directory: Path | None = None,
    needs: Collection[str] = (KAFKA, MONGODB),
    *,
    beneath: Path | None = None,
) -> AsyncIterator[Servers]:
    """The servers that `KAFKA_BOOTSTRAP_SERVERS` and `MONGODB_URI` in `environ` name, and our own for those not named.

    Data and logs go to `directory`; without one to a temporary folder, which is removed. That is made `beneath`, or
    where temporary folders are.

    Raises:
        ServerError: one of them cannot be started (the other is stopped again).
    """
    given = {need: environ[SETTINGS[need]] for need in needs if environ.get(SETTINGS[need])}
    with _folder(directory, beneath) as folder:
        missing = [need for need in needs if need not in given]
        if missing:
            refuse_windows(sys.platform)
        started = await _start_all(
            [STARTERS[need](folder / need, environ, temporary=directory is None) for need in missing]
        )
        try:
            addresses = given | {need: server.address for need, server in zip(missing, started, strict=True)}
            yield Servers(addresses.get(KAFKA, ""), addresses.get(MONGODB, ""), folder, tuple(started))
        finally:
            await asyncio.gather(*(server.stop() for server in started))


@contextlib.asynccontextmanager
async def local_servers(environ: Mapping[str, str], directory: Path | None = None) -> AsyncIterator[Servers]:
    """Both, started here whatever the settings name; else as `servers_or_start`."""
    unnamed = {name: value for name, value in environ.items() if name not in SETTINGS.values()}
    async with servers_or_start(unnamed, directory) as servers:
        yield servers


async def _start_all(starts: list[Coroutine[Any, Any, LocalServer]]) -> list[LocalServer]:
    """Side by side; if one fails or we are cancelled, those already up are stopped."""
    tasks = [asyncio.create_task(start) for start in starts]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, LocalServer):
                await outcome.stop()
        raise


@contextlib.contextmanager
def _folder(directory: Path | None, beneath: Path | None) -> Iterator[Path]:
    if directory is not None:
        yield directory.resolve()
        return
    temporary = Path(tempfile.mkdtemp(prefix="tandem-", dir=beneath))
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
