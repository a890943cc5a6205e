"""The demo's killer: who is killed, how often, and that the demo goes on."""

import asyncio
import os
from collections import Counter
from pathlib import Path

import psutil
import pytest

from ops.demo.cast import Child, DemoFailed, Part, open_cast, told
from ops.demo.killer import Killer
from ops.demo.plan import KILL_SECONDS, KILL_SETTINGS, Plan
from simulator.servers.process import ServerProcess

NAMES = ("subscribe", "reconcile", "write", "webhook")
SLEEPER = Part("sleeper", ("-c", "import time; print('{\"up\": true}', flush=True); time.sleep(600)"), os.environ)


class Process(ServerProcess):
    """None at all."""

    def __init__(self) -> None:
        """Nothing runs."""


class Cast:
    """Notes who is killed and started."""

    def __init__(self) -> None:
        self.did: list[str] = []

    async def kill(self, child: Child) -> None:
        self.did.append(f"kill {child.name}")

    async def start(self, part: Part) -> Child:
        self.did.append(f"start {part.name}")
        return Child(part, Process())


async def kills(seed: int, *, until: int = 0) -> tuple[list[str], list[float]]:
    """What a killer of two rounds does, and how long it pauses; `enough` is set at the pause with this number."""
    cast, pauses, enough = Cast(), list[float](), asyncio.Event()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) > until:
            enough.set()

    children = {name: Child(Part(name, (), {}), Process()) for name in NAMES}
    before = dict(children)
    killer = Killer(cast, children, seed, lambda _line: None, rounds=2, pause=pause)
    await killer.run(enough)
    assert all(children[name] is not before[name] for name in NAMES)
    assert killer.kills == Counter(one.removeprefix("kill ") for one in cast.did if one.startswith("kill "))
    return cast.did, pauses


async def test_each_process_is_killed_once_a_round_and_started_at_once() -> None:
    """Also where the edits are over before the rounds are."""
    did, pauses = await kills(1)
    assert [one.split()[0] for one in did] == ["kill", "start"] * 8
    assert all(did[place].split()[1] == did[place + 1].split()[1] for place in range(0, 16, 2))
    for round_ in (did[0:8:2], did[8:16:2]):
        assert sorted(one.split()[1] for one in round_) == sorted(NAMES)
    assert all(KILL_SECONDS[0] <= seconds <= KILL_SECONDS[1] for seconds in pauses)


async def test_killing_goes_on_as_long_as_the_edits() -> None:
    """And ends with them, in the middle of a round too."""
    did, _ = await kills(1, until=10)
    assert len(did) == 2 * 10


async def test_the_seed_decides_the_order() -> None:
    """The same seed kills in the same order at the same times, another does not."""
    assert await kills(3) == await kills(3)
    assert await kills(3) != await kills(4)


async def test_a_process_killed_on_purpose_does_not_end_the_demo(tmp_path: Path) -> None:
    """It is gone, one started in its place is watched like every other, and none is left at the end."""
    async with open_cast(tmp_path) as cast:
        child = await cast.start(SLEEPER)
        assert await told(child, 20) == {"up": True}
        (first,) = psutil.Process(child.process.supervisor_pid).children()
        second: list[psutil.Process] = []

        async def work() -> None:
            await cast.kill(child)
            assert not first.is_running()
            again = await cast.start(child.part)
            async with asyncio.timeout(20):
                while not second:
                    second.extend(psutil.Process(again.process.supervisor_pid).children())
                    await asyncio.sleep(0.02)
            second[0].kill()
            await asyncio.Event().wait()

        with pytest.raises(DemoFailed, match="sleeper ended with code 137"):
            async with asyncio.timeout(60):
                await cast.unless_one_ends(work())
    assert not second[0].is_running()


def test_only_the_kill_plan_shortens_what_is_waited_for() -> None:
    """A write counts as unanswered no sooner than its call can end, nor as gone sooner than that."""
    assert not Plan(1, 1, 1, 1.0, 1).settings
    settings = {name: float(value) for name, value in Plan(1, 1, 1, 1.0, 1, kill=True).settings.items()}
    assert settings.keys() == KILL_SETTINGS.keys()
    assert settings["SALESFORCE_CALL_TIMEOUT_SECONDS"] < settings["MERGE_ANSWER_SECONDS"]
    assert settings["MERGE_ANSWER_SECONDS"] <= settings["MERGE_LONGEST_CALL_SECONDS"]
