"""`tandem check` and `tandem show` on the real Kafka and MongoDB and the simulated org."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.environment import where
from support.org import OrgClient, org_client

from adapters.mongo.collections import prepare
from adapters.mongo.mappings import MongoMappings
from ops import check, show
from schemas.presets import preset

pytestmark = pytest.mark.integration

Database = AsyncDatabase[dict[str, Any]]


@pytest.fixture
async def org() -> AsyncIterator[OrgClient]:
    """An org of this test's own."""
    async with org_client() as running:
        yield running


@pytest.fixture
def environment(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
    kafka_bootstrap: str,
    mongodb_uri: str,
    org: OrgClient,
    database: Database,
) -> pytest.MonkeyPatch:
    """Settings for all of it, as a person would set them."""
    monkeypatch.chdir(tmp_path)
    for name, value in {
        **where(kafka=kafka_bootstrap, mongodb=mongodb_uri, database=database.name, org=org.org),
        "MAPPING_PRESET": "customers",
        "WEBHOOK_SECRETS_TICKETS": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "COLUMNS": "250",
    }.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


async def checked(capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code and what is shown."""
    code = await asyncio.to_thread(check.run)
    return code, capsys.readouterr().out


async def shown(capsys: pytest.CaptureFixture[str], kind: str, document_id: str) -> tuple[int, str]:
    """The exit code and what is shown."""
    code = await asyncio.to_thread(show.run, kind, document_id)
    return code, capsys.readouterr().out


@pytest.mark.usefixtures("environment")
async def test_everything_good(capsys: pytest.CaptureFixture[str]) -> None:
    """The preset fits the org; every part is reached."""
    code, told = await checked(capsys)
    assert code == 0, told
    for part in ("logged in at http://127.0.0.1", "customer fits the org's Contact", "preset customers holds together"):
        assert part in told


async def test_a_published_mapping_that_does_not_fit_the_org(
    environment: pytest.MonkeyPatch, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """The version in force is checked, not the preset, and the misfit names its place."""
    raw = preset("customers").model_dump(mode="json")
    raw["kinds"]["customer"]["fields"][4]["salesforce"] = "Titel__c"
    await MongoMappings(database).publish(preset("customers").model_validate(raw), 0, by="test")
    code, told = await checked(capsys)
    assert code == 1
    assert "version 1 holds together" in told
    assert "customer.fields.title: the object has no field Titel__c" in told


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9", "Kafka does not answer at 127.0.0.1:9"),
        ("MONGODB_PASSWORD", "hunter2-wrong", "MongoDB refused us: AuthenticationFailed"),
        ("SALESFORCE_CLIENT_SECRET", "hunter2-wrong", "login refused: invalid_client"),
        ("SALESFORCE_API_VERSION", "67.0", ""),
    ],
)
async def test_what_cannot_be_reached_is_one_line(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str, line: str
) -> None:
    """The other parts are tried all the same, and no secret is shown."""
    environment.setenv(variable, value)
    environment.setenv("KAFKA_REQUEST_TIMEOUT", "3")
    if variable == "MONGODB_PASSWORD":
        environment.setenv("MONGODB_USERNAME", "tandem")
    code, told = await checked(capsys)
    assert code == (1 if line else 0), told
    assert line in told
    assert "hunter2" not in told
    assert "Traceback" not in told


async def test_show_puts_both_sides_next_to_each_other(
    environment: pytest.MonkeyPatch, database: Database, org: OrgClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """A linked document, its record, its log and what was parked."""
    await prepare(database, ["customers"])
    record_id = await org.create(LastName="Pop", Email="ana@example.com", MailingCity="Cluj")
    await database["customers"].insert_one(
        {
            "_id": "cust-42",
            "revision": 3,
            "email": "Ana@example.com",
            "last_name": "Pop",
            "address": {"city": "Iasi"},
            "salesforce": {"syncStatus": "synced"},
            "_sync": {"link": {"id": record_id, "at": 1}, "fields": {}},
        }
    )
    await database["salesforce_sync_logs"].insert_many(
        [
            {"_id": "1", "type": "outcome", "outcome": "stale", "kind": "customer", "document": "cust-42", "at": 5},
            {"_id": "2", "type": "outcome", "outcome": "echo", "record": record_id, "at": 6},
            {"_id": "3", "type": "outcome", "outcome": "parked", "kind": "customer", "document": "other", "at": 7},
        ]
    )
    await database["tandem_parked"].insert_one(
        {"_id": "t:0:9", "kind": "customer", "document": "cust-42", "reason": "STRING_TOO_LONG", "detail": "x", "at": 8}
    )
    code, told = await shown(capsys, "customer", "cust-42")
    assert code == 0, told
    for part in ("revision 3, synced", record_id, "Cluj", "Iasi", "stale", "echo", "STRING_TOO_LONG: x (t:0:9)"):
        assert part in told
    assert "other" not in told


@pytest.mark.usefixtures("environment")
async def test_show_finds_a_record_that_is_not_linked(org: OrgClient, capsys: pytest.CaptureFixture[str]) -> None:
    """By the external id; there is no document yet, and that is said."""
    await org.create(LastName="Pop", Tandem_Customer_Id__c="cust-7")
    code, told = await shown(capsys, "customer", "cust-7")
    assert code == 0, told
    assert "document: none in customers" in told
    assert "Pop" in told


@pytest.mark.usefixtures("environment")
async def test_show_says_that_there_is_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and a line for each side; an unknown kind names the known ones."""
    code, told = await shown(capsys, "customer", "nobody")
    assert code == 1
    assert "document: none in customers" in told
    assert "record: none" in told
    code, told = await shown(capsys, "client", "nobody")
    assert code == 1
    assert '"client" is no kind of the mapping; there are: customer' in told


async def test_show_shows_the_document_while_salesforce_is_away(
    environment: pytest.MonkeyPatch, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half an answer, named as such, is better than none."""
    environment.setenv("SALESFORCE_LOGIN_URL", "http://127.0.0.1:9")
    await database["customers"].insert_one({"_id": "cust-1", "revision": 1, "last_name": "Pop"})
    code, told = await shown(capsys, "customer", "cust-1")
    assert code == 0, told
    assert "Pop" in told
    assert "not read: " in told
