"""`tandem subscribe`: Salesforce's change events into `salesforce.changes`."""

import asyncio
import time
from collections import Counter

from adapters.encryption.settings import EncryptionSettings
from adapters.kafka.logs import ChangeLog
from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.mongo.connection_notes import ConnectionNotes
from adapters.mongo.debug_marks import MongoDebugMarks
from adapters.mongo.gaps import MongoGaps
from adapters.mongo.leases import MongoLeases
from adapters.mongo.positions import MongoPositions
from adapters.mongo.schema_ids import SchemaIds
from adapters.mongo.settings import MongoSettings
from adapters.salesforce.modified import ModifiedRecords
from adapters.salesforce.opening import Salesforce
from adapters.salesforce.settings import SalesforceSettings
from consumers.rules.budget import BudgetLane
from consumers.settings import BudgetSettings
from listener.changes.cometd import CometdClient
from listener.changes.feed import ChangeFeed
from listener.changes.health import Health, State
from listener.changes.polling import Poller
from listener.changes.settings import ChangesSettings
from listener.changes.subscriber import Subscriber, log_gap
from ops.connection_notes import LastSync, NoteKeeper
from ops.logins import login_ping, org_id_of, process_name
from ops.mapping_source import MappingSettings
from ops.processes.arriving import when_there
from ops.processes.budget import Account
from ops.processes.debugging import DebuggedInForce, decision_told
from ops.processes.frame import Frame, run
from ops.processes.guarantees import topics_prepared
from ops.processes.org import open_org
from ops.processes.parts import Store, beside, open_store, wall_ms
from ops.processes.polled import PolledObjects
from ops.processes.received import ReceivedClosely
from ops.processes.schema_changes import SchemasHeard
from ops.processes.stream_seen import NOT_OWNING, StreamWatch
from ops.settings import read_settings
from ops.sync_settings import SyncSettings
from schemas.stream import Gap, poll_channel
from schemas.unavailable import Unavailable

TELL_SECONDS = 1.0


async def stage(frame: Frame) -> None:
    """Follows one org while it holds the lease; a second one stands by."""
    changes, salesforce_settings, kafka, mongo, encryption, budgeting, mapping = read_settings(
        ChangesSettings,
        SalesforceSettings,
        KafkaSettings,
        MongoSettings,
        EncryptionSettings,
        BudgetSettings,
        MappingSettings,
    )
    (switches,) = read_settings(SyncSettings)
    health = Health()
    frame.alive["stream"] = lambda: health.state != "stopped"
    await topics_prepared(kafka, frame)
    account = Account(budgeting, frame)
    async with (
        open_store(mongo, mapping, frame, off=switches.switched_off()) as store,
        when_there("Kafka", lambda: open_producer(kafka), frame) as producer,
        open_org(salesforce_settings, encryption, store, account, account.gate(BudgetLane.LIVE), frame) as salesforce,
    ):
        frame.pings["kafka"] = producer.ping
        frame.pings["salesforce_login"] = login_ping(salesforce)
        frame.pings["salesforce"] = lambda: _frames_come(health)
        org_id = await org_id_of(salesforce, frame.stop)
        if frame.stop.is_set():
            return
        objects = PolledObjects(store.mapping.current, salesforce.rest, changes, frame)
        asked_again = await objects.ask()
        objects.tell()
        debugging = DebuggedInForce(MongoDebugMarks(store.database), wall_ms)
        feed = _feed(salesforce, account, changes, health, objects, frame)
        log = ChangeLog(producer, begun=frame.tracing.beginning)
        subscriber = _subscriber(feed, log, store, org_id, changes, health, objects, debugging, frame)
        sync, watch = LastSync(), StreamWatch(health)
        keeper = NoteKeeper(frame, salesforce, ConnectionNotes(store.database), salesforce_settings, sync)
        async with (
            beside(_tell(health, watch, changes, sync, frame), frame),
            beside(keeper.keep(), frame),
            beside(debugging.follow(frame), frame),
            beside(objects.follow(asked_again), frame),
            beside(SchemasHeard(SchemaIds(store.database), health.schemas, frame).follow(), frame),
        ):
            frame.life.stream = watch.seen
            frame.up.add("subscribe")
            await subscriber.run(frame.stop)


def _feed(
    salesforce: Salesforce,
    account: Account,
    changes: ChangesSettings,
    health: Health,
    objects: PolledObjects,
    frame: Frame,
) -> ChangeFeed:
    """Events where there are any, polls where there are none."""
    return ChangeFeed(
        events=CometdClient(sessions=salesforce.login, settings=changes, health=health),
        poller=Poller(
            records=ModifiedRecords(salesforce.rest),
            settings=changes,
            health=health,
            budget=account.seconds_a_call,
            told=frame.metrics.polled,
        ),
        settings=changes,
        health=health,
        objects=objects.current,
        deliveries=lambda: account.budget.heard.deliveries,
    )


def _subscriber(
    feed: ChangeFeed,
    log: ChangeLog,
    store: Store,
    org_id: str,
    changes: ChangesSettings,
    health: Health,
    objects: PolledObjects,
    debugging: DebuggedInForce,
    frame: Frame,
) -> Subscriber:
    def alarm(gap: Gap) -> None:
        frame.metrics.gap_recorded(gap.channel, gap.reason)
        log_gap(gap)

    return Subscriber(
        source=feed,
        log=log,
        positions=MongoPositions(store.database, org_id),
        leases=MongoLeases(store.database),
        gaps=MongoGaps(store.database, org_id),
        settings=changes,
        health=health,
        org_id=org_id,
        owner=process_name(),
        alarm=alarm,
        closely=ReceivedClosely(debugging.current, store.log, decision_told(frame), wall_ms),
        channels=lambda: [*changes.channels, *map(poll_channel, sorted(objects.current().all))],
    )


async def _frames_come(health: Health) -> None:
    if not health.ready(time.monotonic()):
        raise Unavailable(f"no frame in time: {health.state}")


async def _tell(health: Health, watch: StreamWatch, changes: ChangesSettings, sync: LastSync, frame: Frame) -> None:
    """What the subscriber's health says, as metrics."""
    counted: Counter[str] = Counter()
    last_frame: float | None = None
    polled: set[str] = set()
    while True:
        watch.look()
        frame.metrics.owning(health.state not in NOT_OWNING)
        # Where nothing that is mapped has events, no channel is subscribed to, and none is missed.
        listening = health.state is not State.POLLING or health.out_of_deliveries
        for channel in changes.channels:
            if not listening:
                frame.metrics.channel_left(channel)
                continue
            up = channel not in health.refused_channels and health.state == "connected"
            frame.metrics.connected(channel, up=up)
            if health.last_frame is not None and health.last_frame != last_frame and not health.out_of_deliveries:
                frame.metrics.frame_received(channel)
        for sobject, answered_at in health.polls.items():
            late = time.monotonic() - answered_at > health.poll_limit
            frame.metrics.connected(poll_channel(sobject), up=not late and sobject not in health.refused_polls)
        here = set(map(poll_channel, health.polls))
        for channel in polled - here:
            frame.metrics.channel_left(channel)
        polled = here
        for channel, committed in health.commit_timestamps.items():
            if channel in here or channel in changes.channels:
                frame.metrics.position_moved(channel, committed / 1000)
        frame.metrics.polling_all_seen(polling=health.out_of_deliveries)
        last_frame = health.last_frame
        for channel, records in (health.records - counted).items():
            frame.metrics.changes_received(channel, records)
            sync.moved()
        counted = Counter(health.records)
        await asyncio.sleep(TELL_SECONDS)


def main() -> int:
    """Run the process; its exit code."""
    return run("subscribe", [stage])
