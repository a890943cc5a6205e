"""`tandem webhook`: signed webhooks into `platform.events`."""

import asyncio
from dataclasses import replace
from functools import partial

from adapters.kafka.logs import EventLog
from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.mongo.client import Refused
from adapters.mongo.settings import MongoSettings
from listener.webhook.app import serve
from listener.webhook.handler import Webhook
from listener.webhook.settings import WebhookSettings
from listener.webhook.trace import carried
from ops.mapping_source import MappingSettings
from ops.processes.arriving import when_there
from ops.processes.ended import Ends
from ops.processes.frame import Frame, run
from ops.processes.guarantees import topics_prepared
from ops.processes.parts import MappingInForce, beside, open_store
from ops.settings import read_settings
from schemas import topics
from schemas.unavailable import Unavailable

MONGODB_AGAIN_SECONDS = 5.0


async def stage(frame: Frame) -> None:
    """Takes webhooks in while Kafka answers; MongoDB tells which event types are mapped, and need not be there."""
    webhook_settings, kafka, mongo, mapping = read_settings(
        WebhookSettings, KafkaSettings, MongoSettings, MappingSettings
    )
    in_force = MappingInForce(mapping.read())

    def kind_of_event(event_type: str) -> str | None:
        event = in_force.catalog.event(event_type)
        return event.kind.name if event else None

    # A webhook is taken without MongoDB: its absence makes this process no less ready.
    apart = replace(frame, pings={})

    async def follow_mapping() -> None:
        while True:
            try:
                async with open_store(mongo, mapping, apart) as store:
                    while True:
                        in_force.mapping, in_force.catalog = store.mapping.mapping, store.mapping.catalog
                        await asyncio.sleep(MONGODB_AGAIN_SECONDS)
            except (Unavailable, Refused) as error:
                frame.log.warning("mapping_not_seen", reason=str(error))
                await asyncio.sleep(MONGODB_AGAIN_SECONDS)

    tracing = frame.tracing
    traced = partial(tracing.publishing, topic=topics.PLATFORM_EVENTS) if tracing.on else carried
    await topics_prepared(kafka, frame)
    async with when_there("Kafka", lambda: open_producer(kafka), frame) as producer:
        log = EventLog(producer)
        frame.pings["kafka"] = log.ping
        webhook = Webhook(
            settings=webhook_settings,
            log=log,
            kind_of_event=kind_of_event,
            answered=frame.metrics.webhook_answered,
            notice=frame.log.warning,
            refused=Ends(frame).webhook,
            traced=traced,
        )
        async with (
            beside(follow_mapping(), frame),
            serve(webhook_settings, webhook, log, frame.log.warning) as listening,
        ):
            frame.log.info("listening", host=listening.host, port=listening.port)
            frame.up.add("webhook")
            await frame.stop.wait()


def main() -> int:
    """Run the process; its exit code."""
    return run("webhook", [stage])
