"""`tandem write`: documents into Salesforce, and the sweep that rings again."""

import sys
from dataclasses import dataclass

from adapters.encryption.settings import EncryptionSettings
from adapters.kafka.logs import Doorbells, PlatformChanges
from adapters.kafka.producer import Producer, open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.mongo.connection_notes import ConnectionNotes
from adapters.mongo.debug_marks import MongoDebugMarks
from adapters.mongo.reservations import MongoReservations
from adapters.mongo.schema_ids import SchemaIds
from adapters.mongo.settings import MongoSettings
from adapters.salesforce.campaign_settings import CampaignSettings, event_key
from adapters.salesforce.described_bulk import DescribedBulk
from adapters.salesforce.describes import CheckedRecords, Describes
from adapters.salesforce.member_statuses import SalesforceMemberStatuses
from adapters.salesforce.opening import Salesforce
from adapters.salesforce.settings import SalesforceSettings
from adapters.telemetry.spans import document_headers
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
from ops.campaigns.statuses import BulkStatuses, StatusesAdded
from ops.connection_notes import LastSync, NoteKeeper
from ops.logins import login_ping
from ops.mapping_source import MappingSettings
from ops.processes.arriving import when_there
from ops.processes.budget import LONGEST_APART, Account, BulkWithinBudget, WithinBudget
from ops.processes.counted import CountedBulk, CountedRecords
from ops.processes.debugging import DebuggedInForce, decision_told
from ops.processes.frame import Frame, run
from ops.processes.guarantees import topics_prepared
from ops.processes.org import open_org
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
from ops.processes.upkeep import close_parked, keep_sweeping, tell_due, tell_misfits
from ops.processes.waiting import tell_waiting
from ops.settings import read_settings
from ops.sync_settings import SyncSettings
from schemas import topics

GROUP = "tandem.writer"
DONE = frozenset({"written", "deleted"})


@dataclass(frozen=True, slots=True)
class _Open:
    """What the stage has open, and what is told to it of the org."""

    store: Store
    producer: Producer
    salesforce: Salesforce
    account: Account
    describes: Describes
    frame: Frame


async def stage(frame: Frame) -> None:
    """Any number of these share the partitions; each sweeps, which does no harm twice."""
    kafka, mongo, org, encryption = read_settings(KafkaSettings, MongoSettings, SalesforceSettings, EncryptionSettings)
    runner_settings, merge, writing, budgeting, mapping = read_settings(
        RunnerSettings, MergeSettings, WriterSettings, BudgetSettings, MappingSettings
    )
    switches, changes, campaigns = read_settings(SyncSettings, ChangesSettings, CampaignSettings)
    await topics_prepared(kafka, frame, (*topics.ALL, topics.PLATFORM_CHANGES))
    account = Account(budgeting, frame)
    gate, pace = account.gate(BudgetLane.LIVE), account.budget.poll_seconds
    async with (
        open_store(mongo, mapping, frame, off=switches.switched_off()) as store,
        when_there("Kafka", lambda: open_producer(kafka), frame) as producer,
        open_org(org, encryption, store, account, gate, frame, pace=pace) as salesforce,
    ):
        frame.pings["kafka"] = producer.ping
        frame.pings["salesforce_login"] = login_ping(salesforce)
        opened = _Open(store, producer, salesforce, account, Describes(salesforce.rest, wall_ms), frame)
        sync = LastSync()
        keeper = NoteKeeper(frame, salesforce, ConnectionNotes(store.database), org, sync)
        watched = SchemasWatched(SchemaIds(store.database), opened.describes.doubt, frame)
        untold = _untold(opened, changes)
        debugging = DebuggedInForce(MongoDebugMarks(store.database), wall_ms)
        statuses = StatusesAdded(
            salesforce.records, SalesforceMemberStatuses(salesforce.rest), lambda what, why: _refused(frame, what, why)
        )
        records = _records(opened, campaigns, statuses, sync)
        writer = _writer(opened, records, statuses, merge, writing, debugging, untold)
        runner = _runner(opened, writer, runner_settings, writing)
        async with (
            opened_for(runner, kafka, GROUP, (topics.SALESFORCE_WRITES,), store.gaps, frame) as stream,
            beside(keep_sweeping(_sweep(opened), account.budget, writing.sweep_seconds, frame), frame) as sweeping,
            beside(tell_due(store, frame), frame),
            beside(close_parked(store, mongo.retention().parked, frame), frame),
            beside(tell_waiting(store, frame), frame),
            beside(keeper.keep(), frame),
            beside(tell_misfits(store, salesforce, opened.describes, frame), frame),
            beside(watched.follow(), frame),
            beside(untold.follow(), frame),
            beside(debugging.follow(frame), frame),
        ):
            frame.alive["sweep"] = lambda: not sweeping.done()
            frame.up.add("write")
            await runner.run(stream, frame.stop)


def _refused(frame: Frame, what: str, why: str) -> None:
    frame.log.error("campaign_refused", what=what, reason=why)


def _records(opened: _Open, campaigns: CampaignSettings, statuses: StatusesAdded, sync: LastSync) -> CountedRecords:
    """Rows of Salesforce: checked against the org's description, campaigns found by name, every outcome counted."""
    frame = opened.frame

    def rows_told(sobject: str, outcome: str) -> None:
        frame.metrics.rows_written(sobject, outcome)
        if outcome in DONE:
            sync.moved()

    named = NamedCampaigns(
        CheckedRecords(opened.salesforce.records, opened.describes),
        statuses,
        campaigns.campaign,
        event_key,
        lambda what, why: _refused(frame, what, why),
    )
    return CountedRecords(named, rows_told, frame.tracing)


def _untold(opened: _Open, changes: ChangesSettings) -> Untold:
    """Objects of whose changes no event tells, for so long as a poll may be apart and take."""
    return Untold(
        opened.store.database,
        max(changes.poll_idle_seconds, LONGEST_APART) + ANSWER_SECONDS,
        lambda: frozenset(opened.store.mapping.current().mapping.objects()),
        opened.frame,
    )


def _writer(
    opened: _Open,
    records: CountedRecords,
    statuses: StatusesAdded,
    merge: MergeSettings,
    writing: WriterSettings,
    debugging: DebuggedInForce,
    untold: Untold,
) -> Writer:
    store, account, frame = opened.store, opened.account, opened.frame
    return Writer(
        catalog=store.mapping.current,
        documents=store.documents,
        records=records,
        log=store.log,
        parked=store.parked,
        now=wall_ms,
        timing=merge.timing(),
        retry=writing.retry(),
        on_conflict=conflict_told(frame),
        debugged=debugging.current,
        on_decision=decision_told(frame),
        bulk=BulkWithinBudget(
            CountedBulk(
                BulkStatuses(DescribedBulk(opened.salesforce.bulk, opened.describes), statuses),
                frame.metrics.rows_written,
                frame.tracing,
            ),
            account.budget,
            BudgetLane.LIVE,
        ),
        job_pace=account.budget.poll_seconds,
        bulk_rows=writing.bulk_rows or sys.maxsize,
        reservations=MongoReservations(store.database),
        unheard=untold.current,
        tellings=PlatformChanges(opened.producer, headers=document_headers),
    )


def _runner(opened: _Open, writer: Writer, settings: RunnerSettings, writing: WriterSettings) -> Runner:
    """Doorbells in batches of one call each, gathered for longer the less of the org's allocation is left."""
    account, frame = opened.account, opened.frame
    return Runner(
        WithinBudget(Timed(writer, frame), account.budget, BudgetLane.LIVE),
        settings.model_copy(
            update={
                "lanes": writing.lanes,
                "batch_size": ROWS_A_CALL,
                "max_in_flight": max(settings.max_in_flight, 2 * writing.lanes * writing.bulk_rows),
            }
        ),
        linger=lambda: account.linger_seconds(writing.linger_seconds, writing.lanes),
        backlog=writing.bulk_rows,
        fill=writing.fill_seconds,
        coalesce=True,
        on_results=results_told(frame),
        on_unavailable=unavailable_told(frame),
    )


def _sweep(opened: _Open) -> Sweep:
    return Sweep(
        catalog=opened.store.mapping.current,
        documents=opened.store.documents,
        doorbells=Doorbells(opened.producer),
        log=opened.store.log,
        now=wall_ms,
        tellings=PlatformChanges(opened.producer),
    )


def main() -> int:
    """Run the process; its exit code."""
    return run("write", [stage])
