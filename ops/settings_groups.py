"""Which groups of settings each process reads."""

from collections.abc import Iterator, Mapping
from typing import Final

from pydantic_settings import BaseSettings

from adapters.kafka.settings import KafkaSettings
from adapters.mongo.settings import MongoSettings
from adapters.salesforce.settings import SalesforceSettings
from adapters.telemetry.settings import TelemetrySettings
from consumers.runner.settings import RunnerSettings
from consumers.settings import MergeSettings, WriterSettings
from listener.changes.settings import ChangesSettings
from listener.webhook.settings import WebhookSettings
from ops.mapping_source import MappingSettings

Groups = tuple[type[BaseSettings], ...]

OF_PROCESS: Final[dict[str, Groups]] = {
    "webhook": (WebhookSettings, KafkaSettings, MongoSettings, MappingSettings, TelemetrySettings),
    "subscribe": (
        ChangesSettings,
        SalesforceSettings,
        KafkaSettings,
        MongoSettings,
        MappingSettings,
        TelemetrySettings,
    ),
    "reconcile": (MergeSettings, RunnerSettings, KafkaSettings, MongoSettings, MappingSettings, TelemetrySettings),
    "write": (
        WriterSettings,
        MergeSettings,
        RunnerSettings,
        SalesforceSettings,
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
    MappingSettings,
    SalesforceSettings,
    WebhookSettings,
    ChangesSettings,
    MergeSettings,
    WriterSettings,
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
    kafka, runner = read.get(KafkaSettings), read.get(RunnerSettings)
    if (
        isinstance(kafka, KafkaSettings)
        and isinstance(runner, RunnerSettings)
        and kafka.rebalance_timeout <= runner.revoke_seconds
    ):
        yield "KAFKA_REBALANCE_TIMEOUT must be more than RUNNER_REVOKE_SECONDS"
    merge, salesforce = read.get(MergeSettings), read.get(SalesforceSettings)
    if (
        isinstance(merge, MergeSettings)
        and isinstance(salesforce, SalesforceSettings)
        and merge.answer_seconds <= salesforce.call_timeout
    ):
        yield "MERGE_ANSWER_SECONDS must be more than SALESFORCE_CALL_TIMEOUT_SECONDS"
