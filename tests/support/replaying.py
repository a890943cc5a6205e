"""Facts in a real Kafka, handled by a stage in a consumer group of its own, and replayed."""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from adapters.kafka.producer import Producer
from adapters.kafka.settings import KafkaSettings
from adapters.kafka.window import LogWindow
from adapters.mongo.history import outcomes_of
from ops.replay import Replayer, Run
from ops.replay_plan import Effect, ReplayPlan
from schemas import topics
from schemas.log_record import Record
from schemas.outcome import Result
from support.redriving import Operator
from support.sync_stage import TIMING


@dataclass
class Replays:
    """`since` is when the test began: what the log held before is of others."""

    operator: Operator
    kafka: KafkaSettings
    producer: Producer
    window: LogWindow
    topic: str = topics.PLATFORM_EVENTS
    since: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    group: str = field(default_factory=lambda: f"test.{uuid.uuid4().hex}")

    def replayer(self, log: Any = None) -> Replayer:
        """By the mapping and the clock of the stage."""
        stage = self.operator.stage
        return Replayer(
            log=log or self.window,
            documents=stage.documents,
            erasures=stage.erasures,
            operations=self.operator.parking.operations,
            logged=partial(outcomes_of, self.operator.database),
            catalog=stage.catalog,
            timing=TIMING,
            now=lambda: stage.now,
            group=self.group,
        )

    async def put(self, records: Sequence[Record]) -> None:
        """Into the topic, as they are."""
        entries = [(record.key, record.value, list(record.raw_headers)) for record in records]
        await self.producer.deliver_all(self.topic, entries)

    async def handle(self) -> list[Result]:
        """Have the stage handle what it has not, as the group."""
        starts, bounds = await self.window.at_time(self.since), await self.window.bounds()
        handled = await self.window.handled(self.group)
        results: list[Result] = []
        for partition, (_first, end) in bounds.items():
            at = max(starts[partition], handled.get(partition, 0))
            while at < end:
                records, at = await self.window.read(partition, at, end, 500)
                if records:
                    results += await self.operator.stage.reconciler.handle(records)
        await self.commit({partition: end for partition, (_first, end) in bounds.items()})
        return results

    async def commit(self, offsets: dict[int, int]) -> None:
        """As the group, which nobody else is in."""
        consumer = AIOKafkaConsumer(
            **self.kafka.client_options(), group_id=self.group, enable_auto_commit=False, auto_offset_reset="none"
        )
        await consumer.start()
        try:
            at = {TopicPartition(self.topic, partition): offset for partition, offset in offsets.items()}
            consumer.assign(list(at))
            await consumer.commit(at)
        finally:
            await consumer.stop()

    async def run(self, **asked: Any) -> Run:
        """All since the test began."""
        window = await self.replayer().window(self.since, None)
        return Run(uuid.uuid4().hex, self.topic, window, **asked)

    async def plan(self, run: Run | None = None) -> ReplayPlan:
        """Of that run, or of all."""
        return await self.replayer().plan(run or await self.run(), lambda _count: None)

    async def counts(self) -> dict[Effect, int]:
        """How many there are of each sort."""
        plan = await self.plan()
        found: dict[Effect, int] = {}
        for (effect, _kind, _why), tally in plan.lines_of.items():
            found[effect] = found.get(effect, 0) + tally.count
        return found

    async def begin(self, run: Run) -> Run:
        """Store it as one that is begun."""
        await self.operator.parking.operations.add([run.row(by="ana", note="", at=self.operator.stage.now)])
        return run

    async def publish(self, run: Run, publisher: Any = None, lag: int = 1_000_000) -> None:
        """To its end, if nothing comes between."""
        await self.replayer().publish(run, publisher or self.producer, lambda _c: None, lambda _b: None, lag=lag)
