"""Which campaign membership a person's document names, however the change of a member tells of it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.enrichment_world import EnrichmentWorld, enrichment_world

OLD, NEW, SALES = (f"00vdL000000000{number}AAA" for number in range(3))


@pytest.fixture
async def world() -> AsyncIterator[EnrichmentWorld]:
    """Ana, who is linked, and has registered for two events."""
    async with enrichment_world() as made:
        contact = made.people.add("Contact", Email="ana@acme.example")
        await made.register(email="ana@acme.example", name="Ana Pop", id_="ana")
        made.due.collections["participants"]["ana"]["_sync"]["link"] = {"id": contact, "at": 1, "read": True}
        await registered(made, "r-1", OLD)
        await registered(made, "r-2", NEW)
        yield made


async def registered(world: EnrichmentWorld, id_: str, member: str) -> None:
    """A registration of Ana's, later than those before, with this member; with none where that is empty."""
    world.stage.now += 1_000
    await world.post("registration.created", id_, participant_id="ana", event_id=f"event-of-{id_}")
    if member:
        link(world, id_, id=member, at=world.stage.now)


def link(world: EnrichmentWorld, id_: str, **link: Any) -> None:
    sync = world.due.collections["registrations"][id_]["_sync"]
    sync["link"] = {"read": True, "gone": False, **sync.get("link", {}), **link}


async def named(world: EnrichmentWorld) -> Any:
    return (await world.stored("ana"))["salesforce"].get("campaignMemberId")


@pytest.mark.parametrize("type_", ["CREATE", "UPDATE", "GAP_CREATE", "GAP_UPDATE", "UNDELETE"])
async def test_a_change_that_names_nobody_is_of_whom_the_registration_names(world: EnrichmentWorld, type_: str) -> None:
    """As one that a poll found, or of a member of sales' that Tandem has linked; it stays through a later look."""
    for member in (NEW, OLD):
        await world.hear("CampaignMember", member, type_)
        assert await named(world) == NEW, "that of the newest registration, whichever has changed"
    await world.enrolment.enrich("ana")
    assert await named(world) == NEW


async def test_a_member_whose_link_is_not_stored_yet_is_known_by_the_id_that_it_bears(world: EnrichmentWorld) -> None:
    """The writer may store its answer later than the event is heard."""
    await registered(world, "r-3", "")
    await world.hear("CampaignMember", SALES, Tandem_Registration_Id__c="r-3")
    assert await named(world) == SALES


@pytest.mark.parametrize("type_", ["DELETE", "GAP_DELETE"])
async def test_a_member_that_is_gone_is_named_no_more(world: EnrichmentWorld, type_: str) -> None:
    """Whether or not the reconciler has stored by then that it is; the one before takes its place."""
    await world.hear("CampaignMember", NEW)
    await world.hear("CampaignMember", NEW, type_)
    assert await named(world) == OLD
    link(world, "r-2", gone=True)
    await world.hear("CampaignMember", OLD, type_)
    assert await named(world) is None
    await world.hear("CampaignMember", NEW, "UNDELETE")
    assert await named(world) == NEW


async def test_a_registration_that_was_merged_into_another_names_no_member(world: EnrichmentWorld) -> None:
    """The member is the other one's; its own former member is nobody's."""
    await world.hear("CampaignMember", NEW)
    link(world, "r-2", gone=True, merged_into="r-1")
    await world.hear("CampaignMember", OLD, Status="Registered")
    assert await named(world) == OLD


async def test_a_member_of_no_registration_counts_where_there_is_no_other(world: EnrichmentWorld) -> None:
    """Sales have added them to a campaign: told by an event that names the person, and until it is gone."""
    contact = world.due.collections["participants"]["ana"]["_sync"]["link"]["id"]
    await world.hear("CampaignMember", SALES, "CREATE", ContactId=contact)
    assert await named(world) == NEW
    for id_ in ("r-1", "r-2"):
        link(world, id_, gone=True)
    await world.hear("CampaignMember", SALES, "CREATE", ContactId=contact)
    await world.hear("CampaignMember", OLD, "DELETE")
    assert await named(world) == SALES
    await world.hear("CampaignMember", SALES, "DELETE")
    assert await named(world) is None


async def test_a_mapping_without_registrations_goes_by_events_alone(world: EnrichmentWorld) -> None:
    """Nobody else knows of members then."""
    mapping = world.stage.catalog.mapping
    kinds = {name: kind for name, kind in mapping.kinds.items() if name == "participant"}
    derived = [each for each in kinds["participant"].fields if each.derive is None and not each.lookups]
    kinds["participant"] = kinds["participant"].model_copy(update={"fields": derived})
    world.stage.catalog = type(world.stage.catalog)(mapping.model_copy(update={"kinds": kinds}))
    contact = world.due.collections["participants"]["ana"]["_sync"]["link"]["id"]
    await world.hear("CampaignMember", SALES, "CREATE", ContactId=contact)
    assert await named(world) == SALES
    await world.hear("CampaignMember", SALES, "DELETE")
    assert await named(world) is None
