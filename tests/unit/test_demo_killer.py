"""The demo's killer: who is killed, how often, and that the demo goes on."""

import asyncio
import itertools
import os
from collections import Counter
from pathlib import Path

import psutil
import pytest

from adapters.telemetry.metrics import Metrics
from ops.demo.at_work import shows_work
from ops.demo.cast import Child, DemoFailed, Part, open_cast, told
from ops.demo.killer import Killer
from ops.demo.plan import KILL_SECONDS, KILL_SETTINGS, KILL_SOON_SECONDS, SOON_SETTINGS, Plan
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


async def kills(seed: int, *, rounds: int = 4, until: int = 0) -> tuple[list[str], list[float]]:
    """What a killer of so many rounds does, and how long it pauses; `enough` is set at the pause with this number."""
    cast, pauses, enough = Cast(), list[float](), asyncio.Event()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) > until:
            enough.set()

    async def at_work(name: str) -> None:
        cast.did.append(f"await {name}")

    children = {name: Child(Part(name, (), {}), Process()) for name in NAMES}
    before = dict(children)
    killer = Killer(cast, children, seed, lambda _line: None, at_work, rounds=rounds, pause=pause)
    await killer.run(enough)
    assert all(children[name] is not before[name] for name in NAMES)
    assert killer.kills == Counter(one.removeprefix("kill ") for one in cast.did if one.startswith("kill "))
    return cast.did, pauses


async def test_each_process_is_killed_once_a_round_and_one_twice_when_it_is_at_work() -> None:
    """Also where the edits are over before the rounds are; it is started again at once, and waited for before the next
    kill of it."""
    did, pauses = await kills(1)
    assert [one.split()[0] for one in did] == ["await", "kill", "start"] * (4 * 5)
    names = [one.split()[1] for one in did[::3]]
    assert [one.split()[1] for one in did] == [name for name in names for _ in range(3)]
    twice = []
    for begin in range(0, 20, 5):
        hit = names[begin : begin + 5]
        assert set(hit) == set(NAMES)
        twice += [first for first, second in itertools.pairwise(hit) if first == second]
    assert sorted(twice) == sorted(NAMES), "over four rounds it is each one's turn"
    assert len(pauses) == 4 * 4, "no pause before a second kill"


async def test_some_kills_come_soon_after_another_and_none_late() -> None:
    """So that one process falls while another has not come up yet; and the whole is bounded in time."""
    _, pauses = await kills(1, rounds=40)
    soon = [seconds for seconds in pauses if seconds <= KILL_SOON_SECONDS[1]]
    assert 20 < len(soon) < 80
    assert all(KILL_SECONDS[0] <= seconds <= KILL_SECONDS[1] for seconds in pauses if seconds not in soon)


async def test_a_process_that_does_not_get_to_work_ends_the_killing() -> None:
    """Nothing is killed over and over that never did anything in between."""
    cast = Cast()

    async def at_work(name: str) -> None:
        raise DemoFailed(f"{name} was not at work")

    killer = Killer(cast, {"write": Child(Part("write", (), {}), Process())}, 1, print, at_work, pause=no_pause)
    with pytest.raises(DemoFailed, match="write was not at work"):
        await killer.run(asyncio.Event())
    assert not cast.did


def test_a_process_that_stands_by_is_not_at_work() -> None:
    """Its metrics tell: no partition is its own, the org's stream is another's."""
    metrics = Metrics()

    def at_work() -> set[str]:
        return {name for name in NAMES if shows_work(name, metrics.render().decode())}

    metrics.connected("/data/ContactChangeEvent", up=False)
    assert at_work() == {"webhook"}
    metrics.connected("/data/ContactChangeEvent", up=True)
    metrics.lag_seen("platform.events", 0, 0)
    assert at_work() == set(NAMES)
    metrics.connected("/data/ContactChangeEvent", up=False)
    metrics.partition_lost("platform.events", 0)
    assert at_work() == {"webhook"}


async def no_pause(_seconds: float) -> None:
    """At once."""


async def test_killing_goes_on_as_long_as_the_edits() -> None:
    """And ends with them, in the middle of a round too."""
    did, pauses = await kills(1, rounds=2, until=10)
    assert len(pauses) == 11
    assert sum(one.startswith("kill") for one in did) in {12, 13}, "ten kills, and the seconds of the rounds begun"


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
            async with asyncio.timeout(30):
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
    always = Plan(1, 1, 1, 1.0, 1).settings
    assert always == SOON_SETTINGS
    killing = Plan(1, 1, 1, 1.0, 1, kill=True).settings
    settings = {name: float(value) for name, value in killing.items() if name not in always}
    assert settings.keys() == KILL_SETTINGS.keys()
    assert settings["SALESFORCE_CALL_TIMEOUT_SECONDS"] < settings["MERGE_ANSWER_SECONDS"]
    assert settings["MERGE_ANSWER_SECONDS"] <= settings["MERGE_LONGEST_CALL_SECONDS"]
