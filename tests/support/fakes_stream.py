"""A stream of records and a handler in memory, to drive the runner without Kafka."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence

from consumers.runner.ports import Partition
from consumers.runner.runner import Runner, lane_of
from consumers.runner.settings import RunnerSettings
from schemas.log_record import Record
from schemas.outcome import Outcome, Result
from schemas.unavailable import Unavailable

LIMIT = 30.0
"""Seconds within which anything awaited in a test happens, however busy the machine is."""
STOP = 5.0
"""Seconds that a runner gives what it has in hand."""
SOON = 0.01
"""Seconds: so short that nobody notices."""


def record(offset: int, key: str = "a", *, topic: str = "t", partition: int = 0) -> Record:
    """A record whose value names its place."""
    return Record(topic, partition, offset, key.encode(), f"{topic}/{partition}/{offset}".encode(), {}, 0)


def settings(**changes: float) -> RunnerSettings:
    """Of a small and quick runner with two lanes."""
    quick = {"commit_seconds": SOON, "retry_first_seconds": 0, "stop_seconds": STOP, "revoke_seconds": STOP}
    return RunnerSettings(**{"lanes": 2, "batch_size": 10, "max_in_flight": 100, **quick, **changes})


def keys_of_different_lanes(lanes: int) -> tuple[str, str]:
    """Two keys that do not share a lane."""
    first, *others = (f"key-{number}" for number in range(50))
    lane = lane_of(record(0, first), lanes)
    return first, next(key for key in others if lane_of(record(0, key), lanes) != lane)


class Watched:
    """Lets a test wait for a condition on something that tells when it moved."""

    def __init__(self) -> None:
        self._moved = asyncio.Event()

    def tell(self) -> None:
        """Something moved."""
        self._moved.set()
        self._moved = asyncio.Event()

    async def until(self, condition: Callable[[], bool], limit: float = LIMIT) -> None:
        """Return once `condition()` is true."""
        async with asyncio.timeout(limit):
            while not condition():
                await self._moved.wait()


class FakeStream(Watched):
    """`RecordStream` in memory: gives what it was fed once, keeps what was committed."""

    def __init__(self) -> None:
        super().__init__()
        self._fed: list[Record] = []
        self.asked: list[int] = []
        self.committed: dict[Partition, int] = {}
        self.commits = 0
        self.paused = False
        self.left = False
        """Nobody fetches any more."""
        self.failure: Exception | None = None
        """What the next fetch raises."""
        self.commit_failures: list[Exception] = []
        """What the next commits raise."""

    def feed(self, *records: Record) -> None:
        """These are fetched next."""
        self._fed.extend(records)
        self.tell()

    def fail(self, failure: Exception) -> None:
        """The next fetch raises this."""
        self.failure = failure
        self.tell()

    async def fetch(self, max_records: int, timeout: float) -> Sequence[Record]:
        self.asked.append(max_records)
        self.tell()
        try:
            async with asyncio.timeout(timeout):
                while self.failure is None and (self.paused or not self._fed):
                    await self._moved.wait()
        except TimeoutError:
            return []
        except asyncio.CancelledError:
            self.left = True
            self.tell()
            raise
        if self.failure is not None:
            failure, self.failure = self.failure, None
            self.tell()
            raise failure
        given, self._fed = self._fed[:max_records], self._fed[max_records:]
        return given

    def pause(self) -> None:
        self.paused = True
        self.tell()

    def resume(self) -> None:
        self.paused = False

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        await asyncio.sleep(0)
        if self.commit_failures:
            raise self.commit_failures.pop(0)
        self.committed.update(offsets)
        self.commits += 1
        self.tell()


class GatedHandler(Watched):
    """`Handler` that holds every batch until the test lets it go."""

    def __init__(self, *, open_gate: bool = False) -> None:
        super().__init__()
        self.open_gate = open_gate
        self.begun: list[list[Record]] = []
        self.ended: list[Record] = []
        self._gates: list[asyncio.Future[Exception | None]] = []

    async def handle(self, records: Sequence[Record]) -> Sequence[Result]:
        gate: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self.begun.append(list(records))
        self._gates.append(gate)
        if self.open_gate:
            gate.set_result(None)
        self.tell()
        failure = await gate
        if failure is not None:
            raise failure
        self.ended.extend(records)
        self.tell()
        return [Result(Outcome.APPLIED) for _ in records]

    def let_go(self, batch: int, failure: Exception | None = None) -> None:
        """The batch begun as number `batch` ends, well or with `failure`."""
        self._gates[batch].set_result(failure)

    def offsets_ended(self, partition: int = 0) -> list[int]:
        """Offsets handled, in the order in which they ended."""
        return [record.offset for record in self.ended if record.partition == partition]


@contextlib.asynccontextmanager
async def running(runner: Runner, stream: FakeStream) -> AsyncIterator[asyncio.Event]:
    """The runner runs; at the end it is told to stop and must have stopped well."""
    stop = asyncio.Event()
    task = asyncio.create_task(runner.run(stream, stop))
    try:
        yield stop
        stop.set()
        await asyncio.wait_for(task, LIMIT)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def away() -> Unavailable:
    """An outside part is away."""
    return Unavailable("away")


def partitions(*numbers: int, topic: str = "t") -> Collection[Partition]:
    """Partitions of one topic."""
    return {(topic, number) for number in numbers}
