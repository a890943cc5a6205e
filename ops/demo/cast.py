"""The processes of the demo: each started as an operator would, watched, and stopped whatever the end is."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import aiohttp
import orjson
import psutil

from simulator.servers.process import ServerProcess

TAIL_LINES = 25
AFTERMATH_SECONDS = 1.0
LOOK_SECONDS = 0.5
"""How often the watch is set anew, since processes that are killed on purpose come and go."""

Result = TypeVar("Result")


class DemoFailed(Exception):
    """The demo cannot go on; the message is meant for the person who started it."""


@dataclass(frozen=True, slots=True)
class Part:
    """A process to start: its name, the arguments of this Python, and its environment."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]

    @classmethod
    def tandem(cls, command: str, environment: Mapping[str, str]) -> Self:
        """`tandem <command>`, by the Python that runs this: there may be no other on the PATH."""
        return cls(command, ("-P", "-m", "ops", command), environment)


@dataclass(frozen=True, slots=True)
class Child:
    """A running process."""

    part: Part
    process: ServerProcess

    @property
    def name(self) -> str:
        """The part's."""
        return self.part.name

    @property
    def log(self) -> Path:
        """What it prints."""
        return self.process.log

    def tail(self) -> str:
        """The last lines of its log."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-TAIL_LINES:])


class Cast:
    """The running processes; one that ends by itself ends the demo."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: dict[asyncio.Task[int], Child] = {}

    async def start(self, part: Part) -> Child:
        """Start it; its log is `<name>.log` in the folder."""
        process = await ServerProcess.start(
            part.name,
            (sys.executable, *part.arguments),
            self._folder / f"{part.name}.log",
            remove=None,
            environment=part.environment,
            folder=self._folder,  # no `.env` of the person's own is read there
        )
        child = Child(part, process)
        self._children[asyncio.create_task(process.ended(), name=f"end of {part.name}")] = child
        return child

    async def kill(self, child: Child) -> None:
        """SIGKILL, and wait until it is gone; this end does not end the demo."""
        ended = next(task for task, one in self._children.items() if one is child)
        if ended.done():
            return  # it ended by itself, which ends the demo
        del self._children[ended]
        for running in psutil.Process(child.process.supervisor_pid).children():
            running.kill()
        await ended

    async def unless_one_ends(self, work: Coroutine[Any, Any, Result]) -> Result:
        """What the work returns.

        Raises:
            DemoFailed: a process ended meanwhile; the message holds its exit code and the end of its log.
        """
        task = asyncio.create_task(work)
        try:
            while not task.done() and not any(ended.done() for ended in self._children):
                watched = [task, *self._children]
                await asyncio.wait(watched, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if task.done() and task.exception() is None:
                return task.result()
            # Work that fails because a process is gone fails for the reason that is in the process's log.
            await asyncio.wait(self._children, timeout=AFTERMATH_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            for ended, child in self._children.items():
                if ended.done():
                    end = f"{child.name} ended with code {ended.result()}; the end of {child.log}:\n{child.tail()}"
                    raise DemoFailed(end)
            return await task
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def stop(self) -> None:
        """Stop every process, all at once, and wait until they are gone."""
        children = list(self._children.values())
        await asyncio.gather(*(child.process.stop() for child in children))
        await asyncio.gather(*self._children)


@contextlib.asynccontextmanager
async def open_cast(folder: Path) -> AsyncIterator[Cast]:
    """An empty cast; everything started with it is stopped at the end, also when the end is a cancellation."""
    cast = Cast(folder)
    try:
        yield cast
    finally:
        await asyncio.shield(cast.stop())


async def told(child: Child, seconds: float) -> dict[str, Any]:
    """The JSON line that a process prints when it is ready.

    Raises:
        DemoFailed: it printed none in time.
    """
    try:
        async with asyncio.timeout(seconds):
            while True:
                for line in child.log.read_bytes().splitlines(keepends=True):
                    if line.startswith(b"{") and line.endswith(b"\n"):
                        answer: dict[str, Any] = orjson.loads(line)
                        return answer
                await asyncio.sleep(0.05)
    except TimeoutError:
        message = f"{child.name} told no address within {seconds:g} seconds; the end of {child.log}:\n{child.tail()}"
        raise DemoFailed(message) from None


async def ready(child: Child, http: aiohttp.ClientSession, url: str, seconds: float) -> None:
    """Return once `/ready` of its ops port answers 200.

    Raises:
        DemoFailed: it did not in time; the message holds its last answer and the end of its log.
    """
    answer = "no answer"
    try:
        async with asyncio.timeout(seconds):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with http.get(f"{url}/ready") as response:
                        answer = f"{response.status} {await response.text()}"
                        if response.status == 200:
                            return
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise DemoFailed(
            f"{child.name} was not ready within {seconds:g} seconds ({answer}); the end of {child.log}:\n{child.tail()}"
        ) from None
