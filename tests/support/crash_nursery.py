"""Stages in processes of their own, from the side of the test that starts, stops and kills them."""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from typing import Any

from support.crash_fuse import Point
from support.crash_stages import Place

STOP_SECONDS = 60.0


@dataclass
class Life:
    """One process. `ended` is its exit code, -9 where it was killed."""

    pid: int
    ended: "asyncio.Future[int]"
    effects: list[str] = field(default_factory=list)
    """What it did, told when it stops in order."""

    def signal(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        if not self.ended.done():
            os.kill(self.pid, number)

    async def stop(self) -> int:
        """As SIGTERM does; its exit code."""
        self.signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_SECONDS):
            return await self.ended

    async def kill(self) -> None:
        """As `kill -9` does."""
        self.signal(signal.SIGKILL)
        await self.ended


class Nursery:
    """Starts them. Made by `open_nursery`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = itertools.count()
        self._began: dict[int, asyncio.Future[Life]] = {}
        self._lives: dict[int, Life] = {}

    async def start(self, stage: str, place: Place, point: Point | None = None) -> Life:
        """A process that runs this stage."""
        number = next(self._numbers)
        self._began[number] = asyncio.get_running_loop().create_future()
        job = {"id": number, "stage": stage, "place": asdict(place), "point": asdict(point) if point else None}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job).encode() + b"\n")
        async with asyncio.timeout(STOP_SECONDS):
            return await self._began[number]

    async def listen(self) -> None:
        """Take in what is told of them."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            self._take(json.loads(line))

    def _take(self, told: dict[str, Any]) -> None:
        if "began" in told:
            life = Life(told["pid"], asyncio.get_running_loop().create_future())
            self._lives[life.pid] = life
            self._began.pop(told["began"]).set_result(life)
        elif "effects" in told:
            self._lives[told["pid"]].effects = told["effects"]
        else:
            self._lives.pop(told["ended"]).ended.set_result(told["code"])


@contextlib.asynccontextmanager
async def open_nursery() -> AsyncIterator[Nursery]:
    """No process is left at its end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "support.crash_child"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    nursery = Nursery(process)
    listening = asyncio.create_task(nursery.listen())
    try:
        yield nursery
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
        await listening
