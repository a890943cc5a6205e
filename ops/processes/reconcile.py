"""`tandem reconcile`: facts into documents, and doorbells for what became due."""

from adapters.kafka.logs import Doorbells
from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.kafka.topics import make_topics
from adapters.mongo.settings import MongoSettings
from consumers.reconciler.reconciler import Reconciler
from consumers.runner.runner import Runner
from consumers.runner.settings import RunnerSettings
from consumers.settings import MergeSettings
from ops.mapping_source import MappingSettings
from ops.processes.frame import Frame, run
from ops.processes.parts import Timed, conflict_told, open_store, opened_for, results_told, unavailable_told, wall_ms
from ops.settings import read_settings
from schemas import topics

GROUP = "tandem.reconciler"


async def stage(frame: Frame) -> None:
    """Any number of these share the partitions."""
    kafka, mongo, runner_settings, merge, mapping = read_settings(
        KafkaSettings, MongoSettings, RunnerSettings, MergeSettings, MappingSettings
    )
    await make_topics(kafka)
    # A batch that was not answered is read and decided again: each update by its revision, each row by its id.
    async with (
        open_store(mongo, mapping, frame, retry_writes=False) as store,
        open_producer(kafka) as producer,
    ):
        frame.pings["kafka"] = producer.ping
        reconciler = Reconciler(
            catalog=store.mapping.current,
            documents=store.documents,
            log=store.log,
            parked=store.parked,
            doorbells=Doorbells(producer),
            now=wall_ms,
            timing=merge.timing(),
            on_conflict=conflict_told(frame),
        )
        runner = Runner(
            Timed(reconciler, frame),
            runner_settings,
            on_results=results_told(frame),
            on_unavailable=unavailable_told(frame),
        )
        facts = (topics.PLATFORM_EVENTS, topics.SALESFORCE_CHANGES)
        async with opened_for(runner, kafka, GROUP, facts, store.gaps, frame) as stream:
            frame.up.add("reconcile")
            await runner.run(stream, frame.stop)


def main() -> int:
    """Run the process; its exit code."""
    return run("reconcile", [stage])
