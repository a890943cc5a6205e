"""Two registrations of one person for one event: one member is left, and both documents say which (rule 23)."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.org_world import World, world_of

from consumers.ports import Unavailable
from consumers.writer.handover import Handover
from listener.changes.normalise import normalise
from schemas.presets import preset

MEMBERS = "SELECT Id, LeadId, ContactId, Status, Tandem_Registration_Id__c FROM CampaignMember"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """An event, and a person with two accounts that are two Leads; the first is registered."""
    async with world_of(preset("hackathon"), tmp_path) as made:
        await made.post("event.created", "hack", name="Hack", type="hackathon", status="open")
        for number in "12":
            who = {"email": f"{number}@x.io", "last_name": "Doe", "consent": True}
            await made.post("participant.registered", f"p-{number}", **who)
        await register(made, "1")
        yield made


async def register(world: World, number: str) -> None:
    await world.post(
        "registration.created", f"r-{number}", event_id="hack", participant_id=f"p-{number}", status="registered"
    )
    await world.settle()


async def leads(world: World) -> tuple[str, str]:
    """Of the first account and of the second."""
    rows = (await world.org.query("SELECT Id, Email FROM Lead"))["records"]
    found = {row["Email"]: str(row["Id"]) for row in rows}
    return found["1@x.io"], found["2@x.io"]


async def merge(world: World) -> str:
    """Sales merge the first into the second, whose id this is; nobody has heard of it yet."""
    goes, stays = await leads(world)
    edit = {"action": "merge", "object": "Lead", "id": stays, "losers": [goes]}
    (done,) = await world.org.admin("POST", "/edits", edit)
    assert done["success"], done
    return stays


async def told(world: World, id_: str) -> dict[str, Any]:
    """What the platform is told of a registration's record."""
    return dict((await world.document("registrations", id_))["salesforce"])


async def hear_of_members_alone(world: World) -> None:
    """Their events come by partitions of their own, before those of the people."""
    events = world.org.org.org.bus.after(world.heard, None, 10_000)
    of_members = [each for each in events if each.payload["ChangeEventHeader"]["entityName"] == "CampaignMember"]
    assert of_members
    world.stage.now += 3_000
    for each in of_members:
        world.stage.changes += normalise({"payload": each.payload}, each.replay_id)
    await world.stage.hear()
    await world.stage.answer_doorbells()


@pytest.mark.parametrize("members_first", [False, True])
async def test_the_registration_whose_member_went_is_merged_into_the_one_that_stays(
    world: World, members_first: bool
) -> None:
    """Neither stays gone, whichever is heard first: that the member went, or that the people were merged."""
    await register(world, "2")
    stays = await merge(world)
    if members_first:
        await hear_of_members_alone(world)
    await world.settle()
    row = await world.row(MEMBERS)
    assert (row["LeadId"], row["Tandem_Registration_Id__c"]) == (stays, "r-2")
    other, left = await told(world, "r-1"), await told(world, "r-2")
    assert (other["syncStatus"], other["mergedInto"]) == ("merged", "r-2")
    assert (left["syncStatus"], left["recordId"]) == ("synced", row["Id"])
    assert world.parked == []


async def test_what_is_said_of_the_merged_one_stays_in_the_document_and_has_its_row(world: World) -> None:
    """The member is the other registration's. Nothing is lost in silence."""
    await register(world, "2")
    await merge(world)
    await world.settle()
    await world.change("registration.updated", "r-1", status="attended")
    await world.settle()
    assert (await world.document("registrations", "r-1"))["status"] == "attended"
    assert (await world.row(MEMBERS))["Status"] == "Registered"
    rows = [row for row in world.stage.log.rows.values() if row.get("rule") == "23.merged"]  # type: ignore[attr-defined]
    assert [(row["document"], row["platform"]["value"]) for row in rows] == [("r-1", "attended")]
    await world.change("registration.attended", "r-2", status="attended")
    await world.settle()
    assert (await world.row(MEMBERS))["Status"] == "Attended"


async def test_a_membership_that_sales_made_becomes_the_registrations(world: World) -> None:
    """Nobody registered the second account with us, and sales had added it: that member is the one that is left."""
    _goes, stays = await leads(world)
    campaign = await world.row("SELECT Id FROM Campaign")
    _, made = await world.org.call("POST", "/sobjects/CampaignMember", {"CampaignId": campaign["Id"], "LeadId": stays})
    await merge(world)
    await world.settle()
    row = await world.row(MEMBERS)
    assert (row["Id"], row["Status"], row["Tandem_Registration_Id__c"]) == (made["id"], "Registered", "r-1")
    public = await told(world, "r-1")
    assert (public["syncStatus"], public["recordId"]) == ("synced", made["id"])


async def test_a_lead_converted_into_a_contact_who_is_a_member(world: World) -> None:
    """A conversion into somebody who had registered too is the same."""
    await register(world, "2")
    first, second = await leads(world)
    contact = await world.org.convert(second)
    await world.settle()
    assert await world.org.convert(first, contact_id=contact) == contact
    await world.settle()
    row = await world.row(MEMBERS)
    assert (row["ContactId"], row["Tandem_Registration_Id__c"]) == (contact, "r-2")
    other = await told(world, "r-1")
    assert (other["syncStatus"], other["mergedInto"]) == ("merged", "r-2")
    assert (await told(world, "r-2"))["syncStatus"] == "synced"


async def test_a_member_that_sales_took_out_stays_gone(world: World) -> None:
    """Nobody was merged: the person is registered on the platform alone, and another's membership is not theirs."""
    await register(world, "2")
    row = next(
        each for each in (await world.org.query(MEMBERS))["records"] if each["Tandem_Registration_Id__c"] == "r-1"
    )
    status, _ = await world.org.call("DELETE", f"/sobjects/CampaignMember/{row['Id']}")
    assert status == 204
    await world.settle()
    assert (await told(world, "r-1"))["syncStatus"] == "gone"
    assert (await told(world, "r-2"))["syncStatus"] == "synced"


async def test_by_park_a_person_is_asked(world: World) -> None:
    """As where two documents' records became one: `on_merge` says what follows."""
    raw = world.stage.catalog.mapping.model_dump(mode="json", exclude_defaults=True)
    del raw["kinds"]["registration"]["on_merge"]
    world.map(type(world.stage.catalog.mapping).model_validate(raw))
    await register(world, "2")
    await merge(world)
    await world.pass_by(5)
    assert (await told(world, "r-1"))["syncError"] == "MERGED_INTO_ANOTHERS_RECORD"
    assert world.parked == ["MERGED_INTO_ANOTHERS_RECORD"]


async def test_whom_sales_have_added_before_they_register_is_that_member(world: World) -> None:
    """Salesforce refuses a second one and names none; the one that is there gets our id, and what we know."""
    _first, second = await leads(world)
    campaign = await world.row("SELECT Id FROM Campaign")
    asked = {"CampaignId": campaign["Id"], "LeadId": second, "Status": "Responded"}
    _, made = await world.org.call("POST", "/sobjects/CampaignMember", asked)
    await register(world, "2")
    public = await told(world, "r-2")
    assert (public["syncStatus"], public["recordId"]) == ("synced", made["id"])
    row = next(each for each in (await world.org.query(MEMBERS))["records"] if each["Id"] == made["id"])
    assert (row["Tandem_Registration_Id__c"], row["Status"]) == ("r-2", "Registered")
    assert world.parked == []


async def test_a_second_account_that_registers_after_the_merge_waits_for_a_person(world: World) -> None:
    """One person is one member: the write is parked, and says whose the member is."""
    await merge(world)
    await world.settle()
    await register(world, "2")
    await world.pass_by(10)
    public = await told(world, "r-2")
    row = await world.row(MEMBERS)
    assert (row["Tandem_Registration_Id__c"], public["syncStatus"]) == ("r-1", "error")
    (parked,) = world.stage.parked.rows.values()  # type: ignore[attr-defined]
    assert (parked.reason, public["syncError"]) == ("DUPLICATE_VALUE", "DUPLICATE_VALUE")
    assert f"the record {row['Id']} is that of r-1" in parked.detail


async def again(world: World, id_: str, **fields: Any) -> None:
    """The same person registers for the same event under another id."""
    said = {"event_id": "hack", "participant_id": "p-1", "status": "registered"} | fields
    await world.post("registration.created", id_, **said)
    await world.settle()


async def test_who_cancels_and_registers_anew_under_another_id_is_the_same_member(world: World) -> None:
    """Salesforce refuses a second member: that of the first is the new registration's, and so is attendance."""
    await world.change("registration.updated", "r-1", status="cancelled")
    await world.settle()
    before = await world.row(MEMBERS)
    assert before["Status"] == "Cancelled"
    await again(world, "r-9")
    row = await world.row(MEMBERS)
    assert (row["Id"], row["Tandem_Registration_Id__c"], row["Status"]) == (before["Id"], "r-9", "Registered")
    await world.change("registration.attended", "r-9", status="attended")
    await world.settle()
    assert (await world.row(MEMBERS))["Status"] == "Attended"
    other, left = await told(world, "r-1"), await told(world, "r-9")
    assert (other["syncStatus"], other["mergedInto"]) == ("merged", "r-9")
    assert (left["syncStatus"], left["recordId"]) == ("synced", row["Id"])
    assert world.parked == []
    rows = world.stage.log.rows.values()  # type: ignore[attr-defined]
    assert [(row["document"], row["into"]) for row in rows if row["type"] == "merge"] == [("r-1", "r-9")]


async def test_an_edit_of_the_member_is_the_new_registrations_alone(world: World) -> None:
    """What the record tells from then on is nothing of the one that was cancelled; it does not come back by it."""
    await world.change("registration.updated", "r-1", status="cancelled")
    await world.settle()
    await again(world, "r-9")
    before = await world.document("registrations", "r-1")
    record = (await world.row(MEMBERS))["Id"]
    await world.edit("CampaignMember", record, Status="Responded")
    await world.settle()
    assert await world.document("registrations", "r-1") == before
    assert (await world.row(MEMBERS))["Status"] == "Registered"


async def test_the_member_goes_back_to_the_first_registration_that_is_made_again(world: World) -> None:
    """However often somebody changes their mind, it is one member, of the registration that stands."""
    await world.change("registration.updated", "r-1", status="cancelled")
    await world.settle()
    await again(world, "r-9")
    await world.change("registration.updated", "r-9", status="cancelled")
    await world.settle()
    await world.stage.post({}, id_="r-1", type_="registration.deleted")
    await world.settle()
    await again(world, "r-1")
    row = await world.row(MEMBERS)
    assert (row["Tandem_Registration_Id__c"], row["Status"]) == ("r-1", "Registered")
    assert (await told(world, "r-9"))["mergedInto"] == "r-1"
    assert (await told(world, "r-1"))["syncStatus"] == "synced"


async def test_a_crash_after_the_handing_over_only_asks_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The registration that is over is stored first: the new one finds that the record was handed to it."""
    await world.change("registration.updated", "r-1", status="cancelled")
    await world.settle()
    ends = Handover.take

    async def dies(self: Handover, *asked: Any) -> dict[str, str]:
        await ends(self, *asked)
        monkeypatch.setattr(Handover, "take", ends)
        raise Unavailable("killed")

    monkeypatch.setattr(Handover, "take", dies)
    await again(world, "r-9")
    assert (await world.row(MEMBERS))["Tandem_Registration_Id__c"] == "r-9"
    assert (await told(world, "r-1"))["mergedInto"] == "r-9"


async def test_a_deleted_registration_whose_member_stays_gives_it_up(world: World) -> None:
    """Where the mapping keeps the member of a registration that was deleted, who registers anew gets it."""
    raw = world.stage.catalog.mapping.model_dump(mode="json", exclude_defaults=True)
    raw["kinds"]["registration"].pop("on_delete", None)
    world.map(type(world.stage.catalog.mapping).model_validate(raw))
    await world.stage.post({}, id_="r-1", type_="registration.deleted")
    await world.settle()
    await again(world, "r-9")
    assert (await world.row(MEMBERS))["Tandem_Registration_Id__c"] == "r-9"
    assert world.parked == []


def links(world: World) -> list[tuple[str, str, str, str]]:
    """What the log tells of links: of which document, to which record, from which, and how."""
    rows = world.stage.log.rows.values()  # type: ignore[attr-defined]
    return [(row["document"], row["record"], row["was"], row["how"]) for row in rows if row["type"] == "link"]


async def test_the_log_tells_of_each_link_that_no_write_made(world: World) -> None:
    """Found in the org, led on by a conversion, gone with its record, back again. Our own writes tell of theirs."""
    assert links(world) == []
    _first, second = await leads(world)
    campaign = await world.row("SELECT Id FROM Campaign")
    _, made = await world.org.call("POST", "/sobjects/CampaignMember", {"CampaignId": campaign["Id"], "LeadId": second})
    await register(world, "2")
    contact = await world.org.convert(second)
    await world.settle()
    assert links(world) == [
        ("r-2", made["id"], "", "found"),
        ("p-2", second, second, "gone"),
        ("p-2", contact, second, "converted"),
    ]
    status, _ = await world.org.call("DELETE", f"/sobjects/CampaignMember/{made['id']}")
    assert status == 204
    await world.settle()
    assert links(world)[3:] == [("r-2", made["id"], made["id"], "gone")]
