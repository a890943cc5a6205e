"""What viewers of the admin page are not told: values that Salesforce quotes, and what operators have noted."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.admin_page import AdminWorld, open_admin

from adapters.mongo.gaps import MongoLogGaps
from ops.admin.routes import ROUTES
from ops.errands import mappings as errands
from ops.gaps_view import handle
from schemas.operators import Role
from schemas.stream import LostOffsets

pytestmark = pytest.mark.integration

ADA = {"last_name": "Lovelace", "email": "ada@example.org"}
QUOTED = "Email: invalid email address: ada@example.org"
WHY = "ada@example.org has called"
GAP = "tandem.reconcile:platform.events:0:offset_out_of_range:5"
PAGES = (
    "/admin",
    "/admin/parked",
    "/admin/parked?state=redriven",
    "/admin/parked/one?id=customer:cust-1",
    "/admin/parked/one?id=platform.events:0:9",
    "/admin/salesforce",
    "/admin/customer/cust-1",
    "/admin/replays",
    "/admin/replays/replay-1",
    "/admin/mapping",
    "/admin/mapping/changes/mapping-1",
    "/admin/gaps?all=yes",
    f"/admin/gaps/{handle(GAP)}",
    "/admin/deliveries",
)
"""That tell of a refused write, of a parked record, or of what an operator did about them."""


@pytest.fixture
async def admin(database: AsyncDatabase[dict[str, Any]]) -> AsyncIterator[AdminWorld]:
    """A write that Salesforce has refused in words that quote a value, and a record that the store has."""
    async with open_admin(database) as world:
        for role in Role:
            await world.user(str(role), role)
        stage = world.operator.stage
        stage.salesforce.fail_rows(lambda _update: True, code="INVALID_EMAIL_ADDRESS", times=1)
        await stage.post(ADA)
        await stage.settle()
        said = {"_sync.refusal.message": QUOTED, "_sync.refusal.fields": ["Email"]}
        assert (await database["customers"].update_one({"_id": "cust-1"}, {"$set": said})).matched_count
        await database["tandem_parked"].update_many(
            {}, {"$set": {"detail": QUOTED}, "$push": {"redrives": {"by": "grace", "note": WHY, "at": stage.now}}}
        )
        await database["tandem_log"].update_many({"type": "write"}, {"$set": {"reason": QUOTED}})
        await database["tandem_parked"].insert_one(
            {
                "_id": "platform.events:0:9",
                "topic": "platform.events",
                "partition": 0,
                "offset": 9,
                "reason": "document_refused",
                "detail": f"the document cannot be written: {QUOTED}",
                "kind": "customer",
                "document": "cust-1",
                "at": stage.now,
                "state": "parked",
                "redrives": [{"by": "grace", "note": WHY, "at": stage.now}],
            }
        )
        about = {"kind": "customer", "document": "cust-1", "item": "customer:cust-1"}
        row = {"_id": "x", "what": "sync now", "by": "grace", "note": WHY, "at": stage.now, "result": "done", **about}
        replay = {"_id": "replay-1", "what": "replay", "by": "grace", "note": WHY, "at": stage.now, "state": "done"}
        more = {"topic": "platform.events", "kinds": [], "key": "", "published": 1, "read": 1, "to_publish": 1}
        await world.parts.operations.add([row, {**replay, **more}])
        gaps = MongoLogGaps(database)
        await gaps.record("tandem.reconcile", "platform.events", 0, "offset_out_of_range", LostOffsets(5, 9, 12), 1_000)
        (gap,) = await world.parts.gaps.unrepaired()
        assert handle(gap.id) in PAGES[-2]
        assert await world.parts.gaps.close(gap, by="grace", note=WHY, at=stage.now)
        await world.parts.endpoints.disable(f"by grace: {WHY}", stage.now)
        await a_change_of_the_mapping(world)
        yield world


async def a_change_of_the_mapping(world: AdminWorld) -> None:
    """One that is planned, and a version that was published before."""
    mappings, at = world.parts.mappings, world.operator.stage.now
    first = await mappings.current()
    assert first is not None
    kind = first.kinds["customer"]
    fewer = first.model_copy(update={"kinds": {"customer": kind.model_copy(update={"fields": kind.fields[:-1]})}})
    second = await mappings.publish(fewer, first.version, by="grace", note=WHY)
    row = errands.asked_row("mapping-1", second, ["customer: Title is gone"], [], by="grace", at=at)
    await world.parts.operations.add([{**row, "note": WHY, "state": "planned", "work": None}])


@pytest.mark.parametrize("path", PAGES)
async def test_viewers_are_told_the_code_and_the_field_alone(admin: AdminWorld, path: str) -> None:
    """On the page and in its JSON, of what operators and admins see whole."""
    async with admin.visit("viewer") as visitor:
        assert await visitor.get(path) == 200
        for told in (visitor.last, orjson.dumps(await visitor.json(path)).decode()):
            assert "ada@example.org" not in told
    assert any(path.startswith(route.path.partition("{")[0]) for route in ROUTES)


async def test_viewers_know_what_was_refused_and_operators_why(admin: AdminWorld) -> None:
    """The field by both its names for the one, Salesforce's words and the notes for the other."""
    async with admin.visit("viewer") as visitor:
        (item,) = (await visitor.json("/admin/salesforce"))["errors"]
        assert (item["reason"], item["detail"]) == ("INVALID_EMAIL_ADDRESS", "Email (email)")
        assert "detail    Email (email)" in (await visitor.json("/admin/parked/one?id=customer:cust-1"))["lines"]
        told = [entry["told"] for entry in (await visitor.json("/admin/customer/cust-1"))["story"]]
        assert "grace: sync now of customer:cust-1: done" in told
    async with admin.visit("operator") as visitor:
        (item,) = (await visitor.json("/admin/salesforce"))["errors"]
        assert item["detail"] == f"Email (email): {QUOTED}"
        for path in PAGES[1:2] + PAGES[3:5] + PAGES[6:]:
            assert "ada@example.org" in orjson.dumps(await visitor.json(path)).decode(), path
