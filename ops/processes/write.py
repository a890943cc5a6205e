"""`tandem write`: documents into Salesforce, and the sweep that rings again."""

import asyncio

from adapters.kafka.logs import Doorbells
from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.kafka.topics import make_topics
from adapters.mongo.settings import MongoSettings
from adapters.salesforce.limits import Allocation
from adapters.salesforce.opening import open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from consumers.runner.runner import Runner
from consumers.runner.settings import RunnerSettings
from consumers.settings import MergeSettings, WriterSettings
from consumers.writer.send import ROWS_A_CALL
from consumers.writer.sweep import Sweep
from consumers.writer.writer import Writer
from ops.mapping_source import MappingSettings
from ops.processes.frame import Frame, run
from ops.processes.parts import conflict_told, ended, open_store, opened_for, results_told, unavailable_told, wall_ms
from ops.settings import read_settings
from schemas import topics
from schemas.unavailable import Unavailable

GROUP = "tandem.writer"


async def stage(frame: Frame) -> None:
    """Any number of these share the partitions; each sweeps, which does no harm twice."""
    kafka, mongo, salesforce_settings, runner_settings, merge, writing, mapping = read_settings(
        KafkaSettings, MongoSettings, SalesforceSettings, RunnerSettings, MergeSettings, WriterSettings, MappingSettings
    )
    await make_topics(kafka)

    def allocation_told(allocation: Allocation) -> None:
        frame.metrics.api_usage_seen(allocation.used, allocation.limit)

    async with (
        open_store(mongo, mapping, frame) as store,
        open_producer(kafka) as producer,
        open_salesforce(salesforce_settings, now=wall_ms, on_allocation=allocation_told) as salesforce,
    ):
        frame.pings["kafka"] = producer.ping
        writer = Writer(
            catalog=store.mapping.current,
            documents=store.documents,
            records=salesforce.records,
            log=store.log,
            parked=store.parked,
            now=wall_ms,
            timing=merge.timing(),
            retry=writing.retry(),
            on_conflict=conflict_told(frame),
        )
        runner = Runner(
            writer,
            runner_settings.model_copy(update={"lanes": writing.lanes, "batch_size": ROWS_A_CALL}),
            linger=writing.linger_seconds,
            on_results=results_told(frame),
            on_unavailable=unavailable_told(frame),
        )
        sweep = Sweep(
            catalog=store.mapping.current,
            documents=store.documents,
            doorbells=Doorbells(producer),
            log=store.log,
            now=wall_ms,
        )
        async with opened_for(runner, kafka, GROUP, (topics.SALESFORCE_WRITES,), frame) as stream:
            sweeping = asyncio.create_task(_sweep(sweep, writing.sweep_seconds, frame))
            frame.alive["sweep"] = lambda: not sweeping.done()
            try:
                await runner.run(stream, frame.stop)
            finally:
                await ended(sweeping)


async def _sweep(sweep: Sweep, seconds: float, frame: Frame) -> None:
    while True:
        try:
            await sweep.ring_due()
            drained = await sweep.drain_audit()
            if drained:
                frame.log.info("audit_drained", rows=drained)
        except Unavailable as error:
            frame.log.warning("unavailable", what="sweep", reason=str(error))
        await asyncio.sleep(seconds)


def main() -> int:
    """Run the process; its exit code."""
    return run("write", [stage])
