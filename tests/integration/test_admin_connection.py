"""The admin page's connection, and what viewers see of marked fields, on a real MongoDB."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.admin_page import AdminWorld, open_admin
from support.review_stage import disagree, reviewing_mapping

from adapters.mongo.allocations import MongoAllocations
from adapters.mongo.connection_notes import ConnectionNotes, SignedIn
from adapters.mongo.connections import CONNECTIONS
from consumers.catalog import Catalog
from ops.parked_view import MASK
from schemas.allocation import Allocation, AllocationHeard
from schemas.mapping import Mapping
from schemas.operators import Role

pytestmark = pytest.mark.integration

DAY = 86_400_000
ORG = "00D000000000001AAA"


@pytest.fixture
async def admin(database: AsyncDatabase[dict[str, Any]]) -> AsyncIterator[AdminWorld]:
    """With somebody who looks and somebody who acts."""
    async with open_admin(database) as world:
        for role in (Role.VIEWER, Role.OPERATOR):
            await world.user(str(role), role)
        yield world


async def signed_in(admin: AdminWorld, flow: str = "jwt_bearer") -> None:
    """A process has signed in, 100 days after the credential came into use."""
    notes = ConnectionNotes(admin.operator.database)
    now = admin.operator.stage.now
    for at in (now - 100 * DAY, now - 60_000):
        login = SignedIn(
            name="consumer-key",
            flow=flow,
            login_url="https://login.example.org",
            instance_url="https://ours.example.org",
            org_id=ORG,
            user_id="005000000000001AAA",
            scopes=("api", "refresh_token"),
            credential="key:1",
            at=at,
        )
        await notes.signed_in(login)


async def test_who_we_are_and_how_old_the_credential_is(admin: AdminWorld) -> None:
    """With what is left of the day, and no secret."""
    async with admin.visit("viewer") as visitor:
        assert (await visitor.json("/admin/connection"))["connections"] == []
        assert await visitor.get("/admin/connection") == 200
        assert "Nobody has signed in" in visitor.last
        await signed_in(admin)
        now = admin.operator.stage.now
        heard = AllocationHeard(Allocation(13_600, 15_000, now), deliveries=Allocation(10, 50_000, now))
        await MongoAllocations(admin.operator.database, ORG).exchange("write", heard, 60)
        told = await visitor.json("/admin/connection")
        (one,) = told["connections"]
        assert (one["org_id"], one["flow"], one["scopes"]) == (ORG, "jwt_bearer", ["api", "refresh_token"])
        assert one["credential_days"] == 100
        assert "change it every quarter" in one["warnings"][0]
        left = {each["name"]: (each["left"], each["level"]) for each in told["allocations"]}
        assert left == {"API calls": (1_400, "ill"), "deliveries of change events": (49_990, "well")}
        assert await visitor.get("/admin/connection") == 200
        for secret in ("consumer-key", "key:1"):
            assert secret not in visitor.last
        assert "1,400" in visitor.last
        seen = await visitor.json("/admin/salesforce")
        assert (seen["used"], seen["limit"], seen["left"]) == (13_600, 15_000, 1_400)
        await visitor.get("/admin/salesforce")
        assert "1,400 left: 13,600 of 15,000 used" in visitor.last


@pytest.mark.parametrize(("flow", "remedy"), [("web_server", "tandem connect"), ("jwt_bearer", "tandem check")])
async def test_a_connection_that_was_ended_says_what_to_do(admin: AdminWorld, flow: str, remedy: str) -> None:
    """By the flow."""
    await signed_in(admin, flow)
    ended = {"refused": "invalid_grant", "refused_at": admin.operator.stage.now}
    await admin.operator.database[CONNECTIONS].update_one({"_id": "consumer-key"}, {"$set": ended})
    async with admin.visit("viewer") as visitor:
        (one,) = (await visitor.json("/admin/connection"))["connections"]
        assert one["refused"] == "invalid_grant"
        assert remedy in one["remedy"]
        assert await visitor.get("/admin/connection") == 200
        assert "Salesforce has ended this connection" in visitor.last


async def test_a_way_to_sign_in_that_will_end_is_told(admin: AdminWorld) -> None:
    """Before it does."""
    await signed_in(admin, "password")
    async with admin.visit("viewer") as visitor:
        (one,) = (await visitor.json("/admin/connection"))["connections"]
    assert "2027-02-20" in one["warnings"][0]


async def test_marked_fields_are_hidden_from_viewers_and_others_shown(admin: AdminWorld) -> None:
    """On the page of one thing, and among conflicts."""
    raw = reviewing_mapping().model_dump(mode="json")
    for field in raw["kinds"]["customer"]["fields"]:
        if field["platform"] in ("last_name", "phone"):
            field["privacy"] = "personal"
    admin.operator.stage.catalog = Catalog(Mapping.model_validate(raw))
    await disagree(admin.operator.stage, "cust-1")
    await disagree(admin.operator.stage, "cust-2", "Title")
    async with admin.visit("viewer") as visitor:
        told = await visitor.json("/admin/customer/cust-1")
        shown = {row["path"]: row["document"] for row in told["fields"]}
        assert (shown["last_name"], shown["department"]) == (MASK, "Engines")
        conflicts = {each["path"]: each["platform"] for each in (await visitor.json("/admin/conflicts"))["questions"]}
        assert conflicts == {"phone": MASK, "title": "p-cust-2"}
    async with admin.visit("operator") as visitor:
        conflicts = {each["path"]: each["platform"] for each in (await visitor.json("/admin/conflicts"))["questions"]}
        assert conflicts == {"phone": "p-cust-1", "title": "p-cust-2"}
