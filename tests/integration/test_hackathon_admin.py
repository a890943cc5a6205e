"""The hackathon document's two admin pages, line by line: each thing that it lists is there, and does something."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.admin_page import AdminWorld, Visitor, open_admin

from adapters.mongo.collections import ALLOCATIONS
from adapters.mongo.connections import CONNECTIONS
from schemas.operators import Role

pytestmark = pytest.mark.integration

ADA = {"last_name": "Lovelace", "email": "ada@example.org"}
SYNCED = 1_767_225_600_000


@pytest.fixture
async def admin(database: AsyncDatabase[dict[str, Any]]) -> AsyncIterator[AdminWorld]:
    """An operator, somebody who is synced, and an edit of theirs that Salesforce has refused."""
    async with open_admin(database) as world:
        await world.user("operator", Role.OPERATOR)
        stage = world.operator.stage
        await stage.post(ADA, type_="customer.created")
        await stage.settle()
        stage.salesforce.fail_rows(lambda _row: True, code="FIELD_CUSTOM_VALIDATION_EXCEPTION")
        await stage.post({"title": "Countess"}, changed=["title"])
        await stage.settle()
        yield world


async def page(admin: AdminWorld, path: str) -> str:
    """As the operator's browser has it."""
    async with admin.visit("operator") as visitor:
        assert await visitor.get(path) == 200
        return visitor.last


async def told(admin: AdminWorld, path: str) -> Any:
    """The same as JSON."""
    async with admin.visit("operator") as visitor:
        return await visitor.json(path)


async def test_total_participants_synced_vs_not_synced(admin: AdminWorld) -> None:
    """Kind by kind: two people of whom one waits for somebody."""
    await admin.operator.stage.post(ADA | {"email": "b@example.org"}, id_="cust-2", type_="customer.created")
    await admin.operator.stage.settle()
    (row,) = (await told(admin, "/admin/salesforce"))["kinds"]
    assert (row["documents"], row["synced"], row["refused"]) == (2, 1, 1)
    assert "Synced and not" in await page(admin, "/admin/salesforce")


async def test_recent_sync_errors_with_retry_button(admin: AdminWorld) -> None:
    """The button on the page sends it again, and it is gone from the list."""
    (error,) = (await told(admin, "/admin/salesforce"))["errors"]
    shown = await page(admin, "/admin/salesforce")
    assert f'name="only" value="{error["id"]}"' in shown
    assert "FIELD_CUSTOM_VALIDATION_EXCEPTION" in shown
    async with admin.visit("operator") as visitor:
        await retried(visitor, error["id"])
    admin.operator.stage.now += 600_000
    await admin.operator.stage.settle()
    (record,) = admin.operator.stage.salesforce.rows["Contact"].values()
    assert record["Title"] == "Countess"


async def retried(visitor: Visitor, id_: str) -> None:
    """As somebody who presses it and says that they are sure."""
    await visitor.get("/admin/salesforce")
    assert await visitor.post("/admin/parked/redrive", {"only": id_, "sure": "yes", "why": "mended"}) == 303


async def test_manual_re_sync_button_for_all_participants(admin: AdminWorld) -> None:
    """It leads to a run of everything, which is planned first."""
    assert '<a href="/admin/runs">Sync everything again</a>' in await page(admin, "/admin/salesforce")
    assert 'action="/admin/runs"' in await page(admin, "/admin/runs")


async def test_last_successful_sync_timestamp(admin: AdminWorld) -> None:
    """Of the connection, and *never* where there was none."""
    row = {
        "_id": "00D",
        "org_id": "00D",
        "instance_url": "https://acme.example",
        "login_url": "https://acme.example",
        "user_id": "005",
        "scopes": ["api"],
        "refreshed_at": 1,
        "flow": "client_credentials",
        "last_sync_at": SYNCED,
    }
    await admin.operator.database[CONNECTIONS].insert_one(row)
    (connection,) = (await told(admin, "/admin/salesforce"))["connections"]
    assert connection["last_sync_at"] == SYNCED
    assert datetime.fromtimestamp(SYNCED / 1000, UTC).strftime("%Y-%m-%d") in await page(admin, "/admin/salesforce")


async def test_api_usage_quota(admin: AdminWorld) -> None:
    """What is used of how much, today."""
    assert "no call has been answered" in await page(admin, "/admin/salesforce")
    row = {"_id": "api", "used": 1_234, "limit": 15_000, "seen_at": admin.operator.stage.now}
    await admin.operator.database[ALLOCATIONS].insert_one(row)
    shown = await told(admin, "/admin/salesforce")
    assert (shown["used"], shown["limit"]) == (1_234, 15_000)
    assert "1,234 of 15,000 used" in await page(admin, "/admin/salesforce")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("Salesforce Contact/Lead link (if synced)", "<dt>Record</dt><dd>"),
        ("Sync status badge (synced, pending, error)", '<span class="badge error">error</span>'),
        ('Manual "Sync Now" button', "<button>Sync now</button>"),
        ("Sync history log (timestamp, status, error message)", "FIELD_CUSTOM_VALIDATION_EXCEPTION"),
    ],
)
async def test_participant_detail_view(admin: AdminWorld, line: str, shown: str) -> None:
    """Of one whose last edit was refused."""
    del line
    assert shown in await page(admin, "/admin/customers/cust-1")
    record = (await admin.operator.stage.document())["salesforce"]["recordId"]
    assert (await told(admin, "/admin/customers/cust-1"))["record"] == record


async def test_account_name_and_tier(admin: AdminWorld) -> None:
    """Where the document has them."""
    given = {"customerTier": "enterprise", "salesforce.accountName": "Acme"}
    await admin.operator.database["customers"].update_one({"_id": "cust-1"}, {"$set": given})
    shown = await page(admin, "/admin/customers/cust-1")
    assert "<dt>Account</dt><dd>Acme</dd>" in shown
    assert "<dt>Tier</dt><dd>enterprise</dd>" in shown


async def test_sync_history_log_has_its_times_and_outcomes(admin: AdminWorld) -> None:
    """Each entry: when, what, and what came of it."""
    story = (await told(admin, "/admin/customers/cust-1"))["story"]
    assert len(story) >= 3
    assert all(entry["at"] and entry["what"] for entry in story)
    assert any("FIELD_CUSTOM_VALIDATION_EXCEPTION" in entry["told"] for entry in story)
