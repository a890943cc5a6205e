"""`tandem schedule`: runs that were asked for, or whose time has come; one at a time over all processes."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack

from adapters.encryption.settings import EncryptionSettings
from adapters.kafka.backlog import Backlog, open_backlog
from adapters.kafka.logs import ChangeLog, Doorbells
from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.mongo.client import Database
from adapters.mongo.erased_settings import ErasedSettings
from adapters.mongo.erasures import open_erasures
from adapters.mongo.leases import MongoLeases
from adapters.mongo.operations import MongoOperations
from adapters.mongo.runs import MongoRuns
from adapters.mongo.settings import MongoSettings
from adapters.salesforce.settings import SalesforceSettings
from consumers.rules.budget import BudgetLane
from consumers.runner.runner import Runner
from consumers.runner.settings import RunnerSettings
from consumers.settings import BudgetSettings, MergeSettings
from listener.changes.ownership import Ownership
from listener.changes.settings import ChangesSettings
from ops.alerts.sender import report_sender_of
from ops.alerts.settings import AlertSettings
from ops.erasure.opened import Opened, eraser_of, follow
from ops.logins import login_ping, process_name
from ops.mapping_source import MappingSettings
from ops.processes import reconcile, write
from ops.processes.arriving import when_there
from ops.processes.budget import Account, QueriesWithinBudget
from ops.processes.frame import Frame, run
from ops.processes.guarantees import topics_prepared
from ops.processes.org import open_org
from ops.processes.parts import beside, open_store, opened_for, results_told, unavailable_told, wall_ms
from ops.schedule_settings import ScheduleSettings
from ops.settings import read_settings
from ops.sync.commands import Commands
from ops.sync.lanes import RunGate
from ops.sync.pace import Pace, lane_of
from ops.sync.parts import SyncParts
from ops.sync.schedule import Schedule
from ops.sync.slots import Every
from ops.sync.walk import Advance
from ops.sync.worker import LEASE_NAME, Worker
from ops.sync_settings import SyncSettings
from ops.weekly.keeping import WeeklyReports
from ops.weekly.reading import read
from schemas import topics
from schemas.stream import LeaseLost
from schemas.sync_run import Purpose, Run, RunState, RunStep
from schemas.unavailable import Unavailable

GROUP = "tandem.schedule"
GROUPS = {topics.SALESFORCE_CHANGES: reconcile.GROUP, topics.SALESFORCE_WRITES: write.GROUP}
"""Who works off what runs put into Kafka."""


async def stage(frame: Frame) -> None:
    """Any number of these may run: each time and each request makes one run, and one process works at a time."""
    kafka, mongo, salesforce_settings, encryption, mapping = read_settings(
        KafkaSettings, MongoSettings, SalesforceSettings, EncryptionSettings, MappingSettings
    )
    schedule, merge, budgeting, changes, switches, runner_settings = read_settings(
        ScheduleSettings, MergeSettings, BudgetSettings, ChangesSettings, SyncSettings, RunnerSettings
    )
    erased, alerts = read_settings(ErasedSettings, AlertSettings)
    await topics_prepared(kafka, frame, (*topics.ALL, topics.COMMANDS))
    account = Account(budgeting, frame)
    gate = RunGate({lane: account.gate(lane) for lane in BudgetLane})
    async with (
        open_store(mongo, mapping, frame, off=switches.switched_off()) as store,
        when_there("Kafka", lambda: open_producer(kafka), frame) as producer,
        when_there("Kafka", lambda: open_backlog(kafka, GROUPS), frame) as backlog,
        open_org(salesforce_settings, encryption, store, account, gate, frame) as salesforce,
        open_erasures(erased, mongo) as erasures,
    ):
        frame.pings["kafka"] = producer.ping
        frame.pings["salesforce_login"] = login_ping(salesforce)
        runs = MongoRuns(store.database, mongo.retention().runs)
        parts = SyncParts(
            database=store.database,
            changes=ChangeLog(producer),
            doorbells=Doorbells(producer),
            backlog=backlog,
            salesforce=salesforce,
            catalog=store.mapping.current,
            timing=merge.timing(),
            settings=schedule,
            channels=changes.channels,
            queries=QueriesWithinBudget(salesforce.bulk_queries, account.budget, lambda: gate.lane),
            gaps_kept=mongo.retention().gaps,
            refused=lambda document, why: frame.log.error("document_refused", document=document, reason=why),
        )
        worker = _worker(parts, runs, _pace(account, backlog, parts), gate, frame)
        runner = Runner(
            Commands(runs, store.parked, store.mapping.current, wall_ms),
            runner_settings,
            on_results=results_told(frame),
            on_unavailable=unavailable_told(frame),
        )
        eraser = None
        if erasures is not None:
            opened = Opened(store.database, erasures, salesforce, store.mapping.current, kafka)
            eraser = eraser_of(opened, erased, wall_ms)
        clock = Schedule(_times(schedule), runs, store.mapping.current, wall_ms)
        async with (
            opened_for(runner, kafka, GROUP, (topics.COMMANDS,), store.gaps, frame) as stream,
            beside(_work(worker, clock, runs, schedule.look_seconds, frame), frame) as working,
            beside(follow(erasures, eraser, frame), frame),
            AsyncExitStack() as also,
        ):
            if (reports := _reports(schedule, alerts, store.database, frame)) is not None:
                await also.enter_async_context(beside(reports.keep(), frame))
            frame.alive["runs"] = lambda: not working.done()
            frame.up.add("schedule")
            await runner.run(stream, frame.stop)


def _reports(
    schedule: ScheduleSettings, alerts: AlertSettings, database: Database, frame: Frame
) -> WeeklyReports | None:
    """Nobody to send to, or no day to do so on: no reports."""
    when = schedule.report()
    if when is None or not alerts.report_addresses():
        return None

    def told(week: str, taken: bool) -> None:
        if taken:
            frame.log.info("report_sent", week=week)
        else:
            frame.log.error("report_not_sent", week=week)

    return WeeklyReports(
        when=when,
        read=lambda week, now: read(database, week, now),
        sender=report_sender_of(alerts),
        sent=MongoOperations(database),
        leases=MongoLeases(database),
        owner=process_name(),
        page=alerts.page_url,
        now=wall_ms,
        told=told,
    )


def _times(settings: ScheduleSettings) -> Mapping[Purpose, Every]:
    every = {Purpose.COMPARE: settings.compare(), Purpose.REFRESH: settings.refresh()}
    return {purpose: one for purpose, one in every.items() if one is not None}


def _pace(account: Account, backlog: Backlog, parts: SyncParts) -> Pace:
    return Pace(account.budget, backlog, parts.walks, most=parts.settings.backlog, now=wall_ms)


def _worker(parts: SyncParts, runs: MongoRuns, pace: Pace, gate: RunGate, frame: Frame) -> Worker:
    async def hindrance(run: Run, step: RunStep) -> str:
        gate.lane = lane_of(run)
        return await pace.hindrance(run, parts.collection(step))

    def moved(step: RunStep, advance: Advance) -> None:
        frame.metrics.run_moved(step.kind, step.task, advance.passed)
        for verdict, count in advance.counts.items():
            frame.metrics.run_found(step.kind, step.task, verdict, count)

    def ended(run: Run) -> None:
        parts.forget(run)
        frame.metrics.run_ended(run.request.purpose, run.state)
        counts = {step.name: step.counts for step in run.steps}
        told = frame.log.error if run.state in (RunState.FAILED, RunState.PAUSED) else frame.log.info
        told("run_ended", run=run.id, state=str(run.state), reason=run.reason, counts=counts)

    return Worker(
        runs=runs,
        walk=parts.walk,
        hindrance=hindrance,
        ownership=Ownership(
            leases=MongoLeases(parts.database),
            name=LEASE_NAME,
            owner=process_name(),
            seconds=parts.settings.lease_seconds,
            clock=time.monotonic,
            pause=asyncio.sleep,
        ),
        now=wall_ms,
        finish=parts.finish,
        moved=moved,
        ended=ended,
    )


async def _work(worker: Worker, clock: Schedule, runs: MongoRuns, seconds: float, frame: Frame) -> None:
    """Until the process stops: begin what is to be begun, and work at what waits."""
    while not frame.stop.is_set():
        try:
            for begun in await clock.begin():
                frame.log.info("run_begun", run=begun.id)
            for state, count in (await runs.count()).items():
                frame.metrics.runs_seen(state, count)
            await worker.work(frame.stop)
        except (Unavailable, LeaseLost) as error:
            frame.log.warning("unavailable", what="runs", reason=str(error))
        try:
            async with asyncio.timeout(seconds):
                await frame.stop.wait()
        except TimeoutError:
            continue


def main() -> int:
    """Run the process; its exit code."""
    return run("schedule", [stage])
