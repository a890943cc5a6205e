"""`tandem deliver`: what Salesforce changed, posted to the platform's own URL."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from adapters.kafka.settings import KafkaSettings
from adapters.mongo.deliveries import MongoDeliveries
from adapters.mongo.endpoints import MongoEndpoints
from adapters.mongo.erased_settings import ErasedSettings
from adapters.mongo.erasures import open_erasures
from adapters.mongo.settings import MongoSettings
from adapters.platform.poster import open_poster
from adapters.platform.settings import DeliverSettings
from consumers.deliver.courier import Courier
from consumers.deliver.keeper import Keeper
from consumers.rules.deliveries import HOUR, DeliveryPolicy
from consumers.runner.runner import Runner
from consumers.runner.settings import RunnerSettings
from ops.mapping_source import MappingSettings
from ops.processes.ended import Ends
from ops.processes.frame import Frame, run
from ops.processes.guarantees import topics_prepared
from ops.processes.parts import Timed, beside, open_store, opened_for, results_told, unavailable_told, wall_ms
from ops.processes.traced import TracedPoster
from ops.settings import read_settings
from schemas import topics
from schemas.delivery import Answer, Delivery
from schemas.unavailable import Unavailable

GROUP = "tandem.deliver"
AWAY_SECONDS = 2.0
TELL_SECONDS = 5.0


async def stage(frame: Frame) -> None:
    """Any number of these share the partitions, and what is due."""
    kafka, mongo, deliver, runner_settings, mapping = read_settings(
        KafkaSettings, MongoSettings, DeliverSettings, RunnerSettings, MappingSettings
    )
    (erased,) = read_settings(ErasedSettings)
    await topics_prepared(kafka, frame, (*topics.ALL, topics.PLATFORM_CHANGES))
    async with (
        open_store(mongo, mapping, frame) as store,
        open_erasures(erased, mongo) as erasures,
        open_poster(
            deliver.keys(),
            deliver.guard(),
            seconds=deliver.timeout_seconds,
            at_once=deliver.at_once,
            now=wall_ms,
        ) as poster,
    ):
        deliveries = MongoDeliveries(store.database, timedelta(days=deliver.kept_days))
        endpoints = MongoEndpoints(store.database, deliver.url)

        def disabled(reason: str) -> None:
            frame.log.critical("deliveries_disabled", reason=reason)

        courier = Courier(
            deliveries=deliveries,
            endpoints=endpoints,
            poster=TracedPoster(poster, frame.tracing),
            now=wall_ms,
            policy=DeliveryPolicy(disable_after=deliver.disable_hours * HOUR),
            at_once=deliver.at_once,
            look_seconds=deliver.look_seconds,
            told=posts_told(frame),
            on_disabled=disabled,
            erased=erasures,
        )
        runner = Runner(
            Timed(Keeper(deliveries, endpoints, store.parked, wall_ms, erasures), frame),
            runner_settings,
            on_results=results_told(frame),
            on_unavailable=unavailable_told(frame),
        )
        async with (
            # Where nothing was ever delivered nobody misses what is gone.
            opened_for(
                runner, kafka, GROUP, (topics.PLATFORM_CHANGES,), store.gaps, frame, deliveries.any_kept
            ) as stream,
            beside(_work(courier, frame), frame) as working,
            beside(_tell(deliveries, endpoints, frame), frame),
        ):
            frame.alive["deliveries"] = lambda: not working.done()
            frame.up.add("deliver")
            await runner.run(stream, frame.stop)


def posts_told(frame: Frame) -> Callable[[str, Delivery, Answer], None]:
    """Counts posts by how they ended, and logs each that was not delivered."""
    ends = Ends(frame)

    def told(outcome: str, delivery: Delivery, answer: Answer) -> None:
        frame.metrics.delivery_ended(outcome)
        ends.delivery(outcome, delivery, answer)

    return told


async def _work(courier: Courier, frame: Frame) -> None:
    while not frame.stop.is_set():
        try:
            await courier.work(frame.stop)
        except Unavailable as error:
            frame.log.warning("unavailable", what="deliveries", reason=str(error))
            await asyncio.sleep(AWAY_SECONDS)


async def _tell(deliveries: MongoDeliveries, endpoints: MongoEndpoints, frame: Frame) -> None:
    while True:
        try:
            endpoint = await endpoints.current()
            frame.metrics.deliveries_seen(
                await deliveries.waiting(), disabled=endpoint is not None and not endpoint.enabled
            )
        except Unavailable as error:
            frame.log.warning("deliveries_not_seen", reason=str(error))
        await asyncio.sleep(TELL_SECONDS)


def main() -> int:
    """Run the process; its exit code."""
    return run("deliver", [stage])
