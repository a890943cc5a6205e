"""What a visitor may see, what a mapping of enrichment may say, and how it is stored."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.enrichment_world import EnrichmentWorld, enrichment_world

from adapters.salesforce.describe_check import check_kind
from consumers.catalog import Catalog
from consumers.rules.enriched import Enriched, Known, dump, load
from consumers.rules.registration import with_names
from schemas.mapping import Mapping
from schemas.mapping_checks import problems
from schemas.presets import preset

ANA: dict[str, Any] = {"email": "ana@acme.example", "name": "Ana Maria Pop"}


@pytest.fixture
async def world() -> AsyncIterator[EnrichmentWorld]:
    async with enrichment_world() as made:
        made.people.add("Contact", Email="ana@acme.example", Customer_Tier__c="Growth")
        yield made


async def test_a_visitor_sees_nothing_before_the_address_is_theirs(world: EnrichmentWorld) -> None:
    """Else anybody could learn who is a customer by typing addresses: known or unknown, it looks the same."""
    known = await world.register(**ANA)
    unknown = await world.register(email="bo@acme.example", last_name="Ionescu")
    assert known.visitor == unknown.visitor == {"verified": False}


async def test_a_visitor_is_welcomed_once_the_address_is_theirs(world: EnrichmentWorld) -> None:
    """By name, with their tier: the platform says so with the registration, later, or by an event."""
    welcome = {"verified": True, "welcomeBack": "Ana Maria Pop", "customerTier": "growth", "isExistingCustomer": True}
    told = await world.register(**ANA, verified=True)
    assert told.visitor == welcome
    await world.post("participant.updated", told.id, email="other@acme.example")
    changed = await world.enrolment.find(told.id)
    assert changed is not None
    assert changed.visitor == {"verified": False}
    await world.post("participant.updated", told.id, email="ana@acme.example")
    await world.post("participant.verified", told.id)
    verified = await world.enrolment.find(told.id)
    assert verified is not None
    assert verified.visitor == welcome


async def test_who_types_an_address_that_somebody_has_verified_is_told_nothing(world: EnrichmentWorld) -> None:
    """Anybody may type it: only a request that says itself that it is theirs is answered; what is stored stands."""
    first = await world.register(**ANA, verified=True)
    stranger = await world.register(**ANA)
    unknown = await world.register(email="bo@acme.example", name="Eve")
    assert stranger.id == first.id
    assert stranger.visitor == unknown.visitor == {"verified": False}
    assert (await world.register(**ANA, verified=True)).visitor == first.visitor
    found, again = await world.enrolment.find(first.id), await world.enrolment.enrich(first.id)
    assert found is not None
    assert again is not None
    assert found.visitor == again.visitor == first.visitor


async def test_an_unknown_visitor_who_is_verified_is_just_that(world: EnrichmentWorld) -> None:
    """There is nothing to tell of them."""
    told = await world.register(email="bo@acme.example", last_name="Ionescu", verified=True)
    assert told.visitor == {"verified": True}


async def test_an_event_may_verify_before_anybody_looked(world: EnrichmentWorld) -> None:
    """It is kept with the document."""
    await world.post("participant.registered", "p-1", email="ana@acme.example", last_name="Pop")
    await world.post("participant.verified", "p-1")
    told = await world.enrolment.enrich("p-1")
    assert told is not None
    assert told.visitor["verified"] is True
    assert told.visitor["welcomeBack"] == "Pop"


async def test_one_who_is_not_stored_is_not_looked_up(world: EnrichmentWorld) -> None:
    """There is no such participant."""
    assert await world.enrolment.enrich("nobody") is None
    assert await world.enrolment.find("nobody") is None


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("Ana Maria Pop", {"first_name": "Ana Maria", "last_name": "Pop"}),
        ("Pop", {"last_name": "Pop"}),
        ("  ", {}),
    ],
)
def test_a_whole_name_is_taken_apart(name: str, taken: dict[str, str]) -> None:
    """The last word is the last name; what is given apart counts."""
    kind = Catalog(preset("hackathon")).kinds["participant"]
    assert with_names({"name": name}, kind) == taken
    assert with_names({"name": name, "last_name": "X"}, kind)["last_name"] == "X"


def test_it_is_read_as_it_was_stored() -> None:
    """All of it, and what is empty too."""
    shown: tuple[dict[str, str], dict[str, None]] = ({"title": "CTO"}, {"tier": None})
    whole = Enriched(Known.ERROR, "a@b.c", "003", *shown, 5, 7, 2, "X", "701", "a@b.c", ("001",))
    for one in (whole, Enriched()):
        assert load(dump(one)) == one


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"by": "mail"}, 'enrichment.by: "mail" is not mapped by this kind'),
        ({"registered": "participant.deleted"}, 'enrichment.registered: "participant.deleted" is no event'),
        ({"verified": ["some.thing"]}, 'enrichment.verified: "some.thing" is no event'),
        ({"fields": [{"name": "syncStatus", "contact": "Title"}]}, 'fields[0].name: "syncStatus" is not allowed'),
        ({"fields": [{"name": "email", "contact": "Title", "beside": True}]}, "is mapped by this kind"),
        ({"fields": [{"name": "a", "contact": "Title"}, {"name": "a", "lead": "Title"}]}, "is already the name of"),
    ],
)
def test_what_a_mapping_may_not_say(change: dict[str, Any], told: str) -> None:
    """Its author is told where and what is allowed."""
    raw = preset("hackathon").model_dump(mode="json", exclude_defaults=True)
    raw["kinds"]["participant"]["enrichment"] |= change
    (line,) = problems(Mapping.model_validate(raw))
    assert line.startswith("kinds.participant.enrichment.")
    assert told in line


def test_what_is_read_of_people_must_be_in_the_org() -> None:
    """A field that the login does not see, or a relationship that is none, is told before anybody registers."""
    raw = preset("hackathon").model_dump(mode="json", exclude_defaults=True)
    raw["kinds"]["participant"]["enrichment"]["fields"] = [
        {"name": "a", "contact": "Nothing__c", "lead": "Title"},
        {"name": "b", "contact": "Nobody.Name"},
        {"name": "c", "contact": "Account.Name", "lead": "Company"},
    ]
    whole = Mapping.model_validate(raw).kinds["participant"]
    described = {"name": "Contact", "fields": [{"name": "AccountId", "relationshipName": "Account"}]}
    told = [str(one) for one in check_kind("participant", whole, described) if ".enrichment" in one.where]
    assert len(told) == 2
    assert "Nothing__c" in told[0]
    assert told[1] == "participant.enrichment: Contact has no relationship Nobody, which Nobody.Name needs"
    of_lead = whole.as_lead()
    assert of_lead is not None
    assert of_lead.looked_up() == ("Title", "Company")
