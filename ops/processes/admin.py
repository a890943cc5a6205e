"""`tandem admin`: the page that operators work with."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

from adapters.kafka.backlog import Backlog, open_backlog
from adapters.kafka.producer import Producer, open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.mongo.alerts import MongoAlerts
from adapters.mongo.api_keys import MongoApiKeys
from adapters.mongo.deliveries import MongoDeliveries
from adapters.mongo.endpoints import MongoEndpoints
from adapters.mongo.erased_settings import ErasedSettings
from adapters.mongo.erasures import MongoErasures, open_erasures
from adapters.mongo.gap_rows import MongoGapRows
from adapters.mongo.leases import MongoLeases
from adapters.mongo.mappings import MongoMappings
from adapters.mongo.operations import MongoOperations
from adapters.mongo.overview import MongoOverview
from adapters.mongo.parked import ParkedQueue
from adapters.mongo.processes import MongoProcesses
from adapters.mongo.runs import MongoRuns
from adapters.mongo.samples import MongoSamples
from adapters.mongo.settings import MongoSettings
from adapters.mongo.users import MongoSessions, MongoUsers
from adapters.platform.settings import DeliverSettings
from adapters.telemetry.settings import TelemetrySettings
from consumers.rules.timing import Timing
from consumers.settings import BudgetSettings, MergeSettings, RepairSettings
from ops import server
from ops.admin import home, sampler
from ops.admin.app import serve
from ops.admin.org import OrgOfSettings
from ops.admin.parts import AdminParts
from ops.admin.settings import AdminSettings
from ops.admin.sign import Sign
from ops.alerts.keeping import AlertKeeper
from ops.alerts.sender import sender_of
from ops.alerts.settings import AlertSettings
from ops.alerts.stored import StoredAlerts
from ops.alerts.watch import AlertWatch
from ops.errands.opened import Workshop, keep_all
from ops.mapping_change import pace_of
from ops.mapping_pace import MappingPace
from ops.mapping_source import MappingSettings
from ops.parked import Parking
from ops.processes import deliver, enrich, reconcile, write
from ops.processes.arriving import when_there
from ops.processes.frame import Frame, run
from ops.processes.guarantees import topics_prepared
from ops.processes.parts import Store, beside, open_store, wall_ms
from ops.replay_opened import open_replayer
from ops.reviews import Reviews
from ops.schedule_settings import ScheduleSettings
from ops.settings import read_settings
from ops.sync_settings import SyncSettings
from schemas import topics

GROUPS = {
    topics.PLATFORM_EVENTS: reconcile.GROUP,
    topics.SALESFORCE_CHANGES: reconcile.GROUP,
    topics.SALESFORCE_WRITES: write.GROUP,
    topics.PLATFORM_CHANGES: deliver.GROUP,
    topics.ENRICHMENT_REQUESTS: enrich.GROUP,
}
"""Who works off what."""


@dataclass(frozen=True, slots=True)
class _Settings:
    """Those that the pages' parts are made of."""

    admin: AdminSettings
    mongo: MongoSettings
    repairing: RepairSettings
    telemetry: TelemetrySettings
    deliver: DeliverSettings


async def stage(frame: Frame) -> None:
    """Serves the pages while MongoDB and Kafka answer; any number of these may run."""
    kafka, mongo, mapping, switches = read_settings(KafkaSettings, MongoSettings, MappingSettings, SyncSettings)
    admin, merge, repairing, telemetry, deliver = read_settings(
        AdminSettings, MergeSettings, RepairSettings, TelemetrySettings, DeliverSettings
    )
    alerts, erased = read_settings(AlertSettings, ErasedSettings)
    budgeting, schedule = read_settings(BudgetSettings, ScheduleSettings)
    await topics_prepared(kafka, frame)
    async with (
        open_store(mongo, mapping, frame, off=switches.switched_off()) as store,
        when_there("Kafka", lambda: open_producer(kafka), frame) as producer,
        when_there("Kafka", lambda: open_backlog(kafka, GROUPS), frame) as backlog,
        open_erasures(erased, mongo) as erasures,
    ):
        frame.pings["kafka"] = producer.ping
        timing, settings = merge.timing(), _Settings(admin, mongo, repairing, telemetry, deliver)
        parts = _parts(settings, store, producer, backlog, erasures, timing, frame)
        pace = pace_of(store.database, budgeting, schedule)
        workshop = _workshop(kafka, store, producer, erasures, timing, pace, frame)
        samples = MongoSamples(store.database)
        async with (
            AsyncExitStack() as also,
            serve(parts) as (host, port),
            beside(keep_all(workshop), frame),
            beside(sampler.follow(parts, samples, lambda why: frame.log.warning("not_sampled", reason=why)), frame),
        ):
            frame.log.info("listening", host=host, port=port)
            if alerts.addresses():
                keeper = AlertKeeper(_watch(parts, alerts, frame), MongoLeases(store.database), alerts.seconds)
                await also.enter_async_context(beside(keeper.keep(), frame))
                frame.log.info("alerts_watched", addresses=len(alerts.addresses()))
            frame.up.add("admin")
            await frame.stop.wait()


def _parts(
    settings: _Settings,
    store: Store,
    producer: Producer,
    backlog: Backlog,
    erasures: MongoErasures | None,
    timing: Timing,
    frame: Frame,
) -> AdminParts:
    database, mongo = store.database, settings.mongo
    operations = MongoOperations(database)
    return AdminParts(
        settings=settings.admin,
        database=database,
        documents=store.documents,
        users=MongoUsers(database),
        sessions=MongoSessions(database),
        operations=operations,
        gaps=MongoGapRows(database),
        overview=MongoOverview(database),
        processes=MongoProcesses(database),
        runs=MongoRuns(database, mongo.retention().runs),
        deliveries=MongoDeliveries(database),
        endpoints=MongoEndpoints(database, settings.deliver.url),
        mappings=MongoMappings(database),
        api_keys=MongoApiKeys(database),
        erasures=erasures,
        reviews=Reviews(
            documents=store.documents,
            log=store.log,
            catalog=store.mapping.current,
            now=wall_ms,
            timing=timing,
        ),
        parking=lambda: Parking(
            queue=ParkedQueue(database, timedelta(days=mongo.parked_days)),
            documents=store.documents,
            erasures=erasures,
            operations=operations,
            log=store.log,
            catalog=store.mapping.current(),
            timing=timing,
            now=wall_ms,
        ),
        publisher=producer,
        org=OrgOfSettings(database, store.mapping.current, settings.admin.callback_url),
        deliver=settings.deliver,
        stages=backlog,
        mapping=lambda: store.mapping.mapping,
        catalog=store.mapping.current,
        ready=lambda: server.failing(
            {name: ping for name, ping in frame.pings.items() if name != "start"}, settings.telemetry.ops_ping_seconds
        ),
        now=wall_ms,
        repair_overlap=int(settings.repairing.overlap_seconds * 1000),
        timing=timing,
        log=store.log,
    )


def _workshop(
    kafka: KafkaSettings,
    store: Store,
    producer: Producer,
    erasures: MongoErasures | None,
    timing: Timing,
    pace: MappingPace,
    frame: Frame,
) -> Workshop:
    return Workshop(
        database=store.database,
        replayer=lambda topic: open_replayer(
            kafka,
            store.database,
            erasures,
            topic,
            catalog=store.mapping.current(),
            timing=timing,
            group=reconcile.GROUP,
        ),
        publisher=producer,
        timing=timing,
        log=frame.log,
        hindrance=pace.hindrance,
    )


def _watch(parts: AdminParts, alerts: AlertSettings, frame: Frame) -> AlertWatch:
    async def signs() -> Sequence[Sign]:
        return (await home.read(parts)).signs

    return AlertWatch(
        signs=signs,
        store=StoredAlerts(MongoAlerts(parts.database)),
        sender=sender_of(alerts),
        policy=alerts.policy(),
        page=alerts.page_url,
        now=wall_ms,
        not_sent=lambda count: frame.log.error("alerts_not_sent", alerts=count),
    )


def main() -> int:
    """Run the process; its exit code."""
    return run("admin", [stage])
