"""`tandem subscribe`: Salesforce's change events into `salesforce.changes`."""

import asyncio
import os
import socket
import time
import uuid
from contextlib import suppress

from adapters.kafka.logs import ChangeLog
from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.kafka.topics import make_topics
from adapters.mongo.client import open_database, ping
from adapters.mongo.gaps import MongoGaps
from adapters.mongo.leases import MongoLeases
from adapters.mongo.positions import MongoPositions
from adapters.mongo.settings import MongoSettings
from adapters.salesforce.opening import Salesforce, open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from listener.changes.cometd import CometdClient
from listener.changes.health import Health
from listener.changes.settings import ChangesSettings
from listener.changes.subscriber import Subscriber, log_gap
from ops.processes.frame import Frame, run
from ops.processes.parts import PING_SECONDS, beside, wall_ms
from ops.settings import read_settings
from schemas.session import LoginFailed
from schemas.stream import Gap
from schemas.unavailable import Unavailable

LOGIN_AGAIN_SECONDS = 5.0
TELL_SECONDS = 1.0


async def stage(frame: Frame) -> None:
    """Follows one org while it holds the lease; a second one stands by."""
    changes, salesforce_settings, kafka, mongo = read_settings(
        ChangesSettings, SalesforceSettings, KafkaSettings, MongoSettings
    )
    health = Health()
    frame.alive["stream"] = lambda: health.state != "stopped"
    await make_topics(kafka)
    async with (
        open_database(mongo) as database,
        open_producer(kafka) as producer,
        open_salesforce(salesforce_settings, now=wall_ms) as salesforce,
    ):
        frame.pings["mongodb"] = lambda: ping(database, PING_SECONDS)
        frame.pings["kafka"] = producer.ping
        frame.pings["salesforce"] = lambda: _frames_come(health)

        def alarm(gap: Gap) -> None:
            frame.metrics.gap_recorded(gap.channel, gap.reason)
            log_gap(gap)

        org_id = await _org_id(salesforce, frame)
        if frame.stop.is_set():
            return
        subscriber = Subscriber(
            source=CometdClient(sessions=salesforce.login, settings=changes, health=health),
            log=ChangeLog(producer),
            positions=MongoPositions(database, org_id),
            leases=MongoLeases(database),
            gaps=MongoGaps(database, org_id),
            settings=changes,
            health=health,
            org_id=org_id,
            owner=f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}",
            alarm=alarm,
        )
        async with beside(_tell(health, changes, frame), frame):
            frame.up.add("subscribe")
            await subscriber.run(frame.stop)


async def _org_id(salesforce: Salesforce, frame: Frame) -> str:
    """The org's id: positions and the lease go by it."""
    while not frame.stop.is_set():
        try:
            grant = await salesforce.login.grant()
        except LoginFailed as error:
            frame.log.warning("login_failed", reason=str(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(LOGIN_AGAIN_SECONDS):
                    await frame.stop.wait()
        else:
            return grant.org_id
    return ""


async def _frames_come(health: Health) -> None:
    if not health.ready(time.monotonic()):
        raise Unavailable(f"no frame in time: {health.state}")


async def _tell(health: Health, changes: ChangesSettings, frame: Frame) -> None:
    """What the subscriber's health says, as metrics."""
    counted = 0
    last_frame: float | None = None
    while True:
        for channel in changes.channels:
            up = channel not in health.refused_channels and health.state == "connected"
            frame.metrics.connected(channel, up=up)
            if health.last_frame is not None and health.last_frame != last_frame:
                frame.metrics.frame_received(channel)
            if channel in health.commit_timestamps:
                frame.metrics.position_moved(channel, health.commit_timestamps[channel] / 1000)
        last_frame = health.last_frame
        frame.metrics.changes_received(changes.channels[0], health.counts["records"] - counted)
        counted = health.counts["records"]
        await asyncio.sleep(TELL_SECONDS)


def main() -> int:
    """Run the process; its exit code."""
    return run("subscribe", [stage])
