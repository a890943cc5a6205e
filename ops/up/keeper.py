"""Keeps one program running: started, watched, started again, and stopped in order."""

import asyncio
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ops.up.restart import Again, GiveUp, RestartPolicy, after_end
from simulator.servers import supervise


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. `grace` is how many seconds it may take to stop in order before it is killed."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    grace: float


def _untold() -> None:
    """Nobody listens."""


class Keeper:
    """Keeps one program running until it is told to stop, or until its settings turn out to be wrong.

    What the program prints goes where our own output goes. It ends with us, however we end: a small supervisor between
    the two stops it as soon as nobody holds its standard input (`simulator.servers.supervise`).
    """

    def __init__(
        self,
        program: Program,
        log: Any,
        policy: RestartPolicy | None = None,
        *,
        on_given_up: Callable[[], None] = _untold,
    ) -> None:
        """`log` is a structlog logger; `on_given_up` is called where its settings are wrong."""
        self._program = program
        self._log = log
        self._policy = policy or RestartPolicy()
        self._on_given_up = on_given_up
        self._stop = asyncio.Event()
        self._renew = asyncio.Event()
        self._begun = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.given_up = False
        """Its settings are wrong: it does not run, and is tried again only by `renew`."""

    @property
    def name(self) -> str:
        """The program's."""
        return self._program.name

    def start(self) -> "asyncio.Task[None]":
        """Begin; the task ends once it was stopped."""
        self._task = asyncio.create_task(self._keep(), name=f"keeping {self.name}")
        return self._task

    async def renew(self) -> None:
        """Stop it in order and start it anew; returns when the new one has begun, or it was stopped for good."""
        self._begun.clear()
        self._renew.set()
        await _first(self._begun, self._stop)

    async def stop(self) -> None:
        """Stop it in order, and wait until it is gone."""
        self._stop.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _keep(self) -> None:
        failures = 0
        while not self._stop.is_set():
            self._renew.clear()
            self.given_up = False
            began = time.monotonic()
            code = await self._run()
            if self._stop.is_set() or self._renew.is_set():
                self._log.info("process_stopped", process=self.name, code=code)
                continue
            match after_end(code, time.monotonic() - began, failures, self._policy):
                case GiveUp():
                    self._give_up(code)
                    await _first(self._stop, self._renew)
                case Again(seconds, failures):
                    self._log.error("process_ended", process=self.name, code=code, again_in_seconds=seconds)
                    await _first(self._stop, self._renew, seconds=seconds)

    def _give_up(self, code: int) -> None:
        self.given_up = True
        reason = "its settings are wrong, as the lines above say: put them right, then reload or start again"
        self._log.critical("process_not_restarted", process=self.name, code=code, reason=reason)
        self._on_given_up()

    async def _run(self) -> int:
        """Run it once; its exit code, and 128 and more where a signal ended it."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", supervise.__file__, str(self._program.grace), "", *self._program.command),
            stdin=asyncio.subprocess.PIPE,
            env=self._program.environment,
            start_new_session=True,  # Ctrl-C is ours to turn into an orderly stop
        )
        self._begun.set()
        self._log.info("process_started", process=self.name)
        ended = asyncio.create_task(process.wait())
        asked = asyncio.create_task(_first(self._stop, self._renew))
        try:
            await asyncio.wait([ended, asked], return_when=asyncio.FIRST_COMPLETED)
        finally:
            asked.cancel()
            if process.stdin is not None:
                process.stdin.close()
        return await asyncio.shield(ended)


async def _first(*events: asyncio.Event, seconds: float | None = None) -> None:
    """Return when one of these is set, or after so many seconds."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()
