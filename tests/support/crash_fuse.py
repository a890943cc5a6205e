"""A fuse that ends the process at a chosen effect: ports are wrapped, and production code knows nothing of it."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

Moment = Literal["before", "during", "after"]

UNDER_WAY_SECONDS = 0.0015
"""After this long a request has left the process and its answer has mostly not come."""


@dataclass(frozen=True)
class Point:
    """Before, during or after the effect with this number, from 1."""

    effect: int
    moment: Moment = "after"


def kill_self() -> None:
    """As `kill -9` does: nothing is finished, flushed or said goodbye to."""
    os.kill(os.getpid(), signal.SIGKILL)


class Fuse:
    """Counts effects and kills at one of them; without a point it only counts."""

    def __init__(self, point: Point | None = None, kill: Callable[[], None] = kill_self) -> None:
        self._point = point
        self._kill = kill
        self.effects: list[str] = []
        """Those begun, by name, in order."""

    async def around(self, name: str, effect: Callable[[], Awaitable[Any]]) -> Any:
        """Let the effect happen, unless this is where the process ends."""
        self.effects.append(name)
        number = len(self.effects)
        self._burn(number, "before")
        if self._point == Point(number, "during"):
            await asyncio.wait([asyncio.ensure_future(effect())], timeout=UNDER_WAY_SECONDS)
            self._burn(number, "during")
        result = await effect()
        self._burn(number, "after")
        return result

    def _burn(self, number: int, moment: Moment) -> None:
        if self._point == Point(number, moment):
            self._kill()


class Fused:
    """A port whose named methods are effects. A call that is handed nothing to do is none."""

    def __init__(self, port: Any, fuse: Fuse, *effects: str) -> None:
        self._port = port
        self._fuse = fuse
        self._effects = effects

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if name not in self._effects:
            return method

        async def counted(*arguments: Any, **named: Any) -> Any:
            call = partial(method, *arguments, **named)
            if arguments and isinstance(arguments[-1], Collection) and not arguments[-1]:
                return await call()
            return await self._fuse.around(f"{type(self._port).__name__}.{name}", call)

        return counted
