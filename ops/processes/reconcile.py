"""`tandem reconcile`: facts into documents, and doorbells for what became due."""

from adapters.kafka.logs import Doorbells, PlatformChanges
from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.mongo.debug_marks import MongoDebugMarks
from adapters.mongo.erased_settings import ErasedSettings
from adapters.mongo.erasures import open_erasures
from adapters.mongo.gaps import MongoObjectGaps
from adapters.mongo.settings import MongoSettings
from adapters.telemetry.spans import document_headers, doorbell_headers, speaks_of
from consumers.reconciler.reconciler import Reconciler
from consumers.runner.runner import Runner
from consumers.runner.settings import RunnerSettings
from consumers.settings import MergeSettings
from ops.mapping_source import MappingSettings
from ops.processes.arriving import when_there
from ops.processes.debugging import DebuggedInForce, decision_told
from ops.processes.frame import Frame, run
from ops.processes.guarantees import topics_prepared
from ops.processes.parts import (
    Timed,
    beside,
    conflict_told,
    gap_told,
    open_store,
    opened_for,
    results_told,
    unavailable_told,
    wall_ms,
)
from ops.processes.waiting import tell_waiting
from ops.settings import read_settings
from ops.sync_settings import SyncSettings
from schemas import topics

GROUP = "tandem.reconciler"


async def stage(frame: Frame) -> None:
    """Any number of these share the partitions."""
    kafka, mongo, runner_settings, merge, mapping = read_settings(
        KafkaSettings, MongoSettings, RunnerSettings, MergeSettings, MappingSettings
    )
    sync, erased = read_settings(SyncSettings, ErasedSettings)
    await topics_prepared(kafka, frame, (*topics.ALL, topics.PLATFORM_CHANGES))
    # A batch that was not answered is read and decided again: each update by its revision, each row by its id.
    async with (
        open_store(mongo, mapping, frame, off=sync.switched_off(), retry_writes=False) as store,
        when_there("Kafka", lambda: open_producer(kafka), frame) as producer,
        open_erasures(erased, mongo) as erasures,
    ):
        frame.pings["kafka"] = producer.ping
        debugging = DebuggedInForce(MongoDebugMarks(store.database), wall_ms)
        reconciler = Reconciler(
            catalog=store.mapping.current,
            documents=store.documents,
            log=store.log,
            parked=store.parked,
            doorbells=Doorbells(producer, headers=doorbell_headers),
            gaps=MongoObjectGaps(store.database),
            now=wall_ms,
            timing=merge.timing(),
            tellings=PlatformChanges(producer, headers=document_headers),
            erasures=erasures,
            on_gap=gap_told(frame),
            on_conflict=conflict_told(frame),
            debugged=debugging.current,
            on_decision=decision_told(frame),
            on_spoken_of=speaks_of,
        )
        runner = Runner(
            Timed(reconciler, frame),
            runner_settings,
            on_results=results_told(frame),
            on_unavailable=unavailable_told(frame),
        )
        facts = (topics.PLATFORM_EVENTS, topics.SALESFORCE_CHANGES)
        async with (
            opened_for(runner, kafka, GROUP, facts, store.gaps, frame) as stream,
            beside(tell_waiting(store, frame), frame),
            beside(debugging.follow(frame), frame),
        ):
            frame.up.add("reconcile")
            await runner.run(stream, frame.stop)


def main() -> int:
    """Run the process; its exit code."""
    return run("reconcile", [stage])
