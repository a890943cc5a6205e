"""Every page of the admin page asks MongoDB by indexes: what grows with the platform is never looked through."""

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.admin_page import AdminWorld, open_admin
from support.review_stage import disagree

from adapters.mongo import overview
from adapters.mongo.collections import DELIVERIES, OPERATIONS, PARKED, SYNC_LOGS
from adapters.mongo.gaps import MongoLogGaps
from adapters.mongo.parked import Wanted
from ops.admin import render, state
from ops.admin.routes import ROUTES
from ops.gaps_view import handle
from schemas import topics
from schemas.delivery import Answer, Delivery
from schemas.operators import Role
from schemas.records import Failure
from schemas.stream import LostOffsets

pytestmark = pytest.mark.integration

Database = AsyncDatabase[dict[str, Any]]
GROWS: Final = ("customers", SYNC_LOGS, PARKED, OPERATIONS, DELIVERIES)
LIVE: Final = "/admin/live"
"""The overview again, without an end."""
ASKED: Final = (
    "/admin/find?q=ada",
    "/admin/find?q=ADA@example.org",
    "/admin/parked?reason=unknown_event",
    "/admin/parked?kind=customer",
    "/admin/parked?key=customer:ada",
    "/admin/parked?state=discarded",
    "/admin/conflicts?kind=customer",
    "/admin/gaps?all=yes",
    "/admin/deliveries?state=failed",
    "/admin/deliveries?kind=customer",
    "/admin/deliveries?kind=customer&document=ada",
    "/admin/deliveries/one?id=evt-1",
    "/admin/erase?kind=customer&id=ada",
    "/admin/audit?before=1",
    "/admin/charts?span=week",
)
"""Beside the bare addresses."""


@pytest.fixture
async def admin(database: Database) -> AsyncIterator[AdminWorld]:
    """With something in every collection that grows."""
    async with open_admin(database) as world:
        await world.user("grace", Role.ADMIN)
        stage = world.operator.stage
        await disagree(stage, "ada")
        await disagree(stage, "cust-2", "Title")
        stage.salesforce.fail_rows(lambda _row: True, Failure.REJECTED)
        await stage.post({"department": "Gears"}, id_="cust-2", changed=["department"])
        await stage.settle()
        await stage.reconciler.handle([stage.event({}, id_="ada", type_="customer.promoted")])
        lost = LostOffsets(5, 9, 12)
        gaps = MongoLogGaps(database)
        await gaps.record("tandem.reconcile", topics.PLATFORM_EVENTS, 0, "offset_out_of_range", lost, stage.now)
        told = [
            Delivery(f"evt-{n}", "customer", "ada", "customer.changed", n, b'{"type":"x"}', stage.now) for n in (1, 2)
        ]
        await world.parts.deliveries.keep(told, stage.now)
        await world.parts.deliveries.given_up(told[0], Answer(500, "http_500"), stage.now)
        await world.parts.operations.add([{"_id": "o", "what": "redrive", "by": "grace", "at": stage.now}])
        yield world


async def addresses(admin: AdminWorld) -> list[str]:
    """Every route that is got, with what its names stand for."""
    (gap,) = await admin.parts.gaps.unrepaired()
    (item, *_) = await admin.operator.items()
    named = {"kind": "customer", "id": "ada", "gap": handle(gap.id), "version": "1"}
    unknown = dict.fromkeys(("run", "replay", "change"), "none")
    bare = [route.path.format(**named, **unknown) for route in ROUTES if route.method == "GET" and route.path != LIVE]
    return [*bare, *ASKED, f"/admin/parked/one?id={item.id}"]


async def test_no_page_looks_through_what_grows(admin: AdminWorld, database: Database) -> None:
    """By what MongoDB's profiler says of every query of every page."""
    paths = await addresses(admin)
    async with admin.visit("grace") as visitor:
        await database.command("profile", 2)
        try:
            for path in paths:
                assert await visitor.get(path) in (200, 404, 409), path
        finally:
            await database.command("profile", 0)
    asked = await database["system.profile"].find({"planSummary": {"$exists": True}}).to_list()
    plans = {(row["ns"].partition(".")[2], row["planSummary"].partition(" ")[0]) for row in asked}
    assert {collection for collection, _plan in plans} >= set(GROWS)
    assert {plan for plan in plans if plan[0] in GROWS and "COLLSCAN" in plan[1]} == set()


async def test_every_page_is_json_too(admin: AdminWorld) -> None:
    """Also where there is nothing of that name, which is a problem of RFC 9457."""
    async with admin.visit("grace") as visitor:
        for path in await addresses(admin):
            async with visitor.http.get(path, headers={"Accept": "application/json"}, allow_redirects=False) as reply:
                problem = reply.status == 409
                assert reply.content_type == f"application/{'problem+' if problem else ''}json", path
                assert reply.status in (200, 404, 409), path
                assert isinstance(await reply.json(content_type=None), dict), path


async def test_a_page_looks_no_further_than_it_tells(admin: AdminWorld) -> None:
    """What is more than so many is told as so many or more; the oldest come first in any case."""
    stage = admin.operator.stage
    for _ in range(3):
        stage.now += 1_000
        await stage.reconciler.handle([stage.event({}, id_="ada", type_="customer.promoted")])
    all_of_them = await admin.parts.parking().find(Wanted(), 10)
    some = await admin.parts.parking().find(Wanted(), 2, 2)
    assert some.more
    assert not all_of_them.more
    assert [item.id for item in some.items] == [item.id for item in all_of_them.items[:2]]
    assert some.number < all_of_them.number
    assert not (await admin.parts.parking().find(Wanted(), 10, 100)).more


async def test_of_a_long_queue_of_conflicts_so_many_are_looked_at(admin: AdminWorld) -> None:
    """And it is said that there are more."""
    whole = await admin.parts.reviews.waiting()
    part = await admin.parts.reviews.waiting(most=1)
    assert (whole.count, whole.more, part.count, part.more) == (2, False, 1, True)


async def test_documents_are_counted_by_what_the_platform_is_told(
    admin: AdminWorld, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each word to a limit, and only those that are not synced are in the index; the page says where there are more."""
    await database["customers"].insert_many(
        {"_id": f"{status}-{number}", "salesforce": {"syncStatus": status}}
        for status, times in (("synced", 9), ("gone", 3), ("no_consent", 2), ("filtered", 1))
        for number in range(times)
    )
    before = await database["customers"].count_documents({"salesforce.syncStatus": "synced"})
    async with admin.visit("grace") as visitor:
        (kind,) = (await visitor.json("/admin/salesforce"))["kinds"]
        told = {"error": 1, "filtered": 1, "gone": 3, "no_consent": 2}
        assert (kind["synced"], kind["or_fewer"], kind["not_synced"]) == (before, False, told)
        for module in (overview, state, render):
            monkeypatch.setattr(module, "MOST", 2)
        (kind,) = (await visitor.json("/admin/salesforce"))["kinds"]
        assert (kind["synced"], kind["or_fewer"], kind["not_synced"]["gone"]) == (before + 1, True, 2)
        await visitor.get("/admin/salesforce")
        assert f"{before + 1} or fewer" in visitor.last
        assert "2 or more gone" in visitor.last
    plan = await database["customers"].find({"salesforce.syncStatus": "gone"}).explain()
    assert plan["queryPlanner"]["winningPlan"]["inputStage"]["indexName"] == "not_synced"


async def test_deliveries_are_counted_to_a_limit(admin: AdminWorld) -> None:
    """In each state."""
    assert await admin.parts.deliveries.counts_to(10) == {"pending": 1, "failed": 1}
    more = [Delivery(f"more-{n}", "customer", "ada", "customer.changed", n, b"{}", 1) for n in range(5)]
    await admin.parts.deliveries.keep(more, 1)
    assert (await admin.parts.deliveries.counts_to(3))["pending"] == 3
