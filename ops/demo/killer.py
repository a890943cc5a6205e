"""`--kill`: each of our processes is killed with SIGKILL again and again, and started again as a supervisor would."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Protocol

from ops.demo.cast import Child, Part
from ops.demo.plan import KILL_ROUNDS, KILL_SECONDS

Say = Callable[[str], None]
Pause = Callable[[float], Awaitable[None]]


class Killable(Protocol):
    """Who holds the processes: the cast."""

    async def kill(self, child: Child) -> None:
        """SIGKILL, and wait until it is gone."""

    async def start(self, part: Part) -> Child:
        """Start it."""


class Killer:
    """Kills in rounds: every process once a round, in an order and at times that follow from the seed.

    `children` are the processes by name, kept up to date as they are replaced.
    """

    def __init__(
        self,
        cast: Killable,
        children: MutableMapping[str, Child],
        seed: int,
        say: Say,
        *,
        rounds: int = KILL_ROUNDS,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._cast = cast
        self._children = children
        self._chance = random.Random(f"{seed}:kill")  # noqa: S311 - the same seed kills in the same order
        self._say = say
        self._rounds = rounds
        self._pause = pause
        self.kills: Counter[str] = Counter()
        """How often each process has been killed."""

    async def run(self, enough: asyncio.Event) -> None:
        """Kill until `enough` is set, and all the rounds in any case."""
        done = 0
        while done < self._rounds or not enough.is_set():
            names = list(self._children)
            self._chance.shuffle(names)
            for name in names:
                await self._pause(self._chance.uniform(*KILL_SECONDS))
                if done >= self._rounds and enough.is_set():
                    return
                await self._kill(name)
            done += 1

    async def _kill(self, name: str) -> None:
        child = self._children[name]
        await self._cast.kill(child)
        self._children[name] = await self._cast.start(child.part)
        self.kills[name] += 1
        self._say(f"killed {name}, started again")

    def told(self) -> str:
        """What was done."""
        counts = ", ".join(f"{name} {count} times" for name, count in sorted(self.kills.items()))
        return f"killed with SIGKILL: {counts}"
