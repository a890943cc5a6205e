"""How things were: noted beside the page, kept for a while, and drawn."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.admin_page import AdminWorld, open_admin
from support.samples import a_week_of_samples

from adapters.mongo.lookups import MongoSlowLookups
from adapters.mongo.samples import MongoSamples
from ops.admin.rollup import HOUR, RAW, TIERS, Span, slot
from ops.admin.sampler import SETTLED, note
from schemas import topics
from schemas.operators import Role
from schemas.samples import FROM_SALESFORCE, TO_SALESFORCE, Sample
from schemas.slow_lookup import LookupsHeard, SlowLookup

pytestmark = pytest.mark.integration

ADA = {"last_name": "Lovelace", "email": "ada@example.org"}


@pytest.fixture
async def admin(database: AsyncDatabase[dict[str, Any]]) -> AsyncIterator[AdminWorld]:
    """With somebody who may look."""
    async with open_admin(database) as world:
        await world.user("viewer", Role.VIEWER)
        yield world


async def test_what_happened_is_noted_and_shown(admin: AdminWorld) -> None:
    """An event applied, one parked, and what Kafka tells: in every chart of every span, each counted once."""
    stage, samples = admin.operator.stage, MongoSamples(admin.operator.database)
    stage.now = slot(stage.now, HOUR) + 10_000
    await stage.post(ADA, type_="customer.created")
    await stage.reconciler.handle([stage.event(ADA, type_="customer.promoted")])
    stage.now = slot(stage.now, RAW.width) + RAW.width + SETTLED
    assert await note(admin.parts, samples)
    assert not await note(admin.parts, samples)
    async with admin.visit("viewer") as visitor:
        for span in Span:
            told = await visitor.json(f"/admin/charts?span={span}")
            lines = {
                (chart["name"], line["name"]): [value for value in line["values"] if value is not None]
                for chart in told["charts"]
                for line in chart["lines"]
            }
            assert lines["outcomes", "applied"] == [2.0], span
            assert lines["outcomes", "parked"] == [2.0], span
            assert lines["handled", "from the platform"] == [4.0], span
            assert lines["waiting", "parked"] == [1], span
            assert lines["lag", "the writer"] == [12], span
            assert len(told["times"]) == TIERS[span].shown // TIERS[span].width
            over = (await visitor.json(f"/admin?span={span}"))["over"]
            assert (over["span"], over["charts"]) == (span, told["charts"]), "below the overview too"
        assert await visitor.get("/admin?span=year") == 409
        assert await visitor.get("/admin/charts?span=year") == 409
        assert await visitor.get("/admin/charts") == 200
        assert "Applied 2, at most 2" in visitor.last


async def test_the_hour_is_held_against_its_targets(admin: AdminWorld) -> None:
    """From how long each look-up took to the overview: the figures beside their targets; a sign where one is missed."""
    samples, lookups = MongoSamples(admin.operator.database), MongoSlowLookups(admin.operator.database)
    stage = admin.operator.stage
    begun = slot(stage.now, RAW.width)
    async with admin.visit("viewer") as visitor:
        before = await visitor.json("/admin")
        assert (before["success"], before["errors"], before["lookup_ms"]) == (None, None, None)
        await visitor.get("/admin")
        assert "too few writes to say" in visitor.last
        await lookups.add([SlowLookup(begun, "pending", 2_000)], LookupsHeard(begun + 5_000, 1, 2_000))
        await lookups.add([], LookupsHeard(begun + 10_000, 18, 10_501))
        await lookups.add([], LookupsHeard(begun + RAW.width, 9, 1))
        assert (await samples.happened(begun, begun + RAW.width, ())).lookups == (19, 12_501)
        stage.now = begun + RAW.width + SETTLED
        assert await note(admin.parts, samples)
        writes = {"write:applied": 96, "write:parked": 4, f"handled:{topics.SALESFORCE_WRITES}": 100}
        await samples.keep([(Sample(begun - RAW.width, RAW.width, RAW.width, writes), RAW.kept)])
        told = await visitor.json("/admin")
        assert (told["success"], told["errors"], told["lookup_ms"]) == (0.96, 0.04, 658)
        assert "lookups_slow" in {sign["name"] for sign in told["signs"]}
        await visitor.get("/admin")
        shown = " ".join(re.sub("<[^>]+>", " ", visitor.last).split())
        assert "Taken by Salesforce, the last hour 96.0% target 95%" in shown
        assert "Parked or put off, the last hour 4.0% at most 5%" in shown
        assert "Look-ups, the last hour 658 ms on average target 500 ms" in shown


async def test_how_long_an_edit_takes_to_the_other_side_is_noted(admin: AdminWorld) -> None:
    """From the platform's word to Salesforce's answer, and from Salesforce's commit into the document."""
    stage, samples = admin.operator.stage, MongoSamples(admin.operator.database)
    stage.now = slot(stage.now, HOUR) + 1_000
    begun = stage.now
    await stage.post(ADA, type_="customer.created")
    await stage.settle()
    stage.now = slot(stage.now, RAW.width) + RAW.width + SETTLED
    # An edit of Salesforce's whose event comes four seconds later.
    contact = stage.contact()
    stage.salesforce.edit("Contact", contact["Id"], {"Title": "Countess"})
    stage.now += 4_000
    await stage.hear()
    happened = await samples.happened(begun - 1_000, stage.now + 1_000, ())
    assert happened.took[TO_SALESFORCE, 1_000] == 1
    assert happened.took[FROM_SALESFORCE, 5_000] == 1
    assert sum(number for (direction, _limit), number in happened.took.items() if direction == TO_SALESFORCE) == 1


async def test_each_while_is_noted_once_by_however_many(admin: AdminWorld) -> None:
    """Two processes at once, again and again: each while is there once, and what each found is counted once."""
    stage, samples = admin.operator.stage, MongoSamples(admin.operator.database)
    begun = slot(stage.now, HOUR) + HOUR
    for place in range(6):
        stage.now = begun + place * RAW.width + 1_000
        await stage.reconciler.handle([stage.event(ADA, id_=f"c-{place}", type_="customer.promoted")])
        stage.now = begun + (place + 1) * RAW.width + SETTLED
        await asyncio.gather(note(admin.parts, samples), note(admin.parts, samples))
    assert len(await samples.between(RAW.width, begun, begun + HOUR)) == 6
    for tier in (TIERS[Span.DAY], TIERS[Span.WEEK]):
        (rolled,) = await samples.between(tier.width, begun, begun + HOUR)
        assert rolled.counts[f"handled:{topics.PLATFORM_EVENTS}"] == 6
        assert rolled.covered == 6 * RAW.width
        assert rolled.levels["parked"] == 6


async def test_conflicts_are_counted_and_other_audit_rows_are_not(admin: AdminWorld) -> None:
    """Those that a policy settled, by kind."""
    log, samples = admin.operator.stage.log, MongoSamples(admin.operator.database)
    rows = [("13.latest_wins", "customer", 5), ("18.platform_wins", "order", 6), ("10", "customer", 7)]
    rows.append(("13.latest_wins", "customer", 1_000))
    await log.append(
        [
            {"_id": f"{kind}:{at}", "type": "audit", "kind": kind, "rule": rule, "at": 1_700_000_000_000 + at}
            for rule, kind, at in rows
        ]
    )
    happened = await samples.happened(1_700_000_000_000, 1_700_000_001_000, ("13", "18"))
    assert happened.conflicts == {"customer": 1, "order": 1}


async def test_no_count_and_no_chart_looks_at_every_row(admin: AdminWorld) -> None:
    """By an index, or not at all: these are asked every half minute."""
    database = admin.operator.database
    await MongoSamples(database).keep(a_week_of_samples(admin.operator.stage.now))
    plan = await database.command(
        "explain",
        {"find": "tandem_samples", "filter": {"width": RAW.width, "at": {"$gte": 0}}, "sort": {"width": 1, "at": 1}},
    )
    assert "IXSCAN" in str(plan)
    assert "COLLSCAN" not in str(plan)
    assert "'stage': 'SORT'" not in str(plan["queryPlanner"]["winningPlan"])
