"""A real toxiproxy, where there is one: connections are cut, come late and fall silent, as its control port says."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from simulator.servers.toxiproxy import HOW_TO_GET_IT, Link, find_toxiproxy, open_links

BINARY = find_toxiproxy(os.environ)
pytestmark = [pytest.mark.integration, pytest.mark.skipif(BINARY is None, reason=HOW_TO_GET_IT)]

LIMIT = 60.0


@contextlib.asynccontextmanager
async def echoing() -> AsyncIterator[int]:
    """A server that says back what it hears; its port."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while heard := await reader.read(100):
                writer.write(heard)
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@contextlib.asynccontextmanager
async def linked(folder: Path) -> AsyncIterator[tuple[Link, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A link to that server, and a connection by it."""
    assert BINARY is not None
    async with aiohttp.ClientSession() as http, echoing() as port, open_links(BINARY, folder, http, ["one"]) as links:
        link = links["one"]
        await link.lead_to(port)
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        try:
            async with asyncio.timeout(LIMIT):
                yield link, reader, writer
        finally:
            writer.close()


async def goes_well(link: Link) -> None:
    """A new connection gets its answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    writer.write(b"b")
    assert await reader.readexactly(1) == b"b"
    writer.close()


async def test_a_link_that_is_cut_takes_nobody_until_it_is_mended(tmp_path: Path) -> None:
    """The connection ends, a new one is refused; then both are well."""
    async with linked(tmp_path) as (link, reader, writer):
        writer.write(b"a")
        assert await reader.readexactly(1) == b"a"
        await link.cut()
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", link.port)
        await link.mend()
        await goes_well(link)


async def test_what_is_stalled_comes_late_and_whole(tmp_path: Path) -> None:
    """Not a byte is lost, and none comes while the link is stalled."""
    async with linked(tmp_path) as (link, reader, writer):
        await link.stall()
        writer.write(b"late")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.2)
        await link.flow()
        assert await reader.readexactly(4) == b"late"


async def test_what_is_silenced_never_comes(tmp_path: Path) -> None:
    """The connection looks open all the while; cut and mended, the next one is well."""
    async with linked(tmp_path) as (link, reader, writer):
        await link.silence()
        writer.write(b"gone")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.2)
        await link.cut()
        await link.flow()
        await link.mend()
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        await goes_well(link)
