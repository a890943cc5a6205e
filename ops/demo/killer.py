"""`--kill`: each of our processes is killed with SIGKILL again and again, and started again as a supervisor would.

Only a process that is at work is killed, so that every kill interrupts something.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Protocol

from ops.demo.cast import Child, Part
from ops.demo.plan import KILL_ROUNDS, KILL_SECONDS, KILL_SOON, KILL_SOON_SECONDS

Say = Callable[[str], None]
Pause = Callable[[float], Awaitable[None]]
AtWork = Callable[[str], Awaitable[None]]
"""Returns once the process of this name does its work; raises where it does not in time."""


class Killable(Protocol):
    """Who holds the processes: the cast."""

    async def kill(self, child: Child) -> None:
        """SIGKILL, and wait until it is gone."""

    async def start(self, part: Part) -> Child:
        """Start it."""


class Killer:
    """Kills in rounds: every process once a round and one of them twice, in an order and at times that follow from the
    seed. The second kill of that one comes as soon as it is at work again; some others come soon one after another.

    `children` are the processes by name, kept up to date as they are replaced.
    """

    def __init__(
        self,
        cast: Killable,
        children: MutableMapping[str, Child],
        seed: int,
        say: Say,
        at_work: AtWork,
        *,
        rounds: int = KILL_ROUNDS,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._cast = cast
        self._children = children
        self._chance = random.Random(f"{seed}:kill")  # noqa: S311 - the same seed kills in the same order
        self._say = say
        self._at_work = at_work
        self._rounds = rounds
        self._pause = pause
        self.kills: Counter[str] = Counter()
        """How often each process has been killed."""

    async def run(self, enough: asyncio.Event) -> None:
        """Kill until `enough` is set, and all the rounds in any case.

        Raises:
            DemoFailed: a process that was started again did not get to work in time.
        """
        names = list(self._children)
        twice = self._chance.sample(names, len(names))
        done = 0
        while done < self._rounds or not enough.is_set():
            self._chance.shuffle(names)
            for name in names:
                await self._pause(self._next_pause())
                if done >= self._rounds and enough.is_set():
                    return
                await self._kill(name)
                if name == twice[done % len(twice)]:
                    await self._kill(name)
            done += 1

    def _next_pause(self) -> float:
        soon = self._chance.random() < KILL_SOON
        return self._chance.uniform(*(KILL_SOON_SECONDS if soon else KILL_SECONDS))

    async def _kill(self, name: str) -> None:
        await self._at_work(name)
        child = self._children[name]
        await self._cast.kill(child)
        self._children[name] = await self._cast.start(child.part)
        self.kills[name] += 1
        self._say(f"killed {name}, started again")

    def told(self) -> str:
        """What was done."""
        counts = ", ".join(f"{name} {count} times" for name, count in sorted(self.kills.items()))
        return f"killed with SIGKILL: {counts}"
