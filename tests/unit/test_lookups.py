"""Looks at Salesforce: when the next call is made, when an org is left alone, and what is asked only once."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from support.enrichment_world import FOUND_FOR, MISSING_FOR, EnrichmentWorld, enrichment_world
from support.fakes_changes import eventually

from consumers.enrichment.breaker import Admission, Breaker, BreakerPolicy
from consumers.enrichment.gathering import MOST, GatherPolicy, wait_for_company
from consumers.enrichment.lookups import LookupPolicy
from schemas.people import PersonRows

POLICY = BreakerPolicy(failures=3, first=1.0, longest=4.0)
GATHER = GatherPolicy(first=0.005, next=0.25, at_once=2)


@pytest.fixture
async def world() -> AsyncIterator[EnrichmentWorld]:
    async with enrichment_world() as made:
        yield made


@pytest.mark.parametrize(
    ("waiting", "under_way", "now", "wait"),
    [
        (1, 0, 10.0, 0.005),
        (1, 0, 10.005, 0.0),
        (1, 1, 10.005, 0.245),
        (1, 1, 10.3, 0.0),
        (MOST, 1, 10.0, 0.0),
        (1, 2, 99.0, None),
        (MOST, 2, 10.0, None),
    ],
)
def test_when_the_next_call_is_made(waiting: int, under_way: int, now: float, wait: float | None) -> None:
    """At once where nothing is under way, else once the next is as full as a call lasts; never too many at once."""
    found = wait_for_company(oldest=10.0, waiting=waiting, under_way=under_way, policy=GATHER, now=now)
    assert found == (None if wait is None else pytest.approx(wait))


def test_an_org_is_left_alone_after_failures_in_a_row() -> None:
    """An answer between them begins the count anew."""
    breaker = Breaker().missed(POLICY, 0.0).missed(POLICY, 0.0).answered().missed(POLICY, 0.0).missed(POLICY, 0.0)
    assert breaker.admit(0.0)[0] is Admission.ASK
    breaker = breaker.missed(POLICY, 10.0)
    assert breaker.admit(10.5)[0] is Admission.REFUSE


def test_one_probe_at_a_time_and_ever_rarer() -> None:
    """Each that fails doubles the time until the next, up to the longest."""
    breaker = Breaker()
    for _ in range(3):
        breaker = breaker.missed(POLICY, 0.0)
    at = 0.0
    for wait in (1.0, 2.0, 4.0, 4.0):
        assert breaker.admit(at + wait - 0.01)[0] is Admission.REFUSE
        at += wait
        admission, probing = breaker.admit(at)
        assert admission is Admission.PROBE
        assert probing.admit(at)[0] is Admission.REFUSE
        breaker = probing.missed(POLICY, at)
    assert breaker.answered().admit(at)[0] is Admission.ASK


def test_a_call_from_before_it_opened_is_no_news() -> None:
    """Many are under way when an org goes down: their failures do not keep it shut for longer."""
    breaker = Breaker()
    for _ in range(3):
        breaker = breaker.missed(POLICY, 0.0)
    assert breaker.missed(POLICY, 0.5) == breaker


ONE_AT_A_TIME = LookupPolicy(gather=GatherPolicy(first=0.001, next=0.01, at_once=1), late=60.0, again=30.0)


async def found_meanwhile(world: EnrichmentWorld, emails: list[str]) -> None:
    """All of these are asked for while a call is under way."""
    kind = world.stage.catalog.kinds["participant"]
    world.people.open.clear()
    finding = [asyncio.create_task(world.lookups.find(kind, "first@acme.example"))]
    await eventually(lambda: world.people.calls)
    finding += [asyncio.create_task(world.lookups.find(kind, email)) for email in emails]
    await eventually(lambda: world.lookups.waiting == 1 + len(set(emails)))
    world.people.open.set()
    assert all(isinstance(one, PersonRows) for one in await asyncio.gather(*finding))


async def test_many_addresses_share_a_call() -> None:
    """And whoever waits for one address shares its place."""
    async with enrichment_world(policy=ONE_AT_A_TIME) as world:
        emails = [f"p{number % 20}@acme.example" for number in range(60)]
        await found_meanwhile(world, emails)
        assert [sorted(call) for call in world.people.calls] == [["first@acme.example"], sorted(set(emails))]


async def test_what_was_told_is_known_for_a_while(world: EnrichmentWorld) -> None:
    """Somebody for a quarter of an hour, nobody for a minute; a change of the record or the address ends it."""
    kind = world.stage.catalog.kinds["participant"]
    record = world.people.add("Contact", Email="ana@acme.example")
    for email in ("ana@acme.example", "bo@acme.example"):
        await world.lookups.find(kind, email)
        await world.lookups.find(kind, email)
    assert len(world.people.calls) == 2
    world.stage.now += MISSING_FOR + 1
    await world.lookups.find(kind, "ana@acme.example")
    assert len(world.people.calls) == 2
    await world.lookups.find(kind, "bo@acme.example")
    assert len(world.people.calls) == 3
    assert await world.cache.drop(now=1, records=[record]) == 1
    await world.lookups.find(kind, "ana@acme.example")
    assert len(world.people.calls) == 4
    world.stage.now += FOUND_FOR + 1
    await world.lookups.find(kind, "ana@acme.example")
    assert len(world.people.calls) == 5


async def test_who_gives_up_waiting_spoils_it_for_nobody(world: EnrichmentWorld) -> None:
    """The call goes on, and the others have their answer."""
    kind = world.stage.catalog.kinds["participant"]
    world.people.open.clear()
    first = asyncio.create_task(world.lookups.find(kind, "ana@acme.example"))
    second = asyncio.create_task(world.lookups.find(kind, "ana@acme.example"))
    await eventually(lambda: world.people.calls)
    first.cancel()
    world.people.open.set()
    assert isinstance(await second, PersonRows)
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_two_hundred_fit_into_a_call() -> None:
    """More wait for the next."""
    async with enrichment_world(policy=ONE_AT_A_TIME) as world:
        await found_meanwhile(world, [f"p{number}@acme.example" for number in range(450)])
        assert [len(call) for call in world.people.calls] == [1, MOST, MOST, 50]
