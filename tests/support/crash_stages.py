"""The three stages put together for crash tests: real adapters, a fuse around every effect, and a clock that runs fast.

They share a Kafka with other tests, so their topics have a prefix, which the stages do not see.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from adapters.kafka.consumer import open_consumer
from adapters.kafka.logs import ChangeLog, Doorbells, PlatformChanges
from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.mongo.client import open_database
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.gaps import MongoGaps, MongoObjectGaps
from adapters.mongo.leases import MongoLeases
from adapters.mongo.logs import MongoParkedRecords, MongoSyncLog
from adapters.mongo.positions import MongoPositions
from adapters.mongo.reservations import MongoReservations
from adapters.mongo.settings import MongoSettings
from adapters.salesforce.opening import open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from consumers.catalog import Catalog
from consumers.reconciler.reconciler import Reconciler
from consumers.rules.retry import RetryPolicy
from consumers.rules.timing import Timing
from consumers.runner.ports import Partition, RecordStream
from consumers.runner.runner import Runner
from consumers.runner.settings import RunnerSettings
from consumers.writer.sweep import Sweep
from consumers.writer.writer import Writer
from listener.changes.cometd import CometdClient
from listener.changes.health import Health
from listener.changes.settings import ChangesSettings
from listener.changes.subscriber import Subscriber
from ops.processes.parts import ended
from schemas import mapping, topics
from schemas.log_record import Record
from schemas.presets import preset
from schemas.unavailable import Unavailable
from support.crash_fuse import Fuse, Fused

SWEEP_SECONDS = 0.1
OF_DOCUMENTS = ("write", "clear_audit", "clear_told", "postpone", "wake", "claim")
CALL_SECONDS = 1.2
TIMING = Timing(
    visible_after=500,
    answer_within=16_000,
    load_within=20_000,
    event_within=10_000,
    longest_call=30_000,
    look_again=5_000,
    quiet_before_read=2_200,
    ring_again=4_000,
)
"""By the fast clock; `answer_within` is more than a call may take by it."""
NEWLY_MAPPED, LET_THROUGH = "Preferred_Language__c", "MailingCountry"
RUNNER = RunnerSettings(
    lanes=2, batch_size=50, commit_seconds=0.05, revoke_seconds=5, stop_seconds=5, retry_cap_seconds=0.2
)


@dataclass(frozen=True)
class Place:
    """Where the stages work, as JSON can hold it. Its clock runs `speed` times as fast as ours from `began` on."""

    kafka: str
    mongodb: str
    database: str
    prefix: str
    org: str
    client_id: str
    client_secret: str
    began: int
    speed: int = 10
    lease_seconds: float = 3.0
    change_batch: int = 500
    partitions: int = 1
    version: int = 1
    """Of the mapping."""
    bulk_rows: int = 0
    """From so many due rows on the writer makes a Bulk job of them; 0: never."""
    twin: str = ""
    """Sets a second one of a stage apart: it reads everything too, as a member of a group of its own."""

    def now(self) -> int:
        """Epoch milliseconds."""
        return self.began + (time.time_ns() // 1_000_000 - self.began) * self.speed

    def topic(self, name: str) -> str:
        """The topic that stands for `name`."""
        return f"{self.prefix}.{name}"

    def group(self, stage: str) -> str:
        """The consumer group of a stage."""
        return f"{self.prefix}.{stage}{self.twin}"

    def kafka_settings(self) -> KafkaSettings:
        """A member that vanishes is noticed soon."""
        return KafkaSettings(bootstrap_servers=self.kafka, session_timeout=1.5, delivery_timeout=20)

    def mongo_settings(self) -> MongoSettings:
        """The world's own database."""
        return MongoSettings(uri=self.mongodb, database=self.database)

    def salesforce_settings(self) -> SalesforceSettings:
        """The world's own org."""
        return SalesforceSettings(
            client_id=self.client_id,
            client_secret=self.client_secret,
            login_url=self.org,
            call_timeout=CALL_SECONDS,
        )


def catalog_of(version: int) -> Catalog:
    """Whatever is deleted on one side follows on the other or is made anew, and records become customers.

    The second version maps a field more, and lets the platform's country through, which the first only filled.
    """
    raw = preset("customers").model_dump(mode="json")
    customer = raw["kinds"]["customer"]
    customer |= {"on_delete": {"platform": "delete", "salesforce": "recreate"}, "on_unlinked": "create"}
    if version == 1:
        customer["fields"] = [one for one in customer["fields"] if one["salesforce"] != NEWLY_MAPPED]
        next(one for one in customer["fields"] if one["salesforce"] == LET_THROUGH)["policy"] = "fill_only"
    raw |= {"version": version, "since": {"customer": {NEWLY_MAPPED: 2}}}
    return Catalog(mapping.Mapping.model_validate(raw))


Stage = Callable[[Place, Fuse, asyncio.Event], Awaitable[None]]
"""Works until the event is set."""


class RenamedRecords:
    """A stream whose topics have their own names again, so that the runner and the reconciler know them."""

    def __init__(self, stream: RecordStream, prefix: str) -> None:
        self._stream = stream
        self._prefix = f"{prefix}."

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def fetch(self, max_records: int, timeout: float) -> Sequence[Record]:
        records = await self._stream.fetch(max_records, timeout)
        return [replace(record, topic=record.topic.removeprefix(self._prefix)) for record in records]

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        await self._stream.commit({(self._prefix + topic, number): at for (topic, number), at in offsets.items()})


class RenamedRunner:
    """The runner as it is told of partitions: the same for rebalances."""

    def __init__(self, runner: Runner, prefix: str) -> None:
        self._runner = runner
        self._prefix = f"{prefix}."

    async def on_revoked(self, partitions: Collection[Partition]) -> None:
        await self._runner.on_revoked(self._named(partitions))

    async def on_assigned(self, partitions: Collection[Partition]) -> None:
        await self._runner.on_assigned(self._named(partitions))

    def _named(self, partitions: Collection[Partition]) -> set[Partition]:
        return {(topic.removeprefix(self._prefix), number) for topic, number in partitions}


@contextlib.asynccontextmanager
async def _stream(
    runner: Runner, place: Place, stage: str, names: Sequence[str], fuse: Fuse
) -> AsyncIterator[RecordStream]:
    topics_read = [place.topic(name) for name in names]
    listener = RenamedRunner(runner, place.prefix)
    async with open_consumer(place.kafka_settings(), place.group(stage), topics_read, listener) as stream:
        fused: Any = Fused(RenamedRecords(stream, place.prefix), fuse, "commit")
        yield fused


async def reconcile(place: Place, fuse: Fuse, stop: asyncio.Event) -> None:
    """The reconciler."""
    catalog = catalog_of(place.version)
    async with open_database(place.mongo_settings()) as database, open_producer(place.kafka_settings()) as producer:
        ports: dict[str, Any] = {
            "documents": Fused(MongoDocuments(database), fuse, *OF_DOCUMENTS),
            "log": Fused(MongoSyncLog(database), fuse, "append"),
            "parked": Fused(MongoParkedRecords(database), fuse, "park"),
            "doorbells": Fused(Doorbells(producer, place.topic(topics.SALESFORCE_WRITES)), fuse, "ring"),
            "gaps": Fused(MongoObjectGaps(database), fuse, "note"),
            "tellings": Fused(PlatformChanges(producer, place.topic(topics.PLATFORM_CHANGES)), fuse, "tell"),
        }
        reconciler = Reconciler(catalog=lambda: catalog, now=place.now, timing=TIMING, **ports)
        runner = Runner(reconciler, RUNNER)
        facts = (topics.PLATFORM_EVENTS, topics.SALESFORCE_CHANGES)
        async with _stream(runner, place, "reconcile", facts, fuse) as stream:
            await runner.run(stream, stop)


async def write(place: Place, fuse: Fuse, stop: asyncio.Event) -> None:
    """The writer and its sweep."""
    catalog = catalog_of(place.version)
    async with (
        open_database(place.mongo_settings()) as database,
        open_producer(place.kafka_settings()) as producer,
        open_salesforce(place.salesforce_settings(), now=place.now) as salesforce,
    ):
        documents: Any = Fused(MongoDocuments(database), fuse, *OF_DOCUMENTS)
        log: Any = Fused(MongoSyncLog(database), fuse, "append")
        bells: Any = Fused(Doorbells(producer, place.topic(topics.SALESFORCE_WRITES)), fuse, "ring")
        parked: Any = Fused(MongoParkedRecords(database), fuse, "park")
        records: Any = Fused(salesforce.records, fuse, "update", "upsert", "delete")
        bulk: Any = Fused(salesforce.bulk, fuse, "open", "send", "abandon")
        reservations: Any = Fused(MongoReservations(database), fuse, "reserve", "release")
        tellings: Any = Fused(PlatformChanges(producer, place.topic(topics.PLATFORM_CHANGES)), fuse, "tell")
        writer = Writer(
            catalog=lambda: catalog,
            documents=documents,
            records=records,
            log=log,
            parked=parked,
            now=place.now,
            timing=TIMING,
            retry=RetryPolicy(tries=5, org_wait=3_000),
            bulk=bulk if place.bulk_rows else None,
            bulk_rows=place.bulk_rows,
            reservations=reservations,
            tellings=tellings,
        )
        sweep = Sweep(
            catalog=lambda: catalog,
            documents=documents,
            doorbells=bells,
            log=log,
            now=place.now,
            ring_again=4_000,
            tellings=tellings,
        )
        runner = Runner(writer, RUNNER, linger=0.02, coalesce=True)
        async with _stream(runner, place, "write", [topics.SALESFORCE_WRITES], fuse) as stream:
            sweeping = asyncio.create_task(_sweep(sweep))
            try:
                await runner.run(stream, stop)
            finally:
                await ended(sweeping)


async def _sweep(sweep: Sweep) -> None:
    while True:
        with contextlib.suppress(Unavailable):
            await sweep.ring_due()
            await sweep.drain_audit()
            await sweep.tell()
        await asyncio.sleep(SWEEP_SECONDS)


async def subscribe(place: Place, fuse: Fuse, stop: asyncio.Event) -> None:
    """The subscriber."""
    settings = ChangesSettings(
        lease_seconds=place.lease_seconds,
        batch_records=place.change_batch,
        backoff_seconds=0.05,
        backoff_cap_seconds=0.3,
        sent_away_seconds=0,
    )
    async with (
        open_database(place.mongo_settings()) as database,
        open_producer(place.kafka_settings()) as producer,
        open_salesforce(place.salesforce_settings(), now=place.now) as salesforce,
    ):
        org_id = (await salesforce.login.grant()).org_id
        health = Health()
        log: Any = Fused(ChangeLog(producer, place.topic(topics.SALESFORCE_CHANGES)), fuse, "append")
        positions: Any = Fused(MongoPositions(database, org_id), fuse, "write")
        leases: Any = Fused(MongoLeases(database), fuse, "acquire", "renew", "release")
        gaps: Any = Fused(MongoGaps(database, org_id), fuse, "record")
        subscriber = Subscriber(
            source=CometdClient(sessions=salesforce.login, settings=settings, health=health),
            log=log,
            positions=positions,
            leases=leases,
            gaps=gaps,
            settings=settings,
            health=health,
            org_id=org_id,
            owner=uuid.uuid4().hex,
        )
        await subscriber.run(stop)


STAGES: Mapping[str, Stage] = {"reconcile": reconcile, "write": write, "subscribe": subscribe}
