"""A registration: stored first, enriched if Salesforce tells, one participant for one address."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.enrichment_world import EnrichmentWorld, enrichment_world

from consumers.rules.kinds import compile_kind
from consumers.rules.registration import heard
from schemas.field_mapping import DERIVED, NOT_MAPPED
from schemas.outcome import Outcome
from schemas.presets import preset
from schemas.registration import InvalidRegistration

ACME = "001dL0000000001AAA"
ANA: dict[str, Any] = {"email": "ana@acme.example", "name": "Ana Pop", "skills": ["Go"]}


@pytest.fixture
async def world() -> AsyncIterator[EnrichmentWorld]:
    async with enrichment_world() as made:
        yield made


def salesforce(document: Any) -> dict[str, Any]:
    found: dict[str, Any] = document["salesforce"]
    return found


async def test_a_contact_is_told_in_the_answer(world: EnrichmentWorld) -> None:
    """All that the mapping takes over stands under `salesforce`, tier and customer beside it."""
    contact = world.people.add(
        "Contact",
        Email="Ana@Acme.example",
        AccountId=ACME,
        Account__Name="Acme Inc.",
        Title="CTO",
        Phone="+1 555 0100",
        MailingCity="New York",
        Department="Engineering",
        LeadSource="Web",
        OwnerId="005dL0000000001AAA",
        Owner__Name="Jane Sales",
        Customer_Tier__c="Enterprise",
    )
    told = await world.register(**ANA)
    assert told.created
    assert told.document is not None
    found = salesforce(told.document)
    assert found["contactId"] == contact
    assert found["accountId"] == ACME
    assert found["accountName"] == found["company"] == "Acme Inc."
    assert (found["title"], found["phone"], found["city"]) == ("CTO", "+1 555 0100", "New York")
    assert (found["department"], found["leadSource"]) == ("Engineering", "Web")
    assert (found["ownerId"], found["ownerName"]) == ("005dL0000000001AAA", "Jane Sales")
    assert found["syncStatus"] == "synced"
    assert found["lastSyncedAt"]
    assert "syncError" not in found
    assert told.document["customerTier"] == "enterprise"
    assert told.document["isExistingCustomer"] is True
    assert told.document["first_name"] == "Ana"
    assert told.document["last_name"] == "Pop"
    assert {**await world.stored(told.id), "id": told.id}.items() >= told.document.items()
    assert len(world.people.calls) == 1


async def test_a_lead_is_told_where_there_is_no_contact(world: EnrichmentWorld) -> None:
    """With the Lead's own fields; nobody's company is `[not provided]`."""
    lead = world.people.add("Lead", Email="ana@acme.example", Company="Startup Ltd", Title="Dev", City="Cluj")
    told = await world.register(**ANA)
    assert told.document is not None
    found = salesforce(told.document)
    assert found["leadId"] == lead
    assert "contactId" not in found
    assert (found["company"], found["title"], found["city"]) == ("Startup Ltd", "Dev", "Cluj")
    assert found["syncStatus"] == "synced"
    assert told.document["isExistingCustomer"] is False


async def test_a_company_of_our_own_making_is_none(world: EnrichmentWorld) -> None:
    """A Lead must have a company: what we wrote there for none is not told as one."""
    world.people.add("Lead", Email="ana@acme.example", Company="[not provided]")
    told = await world.register(**ANA)
    assert told.document is not None
    assert "company" not in salesforce(told.document)


async def test_nobody_is_not_found(world: EnrichmentWorld) -> None:
    """It is said, in the answer and in the document."""
    told = await world.register(**ANA)
    assert told.document is not None
    assert salesforce(told.document)["syncStatus"] == "not_found"
    assert told.document["isExistingCustomer"] is False
    assert salesforce(await world.stored(told.id))["syncStatus"] == "not_found"


async def test_the_primary_of_several_contacts(world: EnrichmentWorld) -> None:
    """By the mapping's rule: first who has an account."""
    world.people.add("Contact", Email="ana@acme.example", Title="Older, without an account")
    with_account = world.people.add("Contact", Email="ana@acme.example", AccountId=ACME)
    told = await world.register(**ANA)
    assert told.document is not None
    assert salesforce(told.document)["contactId"] == with_account


async def test_two_at_once_make_one_participant(world: EnrichmentWorld) -> None:
    """And one look at Salesforce; one of them made it."""
    answers = await asyncio.gather(*(world.register(**ANA) for _ in range(5)))
    assert len({one.id for one in answers}) == 1
    assert sum(one.created for one in answers) == 1
    assert world.people.calls == [["ana@acme.example"]]
    assert len(world.log.records) == 5


async def test_one_who_is_known_by_another_id_stays_that_one(world: EnrichmentWorld) -> None:
    """A person whom a webhook told of before is not made a second time, whatever the address's case."""
    await world.post("participant.registered", "p-7", email="Ana@acme.example", last_name="Pop")
    told = await world.register(**ANA | {"email": " ANA@acme.example"})
    assert told.id == "p-7"
    assert not told.created


async def test_an_address_that_was_let_go_is_anothers(world: EnrichmentWorld) -> None:
    """Who changed their address is not met again by who registers with the old one."""
    first = await world.register(**ANA)
    await world.post("participant.updated", first.id, email="new@acme.example")
    second = await world.register(**ANA)
    assert second.id != first.id
    assert second.created


async def test_the_fact_is_in_the_log_and_a_repeat_is_a_duplicate(world: EnrichmentWorld) -> None:
    """What the reconciler hears of it later is known already; it rings for what is due."""
    told = await world.register(**ANA)
    fields = (await world.stored(told.id))["_sync"]["fields"]
    (result,) = await world.hear_registrations()
    assert result.outcome is Outcome.DUPLICATE
    assert (await world.stored(told.id))["_sync"]["fields"].items() >= fields.items()
    assert world.stage.doorbells.rung


async def test_the_record_that_is_linked_is_the_persons(world: EnrichmentWorld) -> None:
    """Whatever the preferences say: they are for who is not linked yet."""
    world.people.add("Contact", Email="ana@acme.example", AccountId=ACME)
    told = await world.register(**ANA)
    other = world.people.add("Contact", Email="ana@acme.example", Title="Linked")
    state = world.stage.documents.collections["participants"][told.id]  # type: ignore[attr-defined]
    state["_sync"]["link"] = {"id": other, "at": 1, "read": True}
    world.cache.rows.clear()
    again = await world.enrolment.enrich(told.id)
    assert again is not None
    assert again.document is not None
    assert salesforce(again.document)["title"] == "Linked"
    assert salesforce(again.document)["contactId"] == other


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"name": "Ana"}, "email: Field required"),
        ({"email": "nobody"}, "email: Input should be an e-mail address"),
        ({"email": "ana@acme.example", "skills": {"a": 1}}, "skills"),
    ],
)
async def test_what_cannot_be_a_registration(world: EnrichmentWorld, fields: dict[str, Any], place: str) -> None:
    """It is said where it is wrong, without its value; nothing is taken."""
    with pytest.raises(InvalidRegistration) as wrong:
        await world.register(**fields)
    assert wrong.value.places[0].startswith(place)
    assert not world.log.records


async def test_the_first_is_new_though_the_reconciler_was_faster(world: EnrichmentWorld) -> None:
    """The event may be taken in before the API itself has come to it."""
    append = world.log.append

    async def heard_at_once(**record: Any) -> None:
        await append(**record)
        await world.hear_registrations()

    world.log.append = heard_at_once  # type: ignore[method-assign]
    told = await world.register(**ANA)
    assert told.created
    assert told.document is not None
    assert salesforce(told.document)["syncStatus"] == "not_found"
    assert not (await world.register(**ANA)).created


async def test_an_id_of_the_platforms_own(world: EnrichmentWorld) -> None:
    """It is taken; one whose document is there already is not new."""
    told = await world.register(**ANA, id_="p-1")
    assert (told.id, told.created) == ("p-1", True)
    await world.post("participant.registered", "p-2", last_name="Pop")
    second = await world.register(**ANA | {"email": "other@acme.example"}, id_="p-2")
    assert (second.id, second.created) == ("p-2", False)


def test_a_form_is_taken_path_by_path() -> None:
    """An object is gone into where paths lead through it; what is left of it is told by its dotted name."""
    customer = compile_kind("customer", preset("ticketing"))
    said = {"address": {"city": "Cluj", "planet": "Mars"}, "address.country": "RO", "name": 5, "total_spent": 9}
    taken = heard(said, customer)
    assert taken.said == {"address": {"city": "Cluj"}, "address.country": "RO"}
    assert taken.ignored == {"address.planet": NOT_MAPPED, "name": NOT_MAPPED, "total_spent": DERIVED}
    assert heard({"address": {"planet": "Mars"}, "name": "Ana Pop"}, customer).said == {"name": "Ana Pop"}
