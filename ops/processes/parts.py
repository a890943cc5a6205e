"""Parts that several processes open: the clock, the store with its mapping, a runner with its metrics."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Sequence
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
from adapters.mongo.migrations import MongoMigrations
from adapters.mongo.processes import MongoProcesses
from adapters.mongo.retention import Retention
from adapters.mongo.settings import MongoSettings
from consumers.catalog import Catalog
from consumers.rules.audit import CONFLICT_RULES
from consumers.runner.ports import Handler
from consumers.runner.runner import Runner
from ops.mapping_source import MappingSettings
from ops.processes.arriving import when_there
from ops.processes.ended import Ends
from ops.processes.frame import Frame
from ops.processes.guarantees import servers_looked_at
from ops.processes.parked_reasons import label_of
from schemas.gap import ObjectGap
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

    def __init__(self, mapping: Mapping, off: frozenset[str] = frozenset()) -> None:
        """`off` are the sObjects that are switched off."""
        self.mapping = mapping
        self.catalog = Catalog(mapping, off)

    def current(self) -> Catalog:
        """The catalog to decide with now."""
        return self.catalog

    async def follow(self, mappings: MongoMappings, database: Database, frame: Frame, retention: Retention) -> None:
        """Take up each new version as it is published; without end."""
        while True:
            try:
                async for mapping in mappings.watch(self.mapping.version, every=MAPPING_LOOK_SECONDS):
                    await prepare(
                        database, mapping.collections(), mapping.counted(), mapping.matched(), retention=retention
                    )
                    self.mapping, self.catalog = mapping, Catalog(mapping, self.catalog.off)
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
    settings: MongoSettings,
    mapping: MappingSettings,
    frame: Frame,
    *,
    off: frozenset[str] = frozenset(),
    retry_writes: bool = True,
) -> AsyncIterator[Store]:
    """The store for as long as the block runs; a mapping is seeded where there is none. A MongoDB that is away is
    waited for.

    `off` are the sObjects that are switched off; `retry_writes` as for `open_database`.

    Raises:
        Unavailable: MongoDB does not answer within `frame.start_seconds`.
        StoppedEarly: the process was told to stop meanwhile.
        InvalidMapping: the mapping to seed with cannot be used.
    """
    async with when_there("MongoDB", lambda: open_database(settings, retry_writes=retry_writes), frame) as database:
        await servers_looked_at(database, frame)
        await MongoMigrations(database).refuse_newer()
        mappings = MongoMappings(database)
        in_force = MappingInForce(await mappings.seed(mapping.read()), off)
        first = in_force.mapping
        await prepare(database, first.collections(), first.counted(), first.matched(), retention=settings.retention())
        frame.pings["mongodb"] = lambda: ping(database, PING_SECONDS)
        async with (
            beside(in_force.follow(mappings, database, frame, settings.retention()), frame),
            frame.life.seen(MongoProcesses(database), frame.up, frame.stop, frame.log),
        ):
            yield Store(
                database=database,
                documents=MongoDocuments(database),
                log=MongoSyncLog(database),
                parked=MongoParkedRecords(database, settings.retention().parked),
                gaps=MongoLogGaps(database),
                mapping=in_force,
            )


@asynccontextmanager
async def opened_for(
    runner: Runner,
    settings: KafkaSettings,
    group: str,
    topics: Sequence[str],
    gaps: MongoLogGaps,
    frame: Frame,
    is_gap: Callable[[], Awaitable[bool]] | None = None,
) -> AsyncIterator[KafkaRecords]:
    """The runner's stream, with the lag of its partitions told to the metrics.

    Where the log no longer holds what is to be handled next, the gap is recorded, and the partition goes on from the
    first record there is. Where MongoDB does not take the gap nothing is fetched until it does. `is_gap` tells
    whether records that are gone are missed by anybody; without it they are.
    """
    listener = _Listener(runner, frame)
    for topic in topics:
        frame.metrics.records_foreseen(topic)

    async def keep(gap: OffsetOutOfRange) -> None:
        topic, partition = gap.partition
        told = {"channel": topic, "partition": partition, "reason": OFFSET_OUT_OF_RANGE}
        if is_gap is not None and not await is_gap():
            frame.log.info("offsets_passed_over", **told, wanted=gap.wanted, first=gap.first)
            return
        lost = LostOffsets(gap.wanted, gap.first, gap.end, gap.since)
        await gaps.record(group, topic, partition, OFFSET_OUT_OF_RANGE, lost, wall_ms())
        frame.metrics.gap_recorded(topic, OFFSET_OUT_OF_RANGE)
        frame.log.critical("gap", **told, wanted=gap.wanted, first=gap.first, end=gap.end)

    async with (
        when_there("Kafka", lambda: open_consumer(settings, group, topics, listener, keep), frame) as stream,
        beside(_tell_lag(stream, frame), frame),
    ):
        yield stream


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


def results_told(frame: Frame) -> Callable[[str, Sequence[Record], Sequence[Result]], None]:
    """Counts outcomes, and logs each record that did not end as plainly applied."""
    ends = Ends(frame)

    def told(topic: str, records: Sequence[Record], results: Sequence[Result]) -> None:
        for outcome, count in Counter(result.outcome for result in results).items():
            frame.metrics.records_finished(topic, outcome, count)
        for result in results:
            if result.outcome is Outcome.PARKED:
                frame.metrics.parked(topic, label_of(result.reason))
        ends.records(records, results)
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


def gap_told(frame: Frame) -> Callable[[ObjectGap], None]:
    """Counts gaps that events tell of; of a whole object it is a critical line, as of a window of the stream."""

    def told(gap: ObjectGap) -> None:
        frame.metrics.gap_recorded(gap.entity, gap.reason)
        details = {"entity": gap.entity, "reason": str(gap.reason), "since": gap.since, "records": len(gap.record_ids)}
        (frame.log.info if gap.record_ids else frame.log.critical)("gap", **details)

    return told


class Timed:
    """A handler whose batches are timed, and traced where traces are on. Satisfies `consumers.runner.ports.Handler`."""

    def __init__(self, handler: Handler, frame: Frame) -> None:
        self._handler = handler
        self._frame = frame

    async def handle(self, records: Sequence[Record]) -> Sequence[Result]:
        """As the handler; a batch that must be tried again is timed when it is through."""
        began = time.monotonic()
        with self._frame.tracing.processing(records) as spans:
            results = await self._handler.handle(records)
            self._frame.tracing.told(spans, results)
        self._frame.metrics.batch_finished(self._frame.stage, time.monotonic() - began)
        return results
