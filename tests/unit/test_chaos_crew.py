"""Our processes under chaos: kept running, killed, stopped, let go; and what the injector does to them and the org."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import psutil
import pytest

from ops.chaos.crew import Crew, open_crew
from ops.chaos.inject import Injector
from ops.chaos.schedule import Planned
from ops.chaos.troubles import Kill, Org, OrgTrouble, Pause, Trouble
from ops.demo.cast import DemoFailed, Part
from simulator.org.app import RunningOrg, running_org

LIMIT = 30.0


def sleeper(name: str) -> Part:
    return Part(name, ("-c", "import time; time.sleep(600)"), os.environ)


def pids(crew: Crew, name: str) -> list[psutil.Process]:
    supervisor = psutil.Process(crew.child(name).process.supervisor_pid)
    return list(supervisor.children())


async def until(holds: Callable[[], bool]) -> None:
    """Another process does what it does; there is nothing to wait for but time."""
    async with asyncio.timeout(LIMIT):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def sleepers(folder: Path, *names: str) -> AsyncIterator[Crew]:
    """A crew of processes that do nothing, all running."""
    async with asyncio.timeout(LIMIT), open_crew(folder, lambda _said: None) as crew:
        for name in names:
            await crew.start(sleeper(name))
            await until(lambda name=name: len(pids(crew, name)) == 1)  # type: ignore[misc]
        yield crew


async def test_a_process_that_is_killed_runs_again(tmp_path: Path) -> None:
    """It is another one, and its end counts as asked for; in the end none is left."""
    async with sleepers(tmp_path, "one") as crew:
        (before,) = pids(crew, "one")
        await crew.kill("one")
        await until(lambda: len(pids(crew, "one")) == 1)
        (after,) = pids(crew, "one")
        assert before.pid != after.pid
        assert not crew.ended
    assert not after.is_running()


async def test_a_process_that_ends_by_itself_is_counted_and_runs_again(tmp_path: Path) -> None:
    """With its exit code."""
    async with open_crew(tmp_path, lambda _said: None) as crew:
        first = await crew.start(Part("one", ("-c", "import sys; sys.exit(3)"), os.environ))
        await until(lambda: crew.child("one") is not first)
        assert crew.ended["one, exit code 3"] >= 1


@pytest.mark.parametrize("killed", [False, True])
async def test_a_process_that_is_let_go_stays_away(tmp_path: Path, killed: bool) -> None:
    """Whether in order or not."""
    async with sleepers(tmp_path, "one") as crew:
        (process,) = pids(crew, "one")
        await crew.let_go("one", killed=killed)
        assert not process.is_running()
        assert not crew.ended


async def test_a_process_that_is_stopped_goes_on(tmp_path: Path) -> None:
    """And one that is stopped at the end of all does not keep it from ending."""
    async with sleepers(tmp_path, "one") as crew:
        (process,) = pids(crew, "one")
        stopped = crew.pause("one")
        await until(lambda: process.status() == psutil.STATUS_STOPPED)
        crew.go_on(stopped)
        await until(lambda: process.status() != psutil.STATUS_STOPPED)
        crew.pause("one")
    assert not process.is_running()


@contextlib.asynccontextmanager
async def injecting(folder: Path) -> AsyncIterator[tuple[Injector, Crew, RunningOrg]]:
    """An injector with one process and an org."""
    began = time.monotonic()
    async with running_org() as org, aiohttp.ClientSession() as http, sleepers(folder, "write") as crew:
        now = partial_now(began)
        yield Injector(crew, {}, {}, http, org.base_url, sleeper, now, lambda _said: None), crew, org


def partial_now(began: float) -> Callable[[], float]:
    return lambda: time.monotonic() - began


def planned(*troubles: Trouble) -> list[Planned]:
    """One right after the other."""
    return [Planned(0.0, trouble, 0.05) for trouble in troubles]


async def test_what_is_planned_happens_and_is_over(tmp_path: Path) -> None:
    """Two things to one process one after the other; each is told with its beginning and its end."""
    async with injecting(tmp_path) as (injector, crew, _org):
        (before,) = pids(crew, "write")
        await injector.run(planned(Pause("write"), Kill("write")))
        await until(lambda: len(pids(crew, "write")) == 1)
        (after,) = pids(crew, "write")
        assert before.pid != after.pid
        first, second = injector.strikes
        assert first.began <= first.ended <= second.began <= second.ended


async def test_what_the_org_does_wrong_it_does_for_a_while(tmp_path: Path) -> None:
    """Afterwards nothing is planted, and there are calls left again."""
    async with injecting(tmp_path) as (injector, _crew, org):
        await injector.run(planned(*(Org(trouble) for trouble in OrgTrouble if trouble is not OrgTrouble.HALF_OPEN)))
        assert len(injector.strikes) == len(OrgTrouble) - 1
        assert org.org.faults.planted() == []
        assert org.org.allocations["DailyApiRequests"].shown()["Remaining"] > 0
        assert org.cometd.faults.struck["disconnect_clients"] == 1


async def test_an_org_that_is_not_there_fails_the_run(tmp_path: Path) -> None:
    """What was to go wrong could not."""
    async with sleepers(tmp_path, "write") as crew, aiohttp.ClientSession() as http:
        nowhere = "http://127.0.0.1:1"
        injector = Injector(crew, {}, {}, http, nowhere, sleeper, lambda: 0.0, lambda _said: None)
        with pytest.raises(DemoFailed, match="could not be done"):
            await injector.run(planned(Org(OrgTrouble.UNAUTHORIZED)))
