"""An HTTP server as both listeners have it: where it listens, what cuts a connection, who answers broken requests."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from aiohttp import web

_LINGER_SECONDS: Final = 1.0
"""How long a connection whose body is left unread stays open, so that the answer is heard."""

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Listening:
    """Where the server listens. With `port` 0 in the settings this holds the one that was taken."""

    host: str
    port: int


class Broken(Protocol):
    """Answers what no handler has answered, in our words: aiohttp's would quote what was sent."""

    def malformed(self, status: int) -> web.StreamResponse:
        """The answer to bytes that are not HTTP; `status` is aiohttp's for them."""

    def failed(self, error: BaseException | None) -> web.StreamResponse:
        """The answer to a fault of ours, which is told in the log."""


class Server(web.Server):
    """Hands every request to one handler; neither unpacks bodies nor writes a line for each."""

    def __init__(self, handler: Handler, broken: Broken, *, keep_alive_seconds: float) -> None:
        super().__init__(handler)
        self._options: dict[str, Any] = {
            "broken": broken,
            "keepalive_timeout": keep_alive_seconds,
            "lingering_time": _LINGER_SECONDS,
            "auto_decompress": False,
            "access_log": None,
        }

    def __call__(self) -> web.RequestHandler:
        """A new connection."""
        return _Connection(self, loop=asyncio.get_running_loop(), **self._options)


@asynccontextmanager
async def listening(server: Server, host: str, port: int, *, shutdown_seconds: float) -> AsyncIterator[Listening]:
    """Listen while the block runs; at its end take no new requests and let those in flight finish.

    Raises:
        OSError: the address is taken or is not ours.
    """
    runner = web.ServerRunner(server, shutdown_timeout=shutdown_seconds)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield Listening(host, runner.addresses[0][1])
    finally:
        await runner.cleanup()


class _Connection(web.RequestHandler):
    __slots__ = ("_broken",)

    def __init__(self, manager: web.Server, *, broken: Broken, **options: Any) -> None:
        super().__init__(manager, **options)
        self._broken = broken

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """As aiohttp's, with answers of ours."""
        if status < 500:
            return self._broken.malformed(status)
        answer = self._broken.failed(exc)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer had begun")
        return answer
