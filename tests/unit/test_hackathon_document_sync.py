"""The hackathon platform's own plan, line by line, beyond enrichment: signing in, campaigns, attendance, watching.

Each test has the plan's words. What it says of a registration: `test_hackathon_document.py`.
"""

from collections.abc import AsyncIterator
from datetime import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from support.keys import new_key, pem
from support.org_world import World, world_of

from adapters.salesforce.caller_soql import checked_soql
from adapters.salesforce.campaign_settings import CampaignSettings, event_key
from adapters.salesforce.flows import Flow
from adapters.salesforce.query_scope import QueryScope
from adapters.salesforce.settings import SalesforceSettings
from adapters.telemetry.metrics import Metrics
from consumers.settings import BudgetSettings, WriterSettings
from ops.admin.health import NEARLY_ALL_USED, USED
from ops.admin.lately import ERRORS, MANY_FAILURES, TAKEN
from ops.admin.rollup import HOUR
from ops.admin.routes import ROUTES
from ops.campaigns.report import reports, shape_of
from ops.schedule_settings import ScheduleSettings
from ops.settings import variables
from ops.settings_groups import ALL
from ops.sync.slots import Weekly
from ops.weekly.model import Beside, report
from ops.weekly.render import html, text
from ops.weekly.week import DAY, week_named
from schemas import topics
from schemas.mapping import Asserts
from schemas.presets import preset
from schemas.samples import Sample

HACKATHON = preset("hackathon")
ALERTS = Path(__file__).parents[2] / "deploy" / "prometheus" / "alerts.yml"
REGISTERED: dict[str, Any] = {"event_id": "hack", "participant_id": "p-1", "event_name": "Spring Hack"}
ATTENDED = REGISTERED | {"status": "attended", "checked_in_at": "2026-11-28T09:00:00+02:00"}


@pytest.fixture
async def hackathon(tmp_path: Path) -> AsyncIterator[World]:
    """A hackathon, and somebody new to sales who registers for it and consents."""
    async with world_of(HACKATHON, tmp_path) as world:
        await world.post("event.created", "hack", name="Spring Hack", type="hackathon", status="open", active=True)
        who = {"email": "john.doe@mongodb.com", "first_name": "John", "last_name": "Doe", "consent": True}
        await world.post("participant.registered", "p-1", **who, skills=["Python", "Go"])
        await world.post("registration.created", "r-1", **REGISTERED, status="registered")
        await world.settle()
        yield world


async def writes_of(world: World) -> int:
    """Calls by which rows were written."""
    calls = (await world.org.admin("GET", "/calls"))["calls"]
    return sum(each["count"] for each in calls if each["verb"] in ("POST", "PATCH") and "sobjects" in each["resource"])


async def converted(world: World) -> str:
    """Sales convert the Lead; the Contact's id."""
    lead = await world.row("SELECT Id FROM Lead")
    (done,) = await world.org.admin("POST", "/edits", {"action": "convert", "object": "Lead", "id": lead["Id"]})
    assert done["success"], done
    await world.settle()
    return str((await world.row("SELECT Id FROM Contact"))["Id"])


@pytest.mark.parametrize(
    "query",
    [
        "SELECT Id,Name,Email FROM Contact WHERE Email='user@example.com'",
        (
            "SELECT Id, Name, Email, AccountId, Account.Name, \n       Title, Phone, Department, MailingCity\n"
            "FROM Contact \nWHERE Email = 'john.doe@mongodb.com'\nLIMIT 1"
        ),
    ],
)
def test_soql(query: str) -> None:
    """The plan's queries are taken as they are written, with the Account that they join."""
    assert checked_soql(query, QueryScope(HACKATHON)).sobject == "Contact"


def test_bulk_api_for_more_than_2_000_records() -> None:
    """A backlog that is large enough goes by Bulk API 2.0."""
    assert WriterSettings().bulk_rows <= 2_000


@pytest.mark.parametrize(
    "variable",
    [
        "SF_LOGIN_URL",
        "SF_USERNAME",
        "SF_PASSWORD",
        "SF_SECURITY_TOKEN",
        "SF_CLIENT_ID",
        "SF_CLIENT_SECRET",
        "SF_PRIVATE_KEY_PATH",
    ],
)
def test_environment_variables(variable: str) -> None:
    """`.env.local` works as it is written."""
    assert variable in {each for group in ALL for name in group.model_fields for each in variables(group, name)}


def test_jwt_bearer_flow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`OR Salesforce OAuth (JWT Bearer flow - more secure)`: told by the private key, with nothing else said."""
    for name, value in {"CLIENT_ID": "3MVG9", "USERNAME": "integration@yourcompany.com"}.items():
        monkeypatch.setenv(f"SF_{name}", value)
    key = tmp_path / "salesforce-private-key.pem"
    key.write_bytes(pem(new_key()))
    monkeypatch.setenv("SF_PRIVATE_KEY_PATH", str(key))
    assert SalesforceSettings().flow is Flow.JWT_BEARER


def test_campaign_ids_map_an_event_to_a_salesforce_campaign(monkeypatch: pytest.MonkeyPatch) -> None:
    """`SF_CAMPAIGN_SPRING_2026=7013h000000ABC123`."""
    monkeypatch.setenv("SF_CAMPAIGN_SPRING_2026", "7013h000000ABC1")
    assert list(CampaignSettings().campaign) == [event_key("spring-2026")]


async def test_create_campaign_in_salesforce_for_each_hackathon_event(hackathon: World) -> None:
    """One, whatever is said of the event later."""
    await hackathon.change("event.updated", "hack", status="over")
    await hackathon.settle()
    assert await hackathon.row("SELECT Name, Type, Status FROM Campaign") == {
        "Name": "Spring Hack",
        "Type": "Hackathon",
        "Status": "Completed",
    }


async def test_add_participants_as_campaign_members(hackathon: World) -> None:
    """`Status: 'Registered'`."""
    member = await hackathon.row("SELECT Status, LeadId, Campaign.Name FROM CampaignMember")
    assert (member["Status"], member["Campaign"]["Name"]) == ("Registered", "Spring Hack")
    assert member["LeadId"] == (await hackathon.row("SELECT Id FROM Lead"))["Id"]


@pytest.mark.parametrize(
    ("said", "status"), [("attended", "Attended"), ("no_show", "No Show"), ("cancelled", "Cancelled")]
)
async def test_or_attended_after_event(hackathon: World, said: str, status: str) -> None:
    """The same member, of whom there is one."""
    await hackathon.change("registration.updated", "r-1", status=said)
    await hackathon.settle()
    assert (await hackathon.row("SELECT Status FROM CampaignMember"))["Status"] == status


@pytest.mark.parametrize("who", ["Lead", "Contact"])
@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("Last hackathon attended", "Last_Hackathon__c", "Spring Hack"),
        ("Skills gained", "Skills__c", {"Python", "Go"}),
        ("Projects submitted", "Projects_Submitted__c", 1),
        ("Events attended", "Hackathons_Attended__c", 1),
    ],
)
async def test_update_contact_with_participation_data(
    hackathon: World, who: str, line: str, name: str, value: Any
) -> None:
    """The Contact, or the Lead while they are one."""
    del line
    if who == "Contact":
        await converted(hackathon)
    await hackathon.post("registration.attended", "r-1", **ATTENDED)
    project = {"title": "Fast maps", "status": "submitted", "participant_id": "p-1", "event_id": "hack"}
    await hackathon.post("project.submitted", "pr-1", **project)
    await hackathon.pass_by(8)  # the project itself waits for a Contact, for as long as there is none
    found = (await hackathon.row(f"SELECT {name} FROM {who} WHERE Email = 'john.doe@mongodb.com'"))[name]
    assert (set(found.split(";")) if isinstance(value, set) else found) == value


async def test_track_customer_lifecycle_prospect_customer_advocate(hackathon: World) -> None:
    """It goes by what they have done, and down again when that is taken back."""
    contact = await converted(hackathon)

    async def stage() -> str:
        await hackathon.settle()
        row = await hackathon.row(f"SELECT Lifecycle_Stage__c FROM Contact WHERE Id = '{contact}'")
        return str(row["Lifecycle_Stage__c"])

    assert await stage() == "Prospect"
    await hackathon.post("registration.attended", "r-1", **ATTENDED)
    assert await stage() == "Customer"
    for number in (2, 3):
        await hackathon.post("event.created", f"hack-{number}", name=f"Hack {number}", status="over", active=True)
        told = ATTENDED | {"event_id": f"hack-{number}", "event_name": f"Hack {number}"}
        await hackathon.post("registration.attended", f"r-{number}", **told)
    await hackathon.post("project.submitted", "pr-1", participant_id="p-1", title="Maps", status="submitted")
    assert await stage() == "Advocate"
    await hackathon.post("project.updated", "pr-1", participant_id="p-1", title="Maps", status="withdrawn")
    assert await stage() == "Customer"


@pytest.mark.parametrize(
    ("figure", "value"),
    [
        ("registered", 2),
        ("attended", 1),
        ("converted", ("ana",)),
        ("deals", 2),
        ("pipeline", 1_000),
        ("forecast", 500),
        ("won", 250),
    ],
)
def test_measure_roi_of_developer_relations_activities(figure: str, value: Any) -> None:
    """`tandem report`, by event: who came, who was converted from taking part, and what came of it in deals."""
    (told,) = reports(
        shape_of(HACKATHON),
        [{"_id": "hack", "name": "Spring Hack", "salesforce": {"recordId": "701A"}}],
        [
            {
                "_id": "r-1",
                "event_id": "hack",
                "participant_id": "ana",
                "status": "attended",
                "_sync": {"existence": {"exists": True, "first": 100}},
            },
            {"_id": "r-2", "event_id": "hack", "participant_id": "bo", "status": "registered"},
        ],
        [
            {"_id": "ana", "_sync": {"link": {"id": "003A", "former": ["00QA"], "converted_at": 200}}},
            {"_id": "bo", "_sync": {"link": {"id": "00QB"}}},
        ],
        [
            {"CampaignId": "701A", "Amount": 1_000, "ExpectedRevenue": 500, "IsClosed": False, "IsWon": False},
            {"CampaignId": "701A", "Amount": 250, "ExpectedRevenue": 250, "IsClosed": True, "IsWon": True},
        ],
    )
    assert getattr(told, figure) == value


@pytest.mark.parametrize("told", ["participant.erased"])
def test_implement_data_deletion_in_both_systems(told: str) -> None:
    """By an event; that nothing brings them back: test_erasure.py."""
    found = HACKATHON.kind_of_event(told)
    assert found is not None
    assert found[2] is Asserts.ERASED


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/admin/salesforce"),
        ("GET", "/admin/{kind}/{id}"),
        ("POST", "/admin/runs"),
        ("POST", "/admin/parked/redrive"),
    ],
)
def test_admin_ui(method: str, path: str) -> None:
    """`/admin/salesforce`, `/admin/participants/[id]`, a re-sync of all, and errors with a retry.

    What each page shows, line by line: tests/integration/test_hackathon_admin.py.
    """
    assert (method, path) in {(route.method, route.path) for route in ROUTES}


@pytest.mark.parametrize(
    ("target", "alert", "expression"),
    [
        ("Sync success rate: Target >95%", "TandemSyncSuccessLow", "< 0.95"),
        ("API call volume: Stay under 80% of daily limit", "TandemApiUseHigh", "> 0.8"),
        ("Average lookup latency: <500ms", "TandemLookupsSlow", "> 0.5"),
        ("Error rate: <5%", "TandemErrorsHigh", "> 0.05"),
        ("Alert if sync failures >10 in 1 hour", "TandemManyFailures", "> 10"),
        ("Alert if API quota >90% used", "TandemApiUseCritical", "> 0.9"),
        ("Alert if Salesforce connection fails 3 times", "TandemSalesforceUnreachable", ">= 3"),
        ("Rotate credentials quarterly", "TandemCredentialOld", "> 92 * 86400"),
    ],
)
def test_key_metrics_and_alerting_rules(target: str, alert: str, expression: str) -> None:
    """Each is an alert of that number; that each fires when it should and only then: test_alerts.py."""
    del target
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    said = {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}
    assert expression in said[alert]


def test_weekly_report() -> None:
    """`sync stats, top errors, API usage trend`: all three are in the mail, and it goes out each Monday."""
    week = week_named("2026-W48")

    def hour(at: int, took: int, used: int, locked: int) -> Sample:
        counts = {"write:applied": took, f"handled:{topics.SALESFORCE_WRITES}": took + locked}
        if locked:
            counts |= {"write:deferred": locked, f"error:{topics.SALESFORCE_WRITES}:UNABLE_TO_LOCK_ROW": locked}
        return Sample(at, HOUR, HOUR, counts, {"api_used": used, "api_limit": 15_000})

    now = [hour(week.since + day * DAY, 100, 1_000 * (day + 1), 3 if day == 2 else 0) for day in range(7)]
    before = [hour(week.moved(-1).since, 350, 500, 0)]
    told = report(week, now, before, Beside(), Beside(), now=week.until)
    page, mail = html(told, "https://tandem.example.com"), text(told, "https://tandem.example.com")
    figures = {each.name: (each.now, each.before) for each in told.figures}
    assert figures["Writes sent to Salesforce"] == (703, 350)
    assert [(each.name, each.now) for each in told.errors] == [("UNABLE_TO_LOCK_ROW", 3)]
    assert [day.api_used for day in told.days] == [1_000 * (day + 1) for day in range(7)]
    for part in (page, mail):
        assert [word for word in ("703", "UNABLE_TO_LOCK_ROW", "1,000", "7,000") if word not in part] == []
    assert ScheduleSettings().report() == Weekly(0, time(7, 0), ZoneInfo("UTC"))


def test_alerts_without_prometheus_are_of_the_same_numbers() -> None:
    """Failures in an hour, and the day's calls."""
    assert (MANY_FAILURES, USED, NEARLY_ALL_USED, TAKEN, ERRORS) == (10, 0.8, 0.9, 0.95, 0.05)


@pytest.mark.parametrize(
    ("limit", "metric"),
    [
        ("Daily API calls: 15,000", "tandem_salesforce_api_used"),
        ("Monitor API usage", "tandem_salesforce_api_limit"),
        ("API calls per registration", "tandem_people_calls_total"),
    ],
)
def test_salesforce_api_limits(limit: str, metric: str) -> None:
    """Each is told."""
    del limit
    assert metric in {one.name for one in Metrics().describe()}


def test_concurrent_requests_25() -> None:
    """Those of all processes together are no more."""
    assert BudgetSettings().calls_at_once <= 25


async def test_a_refund_and_a_registration_again_are_one_member(hackathon: World) -> None:
    """Cancelled and back it is the same record; deleted and made anew there is again one, and it counts once."""
    member = (await hackathon.row("SELECT Id FROM CampaignMember"))["Id"]
    for said, status in (("cancelled", "Cancelled"), ("registered", "Registered"), ("attended", "Attended")):
        await hackathon.change("registration.updated", "r-1", status=said)
        await hackathon.settle()
        assert await hackathon.row("SELECT Id, Status FROM CampaignMember") == {"Id": member, "Status": status}
    await hackathon.post("registration.deleted", "r-1")
    await hackathon.settle()
    assert (await hackathon.org.query("SELECT Id FROM CampaignMember"))["totalSize"] == 0
    await hackathon.post("registration.created", "r-1", **ATTENDED)
    await hackathon.settle()
    assert (await hackathon.row("SELECT Status FROM CampaignMember"))["Status"] == "Attended"
    assert (await hackathon.row("SELECT Hackathons_Attended__c FROM Lead"))["Hackathons_Attended__c"] == 1
    assert hackathon.parked == []


@pytest.mark.parametrize("both_registered", [False, True])
async def test_after_a_merge_there_is_still_one_member(hackathon: World, both_registered: bool) -> None:
    """Of two accounts of one person, whichever had registered, or both; what is said of it later still arrives."""
    await hackathon.post("participant.registered", "p-2", email="j.doe@x.io", last_name="Doe", consent=True)
    if both_registered:
        await hackathon.post(
            "registration.created", "r-2", **REGISTERED | {"participant_id": "p-2"}, status="registered"
        )
    await hackathon.settle()
    leads = {row["Email"]: row["Id"] for row in (await hackathon.org.query("SELECT Id, Email FROM Lead"))["records"]}
    stays, goes = leads["j.doe@x.io"], leads["john.doe@mongodb.com"]
    edit = {"action": "merge", "object": "Lead", "id": stays, "losers": [goes]}
    (merged,) = await hackathon.org.admin("POST", "/edits", edit)
    assert merged["success"], merged
    await hackathon.settle()
    member = await hackathon.row("SELECT LeadId, Status FROM CampaignMember")
    assert member == {"LeadId": stays, "Status": "Registered"}
    # Where both had registered Salesforce keeps the membership of the record that stays.
    await hackathon.change("registration.updated", "r-2" if both_registered else "r-1", status="attended")
    await hackathon.settle()
    assert (await hackathon.row("SELECT Status FROM CampaignMember"))["Status"] == "Attended"
    told = (await hackathon.document("registrations", "r-1"))["salesforce"]
    assert told["syncStatus"] == ("merged" if both_registered else "synced")


async def test_attendance_goes_back_in_one_pass(hackathon: World) -> None:
    """After an event the check-ins of all who came are written together, 200 a call."""
    many = 30
    for number in range(2, many + 1):
        who = {"email": f"p{number}@x.io", "last_name": f"Doe{number}", "consent": True}
        await hackathon.post("participant.registered", f"p-{number}", **who)
        told = REGISTERED | {"participant_id": f"p-{number}", "status": "registered"}
        await hackathon.post("registration.created", f"r-{number}", **told)
    await hackathon.settle()
    for number in range(1, many + 1):
        await hackathon.change("registration.attended", f"r-{number}", status="attended")
    calls = await writes_of(hackathon)
    await hackathon.settle()
    assert (await hackathon.org.query("SELECT Id FROM CampaignMember WHERE Status = 'Attended'"))["totalSize"] == many
    assert 1 <= await writes_of(hackathon) - calls <= 4, "the status, members, and the persons' totals"
