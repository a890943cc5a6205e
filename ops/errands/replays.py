"""A replay that was asked for on the admin page: planned, then published behind the live records."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from adapters.mongo.operations import Row
from ops.errands.keeper import CannotGoOn, Progress
from ops.replay import CannotReplay, Publisher, Replayer, Run
from ops.replay_plan import Edge, Offset, Window, summary

PLAN: Final = "plan replay"
PUBLISH: Final = "publish replay"
LAG: Final = 1_000
"""Live records go before: so many may be waiting before the next part is published."""

Opened = Callable[[str], AbstractAsyncContextManager[Replayer]]
"""Opens what a replay of this topic works with. Raises `Unavailable`."""


def asked_row(run: Run, start: Edge, stop: Edge | None, *, by: str, at: int) -> Row:
    """A replay of which a plan is wanted. Its window is found when it is planned, and holds from then on."""
    row = run.row(by=by, note="", at=at)
    return {**row, "item": run.topic, "from": _stored(start), "to": _stored(stop), "state": "planning", "work": PLAN}


class Replays:
    """Both halves, as `ops.errands.keeper.Doing` has it."""

    def __init__(self, opened: Opened, publisher: Publisher) -> None:
        self._opened = opened
        self._publisher = publisher

    async def plan(self, row: Row, progress: Progress) -> Row:
        """Decide each record in memory; nothing is published."""
        async with self._opened(row["topic"]) as replayer:
            start = _edge(row["from"])
            if start is None:
                raise CannotGoOn("it does not say from where")
            try:
                window = await replayer.window(start, _edge(row["to"]))
            except CannotReplay as reason:
                raise CannotGoOn(str(reason)) from None
            run = Run(row["_id"], row["topic"], window, row["kinds"], row["key"])
            progress.of = window.size
            plan = await replayer.plan(run, progress.advance)
        return {
            **_places(window),
            "state": "planned",
            "plan": list(summary(plan, window, run.topic)),
            "to_publish": plan.to_publish,
        }

    async def publish(self, row: Row, progress: Progress) -> Row:
        """Publish what changes something, from where it was left."""
        run = Run.of_row(row)
        progress.of, progress.passed = run.window.size + run.read, run.read

        def waits(behind: int) -> None:
            progress.waits = f"for {behind:,} live records to be handled first" if behind else ""

        async with self._opened(run.topic) as replayer:
            await replayer.publish(run, self._publisher, progress.advance, waits, lag=LAG)
        return {"state": "done", "result": f"{run.published:,} published again"}


def _places(window: Window) -> Mapping[str, Any]:
    return {
        "ends": {str(partition): end for partition, (_first, end) in window.parts.items()},
        "next": {str(partition): first for partition, (first, _end) in window.parts.items()},
    }


def _stored(edge: Edge | None) -> Any:
    return {"partition": edge.partition, "offset": edge.offset} if isinstance(edge, Offset) else edge


def _edge(stored: Any) -> Edge | None:
    return Offset(stored["partition"], stored["offset"]) if isinstance(stored, dict) else stored
