"""The stages as tasks of the test's own loop: started, stopped, killed; and waiting for conditions."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.telemetry.metrics import Metrics
from ops.processes import admin, api, reconcile, repair, schedule, subscribe, webhook, write
from ops.processes.frame import Frame, Stage, StoppedEarly
from ops.processes.life import Life

STAGES: Mapping[str, Stage] = {
    "webhook": webhook.stage,
    "api": api.stage,
    "subscribe": subscribe.stage,
    "reconcile": reconcile.stage,
    "write": write.stage,
    "schedule": schedule.stage,
    "repair": repair.stage,
    "admin": admin.stage,
}
MAIN = ("webhook", "subscribe", "reconcile", "write", "repair")
"""Those of the main job, and what closes its gaps."""
PATIENT_SECONDS = 60.0
"""How long is waited for what comes to pass on any machine, however busy: only a test that fails takes so long."""


class Notes:
    """A log of what the stages told: `(level, event, details)`."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, dict[str, Any]]] = []

    def __getattr__(self, level: str) -> Callable[..., None]:
        if level.startswith("_"):
            raise AttributeError(level)

        def note(event: str, **details: Any) -> None:
            self.rows.append((level, event, details))

        return note

    def last(self, event: str) -> dict[str, Any] | None:
        """The details of the newest row of this event."""
        return next((details for _level, told, details in reversed(self.rows) if told == event), None)


@dataclass
class Running:
    """One stage as a task."""

    frame: Frame
    notes: Notes
    task: "asyncio.Task[None]"


@dataclass(kw_only=True)
class Stages:
    """Stages that run, by the names they were started under."""

    stages: dict[str, Running] = field(default_factory=dict)

    def start(self, name: str, *, stage: str = "") -> None:
        """Start a stage; `name` tells a second one of its sort."""
        notes = Notes()
        frame = Frame(stage=name, log=notes, metrics=Metrics(), stop=asyncio.Event(), life=Life(name))
        task = asyncio.create_task(_run_stage(STAGES[stage or name], frame))
        self.stages[name] = Running(frame, notes, task)

    async def stop(self, name: str) -> None:
        """As SIGTERM does."""
        running = self.stages.pop(name)
        running.frame.stop.set()
        async with asyncio.timeout(PATIENT_SECONDS):
            await running.task

    async def kill(self, name: str) -> None:
        """In the middle of whatever it is doing; nothing in hand is finished."""
        running = self.stages.pop(name)
        async with asyncio.timeout(PATIENT_SECONDS):
            while not running.task.done():
                running.task.cancel()  # and again: `asyncio.wait_for` may swallow one before Python 3.12
                await asyncio.wait([running.task], timeout=0.5)

    async def close(self) -> None:
        """Stop every stage."""
        for running in self.stages.values():
            running.frame.stop.set()
        for running in self.stages.values():
            done, _ = await asyncio.wait([running.task], timeout=15)
            if not done:
                running.task.cancel()
                await asyncio.wait([running.task], timeout=15)
        failures = [
            running.task.exception()
            for running in self.stages.values()
            if not running.task.cancelled() and running.task.exception() is not None
        ]
        assert not failures, failures


async def until(
    holds: Callable[[], Any | Awaitable[Any]], what: str, *, seconds: float = PATIENT_SECONDS, every: float = 0.02
) -> None:
    """Wait for a condition; it may be a coroutine function."""
    deadline = time.monotonic() + seconds
    while True:
        found = holds()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(every)


async def _run_stage(stage: Stage, frame: Frame) -> None:
    with contextlib.suppress(StoppedEarly):  # as a process does that is told to stop at once
        await stage(frame)
    if not frame.stop.is_set():
        raise RuntimeError("a stage ended by itself")
