"""Whoever was erased registers again under the same id: nothing is taken in, and nobody is asked about them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.api_world import ApiWorld
from support.enrichment_world import EnrichmentWorld, enrichment_world
from support.fake_erasures import FakeErasures, behaves_as_the_list
from support.fakes_api import running_api

from listener.api.participants import Participants
from schemas.registration import Erased, Registration
from schemas.unavailable import Unavailable

ANA: dict[str, Any] = {"email": "ana@acme.example", "name": "Ana Pop"}
CONTACTS = "/api/integrations/salesforce/contacts"


@pytest.fixture
async def world() -> AsyncIterator[EnrichmentWorld]:
    async with enrichment_world() as made:
        made.people.add("Contact", Email=ANA["email"])
        yield made


def erased_of(world: EnrichmentWorld) -> FakeErasures:
    """The list, as the registrations ask it."""
    assert isinstance(world.stage.erasures, FakeErasures)
    return world.stage.erasures


async def test_the_list_behaves_as_the_real_one() -> None:
    """The same is asked of the one on MongoDB in `test_erasure.py`."""
    await behaves_as_the_list(FakeErasures())


async def test_an_erased_id_is_registered_by_nobody(world: EnrichmentWorld) -> None:
    """Nothing is stored, put into the log, kept for the address or looked up; who comes without that id is another."""
    await erased_of(world).ask("participant", "p-1", 1, "a test")
    with pytest.raises(Erased):
        await world.register(id_="p-1", **ANA)
    assert not world.log.records
    assert not world.identities.rows
    assert not world.people.calls
    assert await world.documents.read("participants", ["p-1"]) == {}
    other = await world.register(**ANA)
    assert other.created
    assert other.id != "p-1"


async def test_whose_document_is_still_to_go_is_not_met_again_by_their_address(world: EnrichmentWorld) -> None:
    """Asked for, and not yet removed: neither a registration nor a look adds to the document."""
    await world.post("participant.registered", "p-1", email=ANA["email"], last_name="Pop")
    await erased_of(world).ask("participant", "p-1", 1, "a test")
    before = await world.stored("p-1")
    with pytest.raises(Erased):
        await world.register(**ANA)
    assert await world.enrolment.enrich("p-1") is None
    assert await world.stored("p-1") == before
    assert not world.people.calls


async def test_who_is_erased_while_the_document_is_written_is_asked_about_nowhere(world: EnrichmentWorld) -> None:
    """The document goes with the second pass; Salesforce is not asked, so that nothing of them comes into the cache."""
    append = world.log.append

    async def erased_meanwhile(**record: Any) -> None:
        await append(**record)
        await erased_of(world).ask("participant", "p-1", 1, "a test")

    world.log.append = erased_meanwhile  # type: ignore[method-assign]
    with pytest.raises(Erased):
        await world.register(id_="p-1", **ANA)
    assert not world.people.calls
    assert not world.cache.rows


async def test_while_the_list_is_away_nothing_is_taken(world: EnrichmentWorld) -> None:
    """It may be sent again."""
    erased_of(world).away = True
    with pytest.raises(Unavailable):
        await world.enrolment.register(Registration(ANA))
    assert not world.log.records


async def test_the_api_says_so(world: EnrichmentWorld) -> None:
    """A 409 of its own sort; to look one up is a 404."""
    await erased_of(world).ask("participant", "p-1", 1, "a test")
    async with running_api([Participants(world.enrolment).group()]) as api:
        for path in ("/api/participants", "/api/register"):
            status, told, _ = await api.call("POST", path, {"id": "p-1", **ANA})
            assert (status, told["type"]) == (409, "urn:tandem:problem:erased")
        status, _, _ = await api.call("POST", "/api/participants/p-1/enrich", {})
        assert status == 404


async def test_what_is_said_of_an_erased_contact_does_not_reach_the_log() -> None:
    """By the id, and by an address that their document still shows."""
    world = ApiWorld()
    world.people.documents["cust-2"] = {"_id": "cust-2", "email": "ben@example.com", "revision": 1}
    for each in ("cust-1", "cust-2"):
        await world.erased.ask("customer", each, 1, "a test")
    async with running_api(world.groups()) as api:
        for body in ({"id": "cust-1", "email": "a@example.com"}, {"email": "ben@example.com"}):
            status, told, _ = await api.call("POST", CONTACTS, body)
            assert (status, told["type"]) == (409, "urn:tandem:problem:erased")
        assert not world.people.events
        assert (await api.call("POST", CONTACTS, {"id": "cust-3", "email": "c@example.com"}))[0] == 201
