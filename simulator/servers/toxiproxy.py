"""A real toxiproxy: TCP proxies whose connections can be cut, delayed and silenced while they are in use."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import aiohttp

from simulator.servers.errors import ServerError
from simulator.servers.jars import cache_folder
from simulator.servers.process import LocalServer, Plan, listens, start

VERSION: Final = "2.12.0"
MODULE: Final = f"github.com/Shopify/toxiproxy/v2/cmd/server@v{VERSION}"
BUILD_SECONDS: Final = 600.0
START_SECONDS: Final = 20.0
CALL_SECONDS: Final = 10.0
FOREVER_MS: Final = 3_600_000

HOW_TO_GET_IT: Final = (
    f"toxiproxy {VERSION} is not there, so no connection is cut or stalled: put a `toxiproxy-server` on the PATH, or "
    "Go, with which it is built here"
)


def find_toxiproxy(environ: Mapping[str, str]) -> Path | None:
    """`toxiproxy-server` of the PATH, else the one that was built here before; None where there is neither."""
    found = shutil.which("toxiproxy-server", path=environ.get("PATH"))
    built = _built(environ)
    return Path(found) if found else built if built.is_file() else None


async def build_toxiproxy(environ: Mapping[str, str]) -> Path | None:
    """Build it with Go into the user's cache folder; None where there is no Go.

    Raises:
        ServerError: it could not be built; the message ends with what Go said.
    """
    go = shutil.which("go", path=environ.get("PATH"))
    if go is None:
        return None
    binary = _built(environ)
    building = await asyncio.create_subprocess_exec(
        *(go, "install", MODULE),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **environ, "GOBIN": str(binary.parent), "GOFLAGS": ""},
    )
    try:
        async with asyncio.timeout(BUILD_SECONDS):
            told, _ = await building.communicate()
    except TimeoutError:
        raise ServerError(f"toxiproxy was not built within {BUILD_SECONDS:g} seconds") from None
    finally:
        if building.returncode is None:
            building.kill()
            await building.wait()
    if building.returncode != 0:
        raise ServerError(f"toxiproxy could not be built by `go install {MODULE}`:\n{told.decode(errors='replace')}")
    return binary


def _built(environ: Mapping[str, str]) -> Path:
    return cache_folder(environ) / f"toxiproxy-{VERSION}" / "server"  # `go install` names it after its folder


async def start_toxiproxy(binary: Path, folder: Path) -> LocalServer:
    """Start it; its address is that of its control API.

    Raises:
        ServerError: it did not come up.
    """

    async def command(ports: Sequence[int]) -> tuple[str, ...]:
        return (str(binary), "-host", "127.0.0.1", "-port", str(ports[0]))

    plan = Plan("toxiproxy", folder, False, 1, command, listens, START_SECONDS)
    return await start(plan, lambda port: f"http://127.0.0.1:{port}")


class Link:
    """One proxy: whoever connects to `port` reaches the server behind it, until something goes wrong on the way.

    Every method raises `aiohttp.ClientError` where toxiproxy does not answer as it should.
    """

    def __init__(self, http: aiohttp.ClientSession, api: str, name: str, port: int) -> None:
        self.name = name
        self.port = port
        """At 127.0.0.1."""
        self._http = http
        self._proxy = f"{api}/proxies/{name}"

    async def lead_to(self, port: int) -> None:
        """The server is at this port of 127.0.0.1; connections there are to another one are closed."""
        await self._change({"listen": f"127.0.0.1:{self.port}", "upstream": f"127.0.0.1:{port}"})

    async def cut(self) -> None:
        """Close every connection, and take no new one."""
        await self._change({"enabled": False})

    async def mend(self) -> None:
        """Take connections again."""
        await self._change({"enabled": True})

    async def stall(self) -> None:
        """Nothing gets through, in either direction, and nothing is lost: it comes late."""
        await self._poison("latency", {"latency": FOREVER_MS})

    async def silence(self) -> None:
        """All bytes vanish, in either direction, while every connection looks open."""
        await self._poison("timeout", {"timeout": 0})

    async def flow(self) -> None:
        """No delay and no silence any more; what is late comes now, what has vanished does not."""
        for direction in ("upstream", "downstream"):
            with suppress(_NotThere):
                await self._call("DELETE", f"{self._proxy}/toxics/{direction}")

    async def _poison(self, kind: str, attributes: Mapping[str, Any]) -> None:
        for direction in ("upstream", "downstream"):
            toxic = {"name": direction, "type": kind, "stream": direction, "attributes": dict(attributes)}
            await self._call("POST", f"{self._proxy}/toxics", toxic)

    async def _change(self, changes: Mapping[str, Any]) -> None:
        await self._call("POST", self._proxy, changes)

    async def _call(self, verb: str, url: str, body: Mapping[str, Any] | None = None) -> Any:
        return await _called(self._http, verb, url, body)


class _NotThere(Exception):
    """Toxiproxy knows no such thing."""


async def _called(http: aiohttp.ClientSession, verb: str, url: str, body: Mapping[str, Any] | None = None) -> Any:
    async with http.request(verb, url, json=body, timeout=aiohttp.ClientTimeout(total=CALL_SECONDS)) as answer:
        if answer.status == 404:
            raise _NotThere(url)
        answer.raise_for_status()
        return await answer.json() if answer.status != 204 else None


@asynccontextmanager
async def open_links(
    binary: Path, folder: Path, http: aiohttp.ClientSession, names: Sequence[str]
) -> AsyncIterator[dict[str, Link]]:
    """A proxy for each name, each with a port; they lead nowhere yet (`Link.lead_to`).

    Raises:
        ServerError: toxiproxy did not come up.
    """
    server = await start_toxiproxy(binary, folder)
    try:
        make = partial(_called, http, "POST", f"{server.address}/proxies")
        links = {}
        for name in names:
            made = await make({"name": name, "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1", "enabled": True})
            links[name] = Link(http, server.address, name, int(made["listen"].rpartition(":")[2]))
        yield links
    finally:
        await server.stop()
