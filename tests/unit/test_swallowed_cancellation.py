"""Ending a task that swallows its first cancellation, as the MongoDB driver can make any of ours do on Python 3.11."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest

from consumers.runner import runner
from consumers.runner.runner import Runner
from consumers.runner.settings import RunnerSettings
from listener.changes import racing
from listener.changes.racing import first_to_end
from ops.processes import parts
from ops.processes.parts import ended
from schemas.log_record import Record
from schemas.outcome import Result


async def deaf_once() -> None:
    """Goes on after the first cancellation."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await asyncio.Event().wait()


class Swallows:
    """A stream whose fetch swallows the first cancellation."""

    async def fetch(self, max_records: int, timeout: float) -> Sequence[Record]:
        await deaf_once()
        return []

    def pause(self) -> None:
        """Not tried here."""

    def resume(self) -> None:
        """Not tried here."""

    async def commit(self, offsets: Any) -> None:
        """Not tried here."""


class Handles:
    """Nothing."""

    async def handle(self, records: Sequence[Record]) -> list[Result]:
        return []


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled once more after a moment."""
    for module in (racing, runner, parts):
        monkeypatch.setattr(module, "CANCEL_AGAIN_SECONDS", 0.02)


async def in_time(work: Coroutine[Any, Any, None]) -> None:
    async with asyncio.timeout(30):
        await work


async def test_whoever_has_lost_a_race_ends() -> None:
    """A subscriber whose lease is lost does not go on, nor wait for itself."""

    async def lost() -> None:
        await asyncio.sleep(0)
        raise LookupError("the lease")

    with pytest.raises(LookupError):
        await in_time(first_to_end(lost(), deaf_once()))


async def test_what_works_beside_a_stage_ends_with_it() -> None:
    """The sweep, and what tells metrics."""
    task = asyncio.create_task(deaf_once())
    await asyncio.sleep(0)
    await in_time(ended(task))
    assert task.cancelled()


async def test_a_runner_stops() -> None:
    """However its fetch takes a cancellation."""
    stop = asyncio.Event()
    running = asyncio.create_task(Runner(Handles(), RunnerSettings()).run(Swallows(), stop))
    await asyncio.sleep(0.01)
    stop.set()
    await in_time(asyncio.wait_for(running, 30))
