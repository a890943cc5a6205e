"""Our own processes, kept running as a supervisor does: whatever ends is started again."""

import asyncio
import contextlib
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from ops.demo.cast import Child, Part
from ops.up.restart import RestartPolicy
from simulator.servers.process import ServerProcess

POLICY: Final = RestartPolicy(first=0.5, longest=4.0, steady=20.0)
"""How long after its end a process is started again: sooner than elsewhere, since here one ends every few seconds."""

Say = Callable[[str], None]


class Crew:
    """The processes by name. `ended` counts the ends that nobody asked for, by name and exit code."""

    def __init__(self, folder: Path, say: Say) -> None:
        self._folder = folder
        self._say = say
        self._children: dict[str, Child] = {}
        self._keeping: dict[str, asyncio.Task[None]] = {}
        self._asked: set[str] = set()
        self._again: dict[str, asyncio.Event] = {}
        self.ended: Counter[str] = Counter()

    async def start(self, part: Part) -> Child:
        """Start it, and keep it running from now on; its log is `<name>.log` in the folder."""
        child = await self._begin(part)
        self._keeping[part.name] = asyncio.create_task(self._keep(part), name=f"keeping {part.name}")
        return child

    def child(self, name: str) -> Child:
        """The process of this name as it runs now."""
        return self._children[name]

    async def kill(self, name: str) -> None:
        """SIGKILL; returns once it runs again."""
        again = self._again[name] = asyncio.Event()
        self._asked.add(name)
        self._children[name].process.signal(signal.SIGKILL)
        await again.wait()

    def pause(self, name: str) -> Child:
        """SIGSTOP; what was stopped."""
        child = self._children[name]
        child.process.signal(signal.SIGSTOP)
        return child

    @staticmethod
    def go_on(child: Child) -> None:
        """SIGCONT, to what was stopped."""
        child.process.signal(signal.SIGCONT)

    async def let_go(self, name: str, *, killed: bool) -> None:
        """It ends for good: in order, or by SIGKILL."""
        keeping = self._keeping.pop(name)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        child = self._children.pop(name)
        if killed:
            child.process.signal(signal.SIGKILL)
            await child.process.ended()
        else:
            await child.process.stop()

    async def stop(self) -> None:
        """All end, at once and in order."""
        for keeping in self._keeping.values():
            keeping.cancel()
        await asyncio.gather(*self._keeping.values(), return_exceptions=True)
        for child in self._children.values():
            self.go_on(child)
        await asyncio.gather(*(child.process.stop() for child in self._children.values()))

    async def _begin(self, part: Part) -> Child:
        process = await ServerProcess.start(
            part.name,
            (sys.executable, *part.arguments),
            self._folder / f"{part.name}.log",
            remove=None,
            environment=part.environment,
            folder=self._folder,  # no `.env` of the person's own is read there
        )
        child = self._children[part.name] = Child(part, process)
        return child

    async def _keep(self, part: Part) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            code = await self._children[part.name].process.ended()
            if part.name in self._asked:
                self._asked.discard(part.name)
                failures = 1
            else:
                self.ended[f"{part.name}, exit code {code}"] += 1
                self._say(f"{part.name} ended by itself with code {code}, started again")
                failures = POLICY.in_a_row(failures, time.monotonic() - began)
            await asyncio.sleep(POLICY.wait_seconds(failures))
            await self._begin(part)
            if part.name in self._again:
                self._again.pop(part.name).set()


@contextlib.asynccontextmanager
async def open_crew(folder: Path, say: Say) -> AsyncIterator[Crew]:
    """Nobody yet; everything started with it is stopped at the end."""
    crew = Crew(folder, say)
    try:
        yield crew
    finally:
        await asyncio.shield(crew.stop())


def part(name: str, environment: Mapping[str, Any]) -> Part:
    """`tandem <command>` under this name: `reconcile-2` is a second `tandem reconcile`."""
    return Part(name, ("-P", "-m", "ops", name.partition("-")[0]), environment)
