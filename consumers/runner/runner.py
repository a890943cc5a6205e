"""The driver: fetches, spreads records over key queues, commits, gives partitions away, stops."""

import asyncio
import contextlib
import random
import zlib
from collections.abc import Callable, Collection, Sequence
from typing import Any

from consumers.runner.backoff import Backoff
from consumers.runner.lane import Lane, LaneParts, Pulse
from consumers.runner.offsets import Offsets
from consumers.runner.ports import Handler, Partition, Record, RecordStream, Unavailable
from consumers.runner.settings import RunnerSettings
from consumers.runner.waiting import Work
from schemas.outcome import Result

FETCH_SECONDS = 0.5
"""How long one fetch waits for records."""
CANCEL_AGAIN_SECONDS = 5.0
"""How long a task may take to clean up before it is cancelled once more."""
IDLE_SECONDS = 5.0
"""How long nothing may be fetched before the stream is told that we are alive."""


def lane_of(record: Record, lanes: int) -> int:
    """The key queue of a record: always the same for a key; a record without one stays in order with its partition."""
    key = record.key if record.key is not None else f"{record.topic}/{record.partition}".encode()
    return zlib.crc32(key) % lanes


def _untold(*_: object) -> None:
    """Nobody listens."""


class Runner:
    """Runs one handler on one stream. With `coalesce` all records of a key that wait are handled as one row of a batch.

    Everything taken ends finished or is not committed; what is not committed comes again. `on_results` is told the
    records of each batch and their results, by topic; `on_unavailable` what is away (`handler`, `fetch`, `commit`),
    the error, and the wait in seconds.
    """

    def __init__(
        self,
        handler: Handler,
        settings: RunnerSettings,
        *,
        linger: float | Callable[[], float] = 0.0,
        backlog: int = 0,
        fill: float = 0.0,
        coalesce: bool = False,
        on_results: Callable[[str, Sequence[Record], Sequence[Result]], None] = _untold,
        on_unavailable: Callable[[str, Unavailable, float], None] = _untold,
    ) -> None:
        self._settings = settings
        self._backoff = Backoff(settings.retry_first_seconds, settings.retry_cap_seconds)
        self._moved = Pulse()
        self._on_unavailable = on_unavailable
        parts = LaneParts(
            handler=handler,
            batch_size=settings.batch_size,
            backlog=backlog,
            backoff=self._backoff,
            linger=linger if callable(linger) else lambda: linger,
            fill=fill,
            coalesce=coalesce,
            on_results=on_results,
            on_unavailable=on_unavailable,
            moved=self._moved,
        )
        self._lanes = [Lane(parts) for _ in range(settings.lanes)]
        self._coalesce = coalesce
        self._offsets = Offsets()
        self._stream: RecordStream | None = None
        self._committing = asyncio.Lock()

    @property
    def in_flight(self) -> int:
        """Records taken and not finished."""
        return sum(len(lane) for lane in self._lanes)

    async def run(self, stream: RecordStream, stop: asyncio.Event) -> None:
        """Handle the stream's records until `stop` is set; then finish what is taken, within the limit, and commit.

        Whatever ends it, what is finished is committed. A runner runs once.

        Raises:
            Exception: what the handler raised other than `Unavailable`, or the stream: nothing was skipped.
        """
        self._stream = stream
        lanes = [asyncio.create_task(lane.run()) for lane in self._lanes]
        fetching = asyncio.create_task(self._fetch(stream))
        committing = asyncio.create_task(self._commit_now_and_then())
        stopping = asyncio.create_task(stop.wait())
        tasks: list[asyncio.Task[Any]] = [*lanes, fetching, committing, stopping]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await _end([fetching])
            if stopping.done() and not _failures(tasks):
                await self._drain(lanes)
        finally:
            await _end(tasks)
            failures = _failures(tasks)
            try:
                await self._commit()
            except Exception as failure:  # noqa: BLE001 - raised below, behind what failed before it
                failures.append(failure)
        if failures:
            raise failures[0]

    async def on_assigned(self, partitions: Collection[Partition]) -> None:
        """These are ours from now on, and begin where they were committed: nothing known of them before counts."""
        self._offsets.lose(partitions)
        self._drop_closed()

    async def on_revoked(self, partitions: Collection[Partition]) -> None:
        """Return when these may be given away: nothing of them is in hand any more, or the limit is over."""
        self._offsets.close(partitions)
        self._drop_closed()
        with contextlib.suppress(
            TimeoutError
        ):  # not finished then, so not committed: the next owner handles them again
            async with asyncio.timeout(self._settings.revoke_seconds):
                while any(lane.holds(partitions) for lane in self._lanes):
                    await self._moved.wait()
        try:
            await self._commit()
        finally:
            self._offsets.lose(partitions)

    async def _fetch(self, stream: RecordStream) -> None:
        failures = 0
        while True:
            try:
                await self._wait_for_room(stream)
                self._take(await stream.fetch(self._settings.max_in_flight - self.in_flight, FETCH_SECONDS))
                failures = 0
            except Unavailable as away:
                failures += 1
                seconds = self._backoff.seconds(failures, random.random())  # noqa: S311 - spread, not secrecy
                self._on_unavailable("fetch", away, seconds)
                await asyncio.sleep(seconds)

    async def _wait_for_room(self, stream: RecordStream) -> None:
        """Return when a quarter is free, so that full is not followed by many fetches of one record."""
        enough = self._settings.max_in_flight - max(1, self._settings.max_in_flight // 4)
        while self.in_flight > enough:
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._moved.wait()
            except TimeoutError:
                stream.pause()
                self._take(await stream.fetch(1, FETCH_SECONDS))
        stream.resume()

    def _take(self, records: Sequence[Record]) -> None:
        for record in records:
            ledger = self._offsets.ledger((record.topic, record.partition))
            if ledger.open and ledger.take(record.offset):
                self._lane(record).put(Work(record, ledger))

    def _lane(self, record: Record) -> Lane:
        """By its key; or, where records of a key are one row, the lane that has the row, else the one that it fills.

        An idle lane comes first, and one whose batch is not full yet: so rows are spread only where they fill batches.
        """
        if not self._coalesce:
            return self._lanes[lane_of(record, len(self._lanes))]
        for lane in self._lanes:
            if lane.has(record):
                return lane
        size = self._settings.batch_size
        return min(self._lanes, key=lambda lane: (lane.busy, lane.rows % size == 0, lane.rows))

    def _drop_closed(self) -> None:
        for lane in self._lanes:
            lane.drop_closed()

    async def _drain(self, lanes: Sequence[asyncio.Task[None]]) -> None:
        for lane in self._lanes:
            lane.drain()
        await asyncio.wait(lanes, timeout=self._settings.stop_seconds, return_when=asyncio.FIRST_EXCEPTION)

    async def _commit_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(self._settings.commit_seconds)
            await self._commit()

    async def _commit(self) -> None:
        """Store the finished prefixes. Where that fails they stay due, and their records may come again."""
        if self._stream is None:
            return
        async with self._committing:
            due = self._offsets.due()
            if not due:
                return
            try:
                await self._stream.commit(due)
            except Unavailable as away:
                self._on_unavailable("commit", away, self._settings.commit_seconds)
            else:
                self._offsets.committed(due)


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel, and again where that did not do.

    Before Python 3.12 `asyncio.wait_for`, which the MongoDB driver uses, swallows a cancellation that comes in the very
    moment in which it is answered (bpo-42130): the task would go on for ever.
    """
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=CANCEL_AGAIN_SECONDS)


def _failures(tasks: Sequence[asyncio.Task[Any]]) -> list[BaseException]:
    ended = [task.exception() for task in tasks if task.done() and not task.cancelled()]
    return [failure for failure in ended if failure is not None]
