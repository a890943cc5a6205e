"""Leads, their conversion, owners and record types: the real adapter, on a simulated org and its own events."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.org_world import World, world_of

from schemas.mapping_reading import parse_mapping
from schemas.presets import preset

SALES = "bo.ionescu@tandem.example"
LEAD = {
    "external_id": "Tandem_Participant_Id__c",
    "token": "Tandem_Participant_Write__c",
    "fields": {
        "Email": "Email",
        "FirstName": "FirstName",
        "LastName": "LastName",
        "Phone": "Phone",
        "Title": "Title",
        "MailingCity": "City",
        "MailingCountry": "Country",
        "OwnerId": "OwnerId",
    },
    "only": ["Company"],
    "placeholders": {"Company": "[not provided]"},
    "defaults": {"LeadSource": "Hackathon"},
}
DEV = {
    "consent": True,
    "email": "Dev@x.io",
    "first_name": "Dev",
    "last_name": "Loper",
    "city": "Cluj",
    "skills": ["Go"],
}
KEPT = ("company", "participant", "event", "registration")


def mapping() -> Any:
    """The preset's participants, kept in leads; its campaign members name the lead."""
    raw = preset("hackathon").model_dump(mode="json", exclude_defaults=True)
    raw["kinds"] = {name: kind for name, kind in raw["kinds"].items() if name in KEPT}
    participant = raw["kinds"]["participant"]
    own = ("Company", "OwnerId", "RecordTypeId")
    participant["fields"] = [
        each for each in participant["fields"] if "derive" not in each and each["salesforce"] not in own
    ]
    participant["fields"] += [
        {"platform": "company", "salesforce": "Company", "transform": ["trim"]},
        {"platform": "owner", "salesforce": "OwnerId", "direction": "pull"},
        {"platform": "sort", "salesforce": "RecordTypeId", "direction": "pull"},
    ]
    participant |= {"lead": LEAD, "create": "lead", "on_unlinked": "create"}
    for field in raw["kinds"]["registration"]["fields"]:
        if field["platform"] == "participant_id":
            field["lead"] = "LeadId"
    return parse_mapping(raw)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with world_of(mapping(), tmp_path) as made:
        await made.post("participant.registered", "p-1", **DEV)
        await made.post("event.created", "hack", name="Spring Hack", type="hackathon", status="open", active=True)
        await made.post("registration.created", "r-1", event_id="hack", participant_id="p-1", status="registered")
        await made.settle()
        yield made


async def public(world: World, id_: str = "p-1") -> dict[str, Any]:
    found: dict[str, Any] = (await world.document("participants", id_))["salesforce"]
    return found


async def test_a_stranger_is_a_lead_and_a_member_of_the_campaign(world: World) -> None:
    """The member names the lead by its own field; both are told from their events as ours."""
    lead = await world.row("SELECT Id, Company, LeadSource, City, Tandem_Participant_Id__c FROM Lead")
    assert list(lead.values())[1:] == ["[not provided]", "Hackathon", "Cluj", "p-1"]
    assert (await public(world)).items() >= {"leadId": lead["Id"], "syncStatus": "synced"}.items()
    member = await world.row("SELECT LeadId, ContactId, Status FROM CampaignMember")
    assert member == {"LeadId": lead["Id"], "ContactId": None, "Status": "Registered"}
    registration = await world.document("registrations", "r-1")
    assert (registration["participant_id"], registration["salesforce"]["syncStatus"]) == ("p-1", "synced")
    assert world.parked == []


async def test_a_conversion_takes_the_person_and_the_history_along(world: World) -> None:
    """Later writes go to the contact, which gets what a lead has no field for; the member is the contact's."""
    lead = await world.row("SELECT Id FROM Lead")
    contact = await world.org.convert(lead["Id"])
    await world.settle()
    found = await world.row(
        "SELECT Id, AccountId, Skills__c, MailingCity, Tandem_Participant_Id__c, LeadSource FROM Contact"
    )
    assert found["Id"] == contact
    assert [found[name] for name in ("Skills__c", "MailingCity", "Tandem_Participant_Id__c")] == ["Go", "Cluj", "p-1"]
    told = await public(world)
    assert (told["contactId"], told["syncStatus"], "leadId" in told) == (contact, "synced", False)
    document = await world.document("participants", "p-1")
    assert document["company_id"] == found["AccountId"], "the account that the conversion made"
    await world.post("participant.updated", "p-1", **{**DEV, "city": "Iasi"})
    await world.post("registration.attended", "r-1", event_id="hack", participant_id="p-1", status="attended")
    await world.settle()
    assert (await world.row("SELECT MailingCity FROM Contact"))["MailingCity"] == "Iasi"
    assert (await world.row("SELECT City FROM Lead"))["City"] == "Cluj"
    member = await world.row("SELECT ContactId, Status FROM CampaignMember")
    assert member == {"ContactId": contact, "Status": "Attended"}
    assert (await world.document("registrations", "r-1"))["salesforce"]["syncStatus"] == "synced"
    documents = await world.stage.documents.read("participants", ["p-1", contact])
    assert set(documents) == {"p-1"}, "the contact is no new person"
    assert world.parked == []


async def test_an_org_that_carries_our_own_fields_along(tmp_path: Path) -> None:
    """An admin has mapped all custom fields for conversion: the contact names the document at once."""
    along = ("Tandem_Participant_Id__c", "Tandem_Participant_Write__c", "Customer_Tier__c")
    async with world_of(mapping(), tmp_path, lead_conversion_fields=along) as world:
        await world.post("participant.registered", "p-1", **DEV)
        await world.settle()
        lead = await world.row("SELECT Id FROM Lead")
        await world.post("participant.updated", "p-1", **{**DEV, "title": "Architect"})
        contact = await world.org.convert(lead["Id"])
        await world.settle()
        row = await world.row("SELECT Id, Title, Skills__c, Tandem_Participant_Id__c FROM Contact")
        assert list(row.values()) == [contact, "Architect", "Go", "p-1"]
        assert (await public(world)).items() >= {"syncStatus": "synced", "contactId": contact}.items()
        assert (await world.stage.documents.read("participants", [contact])) == {}
        assert world.parked == []


async def test_a_member_who_is_registered_after_the_conversion_is_a_contacts(world: World) -> None:
    """And one of a person who is nobody yet waits for the lead."""
    lead = await world.row("SELECT Id FROM Lead")
    contact = await world.org.convert(lead["Id"])
    await world.post("event.created", "next", name="Next Hack", type="hackathon", status="open", active=True)
    await world.settle()
    await world.post("registration.created", "r-2", event_id="next", participant_id="p-1", status="registered")
    await world.post("registration.created", "r-3", event_id="next", participant_id="p-3", status="registered")
    await world.post("participant.registered", "p-3", **{**DEV, "email": "3@x.io"})
    await world.settle()
    asked = "SELECT ContactId, LeadId FROM CampaignMember WHERE Tandem_Registration_Id__c = '{}'"
    assert await world.row(asked.format("r-2")) == {"ContactId": contact, "LeadId": None}
    other = await world.row("SELECT Id FROM Lead WHERE Email = '3@x.io'")
    assert await world.row(asked.format("r-3")) == {"ContactId": None, "LeadId": other["Id"]}


async def test_an_edit_that_meets_the_conversion_reaches_the_contact(world: World) -> None:
    """The org refuses to write to a converted lead, before anybody has heard of the conversion."""
    lead = await world.row("SELECT Id FROM Lead")
    contact = await world.org.convert(lead["Id"])
    await world.post("participant.updated", "p-1", **{**DEV, "title": "Architect"})
    await world.stage.answer_doorbells()
    await world.settle()
    assert (await world.row("SELECT Title FROM Contact"))["Title"] == "Architect"
    assert (await public(world))["recordId"] == contact
    assert world.parked == []


async def test_a_lead_merged_into_another_is_followed(world: World) -> None:
    """And given our external id."""
    lead = await world.row("SELECT Id FROM Lead")
    _, made = await world.org.call("POST", "/sobjects/Lead", {"LastName": "L", "Company": "Navy", "Email": "n@x.io"})
    edit = {"action": "merge", "object": "Lead", "id": made["id"], "losers": [lead["Id"]]}
    await world.org.admin("POST", "/edits", edit)
    await world.settle()
    assert (await public(world))["leadId"] == made["id"]
    row = await world.row("SELECT LastName, City, Company, Tandem_Participant_Id__c FROM Lead")
    assert row["Tandem_Participant_Id__c"] == "p-1"
    assert (await world.document("participants", "p-1"))["company"] == row["Company"] == "Navy"


async def test_sales_own_people_are_taken_in_by_the_filter_of_either_object(world: World) -> None:
    """What only a lead has is asked of leads alone; a contact has it not."""
    raw = world.stage.catalog.mapping.model_dump(mode="json", exclude_defaults=True)
    wanted = {"any": [{"path": "company", "one_of": ["Navy"]}, {"path": "title", "equals": "Admiral"}]}
    raw["kinds"]["participant"]["filters"] = {"pull": wanted}
    world.map(parse_mapping(raw))
    made = {}
    for sobject, name, values in (
        ("Contact", "a", {"Title": "Admiral"}),
        ("Contact", "b", {"Title": "Cook"}),
        ("Lead", "c", {"Company": "Navy"}),
        ("Lead", "d", {"Company": "Army"}),
    ):
        _, told = await world.org.call("POST", f"/sobjects/{sobject}", {"LastName": name, **values})
        made[name] = told["id"]
    await world.settle()
    found = await world.stage.documents.read("participants", list(made.values()))
    assert {document["last_name"] for document in found.values()} == {"a", "c"}
    assert world.parked == []


class TestOwnersAndRecordTypes:
    """They change like any field: taken over where they are mapped, and otherwise nobody's business."""

    async def change(self, world: World, sobject: str, **more: Any) -> tuple[str, str]:
        """Another owner and another record type, by a user."""
        _, sort = await world.org.call(
            "POST", "/sobjects/RecordType", {"Name": "B", "DeveloperName": "B", "SobjectType": sobject}
        )
        record = await world.row(f"SELECT Id, OwnerId FROM {sobject}")
        await world.org.admin("POST", "/edits", {"edits": [{"object": "Lead", "id": record["Id"]}], "user": SALES})
        owner = (await world.row(f"SELECT Id FROM User WHERE Username = '{SALES}'"))["Id"]
        assert owner != record["OwnerId"]
        await world.edit(sobject, record["Id"], OwnerId=owner, RecordTypeId=sort["id"], **more)
        await world.settle()
        return owner, sort["id"]

    async def test_mapped_they_are_taken_over(self, world: World) -> None:
        """From the lead what it keeps, and both from the contact."""
        owner, _ = await self.change(world, "Lead")
        document = await world.document("participants", "p-1")
        assert document["owner"] == owner
        assert document.get("sort") is None, "not kept in a lead"
        lead = await world.row("SELECT Id FROM Lead")
        await world.org.convert(lead["Id"], no_opportunity=True)
        await world.settle()
        contact = await world.row("SELECT Id FROM Contact")
        _, made = await world.org.call(
            "POST", "/sobjects/RecordType", {"Name": "C", "DeveloperName": "C", "SobjectType": "Contact"}
        )
        await world.edit("Contact", contact["Id"], RecordTypeId=made["id"])
        await world.settle()
        document = await world.document("participants", "p-1")
        assert (document["owner"], document["sort"]) == (owner, made["id"])

    async def test_unmapped_they_do_no_harm(self, world: World) -> None:
        """No echo, no conflict, no write; what was changed beside them in the same save counts."""
        campaign = await world.row("SELECT Id, OwnerId FROM Campaign")
        writes = len(await self.writes(world))
        await world.org.admin(
            "POST", "/edits", {"edits": [{"object": "Campaign", "id": campaign["Id"], "fields": {}}], "user": SALES}
        )
        owner = (await world.row(f"SELECT Id FROM User WHERE Username = '{SALES}'"))["Id"]
        await world.edit("Campaign", campaign["Id"], OwnerId=owner)
        await world.settle()
        assert (await world.document("events", "hack"))["salesforce"]["syncStatus"] == "synced"
        assert len(await self.writes(world)) == writes
        await world.edit("Campaign", campaign["Id"], OwnerId=campaign["OwnerId"], Status="Completed")
        await world.settle()
        assert (await world.document("events", "hack"))["status"] == "over"
        assert [row for row in self.log(world) if row["type"] == "audit"] == []
        assert len(await self.writes(world)) == writes

    async def writes(self, world: World) -> list[dict[str, Any]]:
        return [row for row in self.log(world) if row["type"] == "write"]

    def log(self, world: World) -> list[dict[str, Any]]:
        return list(world.stage.log.rows.values())  # type: ignore[attr-defined]


async def test_defaults_are_given_once(tmp_path: Path) -> None:
    """A record is made with them; what a user makes of them later stays, whatever is written."""
    raw = preset("customers").model_dump(mode="json", exclude_defaults=True)
    async with world_of(parse_mapping(raw), tmp_path) as world:
        _, sort = await world.org.call(
            "POST", "/sobjects/RecordType", {"Name": "Fan", "DeveloperName": "Fan", "SobjectType": "Contact"}
        )
        kind = raw["kinds"]["customer"] | {"defaults": {"RecordTypeId": sort["id"], "LeadSource": "Web"}}
        kind["fields"] = [*kind["fields"], {"platform": "source", "salesforce": "LeadSource", "direction": "pull"}]
        world.map(parse_mapping({"kinds": {"customer": kind}}))
        await world.post("customer.created", "ana", last_name="Pop")
        await world.settle()
        contact = await world.row("SELECT Id, RecordTypeId, LeadSource FROM Contact")
        assert (contact["RecordTypeId"], contact["LeadSource"]) == (sort["id"], "Web")
        assert (await world.document("customers", "ana"))["source"] == "Web", "mapped too, it comes back"
        await world.edit("Contact", contact["Id"], RecordTypeId=None, LeadSource="Other")
        await world.post("customer.updated", "ana", last_name="Popa")
        await world.settle()
        row = await world.row("SELECT LastName, RecordTypeId, LeadSource FROM Contact")
        assert list(row.values()) == ["Popa", None, "Other"]
        assert (await world.document("customers", "ana"))["salesforce"]["syncStatus"] == "synced"
