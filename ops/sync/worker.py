"""Works at runs, one at a time over all processes: part by part, each stored with its cursor before the next begins."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final, Protocol

from adapters.salesforce.lists import ListRefused
from consumers.runner.backoff import Backoff
from listener.changes.ownership import Ownership
from listener.changes.racing import first_to_end
from ops.sync.asking import CannotRun
from ops.sync.walk import Advance, TooManyMissing, Walk
from schemas.stream import Lease
from schemas.sync_run import Run, RunState, RunStep, Wish
from schemas.unavailable import Unavailable

LEASE_NAME: Final = "runs"
PACE_SECONDS: Final = 2.0
"""Between two looks whether there is room again."""


class Runs(Protocol):
    """Where runs are kept: `adapters.mongo.runs.MongoRuns`."""

    async def get(self, run_id: str) -> Run | None:
        """One run."""

    async def next(self) -> Run | None:
        """The one to be worked at."""

    async def save(self, run: Run, lease: Lease) -> Wish | None:
        """Store how far it is; what somebody wants of it. Raises `LeaseLost`."""


Hindrance = Callable[[Run, RunStep], Awaitable[str]]
"""What a run has to wait for before its next part, in words; empty where nothing is."""


async def _as_it_is(run: Run) -> Run:
    return run


class Worker:
    """One process's worker. `now` gives epoch milliseconds.

    `walk` opens what a step walks over, `finish` does what is left once all steps are done or hindered. `moved` is told
    of each part, `ended` of each run that ended or was paused.
    """

    def __init__(
        self,
        *,
        runs: Runs,
        walk: Callable[[Run, RunStep], Walk],
        hindrance: Hindrance,
        ownership: Ownership,
        now: Callable[[], int],
        finish: Callable[[Run], Awaitable[Run]] = _as_it_is,
        moved: Callable[[RunStep, Advance], None] = lambda _step, _advance: None,
        ended: Callable[[Run], None] = lambda _run: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        backoff: Backoff | None = None,
    ) -> None:
        self._runs = runs
        self._walk = walk
        self._hindrance = hindrance
        self._ownership = ownership
        self._now = now
        self._finish = finish
        self._moved = moved
        self._ended = ended
        self._sleep = sleep
        self._backoff = backoff or Backoff(0.5, 30.0)

    async def work(self, stop: asyncio.Event, only: str = "") -> bool:
        """Work at what waits until nothing does, or at one run alone; False where another process is at work.

        Raises:
            Unavailable: the store does not answer.
            LeaseLost: another process is at work now.
        """
        lease = await self._ownership.take()
        if lease is None:
            return False
        try:
            await first_to_end(self._ownership.hold(lease), self._work(lease, stop, only))
        finally:
            await self._ownership.release(lease)
        return True

    async def _work(self, lease: Lease, stop: asyncio.Event, only: str) -> None:
        while not stop.is_set():
            run = await (self._runs.get(only) if only else self._runs.next())
            if run is None or run.state not in (RunState.PLANNED, RunState.RUNNING):
                return
            run = await self._run(run, lease, stop)
            if run.state is not RunState.PLANNED:
                self._ended(run)

    async def _run(self, run: Run, lease: Lease, stop: asyncio.Event) -> Run:
        """Until it has ended, or somebody wants it to stop; as it was stored last."""
        now = self._now()
        steps = tuple(_tried_again(step) for step in run.steps)
        begun = {"state": RunState.RUNNING, "started_at": run.started_at or now, "moved_at": now, "reason": ""}
        run = run.model_copy(update={**begun, "steps": steps})
        wish = await self._runs.save(run, lease)
        while wish is None and not stop.is_set() and (place := run.step) is not None:
            run, wish = await self._step(run, place, lease, stop)
        match wish:
            case Wish.CANCEL:
                return await self._end(run, lease, RunState.CANCELLED)
            case Wish.PAUSE:
                return await self._end(run, lease, RunState.PAUSED, "somebody has paused it")
            case None:
                return await self._ended_by_itself(run, lease)

    async def _ended_by_itself(self, run: Run, lease: Lease) -> Run:
        """One step that cannot go on does not keep the others from their end; it is the whole run's that it tells."""
        if run.step is not None:
            return await self._end(run, lease, RunState.PLANNED)
        run = await self._finished(run)
        hindered = [step for step in run.steps if step.problem]
        if not hindered:
            return await self._end(run, lease, RunState.DONE)
        asks = all(step.asks for step in hindered)
        return await self._end(run, lease, RunState.PAUSED if asks else RunState.FAILED, run.problems)

    async def _finished(self, run: Run) -> Run:
        failures = 0
        while True:
            try:
                return await self._finish(run)
            except Unavailable:
                await self._sleep(self._wait_seconds(failures))
                failures += 1

    async def _step(self, run: Run, place: int, lease: Lease, stop: asyncio.Event) -> tuple[Run, Wish | None]:
        """One step to its end, or to where somebody wants something, or it cannot go on."""
        failures = 0
        advances: AsyncGenerator[Advance, None] | None = None
        wish: Wish | None = None
        try:
            while wish is None and not stop.is_set():
                step = run.steps[place]
                try:
                    if (waits := await self._hindrance(run, step)) != "":
                        run, wish = await self._waiting(run, waits, lease)
                        await self._pause(PACE_SECONDS, stop)
                        continue
                    if step.total is None:
                        run = _with(run, place, step.model_copy(update={"total": await self._walk(run, step).total()}))
                        continue
                    if advances is None:
                        advances = self._walk(run, step).advances(step.cursor)  # by the mapping that is in force now
                    advance = await anext(advances, None)
                except Unavailable as error:
                    advances = None
                    run, wish = await self._waiting(run, str(error), lease)
                    await self._pause(self._wait_seconds(failures), stop)
                    failures += 1
                    continue
                except (CannotRun, ListRefused, TooManyMissing) as error:
                    hindered = {"problem": str(error), "asks": isinstance(error, TooManyMissing), "done": True}
                    run = _with(run, place, step.model_copy(update=hindered))
                    return run, await self._saved(run, lease)
                failures = 0
                run = self._passed(run, place, advance)
                wish = await self._saved(run, lease)
                if advance is None:
                    break
                self._moved(run.steps[place], advance)
        finally:
            if advances is not None:
                await advances.aclose()
        return run, wish

    def _passed(self, run: Run, place: int, advance: Advance | None) -> Run:
        step = run.steps[place]
        if advance is None:
            step = step.model_copy(update={"done": True, "total": step.passed})
        else:
            counts = Counter(step.counts) + Counter({str(verdict): count for verdict, count in advance.counts.items()})
            passed = step.passed + advance.passed
            step = step.model_copy(
                update={
                    "passed": passed,
                    "total": max(step.total or 0, passed),
                    "cursor": advance.cursor,
                    "counts": dict(counts),
                }
            )
        return _with(run, place, step).model_copy(update={"waits": "", "moved_at": self._now()})

    async def _waiting(self, run: Run, waits: str, lease: Lease) -> tuple[Run, Wish | None]:
        """Say what is waited for, once."""
        if run.waits != waits:
            run = run.model_copy(update={"waits": waits})
        return run, await self._saved(run, lease)

    async def _saved(self, run: Run, lease: Lease) -> Wish | None:
        """Store it, however long the store is away: while the lease is held nobody else works at it."""
        failures = 0
        while True:
            try:
                return await self._runs.save(run, lease)
            except Unavailable:
                await self._sleep(self._wait_seconds(failures))
                failures += 1

    async def _end(self, run: Run, lease: Lease, state: RunState, reason: str = "") -> Run:
        now = self._now()
        ended = {"state": state, "reason": reason, "waits": "", "moved_at": now, "ended_at": now if state.ended else 0}
        run = run.model_copy(update=ended)
        await self._saved(run, lease)
        return run

    def _wait_seconds(self, failures: int) -> float:
        return self._backoff.seconds(failures + 1, random.random())  # noqa: S311 - a wait needs no secret

    async def _pause(self, seconds: float, stop: asyncio.Event) -> None:
        async def paused() -> None:
            await self._sleep(seconds)

        await first_to_end(paused(), stop.wait())


def _tried_again(step: RunStep) -> RunStep:
    return step.model_copy(update={"problem": "", "asks": False, "done": False}) if step.problem else step


def _with(run: Run, place: int, step: RunStep) -> Run:
    steps = (*run.steps[:place], step, *run.steps[place + 1 :])
    return run.model_copy(update={"steps": steps})
