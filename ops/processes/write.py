"""`tandem write`: documents into Salesforce, and the sweep that rings again."""

import asyncio
import sys
from datetime import timedelta

from adapters.encryption.settings import EncryptionSettings
from adapters.kafka.logs import Doorbells, PlatformChanges
from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.mongo.connection_notes import ConnectionNotes
from adapters.mongo.debug_marks import MongoDebugMarks
from adapters.mongo.parked import ParkedQueue
from adapters.mongo.reservations import MongoReservations
from adapters.mongo.schema_ids import SchemaIds
from adapters.mongo.settings import MongoSettings
from adapters.salesforce.campaign_settings import CampaignSettings, event_key
from adapters.salesforce.described_bulk import DescribedBulk
from adapters.salesforce.describes import CheckedRecords, Describes
from adapters.salesforce.errors import CallFailed
from adapters.salesforce.member_statuses import SalesforceMemberStatuses
from adapters.salesforce.opening import Salesforce, open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from adapters.telemetry.spans import document_headers
from consumers.budget import Budget
from consumers.rules.budget import BudgetLane
from consumers.rules.parents import ROWS_A_CALL
from consumers.runner.runner import Runner
from consumers.runner.settings import RunnerSettings
from consumers.settings import BudgetSettings, MergeSettings, WriterSettings
from consumers.writer.sweep import Sweep
from consumers.writer.writer import Writer
from listener.changes.polling import ANSWER_SECONDS
from listener.changes.settings import ChangesSettings
from ops.campaigns.named import NamedCampaigns
from ops.connection_notes import LastSync, NoteKeeper
from ops.logins import connection_store, login_ping, login_told, warn_of_flow
from ops.mapping_fit import misfits
from ops.mapping_source import MappingSettings
from ops.parked_tidy import tidy
from ops.processes.arriving import when_there
from ops.processes.budget import LONGEST_APART, Account, BulkWithinBudget, WithinBudget
from ops.processes.counted import CountedBulk, CountedRecords
from ops.processes.debugging import DebuggedInForce, decision_told
from ops.processes.frame import Frame, run
from ops.processes.guarantees import topics_prepared
from ops.processes.parts import (
    Store,
    Timed,
    beside,
    conflict_told,
    open_store,
    opened_for,
    results_told,
    unavailable_told,
    wall_ms,
)
from ops.processes.polled import Untold
from ops.processes.schema_changes import SchemasWatched
from ops.processes.waiting import tell_waiting
from ops.settings import read_settings
from ops.sync_settings import SyncSettings
from schemas import topics
from schemas.session import LoginFailed
from schemas.unavailable import Unavailable

GROUP = "tandem.writer"
DONE = frozenset({"written", "deleted"})
DUE_SECONDS = 5.0
MISFIT_SECONDS = 30.0
TIDY_SECONDS = 10.0


async def stage(frame: Frame) -> None:
    """Any number of these share the partitions; each sweeps, which does no harm twice."""
    kafka, mongo, salesforce_settings, encryption = read_settings(
        KafkaSettings, MongoSettings, SalesforceSettings, EncryptionSettings
    )
    runner_settings, merge, writing, budgeting, mapping = read_settings(
        RunnerSettings, MergeSettings, WriterSettings, BudgetSettings, MappingSettings
    )
    switches, changes, campaigns = read_settings(SyncSettings, ChangesSettings, CampaignSettings)
    await topics_prepared(kafka, frame, (*topics.ALL, topics.PLATFORM_CHANGES))
    account = Account(budgeting, frame)
    async with (
        open_store(mongo, mapping, frame, off=switches.switched_off()) as store,
        when_there("Kafka", lambda: open_producer(kafka), frame) as producer,
        open_salesforce(
            salesforce_settings,
            now=wall_ms,
            gate=account.gate(BudgetLane.LIVE),
            on_allocation=account.hear,
            on_call=frame.metrics.salesforce_called,
            on_login=login_told(frame),
            store=connection_store(store.database, encryption),
            pace=account.budget.poll_seconds,
        ) as salesforce,
        account.kept(store.database, salesforce_settings.login_url, salesforce.rest),
    ):
        warn_of_flow(frame, salesforce_settings)
        frame.pings["salesforce_login"] = login_ping(salesforce)
        sync = LastSync()
        keeper = NoteKeeper(frame, salesforce, ConnectionNotes(store.database), salesforce_settings, sync)

        def rows_told(sobject: str, outcome: str) -> None:
            frame.metrics.rows_written(sobject, outcome)
            if outcome in DONE:
                sync.moved()

        frame.pings["kafka"] = producer.ping
        describes = Describes(salesforce.rest, wall_ms)

        def campaign_refused(what: str, why: str) -> None:
            frame.log.error("campaign_refused", what=what, reason=why)

        records = NamedCampaigns(
            CheckedRecords(salesforce.records, describes),
            SalesforceMemberStatuses(salesforce.rest),
            campaigns.campaign,
            event_key,
            campaign_refused,
        )
        watched = SchemasWatched(SchemaIds(store.database), describes.doubt, frame)
        untold = Untold(
            store.database,
            max(changes.poll_idle_seconds, LONGEST_APART) + ANSWER_SECONDS,
            lambda: frozenset(store.mapping.current().mapping.objects()),
            frame,
        )
        debugging = DebuggedInForce(MongoDebugMarks(store.database), wall_ms)
        writer = Writer(
            catalog=store.mapping.current,
            documents=store.documents,
            records=CountedRecords(records, rows_told, frame.tracing),
            log=store.log,
            parked=store.parked,
            now=wall_ms,
            timing=merge.timing(),
            retry=writing.retry(),
            on_conflict=conflict_told(frame),
            debugged=debugging.current,
            on_decision=decision_told(frame),
            bulk=BulkWithinBudget(
                CountedBulk(DescribedBulk(salesforce.bulk, describes), frame.metrics.rows_written, frame.tracing),
                account.budget,
                BudgetLane.LIVE,
            ),
            job_pace=account.budget.poll_seconds,
            bulk_rows=writing.bulk_rows or sys.maxsize,
            reservations=MongoReservations(store.database),
            unheard=untold.current,
            tellings=PlatformChanges(producer, headers=document_headers),
        )
        runner = Runner(
            WithinBudget(Timed(writer, frame), account.budget, BudgetLane.LIVE),
            runner_settings.model_copy(
                update={
                    "lanes": writing.lanes,
                    "batch_size": ROWS_A_CALL,
                    "max_in_flight": max(runner_settings.max_in_flight, 2 * writing.lanes * writing.bulk_rows),
                }
            ),
            linger=lambda: account.linger_seconds(writing.linger_seconds, writing.lanes),
            backlog=writing.bulk_rows,
            fill=writing.fill_seconds,
            coalesce=True,
            on_results=results_told(frame),
            on_unavailable=unavailable_told(frame),
        )
        sweep = Sweep(
            catalog=store.mapping.current,
            documents=store.documents,
            doorbells=Doorbells(producer),
            log=store.log,
            now=wall_ms,
            tellings=PlatformChanges(producer),
        )
        async with (
            opened_for(runner, kafka, GROUP, (topics.SALESFORCE_WRITES,), store.gaps, frame) as stream,
            beside(_sweep(sweep, account.budget, writing.sweep_seconds, frame), frame) as sweeping,
            beside(_tell_due(store, frame), frame),
            beside(_tidy(store, mongo.retention().parked, frame), frame),
            beside(tell_waiting(store, frame), frame),
            beside(keeper.keep(), frame),
            beside(_tell_misfits(store, salesforce, describes, frame), frame),
            beside(watched.follow(), frame),
            beside(untold.follow(), frame),
            beside(debugging.follow(frame), frame),
        ):
            frame.alive["sweep"] = lambda: not sweeping.done()
            frame.up.add("write")
            await runner.run(stream, frame.stop)


async def _sweep(sweep: Sweep, budget: Budget, seconds: float, frame: Frame) -> None:
    """While no call may be made nobody is rung for: the doorbells would only heap up."""
    while True:
        try:
            if budget.refusal(BudgetLane.LIVE) is None:
                await sweep.ring_due()
            told = await sweep.tell()
            if told:
                frame.log.info("told_by_sweep", rows=told)
            drained = await sweep.drain_audit()
            if drained:
                frame.log.info("audit_drained", rows=drained)
        except Unavailable as error:
            frame.log.warning("unavailable", what="sweep", reason=str(error))
        await asyncio.sleep(seconds)


async def _tell_due(store: Store, frame: Frame) -> None:
    while True:
        for kind in store.mapping.current().kinds.values():
            for place in kind.places():
                frame.metrics.rows_foreseen(place.sobject)
            try:
                frame.metrics.due_seen(kind.name, await store.documents.count_due(kind.collection))
                frame.metrics.reviews_seen(kind.name, await store.documents.count_reviews(kind.collection))
            except Unavailable as error:
                frame.log.warning("due_not_seen", reason=str(error))
        await asyncio.sleep(DUE_SECONDS)


async def _tidy(store: Store, kept: timedelta, frame: Frame) -> None:
    """What was parked of a write that has gone through since is closed, however that came about."""
    queue = ParkedQueue(store.database, kept)
    while True:
        try:
            closed = await tidy(queue, store.documents, store.mapping.current(), wall_ms)
            if closed:
                frame.log.info("parked_writes_closed", rows=closed)
        except Unavailable as error:
            frame.log.warning("unavailable", what="parked", reason=str(error))
        await asyncio.sleep(TIDY_SECONDS)


async def _tell_misfits(store: Store, salesforce: Salesforce, describes: Describes, frame: Frame) -> None:
    """Each version of the mapping is compared with the org as it comes into force, and again when an object is found
    changed; what does not fit has its line."""
    told: int | None = None
    while True:
        mapping = store.mapping.current().mapping
        changed = await describes.look()
        if changed:
            frame.log.info("schema_changed", objects=sorted(changed))
            told = None
        if mapping.version != told:
            try:
                for complaint in await misfits(salesforce, mapping):
                    frame.log.warning("mapping_misfit", where=complaint.where, reason=complaint.message)
                told = mapping.version
            except (CallFailed, LoginFailed, Unavailable) as error:
                frame.log.warning("unavailable", what="describe", reason=str(error))
        await asyncio.sleep(MISFIT_SECONDS)


def main() -> int:
    """Run the process; its exit code."""
    return run("write", [stage])
