"""What the person sees while the demo goes on: a live view on a terminal, a line now and then elsewhere."""

import asyncio
import contextlib
import textwrap
import time
from collections.abc import AsyncIterator

from rich.console import Console
from rich.live import Live

from ops.demo import view
from ops.demo.onlooker import Glance, Onlooker
from ops.demo.view import Room
from schemas.mapping import Mapping

LOOK_SECONDS = 0.5
LINE_SECONDS = 5.0


class Screen:
    """Says things, and shows what the onlooker sees."""

    def __init__(self, console: Console, mapping: Mapping, *, plain: bool) -> None:
        self._console = console
        self._mapping = mapping
        self._plain = plain
        self._began = time.monotonic()
        self.doing = ""
        """What is going on, shown above the live view."""
        self.glance = Glance()
        """The last look."""
        self._looked = asyncio.Condition()

    def say(self, what: str) -> None:
        """One line, with the seconds since the beginning."""
        seconds = time.monotonic() - self._began
        said = f"[{seconds:5.1f}s] {what}"
        if self._console.is_terminal:
            said = textwrap.fill(said, self._console.width, subsequent_indent=" " * 9, break_on_hyphens=False)
        self._console.print(said, markup=False, highlight=False, soft_wrap=True)

    @contextlib.asynccontextmanager
    async def showing(self, onlooker: Onlooker) -> AsyncIterator[None]:
        """Show what there is to see while the block runs; raises what the onlooker raises."""
        async with asyncio.TaskGroup() as group:
            eyes = group.create_task(self._lines(onlooker) if self._plain else self._live(onlooker))
            yield
            eyes.cancel()

    async def next_glance(self) -> Glance:
        """The next look, while `showing`."""
        async with self._looked:
            await self._looked.wait()
        return self.glance

    async def _look(self, onlooker: Onlooker) -> None:
        glance = await onlooker.look()
        async with self._looked:
            self.glance = glance
            self._looked.notify_all()

    async def _live(self, onlooker: Onlooker) -> None:
        with Live(console=self._console, refresh_per_second=4, transient=True) as live:
            while True:
                await self._look(onlooker)
                size = self._console.size
                seconds = time.monotonic() - self._began
                doing = f"[{seconds:4.0f}s] {self.doing}"
                live.update(
                    view.tables(
                        self.glance, self._mapping, doing, Room.of(size.width, size.height, len(self._mapping.kinds))
                    )
                )
                await asyncio.sleep(LOOK_SECONDS)

    async def _lines(self, onlooker: Onlooker) -> None:
        said = 0.0
        while True:
            await self._look(onlooker)
            if time.monotonic() - said >= LINE_SECONDS:
                said = time.monotonic()
                self.say(view.line(self.glance))
            await asyncio.sleep(LOOK_SECONDS)
