"""Settings that contradict each other are refused at start, each with a sentence."""

import pytest
from pydantic_settings import BaseSettings

from adapters.kafka.settings import KafkaSettings
from adapters.salesforce.settings import SalesforceSettings
from adapters.telemetry.settings import TelemetrySettings
from consumers.runner.settings import RunnerSettings
from consumers.settings import MergeSettings
from listener.api.settings import ApiSettings
from listener.webhook.settings import WebhookSettings
from ops.admin.settings import AdminSettings
from ops.settings_groups import contradictions

VARIABLES = {
    "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
    "SALESFORCE_LOGIN_URL": "https://tandem.my.salesforce.com",
    "SALESFORCE_CLIENT_ID": "id",
    "SALESFORCE_CLIENT_SECRET": "secret",
    "WEBHOOK_SECRETS_TICKETS": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}
GROUPS: tuple[type[BaseSettings], ...] = (
    KafkaSettings,
    RunnerSettings,
    MergeSettings,
    SalesforceSettings,
    WebhookSettings,
    ApiSettings,
    AdminSettings,
    TelemetrySettings,
)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)


def said() -> list[str]:
    """The lines."""
    return list(contradictions({group: group() for group in GROUPS}))


def test_the_defaults_go_together() -> None:
    """Nobody has to set any of them."""
    assert said() == []


@pytest.mark.parametrize(
    ("settings", "begins"),
    [
        ({"RUNNER_REVOKE_SECONDS": "60", "KAFKA_REBALANCE_TIMEOUT": "60"}, "KAFKA_REBALANCE_TIMEOUT must be more than"),
        (
            {"KAFKA_SESSION_TIMEOUT": "95"},
            "KAFKA_REBALANCE_TIMEOUT must be more than KAFKA_SESSION_TIMEOUT",
        ),
        ({"RUNNER_RETRY_CAP_SECONDS": "290"}, "KAFKA_POLL_INTERVAL must be more than RUNNER_RETRY_CAP_SECONDS and"),
        ({"KAFKA_POLL_INTERVAL": "40"}, "KAFKA_POLL_INTERVAL must be more than RUNNER_RETRY_CAP_SECONDS and"),
        ({"OPS_STOP_SECONDS": "20"}, "OPS_STOP_SECONDS must be more than RUNNER_STOP_SECONDS"),
        ({"SALESFORCE_CALL_TIMEOUT_SECONDS": "150"}, "MERGE_ANSWER_SECONDS must be more than"),
        ({"ADMIN_PORT": "8081"}, "ADMIN_PORT and OPS_PORT must differ: both are 8081"),
        ({"OPS_PORT": "8070"}, "API_PORT and OPS_PORT must differ"),
        ({"OPS_PORT": "8080", "WEBHOOK_HOST": "0.0.0.0"}, "WEBHOOK_PORT and OPS_PORT must differ"),
        ({"MERGE_LONGEST_CALL_SECONDS": "119"}, "MERGE_LONGEST_CALL_SECONDS must be at least"),
    ],
)
def test_each_contradiction_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], begins: str
) -> None:
    """It names both settings, and nothing beside it is wrong."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    (line,) = said()
    assert line.startswith(begins)


@pytest.mark.parametrize(
    "settings",
    [
        {"ADMIN_PORT": "0", "OPS_PORT": "0"},
        {"ADMIN_PORT": "8081", "ADMIN_HOST": "10.0.0.7"},
        {"WEBHOOK_PORT": "8000", "API_PORT": "8000", "ADMIN_PORT": "8000"},
    ],
)
def test_ports_that_can_be_listened_on_side_by_side(monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]) -> None:
    """Any that are free, those of different addresses, and those of processes on machines of their own."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert said() == []
