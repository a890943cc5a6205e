"""`docs/deploy.md`, and what `docs/runbook.md` says of its backups, are what the processes are."""

from pathlib import Path

import pytest
from pydantic_settings import BaseSettings
from support.doc_pages import Page

from adapters.kafka.settings import KafkaSettings
from adapters.mongo.collections import SESSIONS
from adapters.mongo.settings import MongoSettings
from adapters.salesforce.settings import SalesforceSettings
from adapters.telemetry.settings import TelemetrySettings
from listener.api.settings import ApiSettings
from listener.webhook.settings import WebhookSettings
from ops.admin.settings import AdminSettings
from ops.settings_groups import OF_PROCESS

DOCS = Path(__file__).parents[2] / "docs"
PORTS: dict[type[BaseSettings], str] = {
    WebhookSettings: "WEBHOOK_PORT",
    ApiSettings: "API_PORT",
    AdminSettings: "ADMIN_PORT",
}
SERVERS: dict[type[BaseSettings], str] = {
    KafkaSettings: "Kafka",
    MongoSettings: "MongoDB",
    SalesforceSettings: "Salesforce",
}
ASKS_WHEN_IT_IS_ASKED = "admin"
"""Reads the settings of an org only once somebody wants to know something of it."""


@pytest.fixture(scope="module")
def page() -> Page:
    """The page."""
    return Page("docs/deploy.md", (DOCS / "deploy.md").read_text())


def test_the_table_of_processes_has_them_all(page: Page) -> None:
    """In the order in which `tandem up` numbers their ops ports, each with its own port and what it speaks to."""
    rows = page.rows("The processes")[1:]
    assert [row[0].strip("`") for row in rows] == [f"tandem {name}" for name in OF_PROCESS]
    for (name, read), (_command, _many, listens, speaks) in zip(OF_PROCESS.items(), rows, strict=True):
        assert listens.strip("`") == "".join(port for group, port in PORTS.items() if group in read), name
        asked = {told for group, told in SERVERS.items() if group in read or name == ASKS_WHEN_IT_IS_ASKED}
        assert {told for told in SERVERS.values() if told in speaks} == asked, name
    first = TelemetrySettings.model_fields["ops_port"].default
    names = list(OF_PROCESS)
    assert f"{first} of `{names[0]}` to {first + len(names) - 1} of `{names[-1]}`" in page.text


def test_an_upgrade_leaves_no_process_out(page: Page) -> None:
    """Each has its place in the order in which they are replaced."""
    part = page.section("Upgrade and rollback")
    assert [name for name in OF_PROCESS if f"`tandem {name}`" not in part] == []


@pytest.mark.parametrize(
    ("page", "command", "option"),
    [
        ("deploy.md", "mongodump", f"--excludeCollection={SESSIONS}"),
        ("runbook.md", "mongorestore", f'--nsExclude "tandem.{SESSIONS}"'),
    ],
)
def test_no_backup_brings_visits_back(page: str, command: str, option: str) -> None:
    """One that was ended since would be good again; and the restore says what else was undone, by commands that are."""
    text = (DOCS / page).read_text()
    (line,) = [each for each in text.splitlines() if each.strip().startswith(f'{command} --uri "$MONGODB_URI"')]
    assert option in line
    if page == "runbook.md":
        part = text[text.index("## Restore a backup") :]
        for told in ("tandem users list", "tandem users disable", "tandem users password", "tandem api-keys revoke"):
            assert told in part[: part.index("\n## ", 5)]
