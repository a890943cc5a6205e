"""Which groups of settings each process reads."""

from collections.abc import Iterator, Mapping
from typing import Final

from pydantic_settings import BaseSettings

from adapters.encryption.settings import EncryptionSettings
from adapters.kafka.settings import KafkaSettings
from adapters.mongo.erased_settings import ErasedSettings
from adapters.mongo.settings import MongoSettings
from adapters.platform.settings import DeliverSettings
from adapters.salesforce.campaign_settings import CampaignSettings
from adapters.salesforce.flows import Flow
from adapters.salesforce.settings import SalesforceSettings
from adapters.telemetry.settings import TelemetrySettings
from consumers.enrichment.settings import EnrichmentSettings
from consumers.runner.settings import RunnerSettings
from consumers.settings import BudgetSettings, MergeSettings, RepairSettings, WriterSettings
from listener.api.settings import ApiSettings
from listener.changes.settings import ChangesSettings
from listener.webhook.settings import WebhookSettings
from ops.admin.settings import AdminSettings
from ops.alerts.settings import AlertSettings
from ops.mapping_source import MappingSettings
from ops.ports import collisions
from ops.schedule_settings import ScheduleSettings
from ops.sync_settings import SyncSettings

NO_KEYS: Final = "ENCRYPTION_KEYS is not set: the tokens of the flow web_server are stored, and only sealed"

Groups = tuple[type[BaseSettings], ...]

OF_PROCESS: Final[dict[str, Groups]] = {
    "webhook": (WebhookSettings, KafkaSettings, MongoSettings, MappingSettings, TelemetrySettings),
    "api": (
        ErasedSettings,
        ApiSettings,
        DeliverSettings,
        EnrichmentSettings,
        SyncSettings,
        MergeSettings,
        BudgetSettings,
        SalesforceSettings,
        EncryptionSettings,
        KafkaSettings,
        MongoSettings,
        MappingSettings,
        TelemetrySettings,
    ),
    "admin": (
        AdminSettings,
        AlertSettings,
        SyncSettings,
        MergeSettings,
        RepairSettings,
        DeliverSettings,
        ErasedSettings,
        KafkaSettings,
        MongoSettings,
        MappingSettings,
        TelemetrySettings,
    ),
    "subscribe": (
        ChangesSettings,
        BudgetSettings,
        SalesforceSettings,
        EncryptionSettings,
        KafkaSettings,
        MongoSettings,
        MappingSettings,
        TelemetrySettings,
    ),
    "reconcile": (
        SyncSettings,
        ErasedSettings,
        MergeSettings,
        RunnerSettings,
        KafkaSettings,
        MongoSettings,
        MappingSettings,
        TelemetrySettings,
    ),
    "write": (
        CampaignSettings,
        SyncSettings,
        ChangesSettings,
        WriterSettings,
        BudgetSettings,
        MergeSettings,
        RunnerSettings,
        SalesforceSettings,
        EncryptionSettings,
        KafkaSettings,
        MongoSettings,
        MappingSettings,
        TelemetrySettings,
    ),
    "enrich": (
        EnrichmentSettings,
        SyncSettings,
        BudgetSettings,
        MergeSettings,
        RunnerSettings,
        SalesforceSettings,
        EncryptionSettings,
        KafkaSettings,
        MongoSettings,
        MappingSettings,
        TelemetrySettings,
    ),
    "schedule": (
        ScheduleSettings,
        AlertSettings,
        ErasedSettings,
        SyncSettings,
        BudgetSettings,
        MergeSettings,
        RunnerSettings,
        ChangesSettings,
        SalesforceSettings,
        EncryptionSettings,
        KafkaSettings,
        MongoSettings,
        MappingSettings,
        TelemetrySettings,
    ),
    "repair": (
        SyncSettings,
        RepairSettings,
        BudgetSettings,
        SalesforceSettings,
        EncryptionSettings,
        KafkaSettings,
        MongoSettings,
        MappingSettings,
        TelemetrySettings,
    ),
    "deliver": (
        DeliverSettings,
        RunnerSettings,
        KafkaSettings,
        MongoSettings,
        MappingSettings,
        TelemetrySettings,
    ),
}

# In the order of the pages: what everybody needs first.
ALL: Final[Groups] = (
    KafkaSettings,
    MongoSettings,
    ErasedSettings,
    MappingSettings,
    SyncSettings,
    SalesforceSettings,
    EncryptionSettings,
    WebhookSettings,
    ApiSettings,
    AdminSettings,
    AlertSettings,
    DeliverSettings,
    ChangesSettings,
    EnrichmentSettings,
    MergeSettings,
    WriterSettings,
    CampaignSettings,
    RepairSettings,
    BudgetSettings,
    ScheduleSettings,
    RunnerSettings,
    TelemetrySettings,
)


def of_process(process: str) -> Groups:
    """The groups of one process; of `all`, those of every process."""
    if process != "all":
        return OF_PROCESS[process]
    return tuple(group for group in ALL if read_by(group))


def read_by(group: type[BaseSettings]) -> list[str]:
    """The processes that read this group."""
    return [process for process, groups in OF_PROCESS.items() if group in groups]


def contradictions(read: Mapping[type[BaseSettings], BaseSettings]) -> Iterator[str]:
    """What cannot hold between settings of different groups, a line each."""
    yield from collisions(read)
    kafka, runner = read.get(KafkaSettings), read.get(RunnerSettings)
    if (
        isinstance(kafka, KafkaSettings)
        and isinstance(runner, RunnerSettings)
        and kafka.rebalance_timeout <= runner.revoke_seconds
    ):
        yield "KAFKA_REBALANCE_TIMEOUT must be more than RUNNER_REVOKE_SECONDS"
    if isinstance(kafka, KafkaSettings) and isinstance(runner, RunnerSettings):
        longest_wait = runner.retry_cap_seconds + kafka.request_timeout
        if kafka.poll_interval <= longest_wait:
            yield (
                "KAFKA_POLL_INTERVAL must be more than RUNNER_RETRY_CAP_SECONDS and KAFKA_REQUEST_TIMEOUT together, "
                "else a consumer that waits for MongoDB or Kafka leaves its group, and its records go round"
            )
        if kafka.session_timeout >= kafka.rebalance_timeout:
            yield "KAFKA_REBALANCE_TIMEOUT must be more than KAFKA_SESSION_TIMEOUT"
    telemetry = read.get(TelemetrySettings)
    if (
        isinstance(telemetry, TelemetrySettings)
        and isinstance(runner, RunnerSettings)
        and telemetry.ops_stop_seconds <= runner.stop_seconds
    ):
        yield "OPS_STOP_SECONDS must be more than RUNNER_STOP_SECONDS, else what is in hand is cut off"
    merge, salesforce = read.get(MergeSettings), read.get(SalesforceSettings)
    if (
        isinstance(merge, MergeSettings)
        and isinstance(salesforce, SalesforceSettings)
        and merge.answer_seconds <= salesforce.call_timeout
    ):
        yield "MERGE_ANSWER_SECONDS must be more than SALESFORCE_CALL_TIMEOUT_SECONDS"
    if (
        isinstance(merge, MergeSettings)
        and isinstance(salesforce, SalesforceSettings)
        and merge.longest_call_seconds < salesforce.call_timeout
    ):
        yield "MERGE_LONGEST_CALL_SECONDS must be at least SALESFORCE_CALL_TIMEOUT_SECONDS: a call may land that late"
    encryption = read.get(EncryptionSettings)
    if (
        isinstance(salesforce, SalesforceSettings)
        and salesforce.flow is Flow.WEB_SERVER
        and isinstance(encryption, EncryptionSettings)
        and encryption.keyring() is None
    ):
        yield NO_KEYS
