"""`tandem enrich`: looks people up for whom nobody waits, and forgets what a change in Salesforce has made old."""

import asyncio

from adapters.encryption.settings import EncryptionSettings
from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.mongo.members import MongoMembers
from adapters.mongo.settings import MongoSettings
from adapters.salesforce.settings import SalesforceSettings
from consumers.enrichment.changes import EnrichmentChanges
from consumers.enrichment.gathering import MOST
from consumers.enrichment.memberships import Memberships
from consumers.enrichment.settings import EnrichmentSettings
from consumers.enrichment.worker import EnrichmentSweep, EnrichmentWorker
from consumers.rules.budget import BudgetLane
from consumers.runner.runner import Runner
from consumers.runner.settings import RunnerSettings
from consumers.settings import BudgetSettings, MergeSettings
from ops.logins import login_ping
from ops.mapping_source import MappingSettings
from ops.processes.arriving import when_there
from ops.processes.budget import Account, WithinBudget
from ops.processes.enrolling import enrichment_parts, hasty
from ops.processes.frame import Frame, run
from ops.processes.guarantees import topics_prepared
from ops.processes.org import open_org
from ops.processes.parts import (
    Timed,
    beside,
    open_store,
    opened_for,
    results_told,
    unavailable_told,
    wall_ms,
)
from ops.settings import read_settings
from ops.sync_settings import SyncSettings
from schemas import topics
from schemas.unavailable import Unavailable

GROUP = "tandem.enrichment"
GROUP_CHANGES = "tandem.enrichment.changes"
LINGER_SECONDS = 0.2
"""How long requests gather before a call: nobody waits for them."""


async def stage(frame: Frame) -> None:
    """Any number of these share the partitions; each sweeps, which does no harm twice."""
    kafka, mongo, salesforce_settings, encryption, mapping = read_settings(
        KafkaSettings, MongoSettings, SalesforceSettings, EncryptionSettings, MappingSettings
    )
    settings, merge, budgeting, runner_settings, switches = read_settings(
        EnrichmentSettings, MergeSettings, BudgetSettings, RunnerSettings, SyncSettings
    )
    await topics_prepared(kafka, frame, (*topics.ALL, topics.ENRICHMENT_REQUESTS))
    account = Account(budgeting, frame)
    org = hasty(salesforce_settings, settings)
    async with (
        open_store(mongo, mapping, frame, off=switches.switched_off()) as store,
        when_there("Kafka", lambda: open_producer(kafka), frame) as producer,
        open_org(org, encryption, store, account, account.gate(BudgetLane.LIVE), frame) as salesforce,
    ):
        frame.pings["kafka"] = producer.ping
        frame.pings["salesforce_login"] = login_ping(salesforce)
        parts = enrichment_parts(store, producer, salesforce, org, merge, frame.tracing)
        worker = EnrichmentWorker(
            catalog=store.mapping.current,
            documents=store.documents,
            guarded=parts.guarded,
            people=parts.people,
            cache=parts.cache,
            parked=store.parked,
            now=wall_ms,
            retry=settings.retry(),
            found_for=settings.found_ms,
            missing_for=settings.missing_ms,
        )
        changes = EnrichmentChanges(
            catalog=store.mapping.current,
            enriched=store.documents,
            memberships=Memberships(store.documents, MongoMembers(store.database), parts.guarded),
            guarded=parts.guarded,
            cache=parts.cache,
            requests=parts.requests,
            now=wall_ms,
        )
        requests = Runner(
            WithinBudget(Timed(worker, frame), account.budget, BudgetLane.LIVE),
            runner_settings.model_copy(update={"lanes": 1, "batch_size": MOST}),
            linger=lambda: account.linger_seconds(LINGER_SECONDS, 1),
            coalesce=True,
            on_results=results_told(frame),
            on_unavailable=unavailable_told(frame),
        )
        # The reconciler tells how changes end; here they end for the cache alone, and are not counted twice.
        forgetting = Runner(changes, runner_settings, on_unavailable=unavailable_told(frame))
        sweep = EnrichmentSweep(
            catalog=store.mapping.current, due=store.documents, requests=parts.requests, now=wall_ms
        )
        async with (
            opened_for(requests, kafka, GROUP, (topics.ENRICHMENT_REQUESTS,), store.gaps, frame) as stream,
            opened_for(
                forgetting, kafka, GROUP_CHANGES, (topics.SALESFORCE_CHANGES,), store.gaps, frame, _never
            ) as changed,
            beside(_sweep(sweep, settings.sweep_seconds, frame), frame) as sweeping,
            beside(forgetting.run(changed, frame.stop), frame),
        ):
            frame.alive["sweep"] = lambda: not sweeping.done()
            frame.up.add("enrich")
            await requests.run(stream, frame.stop)


async def _never() -> bool:
    """A change that Kafka has removed is no gap of the cache: what that holds is younger."""
    return False


async def _sweep(sweep: EnrichmentSweep, seconds: float, frame: Frame) -> None:
    while True:
        try:
            await sweep.ask_for_due()
        except Unavailable as error:
            frame.log.warning("unavailable", what="sweep", reason=str(error))
        await asyncio.sleep(seconds)


def main() -> int:
    """Run the process; its exit code."""
    return run("enrich", [stage])
