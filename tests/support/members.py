"""Members of a consumer group on the real Kafka, and what they handled."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

from adapters.kafka.consumer import open_consumer
from adapters.kafka.settings import KafkaSettings
from consumers.runner.runner import Runner
from consumers.runner.settings import RunnerSettings
from schemas.log_record import Record
from schemas.outcome import Outcome, Result
from schemas.unavailable import Unavailable
from support.fakes_stream import Watched

LIMIT = 60.0
KEYS = 40
ROUNDS = 25
QUICK = RunnerSettings(
    lanes=3,
    batch_size=10,
    max_in_flight=100,
    commit_seconds=0.1,
    revoke_seconds=5,
    stop_seconds=5,
    retry_cap_seconds=0.2,
)


class Ledger(Watched):
    """What all members handled: for each key the numbers in the order in which their handling ended."""

    def __init__(self) -> None:
        super().__init__()
        self.handled: dict[bytes, list[int]] = defaultdict(list)
        self.by_member: dict[str, int] = defaultdict(int)

    def whole(self) -> bool:
        """Everything was handled at least once."""
        return sum(len(set(numbers)) for numbers in self.handled.values()) == KEYS * ROUNDS

    def assert_in_order(self) -> None:
        """A key's first handlings come in order, and what is repeated is repeated from some point on, in order."""
        for key, numbers in self.handled.items():
            seen = -1
            for before, number in zip([-1, *numbers], numbers, strict=False):
                assert number <= seen + 1, f"{key!r}: {number} came before {seen + 1}"
                assert number == before + 1 or number <= seen, f"{key!r}: {before} was followed by {number}"
                seen = max(seen, number)


class Member:
    """Handles by noting; slowly enough that others find it in the middle of a batch."""

    def __init__(self, name: str, ledger: Ledger) -> None:
        self._name = name
        self._ledger = ledger
        self.away = 0
        """How many more batches find an outside part away."""
        self.stuck = False
        """From now on no batch ends."""

    async def handle(self, records: Sequence[Record]) -> Sequence[Result]:
        if self.away:
            self.away -= 1
            raise Unavailable("away")
        await asyncio.sleep(0.002)
        if self.stuck:
            self._ledger.tell()
            await asyncio.Event().wait()
        for record in records:
            assert record.key is not None
            assert record.value is not None
            self._ledger.handled[record.key].append(int(record.value))
        self._ledger.by_member[self._name] += len(records)
        self._ledger.tell()
        return [Result(Outcome.APPLIED)] * len(records)


@contextlib.asynccontextmanager
async def member(settings: KafkaSettings, group: str, topic: str, handler: Member) -> AsyncIterator[asyncio.Task[None]]:
    """A runner in a task of its own, stopped in order at the end if it was not cancelled."""
    stop = asyncio.Event()

    async def live() -> None:
        runner = Runner(handler, QUICK)
        async with open_consumer(settings, group, [topic], runner) as stream:
            await runner.run(stream, stop)

    task = asyncio.create_task(live())
    try:
        yield task
        stop.set()
        async with asyncio.timeout(LIMIT):
            await asyncio.gather(task, return_exceptions=True)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
