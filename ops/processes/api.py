"""`tandem api`: what the platform asks for over HTTP. Apart from the webhook, which must never wait for it."""

import time
from collections.abc import Sequence
from datetime import timedelta

from adapters.encryption.secret_hash import SecretHashes
from adapters.encryption.settings import EncryptionSettings
from adapters.kafka.logs import EventLog
from adapters.kafka.producer import Producer, open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.mongo.api_keys import MongoApiKeys
from adapters.mongo.erased_settings import ErasedSettings
from adapters.mongo.erasures import MongoErasures, open_erasures
from adapters.mongo.identities import MongoIdentities
from adapters.mongo.kept_answers import MongoKeptAnswers
from adapters.mongo.query_pages import MongoQueryPages
from adapters.mongo.runs import MongoRuns
from adapters.mongo.settings import MongoSettings
from adapters.platform.settings import DeliverSettings
from adapters.salesforce.opening import Salesforce
from adapters.salesforce.settings import SalesforceSettings
from consumers.rules.budget import BudgetLane
from consumers.settings import BudgetSettings, MergeSettings
from listener.api.app import Api, Outside, serve
from listener.api.connection import ConnectionRoutes
from listener.api.contacts import Contacts
from listener.api.deliveries import DeliveryRoutes
from listener.api.erasures import ErasureRoutes
from listener.api.exports import ExportRoutes
from listener.api.mappings import MappingRoutes
from listener.api.queries import QueryRoutes
from listener.api.routes import Group
from listener.api.runs import SyncRuns
from listener.api.settings import ApiSettings
from ops.api.connecting import OrgConnection
from ops.api.contacts import StoredPeople
from ops.api.deliveries import AuditedDeliveries
from ops.api.erasures import AskedErasures
from ops.api.exports import AuditedExports
from ops.api.mappings import StoredMappings
from ops.api.queries import OrgQueries
from ops.api.runs import AskedRuns
from ops.mapping_source import MappingSettings
from ops.processes.arriving import when_there
from ops.processes.budget import Account
from ops.processes.enrolling import open_participants
from ops.processes.frame import Frame, run
from ops.processes.guarantees import topics_prepared
from ops.processes.org import open_org
from ops.processes.parts import Store, open_store, wall_ms
from ops.settings import read_settings
from ops.sync_settings import SyncSettings
from schemas import topics


async def stage(frame: Frame) -> None:
    """Answers the platform while MongoDB and Kafka do. Salesforce may be away: what needs it says so, and no more.

    Any number may run. What they ask of the org goes in the lane of repairs, so it stops before live work does.
    """
    api_settings, kafka, mongo, salesforce_settings, encryption = read_settings(
        ApiSettings, KafkaSettings, MongoSettings, SalesforceSettings, EncryptionSettings
    )
    mapping, switches, merge, budgeting = read_settings(MappingSettings, SyncSettings, MergeSettings, BudgetSettings)
    await topics_prepared(kafka, frame, (*topics.ALL, topics.COMMANDS, topics.ENRICHMENT_REQUESTS))
    erased, deliver = read_settings(ErasedSettings, DeliverSettings)
    account = Account(budgeting, frame)
    async with (
        open_store(mongo, mapping, frame, off=switches.switched_off()) as store,
        when_there("Kafka", lambda: open_producer(kafka), frame) as producer,
        open_org(salesforce_settings, encryption, store, account, account.gate(BudgetLane.REPAIR), frame) as salesforce,
        open_erasures(erased, mongo) as erasures,
        open_participants(store, producer, account, erasures, frame) as participants,
    ):
        frame.pings["kafka"] = producer.ping
        connection = OrgConnection(salesforce_settings, store.database, encryption.keyring(), salesforce)
        mappings = StoredMappings(
            store.database, salesforce, merge.timing(), api_settings.plan_seconds, switches.switched_off()
        )
        groups = [
            ConnectionRoutes(connection).group(),
            MappingRoutes(mappings).group(),
            participants,
            ErasureRoutes(AskedErasures(erasures, store.mapping.current)).group(),
            ExportRoutes(
                AuditedExports(store.database, salesforce.records, store.mapping.current),
                per_hour=api_settings.exports_per_hour,
            ).group(),
            DeliveryRoutes(AuditedDeliveries(store.database, deliver.url), lambda: store.mapping.mapping).group(),
            *_groups(api_settings, store, producer, salesforce, erasures),
        ]
        outside = Outside(
            keys=MongoApiKeys(store.database),
            hashes=SecretHashes(),
            kept=MongoKeptAnswers(store.database, timedelta(hours=api_settings.idempotency_hours)),
            answered=frame.metrics.api_answered,
            notice=frame.log.warning,
            now=wall_ms,
            clock=time.monotonic,
        )
        async with serve(api_settings, Api(groups, api_settings, outside), frame.log.warning) as listening:
            frame.log.info("listening", host=listening.host, port=listening.port)
            frame.up.add("api")
            await frame.stop.wait()


def _groups(
    settings: ApiSettings,
    store: Store,
    producer: Producer,
    salesforce: Salesforce,
    erasures: MongoErasures | None,
) -> Sequence[Group]:
    """What is asked about people, runs and records. A further group is one more entry here."""
    contacts = Contacts(
        mapping=lambda: store.mapping.mapping,
        documents=StoredPeople(store.database),
        identities=MongoIdentities(store.database),
        log=EventLog(producer),
        wait_seconds=settings.wait_seconds,
        clock=time.monotonic,
        erased=erasures,
    )
    queries = OrgQueries(
        salesforce.rest,
        lambda: store.mapping.mapping,
        MongoQueryPages(store.database),
        rows=settings.query_rows,
        seconds=settings.query_seconds,
    )
    return (
        contacts.group(),
        SyncRuns(AskedRuns(MongoRuns(store.database), store.mapping.current)).group(),
        QueryRoutes(queries).group(),
    )


def main() -> int:
    """Run the process; its exit code."""
    return run("api", [stage])
