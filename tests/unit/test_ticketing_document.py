"""The ticketing document, line by line: what it lists, by its own words. Its endpoints at work: tests/e2e."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.api_world import ApiWorld
from support.fake_documents import FakeDocuments, FakeLog
from support.org import org_client
from support.sync_stage import Stage

from adapters.mongo import collections
from adapters.mongo.connections import CONNECTIONS
from adapters.mongo.mappings import COLLECTION as FIELD_MAPPINGS
from adapters.salesforce.caller_soql import checked_soql
from adapters.salesforce.error_codes import CODES, Remedy
from adapters.salesforce.opening import open_salesforce
from adapters.salesforce.query_scope import QueryScope
from adapters.salesforce.settings import SalesforceSettings
from adapters.telemetry.metrics import Metrics
from adapters.telemetry.settings import LogLevel, TelemetrySettings
from consumers.rules.parents import Row, calls
from listener.api.mapping_form import flat_form, with_flat
from listener.api.openapi import document
from ops.schedule_settings import ScheduleSettings
from ops.settings import read_settings, variables
from ops.settings_groups import ALL
from ops.sync_settings import SyncSettings
from schemas.field_mapping import Direction
from schemas.mapping import Asserts, Mapping
from schemas.mapping_reading import check_mapping
from schemas.presets import preset
from schemas.records import Failure
from simulator.org.clock import system_clock

ROOT = Path(__file__).parents[2]
TICKETING, HACKATHON = preset("ticketing"), preset("hackathon")
FIELDS = {
    "email": "Email",
    "first_name": "FirstName",
    "last_name": "LastName",
    "phone": "Phone",
    "total_purchases": "Custom_Total__c",
    "last_event": "Custom_Last_Event__c",
}
"""The document's table of fields."""


def mapped() -> Mapping:
    """The preset with the document's table put over it."""
    return with_flat(TICKETING, {"contact": FIELDS})[0]


@pytest.mark.parametrize("sobject", ["Contact", "Lead", "Opportunity", "Account"])
def test_supported_objects(sobject: str) -> None:
    """Each standard object is mapped by a preset."""
    assert sobject in {*TICKETING.objects(), *HACKATHON.objects()}


def test_custom_objects_are_supported_through_the_mapping() -> None:
    """As the purchases of the preset are."""
    assert "Ticket_Order__c" in TICKETING.objects()


@pytest.mark.parametrize("direction", ["push", "pull", "both"])
def test_sync_directions(direction: str) -> None:
    """Platform to Salesforce, Salesforce to platform, and both, of a field."""
    used = {field.direction for kind in TICKETING.kinds.values() for field in kind.fields}
    assert Direction(direction) in used


@pytest.mark.parametrize(("platform", "salesforce"), FIELDS.items())
def test_field_mapping(platform: str, salesforce: str) -> None:
    """Each row of the table can be mapped as it is written, beside all that the preset has."""
    check_mapping(mapped())
    assert flat_form(mapped())["contact"][platform] == salesforce


@pytest.mark.parametrize(
    ("trigger", "event"),
    [
        ("New customer created", "customer.created"),
        ("Order completed", "order.completed"),
        ("Customer profile updated", "customer.updated"),
    ],
)
def test_sync_triggers(trigger: str, event: str) -> None:
    """What happens on the platform is an event that the preset knows."""
    del trigger
    found = TICKETING.kind_of_event(event)
    assert found is not None
    assert found[2] is Asserts.VALUES


def test_scheduled_sync_runs() -> None:
    """Every night, without anybody asking; and every six hours what Salesforce calculates."""
    compare, refresh = ScheduleSettings().compare(), ScheduleSettings().refresh()
    assert compare is not None
    assert refresh is not None
    night = datetime(2026, 12, 1, 3, 0, tzinfo=UTC)
    assert [compare.last(night + timedelta(hours=hour)) - night for hour in (-1, 0, 23, 24)] == [
        timedelta(days=day) for day in (-1, 0, 0, 1)
    ]
    assert {refresh.last(night + timedelta(hours=hour)) for hour in range(24)} == {
        night + timedelta(hours=hour) for hour in (-1.5, 4.5, 10.5, 16.5, 22.5)
    }
    assert ScheduleSettings(compare_hours=0).compare() is None


def test_soql() -> None:
    """The document's SELECT is taken as it is written."""
    text = (
        "SELECT Id, FirstName, LastName, Email\nFROM Contact\nWHERE Custom_Total__c > 1000\n"
        "ORDER BY CreatedDate DESC\nLIMIT 100\n"
    )
    asked = checked_soql(text, QueryScope(mapped()))
    assert (asked.sobject, asked.limit, asked.fields) == ("Contact", 100, ("Id", "FirstName", "LastName", "Email"))


@pytest.mark.parametrize(
    ("variable", "said", "means"),
    [
        ("SALESFORCE_CLIENT_ID", "3MVG9", lambda read: read.client_id == "3MVG9"),
        ("SALESFORCE_CLIENT_SECRET", "s3cret", lambda read: read.client_secret.get_secret_value() == "s3cret"),
        ("SALESFORCE_REDIRECT_URI", "https://a.example/b", lambda read: read.redirect_uri == "https://a.example/b"),
        ("SALESFORCE_API_VERSION", "61.0", lambda read: read.api_version == "61.0"),
        ("SALESFORCE_SANDBOX", "true", lambda read: read.sandbox is True),
        ("SYNC_CONTACTS", "false", lambda read: read.switched_off() == {"Contact"}),
        ("SYNC_LEADS", "false", lambda read: read.switched_off() == {"Lead"}),
        ("SYNC_OPPORTUNITIES", "false", lambda read: read.switched_off() == {"Opportunity"}),
        ("SYNC_ACCOUNTS", "false", lambda read: read.switched_off() == {"Account"}),
    ],
)
def test_configuration(monkeypatch: pytest.MonkeyPatch, variable: str, said: str, means: Callable[[Any], bool]) -> None:
    """Every key of the document's configuration is a setting, and does what it says."""
    group = SyncSettings if variable.startswith("SYNC_") else SalesforceSettings
    assert group in ALL
    assert variable in {each for name in group.model_fields for each in variables(group, name)}
    for name in variables_of_salesforce():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SALESFORCE_CLIENT_ID", "a")
    monkeypatch.setenv("SALESFORCE_CLIENT_SECRET", "b")
    monkeypatch.setenv("SALESFORCE_LOGIN_URL", "https://acme--dev.sandbox.my.salesforce.com")
    monkeypatch.setenv(variable, said)
    (read,) = read_settings(group)
    assert means(read)


def variables_of_salesforce() -> set[str]:
    """All that could be set around this test."""
    groups = (SalesforceSettings, SyncSettings)
    return {each for group in groups for name in group.model_fields for each in variables(group, name)}


@pytest.mark.parametrize(
    "endpoint",
    [
        "GET /api/integrations/salesforce/auth",
        "POST /api/integrations/salesforce/callback",
        "GET /api/integrations/salesforce/connection",
        "POST /api/integrations/salesforce/sync/{what}",
        "GET /api/integrations/salesforce/contacts/{id}",
        "POST /api/integrations/salesforce/contacts",
        "POST /api/integrations/salesforce/query",
        "GET /api/integrations/salesforce/mappings",
        "PUT /api/integrations/salesforce/mappings",
    ],
)
def test_api_endpoints(endpoint: str) -> None:
    """Each is there by its method and address."""
    method, _, path = endpoint.partition(" ")
    assert method.lower() in document(ApiWorld().groups())["paths"][path]


@pytest.mark.parametrize(
    "table",
    ["salesforce_connections", "salesforce_sync_logs", "salesforce_field_mappings", "salesforce_object_cache"],
)
def test_database_schema(table: str) -> None:
    """Each is a collection of that name."""
    assert table in {CONNECTIONS, collections.SYNC_LOGS, FIELD_MAPPINGS, collections.CLAIMS}


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("INVALID_SESSION_ID", Remedy.LOG_IN),
        ("DUPLICATE_VALUE", Remedy.UPDATE_INSTEAD),
        ("REQUIRED_FIELD_MISSING", Remedy.PARK),
        ("FIELD_INTEGRITY_EXCEPTION", Remedy.PARK),
    ],
)
def test_error_handling(code: str, remedy: Remedy) -> None:
    """Log in again; update instead of create; a person looks at the mapping, or at the value."""
    assert CODES[code].remedy is remedy


def test_bulk_operations() -> None:
    """Up to 200 records a call: 450 are three, and none is left out or there twice."""
    rows = [Row(number, f"003{number:03}", frozenset()) for number in range(450)]
    carried = calls(rows)
    assert [len(call) for call in carried] == [200, 200, 50]
    assert sorted(row.item for call in carried for row in call) == list(range(450))


FEATURES = {field.salesforce: field for kind in TICKETING.kinds.values() for field in kind.fields}


@pytest.mark.parametrize(
    ("feature", "field"),
    [
        ("Standard field support", "FirstName"),
        ("Custom field mapping", "Total_Spent__c"),
        ("Lookup field handling", "AccountId"),
        ("Picklist value mapping", "StageName"),
        ("Formula field reading", "IsWon"),
    ],
)
def test_field_management(feature: str, field: str) -> None:
    """Each is at work in the preset; a formula is only ever read."""
    mapped_field = FEATURES[field]
    match feature:
        case "Lookup field handling":
            assert mapped_field.lookups == ("company",)
        case "Picklist value mapping":
            assert mapped_field.picklist["won"] == "Closed Won"
        case "Formula field reading":
            assert mapped_field.direction is Direction.PULL
        case _:
            assert mapped_field.lookup is None


@pytest.mark.parametrize(
    ("option", "endpoint"),
    [
        ("Manual sync trigger", "POST /api/integrations/salesforce/sync/{what}"),
        ("Sync history", "GET /api/integrations/salesforce/sync/runs"),
        ("Custom query builder", "POST /api/integrations/salesforce/query/build"),
        ("Pagination handling", "GET /api/integrations/salesforce/query/pages/{cursor}"),
    ],
)
def test_options_of_syncs_and_queries(option: str, endpoint: str) -> None:
    """Beside the endpoints that the document spells out."""
    del option
    method, _, path = endpoint.partition(" ")
    assert method.lower() in document(ApiWorld().groups())["paths"][path]


@pytest.mark.parametrize(
    ("criterion", "where"),
    [
        ("date", "CreatedDate >= 2025-01-01T00:00:00Z"),
        ("event", "Last_Event__c = 'Summer Festival 2025'"),
        ("purchase value", "Total_Spent__c > 1000"),
        ("any other criteria", "MailingCity LIKE 'Cl%' AND Account.Name != null"),
    ],
)
def test_filter_by(criterion: str, where: str) -> None:
    """`Filter by date, event, purchase value, or any other criteria.`"""
    del criterion
    assert str(checked_soql(f"SELECT Id FROM Contact WHERE {where}", QueryScope(TICKETING)).where)


@pytest.mark.parametrize(
    ("case", "kind", "sobject"),
    [
        ("Create Accounts for companies purchasing corporate tickets", "company", "Account"),
        ("Link Contacts as employees", "customer", "Contact"),
        ("Track Opportunities for pending group sales", "deal", "Opportunity"),
        ("Create Salesforce campaigns targeting past attendees", "event", "Campaign"),
        ("Sync attendance data back to Salesforce", "registration", "CampaignMember"),
        ("Track potential VIP buyers, corporate clients, and group sales", "prospect", "Lead"),
        ("See their complete purchase history", "order", "Ticket_Order__c"),
        ("Event names, ticket types, purchase dates", "order_line", "Ticket_Order_Line__c"),
    ],
)
def test_use_cases(case: str, kind: str, sobject: str) -> None:
    """Each has its kind, kept in the object that the document names; at work: test_presets_on_an_org.py."""
    del case
    assert sobject in {place.sobject for place in TICKETING.kinds[kind].places()}


def test_permission_set_support() -> None:
    """One of least rights is deployed with the preset's fields."""
    assert any((ROOT / "deploy/salesforce/ticketing").rglob("permissionsets/*.xml"))


def test_connected_app_setup() -> None:
    """Step by step, for an admin: in this order, from the app to the settings."""
    page = (ROOT / "docs/salesforce-setup.md").read_text(encoding="utf-8")
    app = page.partition("## 3. The app")[2].partition("\n## 4.")[0]
    steps = (
        "*API (Enable OAuth Settings)*",
        "Callback URL",
        "Scopes: **Manage user data via APIs (api)**",
        "**Enable Client Credentials Flow**",
        "**Run As** the integration user",
        "*Consumer Key and Secret*: these are `SALESFORCE_CLIENT_ID` and `SALESFORCE_CLIENT_SECRET`",
        "*New Connected App*, with the same OAuth settings",
    )
    places = [app.find(step) for step in steps]
    assert -1 not in places
    assert places == sorted(places)


async def test_automatic_token_refresh() -> None:
    """A token that ended costs one more login and loses no call, however many calls meet it at once."""
    async with org_client() as org:
        given = {"login_url": org.org.base_url, "client_id": org.org.client_id, "client_secret": org.org.client_secret}
        async with open_salesforce(SalesforceSettings(**given), now=system_clock) as salesforce:
            assert await salesforce.rest.describe("Contact")
            first = (await salesforce.login.current()).access_token
            assert (await org.admin("POST", "/tokens/revoke", {}))["revoked"] >= 1
            assert all(await asyncio.gather(*(salesforce.rest.describe("Contact") for _ in range(5))))
            assert (await salesforce.login.current()).access_token != first
            assert (await org.admin("POST", "/tokens/revoke", {}))["revoked"] == 1


@pytest.mark.parametrize(
    ("line", "metric"),
    [
        ("Success/failure metrics", "tandem_salesforce_rows_total"),
        ("Error tracking", "tandem_records_total"),
        ("Parked records", "tandem_parked_waiting"),
    ],
)
def test_monitoring(line: str, metric: str) -> None:
    """Each is told to Prometheus, by outcome."""
    del line
    assert metric in {one.name for one in Metrics().describe()}


def test_debug_mode() -> None:
    """`LOG_LEVEL=debug`."""
    assert TelemetrySettings.model_validate({"log_level": "debug"}).log_level is LogLevel.DEBUG


async def test_audit_trail_says_what_was_synced_when_whether_it_succeeded_and_why_not() -> None:
    """A row of `salesforce_sync_logs` for each, and what is refused is parked with Salesforce's own code."""
    stage, log = Stage(FakeDocuments()), FakeLog()
    stage.log = log
    stage.reconciler, stage.writer = stage.new_reconciler(), stage.new_writer()
    await stage.post({"last_name": "Popescu"})
    await stage.settle()
    written = [row for row in log.rows.values() if row["type"] == "write"]
    assert {(row["outcome"], row["kind"], bool(row["at"])) for row in written} == {("applied", "customer", True)}
    stage.salesforce.fail_rows(lambda _row: True, Failure.REJECTED, "REQUIRED_FIELD_MISSING")
    await stage.post({"first_name": "Ion"}, changed=["first_name"])
    await stage.settle()
    assert "REQUIRED_FIELD_MISSING" in str(stage.parked.rows)
