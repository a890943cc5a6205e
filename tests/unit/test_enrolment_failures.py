"""Whatever Salesforce does, a registration is stored and answered: the rest is done in the background."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.enrichment_world import PATIENT, EnrichmentWorld, enrichment_world
from support.fakes_changes import eventually

from consumers.enrichment.breaker import BreakerPolicy
from consumers.enrichment.lookups import ORG_ILL, LookupPolicy
from schemas.outcome import Outcome
from schemas.people import LookFailed
from schemas.unavailable import Unavailable

ANA: dict[str, Any] = {"email": "ana@acme.example", "name": "Ana Pop"}
DOWN = LookFailed("HTTP_503")
REFUSED = LookFailed("MALFORMED_QUERY", org_wide=False)


@pytest.fixture
async def world() -> AsyncIterator[EnrichmentWorld]:
    async with enrichment_world() as made:
        yield made


def salesforce(document: Any) -> dict[str, Any]:
    found: dict[str, Any] = document["salesforce"]
    return found


@pytest.mark.parametrize("failing", [DOWN, LookFailed("REQUEST_LIMIT_EXCEEDED"), LookFailed("LOGIN:x"), REFUSED])
async def test_an_ill_org_fails_no_registration(world: EnrichmentWorld, failing: LookFailed) -> None:
    """It is stored and pending, and somebody is asked to go on."""
    world.people.failing = failing
    told = await world.register(**ANA)
    assert told.document is not None
    assert salesforce(told.document)["syncStatus"] == "pending"
    assert world.ends == ["pending"]
    assert world.requests.asked == [("participant", told.id)]
    await world.work()
    assert salesforce(await world.stored(told.id))["syncStatus"] == "pending"


async def test_a_slow_org_delays_nobody_beyond_the_deadline() -> None:
    """An answer that never comes is not waited for."""
    async with enrichment_world(deadline=0.05) as world:
        world.people.open.clear()
        told = await world.register(**ANA)
        assert told.document is not None
        assert salesforce(told.document)["syncStatus"] == "pending"
        assert world.requests.asked == [("participant", told.id)]


async def test_a_log_that_acknowledges_nothing_delays_nobody_after_the_deadline() -> None:
    """That others should go on stands in the document too: the sweep finds it there."""
    async with enrichment_world(deadline=0.05) as world:
        world.people.open.clear()
        world.requests.stuck = True
        told = await world.register(**ANA)
        assert told.document is not None
        assert salesforce(told.document)["syncStatus"] == "pending"
        assert world.notices == ["enrichment_left_to_the_sweep"]
        world.requests.stuck = False
        world.stage.now += 120_000
        assert await world.sweep.ask_for_due() == 1


async def test_who_was_not_found_in_time_is_found_later(world: EnrichmentWorld) -> None:
    """Once the org is back, and without anybody's asking again."""
    contact = world.people.add("Contact", Email="ana@acme.example", Title="CTO")
    world.people.failing = DOWN
    told = await world.register(**ANA)
    await world.work()
    world.people.failing = None
    world.stage.now += 120_000
    assert await world.sweep.ask_for_due() == 1
    (result,) = await world.work()
    assert result.outcome is Outcome.APPLIED
    found = salesforce(await world.stored(told.id))
    assert (found["syncStatus"], found["contactId"], found["title"]) == ("synced", contact, "CTO")
    assert await world.sweep.ask_for_due() == 0


async def test_an_ill_org_is_left_alone(world: EnrichmentWorld) -> None:
    """After a few failures nobody waits for it any more, and no call is made: the sweep finds all of them later."""
    world.people.failing = DOWN
    for number in range(3):
        await world.register(email=f"a{number}@acme.example", last_name="Pop")
    assert "enrichment_org_ill" in world.notices
    calls = len(world.people.calls)
    await asyncio.gather(*(world.register(email=f"b{number}@acme.example", last_name="Pop") for number in range(20)))
    assert len(world.people.calls) == calls
    assert len(world.requests.asked) == 3
    world.requests.asked.clear()
    world.stage.now += 120_000
    assert await world.sweep.ask_for_due() == 23


async def test_one_probe_tells_that_the_org_is_back() -> None:
    """It is made for somebody who registers, and they do not wait for it."""
    policy = LookupPolicy(gather=PATIENT.gather, breaker=BreakerPolicy(failures=1, first=0.0), late=60.0, again=60.0)
    async with enrichment_world(policy=policy) as world:
        world.people.failing = DOWN
        await world.register(**ANA)
        assert world.lookups.breaker.is_open
        world.people.failing = None
        kind = world.stage.catalog.kinds["participant"]
        probed = await world.lookups.find(kind, "probe@acme.example")
        assert getattr(probed, "code", "") == ORG_ILL
        await eventually(lambda: not world.lookups.breaker.is_open)
        told = await world.register(email="bo@acme.example", last_name="Ionescu")
        assert told.document is not None
        assert salesforce(told.document)["syncStatus"] == "not_found"


async def test_a_slow_call_is_made_twice() -> None:
    """The second one's answer is taken: a few slow answers keep nobody waiting."""
    policy = LookupPolicy(gather=PATIENT.gather, late=60.0, again=0.01)
    async with enrichment_world(policy=policy) as world:
        contact = world.people.add("Contact", Email="ana@acme.example")
        world.people.slow = 1
        told = await world.register(**ANA)
        assert told.document is not None
        assert salesforce(told.document)["contactId"] == contact
        assert len(world.people.calls) == 2


async def test_kafka_away_takes_nothing(world: EnrichmentWorld) -> None:
    """What is not in the log is not acknowledged, and nothing is stored of it."""
    world.log.away = True
    with pytest.raises(Unavailable):
        await world.register(**ANA)
    assert not world.documents.collections.get("participants")


async def test_what_is_in_the_log_is_taken_though_mongodb_goes_away(world: EnrichmentWorld) -> None:
    """It is acknowledged as taken in; the reconciler stores it once it can."""
    world.documents.before_write = _going_away(world)
    told = await world.register(**ANA)
    assert told.document is None
    assert world.ends == ["accepted"]
    world.documents.away = False
    await world.hear_registrations()
    assert (await world.stored(told.id))["email"] == "ana@acme.example"


def _going_away(world: EnrichmentWorld) -> Any:
    async def go() -> None:
        world.documents.away = True
        raise Unavailable("away")

    return go


async def test_nothing_is_lost_where_the_topic_is_away_too(world: EnrichmentWorld) -> None:
    """The document itself says that it waits: the sweep finds it."""
    world.people.failing = DOWN
    world.requests.away = True
    told = await world.register(**ANA)
    world.people.failing = None
    world.requests.away = False
    world.stage.now += 120_000
    assert await world.sweep.ask_for_due() == 1
    await world.work()
    assert salesforce(await world.stored(told.id))["syncStatus"] == "not_found"


async def test_what_is_refused_again_and_again_is_parked(world: EnrichmentWorld) -> None:
    """Three quick tries, growing waits, then a row for a person, and the document says what is wrong; a redrive tries
    anew."""
    world.people.failing = REFUSED
    told = await world.register(**ANA)
    waits = []
    for _ in range(5):
        await world.work()
        due = (await world.stored(told.id))["_sync"]["enriched"].get("due")
        if due is None:
            break
        waits.append(due - world.stage.now)
        world.stage.now = due
        await world.sweep.ask_for_due()
    assert waits == [500, 500, 500, 10_000]
    found = salesforce(await world.stored(told.id))
    assert (found["syncStatus"], found["syncError"]) == ("error", "MALFORMED_QUERY")
    (row,) = world.stage.parked.rows.values()  # type: ignore[attr-defined]
    assert (row.reason, row.kind, row.document_id) == ("MALFORMED_QUERY", "participant", told.id)
    world.people.failing = None
    again = await world.enrolment.enrich(told.id)
    assert again is not None
    assert again.document is not None
    assert salesforce(again.document)["syncStatus"] == "not_found"
    assert "syncError" not in salesforce(again.document)


async def test_the_cache_away_costs_a_call_and_no_more(world: EnrichmentWorld) -> None:
    """It is asked without it."""
    world.cache.away = True
    told = await world.register(**ANA)
    assert told.document is not None
    assert salesforce(told.document)["syncStatus"] == "not_found"
