"""Parts that several processes open: the clock, the store with its mapping, a runner with its metrics."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from adapters.kafka.consumer import KafkaRecords, OffsetOutOfRange, open_consumer
from adapters.kafka.settings import KafkaSettings
from adapters.mongo.client import Database, open_database, ping
from adapters.mongo.collections import prepare
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.gaps import MongoLogGaps
from adapters.mongo.logs import MongoParkedRecords, MongoSyncLog
from adapters.mongo.mappings import MongoMappings
from adapters.mongo.settings import MongoSettings
from consumers.catalog import Catalog
from consumers.runner.ports import Handler
from consumers.runner.runner import Runner
from ops.mapping_source import MappingSettings
from ops.processes.frame import Frame
from schemas.log_record import Record
from schemas.mapping import Mapping
from schemas.mapping_reading import InvalidMapping
from schemas.outcome import Outcome, Result
from schemas.stream import LostOffsets
from schemas.unavailable import Unavailable

MAPPING_LOOK_SECONDS = 5.0
LAG_SECONDS = 2.0
PING_SECONDS = 5.0
OFFSET_OUT_OF_RANGE = "offset_out_of_range"
CONFLICT_RULES = frozenset({"13", "18"})
"""Merge rules that ask a policy; the audit has rows of others too, as of what a trigger made of a write."""
CANCEL_AGAIN_SECONDS = 5.0
"""How long a task may take to clean up before it is cancelled once more."""


def wall_ms() -> int:
    """Now, epoch milliseconds."""
    return time.time_ns() // 1_000_000


async def ended(task: "asyncio.Task[None]") -> None:
    """End a task that works beside another: cancel it, and again where that did not do.

    Before Python 3.12 `asyncio.wait_for`, which the MongoDB driver uses, swallows a cancellation that comes in the very
    moment in which it is answered (bpo-42130): the process would never stop.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_AGAIN_SECONDS)


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None], frame: Frame) -> AsyncIterator["asyncio.Task[None]"]:
    """`work` runs while the block does.

    Where it fails the process stops in order and ends by that error: half of the work is not done in silence.
    """

    def look(task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and task.exception() is not None:
            frame.stop.set()

    task = asyncio.create_task(work)
    task.add_done_callback(look)
    try:
        yield task
    finally:
        await ended(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error


class MappingInForce:
    """The newest published mapping, compiled. `follow` keeps it so."""

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping
        self.catalog = Catalog(mapping)

    def current(self) -> Catalog:
        """The catalog to decide with now."""
        return self.catalog

    async def follow(self, mappings: MongoMappings, database: Database, frame: Frame) -> None:
        """Take up each new version as it is published; without end."""
        while True:
            try:
                async for mapping in mappings.watch(self.mapping.version, every=MAPPING_LOOK_SECONDS):
                    await prepare(database, [kind.collection for kind in mapping.kinds.values()])
                    self.mapping, self.catalog = mapping, Catalog(mapping)
                    frame.log.info("mapping_taken_up", version=mapping.version)
            except Unavailable as error:
                frame.log.warning("mapping_not_seen", reason=str(error))
                await asyncio.sleep(MAPPING_LOOK_SECONDS)
            except InvalidMapping:
                # Written past `tandem mapping publish`: the one in force stays, and the next version is waited for.
                frame.log.exception("mapping_not_taken_up")
                await asyncio.sleep(MAPPING_LOOK_SECONDS)


@dataclass(frozen=True, slots=True)
class Store:
    """MongoDB, open, with its indexes made and the mapping in force."""

    database: Database
    documents: MongoDocuments
    log: MongoSyncLog
    parked: MongoParkedRecords
    gaps: MongoLogGaps
    mapping: MappingInForce


@asynccontextmanager
async def open_store(
    settings: MongoSettings, mapping: MappingSettings, frame: Frame, *, retry_writes: bool = True
) -> AsyncIterator[Store]:
    """The store for as long as the block runs; a mapping is seeded where there is none.

    `retry_writes` as for `open_database`.

    Raises:
        Unavailable: MongoDB does not answer.
        InvalidMapping: the mapping to seed with cannot be used.
    """
    async with open_database(settings, retry_writes=retry_writes) as database:
        mappings = MongoMappings(database)
        in_force = MappingInForce(await mappings.seed(mapping.read()))
        await prepare(database, [kind.collection for kind in in_force.mapping.kinds.values()])
        frame.pings["mongodb"] = lambda: ping(database, PING_SECONDS)
        async with beside(in_force.follow(mappings, database, frame), frame):
            yield Store(
                database=database,
                documents=MongoDocuments(database),
                log=MongoSyncLog(database),
                parked=MongoParkedRecords(database),
                gaps=MongoLogGaps(database),
                mapping=in_force,
            )


@asynccontextmanager
async def opened_for(
    runner: Runner, settings: KafkaSettings, group: str, topics: Sequence[str], gaps: MongoLogGaps, frame: Frame
) -> AsyncIterator[KafkaRecords]:
    """The runner's stream, with the lag of its partitions told to the metrics.

    Where the log no longer holds what is to be handled next, the gap is recorded, and its error ends the block.
    """
    listener = _Listener(runner, frame)
    async with open_consumer(settings, group, topics, listener) as stream, beside(_tell_lag(stream, frame), frame):
        try:
            yield stream
        except OffsetOutOfRange as gap:
            await _record(gap, group, gaps, frame)
            raise


async def _record(gap: OffsetOutOfRange, group: str, gaps: MongoLogGaps, frame: Frame) -> None:
    """No gap is silent. Where MongoDB is away too, the next start meets the same gap."""
    topic, partition = gap.partition
    lost = LostOffsets(gap.wanted, gap.first, gap.end)
    told = {"channel": topic, "partition": partition, "reason": OFFSET_OUT_OF_RANGE}
    try:
        await gaps.record(group, topic, partition, OFFSET_OUT_OF_RANGE, lost, wall_ms())
    except Unavailable as away:
        frame.log.warning("gap_not_recorded", **told, why=str(away))
    else:
        frame.metrics.gap_recorded(topic, OFFSET_OUT_OF_RANGE)
        frame.log.critical("gap", **told, wanted=gap.wanted, first=gap.first, end=gap.end)


class _Listener:
    """Passes rebalances on to the runner; the lag of partitions that went is no longer ours to tell."""

    def __init__(self, runner: Runner, frame: Frame) -> None:
        self._runner = runner
        self._frame = frame

    async def on_revoked(self, partitions: Collection[tuple[str, int]]) -> None:
        await self._runner.on_revoked(partitions)
        self._frame.log.info("partitions_revoked", partitions=len(partitions))

    async def on_assigned(self, partitions: Collection[tuple[str, int]]) -> None:
        await self._runner.on_assigned(partitions)
        self._frame.log.info("partitions_assigned", partitions=len(partitions))


async def _tell_lag(stream: KafkaRecords, frame: Frame) -> None:
    told: set[tuple[str, int]] = set()
    while True:
        try:
            lag = await stream.lag()
        except Unavailable as error:
            frame.log.warning("lag_not_seen", reason=str(error))
        else:
            for topic, partition in told - lag.keys():
                frame.metrics.partition_lost(topic, partition)
            for (topic, partition), records in lag.items():
                frame.metrics.lag_seen(topic, partition, records)
            told = set(lag)
        await asyncio.sleep(LAG_SECONDS)


def results_told(frame: Frame) -> Callable[[str, Sequence[Result]], None]:
    """Counts outcomes, and says why records were parked."""

    def told(topic: str, results: Sequence[Result]) -> None:
        for outcome, count in Counter(result.outcome for result in results).items():
            frame.metrics.records_finished(topic, outcome, count)
        for result in results:
            if result.outcome is Outcome.PARKED:
                frame.metrics.parked(topic, result.reason)
        frame.metrics.batch_taken(frame.stage, len(results))

    return told


def unavailable_told(frame: Frame) -> Callable[[str, Unavailable, float], None]:
    """Says what is away, and how long it is waited for."""

    def told(what: str, error: Unavailable, seconds: float) -> None:
        frame.log.warning("unavailable", what=what, reason=str(error), wait_seconds=round(seconds, 2))

    return told


def conflict_told(frame: Frame) -> Callable[[dict[str, Any]], None]:
    """Counts conflicts by field, policy and winner; of the audit's rows those that a policy settled."""

    def told(row: dict[str, Any]) -> None:
        rule, _, policy = row["rule"].partition(".")
        if rule in CONFLICT_RULES:
            frame.metrics.conflict_settled(row["path"], policy, row["winner"])

    return told


class Timed:
    """A handler whose batches are timed. Satisfies `consumers.runner.ports.Handler`."""

    def __init__(self, handler: Handler, frame: Frame) -> None:
        self._handler = handler
        self._frame = frame

    async def handle(self, records: Sequence[Record]) -> Sequence[Result]:
        """As the handler; a batch that must be tried again is timed when it is through."""
        began = time.monotonic()
        results = await self._handler.handle(records)
        self._frame.metrics.batch_finished(self._frame.stage, time.monotonic() - began)
        return results
