"""Makes what goes wrong go wrong, when the schedule says so."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, assert_never

import aiohttp

from ops.chaos.crew import Crew, Say
from ops.chaos.org_troubles import Post, script
from ops.chaos.recovery import Strike
from ops.chaos.schedule import Planned
from ops.chaos.troubles import (
    Crowd,
    Cut,
    Kill,
    Org,
    OrgTrouble,
    Pause,
    Restart,
    Server,
    Silence,
    Stall,
    Wire,
    is_silent,
    target,
    tell,
)
from ops.demo.cast import DemoFailed, Part, ready
from simulator.servers.process import LocalServer
from simulator.servers.toxiproxy import Link

Join = Callable[[str], Part]
"""One more process of this sort."""
READY_SECONDS: Final = 20.0
"""How long one more process may take to be ready."""

Pauses = Callable[[float], Awaitable[None]]


class Injector:
    """Plays a schedule. `strikes` are the troubles so far, each when it was over."""

    def __init__(
        self,
        crew: Crew,
        servers: Mapping[Server, LocalServer],
        links: Mapping[Wire, Link],
        http: aiohttp.ClientSession,
        org_url: str,
        join: Join,
        now: Callable[[], float],
        say: Say,
        *,
        pause: Pauses = asyncio.sleep,
    ) -> None:
        """`now` is seconds since the beginning of the load."""
        self._crew = crew
        self._servers = servers
        self._links = links
        self._http = http
        self._org_url = org_url
        self._join = join
        self._now = now
        self._say = say
        self._pause = pause
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._joined = 0
        self.strikes: list[Strike] = []

    async def run(self, schedule: Sequence[Planned]) -> None:
        """Return once all of it has happened and is over.

        Raises:
            DemoFailed: something cannot be made to go wrong, or does not come back.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for planned in schedule:
                    await self._pause(max(0.0, planned.at - self._now()))
                    group.create_task(self._play(planned))
        except* (aiohttp.ClientError, OSError) as errors:
            raise DemoFailed(f"what was planned could not be done: {errors.exceptions[0]!r}") from None

    async def _play(self, planned: Planned) -> None:
        async with self._turns[target(planned.trouble)]:
            began = self._now()
            self._say(f"now {tell(planned.trouble)}")
            async with self._going_wrong(planned):
                await self._pause(planned.lasts)
            self.strikes.append(Strike(tell(planned.trouble), began, self._now(), is_silent(planned.trouble)))

    def _going_wrong(self, planned: Planned) -> contextlib.AbstractAsyncContextManager[None]:
        match planned.trouble:
            case Kill(process):
                return _before(partial(self._crew.kill, process))
            case Pause(process):
                return self._stopped(process)
            case Crowd(process, killed):
                return self._crowded(process, killed=killed)
            case Restart(server):
                return _before(partial(_restart, self._servers[server]))
            case Cut(wire):
                return _around(self._links[wire].cut, self._links[wire].mend)
            case Stall(wire):
                return _around(self._links[wire].stall, self._links[wire].flow)
            case Silence(wire):
                return _around(self._links[wire].silence, partial(_end, self._links[wire]))
            case Org(trouble):
                return self._org(trouble, planned.lasts)
            case _:
                assert_never(planned.trouble)

    @contextlib.asynccontextmanager
    async def _stopped(self, process: str) -> AsyncIterator[None]:
        child = self._crew.pause(process)
        try:
            yield
        finally:
            self._crew.go_on(child)

    @contextlib.asynccontextmanager
    async def _crowded(self, process: str, *, killed: bool) -> AsyncIterator[None]:
        self._joined += 1
        part = self._join(f"{process}-{self._joined + 1}")
        child = await self._crew.start(part)
        # One that is not up in time, since what it needs is away, goes as it is.
        with contextlib.suppress(DemoFailed):
            await ready(child, self._http, f"http://127.0.0.1:{part.environment['OPS_PORT']}", READY_SECONDS)
        try:
            yield
        finally:
            await self._crew.let_go(part.name, killed=killed)

    @contextlib.asynccontextmanager
    async def _org(self, trouble: OrgTrouble, seconds: float) -> AsyncIterator[None]:
        wanted = script(trouble, seconds)
        planted = [(await self._post(Post("/faults", fault)))["id"] for fault in wanted.faults]
        for post in wanted.begin:
            await self._post(post)
        try:
            yield
        finally:
            for fault in planted:
                async with self._http.delete(f"{self._org_url}/admin/faults/{fault}") as answer:
                    answer.raise_for_status()
            for post in wanted.end:
                await self._post(post)

    async def _post(self, post: Post) -> Any:
        async with self._http.post(f"{self._org_url}/admin{post.path}", json=dict(post.body)) as answer:
            answer.raise_for_status()
            return await answer.json()


@contextlib.asynccontextmanager
async def _before(begin: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    await begin()
    yield


@contextlib.asynccontextmanager
async def _around(begin: Callable[[], Awaitable[None]], end: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    await begin()
    try:
        yield
    finally:
        await end()


async def _restart(server: LocalServer) -> None:
    await server.kill()
    await server.start_again()


async def _end(link: Link) -> None:
    """What was silent ends: the bytes that vanished are missing in the middle of every connection."""
    await link.cut()
    await link.flow()
    await link.mend()
