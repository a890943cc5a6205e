"""Presets and other mappings against a simulated org in which their metadata is deployed: no kind needs Python."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.org_world import World, world_of

from schemas.mapping import Mapping
from schemas.presets import preset


@pytest.fixture
async def ticketing(tmp_path: Path) -> AsyncIterator[World]:
    async with world_of(preset("ticketing"), tmp_path) as world:
        await world.post("company.created", "acme", name="Acme Travel", website="acme.example", employees=40)
        await world.post(
            "event.created", "fest", name="Summer Festival", status="on_sale", type="festival", active=True
        )
        who = {"email": "Ana@X.ro", "first_name": "Ana", "last_name": "Pop", "company_id": "acme"}
        await world.post("customer.created", "ana", **who)
        yield world


def order(number: int, **more: Any) -> dict[str, Any]:
    told = {"customer_id": "ana", "event_id": "fest", "event_name": f"Evening {number}", "status": "paid"}
    told |= {"total": 400.5, "currency": "eur", "tickets": 2, "ticket_types": ["VIP", "Early"]}
    return told | {"ordered_at": f"2026-11-0{number}T10:00:00Z", "event_date": "2026-12-24"} | more


async def test_a_purchase_history_stands_under_its_contact(ticketing: World) -> None:
    """Orders are records of a custom object; the totals follow a refund, and an order that comes late."""
    await ticketing.post("order.completed", "o-2", **order(2))
    await ticketing.post("order.completed", "o-3", **order(3))
    await ticketing.settle()
    found = await ticketing.org.query(
        "SELECT Total__c, Currency__c, Ticket_Types__c, Status__c, Ordered_At__c, Contact__r.Email, Campaign__r.Name "
        "FROM Ticket_Order__c ORDER BY Tandem_Order_Id__c"
    )
    first = found["records"][0]
    assert (first["Total__c"], first["Currency__c"], first["Status__c"]) == (400.5, "EUR", "Paid")
    assert set(first["Ticket_Types__c"].split(";")) == {"VIP", "Early"}
    assert (first["Contact__r"]["Email"], first["Campaign__r"]["Name"]) == ("ana@x.ro", "Summer Festival")
    totals = "SELECT Total_Purchases__c, Total_Spent__c, Total_Tickets__c, VIP__c, Last_Event__c FROM Contact"
    assert list((await ticketing.row(totals)).values()) == [2, 801, 4, False, "Evening 3"]
    await ticketing.post("order.completed", "o-1", **order(1, total=300))
    await ticketing.settle()
    assert list((await ticketing.row(totals)).values()) == [3, 1_101, 6, True, "Evening 3"]
    await ticketing.post("order.refunded", "o-3", **order(3, status="refunded", refunded_at="2026-11-09T08:00:00Z"))
    await ticketing.settle()
    assert list((await ticketing.row(totals)).values()) == [2, 700.5, 4, False, "Evening 2"]
    assert ticketing.parked == []


async def test_a_large_order_has_room_for_all_its_ticket_types(ticketing: World) -> None:
    """However many there are: together they are longer than a line."""
    types = [f"Day {day}, Category {letter}" for day in range(1, 8) for letter in "ABCDEF"]
    await ticketing.post("order.completed", "o-1", **order(1, ticket_types=types))
    await ticketing.settle()
    assert ticketing.parked == []
    held = str((await ticketing.row("SELECT Ticket_Types__c FROM Ticket_Order__c"))["Ticket_Types__c"])
    assert len(held) > 255
    assert sorted(held.split(";")) == sorted(types)


async def test_each_ticket_type_of_an_order_stands_under_it_with_its_price(ticketing: World) -> None:
    """Whichever came first; a new price is shown; what is taken out is deleted."""
    vip = {"order_id": "o-1", "ticket_type": " VIP ", "quantity": 2, "unit_price": 149.5, "total": 299}
    early = {"order_id": "o-1", "ticket_type": "Early", "quantity": 3, "unit_price": 19.9, "total": 59.7}
    await ticketing.post("order_line.created", "o-1-vip", **vip, currency="eur")
    asked = (
        "SELECT Ticket_Type__c, Quantity__c, Unit_Price__c, Total__c, Currency__c, Ticket_Order__r.Contact__r.Email "
        "FROM Ticket_Order_Line__c ORDER BY Tandem_Order_Line_Id__c"
    )
    await ticketing.post("order.completed", "o-1", **order(1))
    await ticketing.post("order_line.created", "o-1-early", **early, currency="eur")
    await ticketing.settle()
    first, second = (await ticketing.org.query(asked))["records"]
    assert [first["Ticket_Type__c"], first["Quantity__c"], first["Unit_Price__c"]] == ["Early", 3, 19.9]
    assert [second["Ticket_Type__c"], second["Total__c"], second["Currency__c"]] == ["VIP", 299, "EUR"]
    assert second["Ticket_Order__r"]["Contact__r"]["Email"] == "ana@x.ro"
    await ticketing.post("order_line.updated", "o-1-vip", **vip | {"unit_price": 120, "total": 240}, currency="eur")
    await ticketing.post("order_line.deleted", "o-1-early")
    await ticketing.settle()
    (left,) = (await ticketing.org.query(asked))["records"]
    assert (left["Ticket_Type__c"], left["Unit_Price__c"], left["Total__c"]) == ("VIP", 120, 240)
    assert ticketing.parked == []


async def test_companies_are_told_apart_by_their_domains(ticketing: World) -> None:
    """Two of one name stay two, whether the other is ours or sales'; one whose domain nobody knows is the same."""

    async def made(name: str, website: str | None) -> str:
        _, told = await ticketing.org.call("POST", "/sobjects/Account", {"Name": name, "Website": website})
        return str(told["id"])

    await ticketing.settle()
    theirs, known, nameless = (
        await made("Globex", "globex.de"),
        await made("G", "www.globex.ro"),
        await made("Nil", None),
    )
    await ticketing.post("company.created", "acme-2", name="Acme Travel", website="https://acme.test/")
    await ticketing.post("company.created", "globex", name="Globex", website="https://globex.ro/en")
    await ticketing.post("company.created", "globex-2", name="Globex", website="globex.com")
    await ticketing.post("company.created", "nil", name="NIL", website="nil.example")
    await ticketing.settle()
    assert ticketing.parked == []
    found = {}
    for row in (await ticketing.org.query("SELECT Id, Tandem_Company_Id__c FROM Account"))["records"]:
        found[row["Id"]] = row["Tandem_Company_Id__c"]
    assert (found.pop(theirs), found.pop(known), found.pop(nameless)) == (None, "globex", "nil")
    assert sorted(found.values()) == ["acme", "acme-2", "globex-2"]


async def test_what_sales_make_is_not_linked_to_a_company_of_another_domain(ticketing: World) -> None:
    """The other way round the same holds."""
    raw = preset("ticketing").model_dump(mode="json")
    globex = {"path": "name", "equals": "Globex"}
    raw["kinds"]["company"] |= {"on_unlinked": "match", "filters": {"push": {"none": [globex]}}}
    ticketing.map(Mapping.model_validate(raw))
    await ticketing.post("company.created", "globex", name="Globex", website="globex.com")
    await ticketing.settle()
    for website in ("globex.de", "GLOBEX.com"):
        await ticketing.org.call("POST", "/sobjects/Account", {"Name": "Globex", "Website": website})
        await ticketing.settle()
    record = (await ticketing.document("companies", "globex"))["_sync"]["link"]["id"]
    found = await ticketing.row("SELECT Id FROM Account WHERE Website = 'GLOBEX.com'")
    assert record == found["Id"]


async def test_who_buys_for_a_company_stands_under_its_account(ticketing: World) -> None:
    """And moving the contact to another account in Salesforce moves it on the platform."""
    await ticketing.post("company.created", "globex", name="Globex")
    await ticketing.settle()
    contact = await ticketing.row("SELECT Id, Account.Name FROM Contact")
    assert contact["Account"]["Name"] == "Acme Travel"
    globex = await ticketing.row("SELECT Id FROM Account WHERE Name = 'Globex'")
    await ticketing.edit("Contact", contact["Id"], AccountId=globex["Id"])
    await ticketing.settle()
    assert (await ticketing.document("customers", "ana"))["company_id"] == "globex"


async def test_registrations_are_members_of_the_events_campaign(ticketing: World) -> None:
    """Their status follows; a member is of its campaign and contact for ever, and what comes later is held."""
    await ticketing.post("event.created", "gala", name="Gala")
    await ticketing.post(
        "registration.created", "r-1", event_id="fest", customer_id="ana", status="registered", ticket_type="VIP"
    )
    await ticketing.settle()
    asked = "SELECT Status, Ticket_Type__c, Campaign.Name, Contact.LastName FROM CampaignMember"
    member = await ticketing.row(asked)
    assert (member["Status"], member["Ticket_Type__c"]) == ("Registered", "VIP")
    assert (member["Campaign"]["Name"], member["Contact"]["LastName"]) == ("Summer Festival", "Pop")
    await ticketing.post("registration.attended", "r-1", event_id="gala", customer_id="ana", status="attended")
    await ticketing.settle()
    member = await ticketing.row(asked)
    assert (member["Status"], member["Campaign"]["Name"]) == ("Attended", "Summer Festival")
    assert (await ticketing.document("registrations", "r-1"))["salesforce"]["held"] == ["event_id"]
    contact = await ticketing.row("SELECT Events_Attended__c, Lifecycle_Stage__c FROM Contact")
    assert contact == {"Events_Attended__c": 1, "Lifecycle_Stage__c": "Prospect"}
    assert ticketing.parked == []


async def test_large_deals_are_opportunities(ticketing: World) -> None:
    """Small ones are not; a sale won in Salesforce is won on the platform, with its campaign and account."""
    told = {"stage": "quoted", "close_date": "2026-12-31", "company_id": "acme", "event_id": "fest"}
    await ticketing.post("deal.created", "d-1", name="Acme group", type="group_sale", amount=300, tickets=8, **told)
    await ticketing.post("deal.created", "d-2", name="Acme party", type="group_sale", amount=900, tickets=30, **told)
    await ticketing.post("deal.created", "d-3", name="Acme sponsors", type="sponsorship", amount=500, **told)
    await ticketing.settle()
    found = await ticketing.org.query(
        "SELECT Id, Name, StageName, CloseDate, Account.Name, Campaign.Name FROM Opportunity ORDER BY Name"
    )
    assert [one["Name"] for one in found["records"]] == ["Acme party", "Acme sponsors"]
    party = found["records"][0]
    assert (party["StageName"], party["CloseDate"]) == ("Proposal/Price Quote", "2026-12-31")
    assert (party["Account"]["Name"], party["Campaign"]["Name"]) == ("Acme Travel", "Summer Festival")
    assert (await ticketing.document("deals", "d-1"))["salesforce"]["syncStatus"] == "filtered"
    await ticketing.edit("Opportunity", party["Id"], StageName="Closed Won")
    await ticketing.settle()
    deal = await ticketing.document("deals", "d-2")
    assert (deal["stage"], deal["won"], deal["probability"]) == ("won", True, 100)
    await ticketing.post("deal.updated", "d-1", name="Acme group", type="group_sale", amount=1_300, tickets=8, **told)
    await ticketing.settle()
    assert (await ticketing.org.query("SELECT Id FROM Opportunity"))["totalSize"] == 3
    assert ticketing.parked == []


async def test_each_sort_of_deal_is_an_opportunity_from_its_own_size_on(ticketing: World) -> None:
    """Sponsorships, renewals and season passes whatever they bring; group sales and packages by amount or tickets."""
    told = {"stage": "quoted", "close_date": "2026-12-31", "company_id": "acme", "event_id": "fest"}
    deals = {
        "Sponsorship": ("sponsorship", 1, 0),
        "Renewal": ("renewal", 1, 0),
        "Season Pass": ("season_pass", 1, 0),
        "Large Package": ("large_package", 1_000, 1),
        "Group Sale": ("group_sale", 1, 20),
    }
    below = {"package": ("large_package", 999.99, 19), "group": ("group_sale", 999.99, 19)}
    for name, (sort, amount, tickets) in {**deals, **below}.items():
        await ticketing.post(
            "deal.created", sort + name[:1], name=name, type=sort, amount=amount, tickets=tickets, **told
        )
    await ticketing.settle()
    found = await ticketing.org.query("SELECT Name, Type, Amount, Campaign.Name FROM Opportunity")
    assert {one["Name"]: (one["Type"], one["Amount"]) for one in found["records"]} == {
        name: (name, amount) for name, (_sort, amount, _tickets) in deals.items()
    }
    assert {one["Campaign"]["Name"] for one in found["records"]} == {"Summer Festival"}
    for name, (sort, _amount, _tickets) in below.items():
        assert (await ticketing.document("deals", sort + name[:1]))["salesforce"]["syncStatus"] == "filtered"
    assert ticketing.parked == []


async def test_a_hackathon(tmp_path: Path) -> None:
    """A participant is a Lead until sales convert it; skills, attendance, projects; the tier comes from Salesforce."""
    async with world_of(preset("hackathon"), tmp_path) as world:
        await world.post("company.created", "acme", name="Acme")
        await world.post("event.created", "hack", name="Spring Hack", type="hackathon", status="open", active=True)
        who = {"email": "dev@x.io", "first_name": "Dev", "last_name": "Loper", "company_id": "acme"}
        await world.post("participant.registered", "p-1", **who, skills=["Python", "Go"], consent=True)
        await world.post(
            "registration.created",
            "r-1",
            event_id="hack",
            participant_id="p-1",
            event_name="Spring Hack",
            status="registered",
            team="Blue",
        )
        await world.settle()
        lead = await world.row("SELECT Id, LastName, Company, LeadSource FROM Lead")
        assert (lead["LastName"], lead["Company"], lead["LeadSource"]) == ("Loper", "[not provided]", "Hackathon")
        assert (await world.row("SELECT LeadId, ContactId FROM CampaignMember"))["LeadId"] == lead["Id"]
        account = await world.row("SELECT Id FROM Account")
        taken = {"action": "convert", "object": "Lead", "id": lead["Id"], "conversion": {"account_id": account["Id"]}}
        (converted,) = await world.org.admin("POST", "/edits", taken)
        assert converted["success"], converted
        await world.settle()
        contact = await world.row("SELECT Id, Skills__c, Account.Name, Hackathons_Attended__c FROM Contact")
        assert (await world.row("SELECT ContactId FROM CampaignMember"))["ContactId"] == contact["Id"]
        assert "held" not in (await world.document("registrations", "r-1"))["salesforce"]
        assert not [
            row for row in world.stage.log.rows.values() if row.get("kind") == "registration" and row.get("lost")
        ]
        assert set(contact["Skills__c"].split(";")) == {"Python", "Go"}
        assert (contact["Account"]["Name"], contact["Hackathons_Attended__c"]) == ("Acme", 0)
        await world.edit("Contact", contact["Id"], Customer_Tier__c="Enterprise")
        told = {"event_id": "hack", "participant_id": "p-1", "event_name": "Spring Hack"}
        told |= {"status": "attended", "checked_in_at": "2026-11-28T09:00:00+02:00"}
        await world.post("registration.attended", "r-1", **told)
        project = {"title": "Fast maps", "status": "submitted", "technologies": ["Rust"], "place": 1}
        await world.post("project.submitted", "pr-1", participant_id="p-1", event_id="hack", **project)
        await world.settle()
        shown = await world.row("SELECT Hackathons_Attended__c, Last_Hackathon__c, Projects_Submitted__c FROM Contact")
        assert list(shown.values()) == [1, "Spring Hack", 1]
        member = await world.row("SELECT Status, Team__c, Checked_In_At__c FROM CampaignMember")
        assert (member["Status"], member["Checked_In_At__c"][:19]) == ("Attended", "2026-11-28T07:00:00")
        made = await world.row("SELECT Title__c, Place__c, Contact__r.LastName FROM Hackathon_Project__c")
        assert (made["Title__c"], made["Place__c"], made["Contact__r"]["LastName"]) == ("Fast maps", 1, "Loper")
        assert (await world.document("participants", "p-1"))["customer_tier"] == "enterprise"
        assert world.parked == []


async def test_customers_as_person_accounts(tmp_path: Path) -> None:
    """In an org that has them a customer is an Account, whose events tell a person's name and address as compounds."""
    fields: list[dict[str, Any]] = [
        {"platform": "email", "salesforce": "PersonEmail", "transform": ["trim", "lower"]},
        {"platform": "first_name", "salesforce": "FirstName"},
        {"platform": "last_name", "salesforce": "LastName"},
        {"platform": "phone", "salesforce": "Phone", "transform": ["phone_e164"], "region": "RO"},
        {"platform": "address.city", "salesforce": "PersonMailingCity"},
        {"platform": "language", "salesforce": "Preferred_Language__pc", "policy": "platform_wins"},
    ]
    customer = {
        "collection": "customers",
        "sobject": "Account",
        "external_id": "Tandem_Customer_Id__c",
        "token": "Tandem_Customer_Write__c",
        "events": {"customer.updated": "values"},
        "match": {"by": ["PersonEmail"]},
        "fields": fields,
    }
    mapping = Mapping.model_validate({"kinds": {"customer": customer}})
    async with world_of(mapping, tmp_path, person_accounts=True) as world:
        _, made = await world.org.call("POST", "/sobjects/Account", {"LastName": "Pop", "PersonEmail": "ana@x.ro"})
        await world.post("customer.updated", "ana", email="Ana@X.ro", first_name="Ana", last_name="Pop")
        await world.post("customer.updated", "bea", last_name="Bea", language="ro", address={"city": "Cluj"})
        await world.settle()
        found = await world.org.query("SELECT Id, FirstName, PersonEmail, IsPersonAccount FROM Account ORDER BY Name")
        ana, bea = found["records"]
        assert (ana["Id"], ana["FirstName"], ana["IsPersonAccount"]) == (made["id"], "Ana", True)
        contact = await world.row(
            "SELECT LastName, MailingCity, Preferred_Language__c FROM Contact WHERE LastName = 'Bea'"
        )
        assert list(contact.values()) == ["Bea", "Cluj", "ro"]
        await world.edit("Account", bea["Id"], LastName="Bell", PersonMailingCity="Iasi")
        await world.settle()
        document = await world.document("customers", "bea")
        assert (document["last_name"], document["address"]["city"]) == ("Bell", "Iasi")
        assert world.parked == []


async def test_who_does_not_consent_is_no_lead_until_they_do(tmp_path: Path) -> None:
    """Stored, and looked for; their registration waits with them, and both are made once they consent."""
    async with world_of(preset("hackathon"), tmp_path) as world:
        await world.post("event.created", "hack", name="Spring Hack", type="hackathon", status="open", active=True)
        who = {"email": "dev@x.io", "first_name": "Dev", "last_name": "Loper", "opted_out": False}
        await world.post("participant.registered", "p-1", **who, consent=False)
        told = {"event_id": "hack", "participant_id": "p-1", "status": "registered"}
        await world.post("registration.created", "r-1", **told)
        await world.pass_by(3)
        document = await world.document("participants", "p-1")
        assert (document["last_name"], document["salesforce"]["syncStatus"]) == ("Loper", "no_consent")
        for sobject in ("Lead", "Contact", "CampaignMember"):
            assert (await world.org.query(f"SELECT Id FROM {sobject}"))["totalSize"] == 0
        await world.change("participant.updated", "p-1", consent=True)
        await world.settle()
        lead = await world.row("SELECT Id, Sync_Consent__c FROM Lead")
        assert lead["Sync_Consent__c"] is True
        assert (await world.row("SELECT LeadId FROM CampaignMember"))["LeadId"] == lead["Id"]
        assert world.parked == []


async def test_whom_sales_know_is_linked_without_consent(tmp_path: Path) -> None:
    """What sales know of them comes in; that nothing may be made keeps nothing that is there apart."""
    async with world_of(preset("hackathon"), tmp_path) as world:
        known = {"LastName": "Loper", "Email": "dev@x.io", "Title": "Engineer", "Customer_Tier__c": "Growth"}
        (made,) = await world.org.admin("POST", "/edits", {"action": "create", "object": "Contact", "fields": known})
        await world.post("participant.registered", "p-1", email="dev@x.io", last_name="Loper", consent=False)
        await world.settle()
        document = await world.document("participants", "p-1")
        assert document["salesforce"]["contactId"] == made["id"]
        assert (document["title"], document["customer_tier"]) == ("Engineer", "growth")


async def test_nothing_more_is_told_of_who_opts_out(tmp_path: Path) -> None:
    """Neither of them nor of what they take part in; sales' edits still come in, and opting in sends what is due."""
    async with world_of(preset("hackathon"), tmp_path) as world:
        await world.post("event.created", "hack", name="Spring Hack", type="hackathon", status="open", active=True)
        who = {"email": "dev@x.io", "last_name": "Loper", "city": "Quillon", "consent": True}
        await world.post("participant.registered", "p-1", **who)
        told = {"event_id": "hack", "participant_id": "p-1"}
        await world.post("registration.created", "r-1", **told, status="registered")
        await world.settle()
        await world.change("participant.updated", "p-1", opted_out=True)
        await world.change("participant.updated", "p-1", city="Umberfeld")
        await world.post("registration.attended", "r-1", **told, status="attended", opted_out=True)
        lead = await world.row("SELECT Id FROM Lead")
        await world.edit("Lead", lead["Id"], Title="Engineer")
        await world.settle()
        assert await world.row("SELECT City, Sync_Opt_Out__c FROM Lead") == {
            "City": "Quillon",
            "Sync_Opt_Out__c": False,
        }
        assert (await world.row("SELECT Status FROM CampaignMember"))["Status"] == "Registered"
        document = await world.document("participants", "p-1")
        assert (document["title"], document["salesforce"]["syncStatus"]) == ("Engineer", "filtered")
        await world.change("participant.updated", "p-1", opted_out=False)
        await world.settle()
        assert (await world.row("SELECT City FROM Lead"))["City"] == "Umberfeld"


@pytest.mark.parametrize("sobject", ["Lead", "Contact"])
@pytest.mark.parametrize("by_sales", [True, False])
async def test_an_opt_out_holds_for_what_hangs_on_the_person(tmp_path: Path, by_sales: bool, sobject: str) -> None:
    """Registrations and projects that say nothing of it, there before or new; opting in sends all that is due."""
    async with world_of(preset("hackathon"), tmp_path) as world:
        if sobject == "Contact":
            known = {"LastName": "Loper", "Email": "dev@x.io"}
            await world.org.admin("POST", "/edits", {"action": "create", "object": "Contact", "fields": known})
        for number in (1, 2):
            await world.post("event.created", f"hack-{number}", name=f"Hack {number}", status="open", active=True)
        await world.post("participant.registered", "p-1", email="dev@x.io", last_name="Loper", consent=True)
        await world.post("registration.created", "r-1", event_id="hack-1", participant_id="p-1", status="registered")
        await world.settle()

        async def says(opted_out: bool) -> None:
            if by_sales:
                row = await world.row(f"SELECT Id FROM {sobject}")
                await world.edit(sobject, row["Id"], Sync_Opt_Out__c=opted_out)
            else:
                await world.change("participant.updated", "p-1", opted_out=opted_out)
            await world.settle()

        async def members() -> list[str]:
            found = await world.org.query("SELECT Status FROM CampaignMember ORDER BY Tandem_Registration_Id__c")
            return [row["Status"] for row in found["records"]]

        await says(opted_out=True)
        await world.post("registration.attended", "r-1", status="attended")
        await world.post("registration.created", "r-2", event_id="hack-2", participant_id="p-1", status="registered")
        hanging = [("registrations", "r-1"), ("registrations", "r-2")]
        if sobject == "Contact":  # a project names no Lead
            await world.post("project.created", "j-1", participant_id="p-1", title="Loom", status="draft")
            hanging.append(("projects", "j-1"))
        await world.settle()
        assert await members() == ["Registered"]
        assert (await world.org.query("SELECT Id FROM Hackathon_Project__c"))["totalSize"] == 0
        for collection, id_ in hanging:
            assert (await world.document(collection, id_))["salesforce"]["syncStatus"] == "filtered"
        await says(opted_out=False)
        assert await members() == ["Attended", "Registered"]
        for collection, id_ in hanging:
            assert (await world.document(collection, id_))["salesforce"]["syncStatus"] == "synced"
        projects = await world.org.query("SELECT Title__c FROM Hackathon_Project__c")
        assert [row["Title__c"] for row in projects["records"]] == ["Loom"] * (sobject == "Contact")
        assert "keeps" not in (await world.document("participants", "p-1"))["_sync"]
        assert world.parked == []


async def test_sales_may_enter_an_opt_out(tmp_path: Path) -> None:
    """Somebody tells sales: the platform's document knows, and nothing more goes out."""
    async with world_of(preset("hackathon"), tmp_path) as world:
        await world.post("participant.registered", "p-1", email="dev@x.io", last_name="Loper", consent=True)
        await world.settle()
        lead = await world.row("SELECT Id FROM Lead")
        await world.edit("Lead", lead["Id"], Sync_Opt_Out__c=True)
        await world.settle()
        assert (await world.document("participants", "p-1"))["opted_out"] is True
        await world.change("participant.updated", "p-1", city="Umberfeld")
        await world.settle()
        assert (await world.row("SELECT City FROM Lead"))["City"] is None


PURPOSES = [("email_opt_out", "HasOptedOutOfEmail"), ("do_not_call", "DoNotCall")]


@pytest.mark.parametrize(("path", "name"), PURPOSES)
@pytest.mark.parametrize("sobject", ["Lead", "Contact"])
async def test_an_opt_out_of_one_purpose_and_a_later_consent_go_both_ways(
    tmp_path: Path, sobject: str, path: str, name: str
) -> None:
    """Said on the platform it is ticked at sales; unticked there by who has seen it, the platform knows."""
    async with world_of(preset("hackathon"), tmp_path) as world:
        if sobject == "Contact":
            known = {"LastName": "Loper", "Email": "dev@x.io"}
            await world.org.admin("POST", "/edits", {"action": "create", "object": "Contact", "fields": known})
        who = {"email": "dev@x.io", "last_name": "Loper", "consent": True, path: False}
        await world.post("participant.registered", "p-1", **who)
        await world.settle()
        await world.change("participant.updated", "p-1", **{path: True})
        await world.settle()
        row = await world.row(f"SELECT Id, {name}, Email FROM {sobject}")
        assert (row[name], row["Email"]) == (True, "dev@x.io")
        await world.edit(sobject, row["Id"], **{name: False})
        await world.settle()
        assert (await world.document("participants", "p-1"))[path] is False
        await world.edit(sobject, row["Id"], **{name: True})
        await world.settle()
        document = await world.document("participants", "p-1")
        assert (document[path], document["salesforce"]["syncStatus"]) == (True, "synced")
        await world.change("participant.updated", "p-1", **{path: False})
        await world.settle()
        assert (await world.row(f"SELECT {name} FROM {sobject}"))[name] is False
        assert world.parked == []


@pytest.mark.parametrize(("path", "name"), [*PURPOSES, ("opted_out", "Sync_Opt_Out__c")])
@pytest.mark.parametrize("by_sales", [True, False])
async def test_on_first_contact_an_opt_out_stands_whoever_has_it(
    tmp_path: Path, by_sales: bool, path: str, name: str
) -> None:
    """Neither an empty box of a form nor one of Salesforce's, which is never null, is a consent."""
    async with world_of(preset("hackathon"), tmp_path) as world:
        known = {"LastName": "Loper", "Email": "dev@x.io", name: by_sales}
        (made,) = await world.org.admin("POST", "/edits", {"action": "create", "object": "Contact", "fields": known})
        who = {"email": "dev@x.io", "last_name": "Loper", "consent": True}
        await world.post("participant.registered", "p-1", **who, **{path: not by_sales})
        await world.settle()
        assert (await world.document("participants", "p-1"))[path] is True
        # Of who opts out of everything nothing more is told, the opting out itself included.
        box = (await world.row(f"SELECT {name} FROM Contact WHERE Id = '{made['id']}'"))[name]
        assert box is (by_sales or path != "opted_out")


async def test_customers_opt_out_of_mail_and_calls_too(ticketing: World) -> None:
    """The preset for ticketing has both, in the Contact."""
    await ticketing.settle()
    await ticketing.change("customer.updated", "ana", email_opt_out=True)
    await ticketing.settle()
    contact = await ticketing.row("SELECT Id, HasOptedOutOfEmail, DoNotCall FROM Contact")
    assert (contact["HasOptedOutOfEmail"], contact["DoNotCall"]) == (True, False)
    await ticketing.edit("Contact", contact["Id"], DoNotCall=True)
    await ticketing.settle()
    document = await ticketing.document("customers", "ana")
    assert (document["email_opt_out"], document["do_not_call"]) == (True, True)


async def test_what_somebody_may_not_eat_leaves_only_while_they_allow_it(ticketing: World) -> None:
    """The rest of the registration goes at once; consent sends it, and what comes after a withdrawal stays here."""
    told = {"customer_id": "ana", "event_id": "fest", "status": "registered"}
    await ticketing.post("registration.created", "r-1", **told, dietary_needs="coeliac")
    await ticketing.settle()
    member = "SELECT Status, Dietary_Needs__c FROM CampaignMember"
    assert await ticketing.row(member) == {"Status": "Registered", "Dietary_Needs__c": None}
    document = await ticketing.document("registrations", "r-1")
    assert (document["dietary_needs"], document["salesforce"]["held"]) == ("coeliac", ["dietary_needs"])
    await ticketing.change("registration.updated", "r-1", dietary_consent=True)
    await ticketing.settle()
    assert (await ticketing.row(member))["Dietary_Needs__c"] == "coeliac"
    await ticketing.change("registration.updated", "r-1", dietary_consent=False, dietary_needs="halal")
    await ticketing.settle()
    assert (await ticketing.row(member))["Dietary_Needs__c"] == "coeliac"
    assert ticketing.parked == []


async def test_two_accounts_of_one_person_are_one_at_sales(tmp_path: Path) -> None:
    """Sales merge the two: one document stays with the record, the other says into which it was merged."""
    async with world_of(preset("hackathon"), tmp_path) as world:
        for number in (1, 2):
            who = {"email": f"dev{number}@x.io", "last_name": "Loper", "consent": True}
            await world.post("participant.registered", f"p-{number}", **who)
        await world.settle()
        found = (await world.org.query("SELECT Id FROM Lead ORDER BY Email"))["records"]
        edit = {"action": "merge", "object": "Lead", "id": found[0]["Id"], "losers": [found[1]["Id"]]}
        (merged,) = await world.org.admin("POST", "/edits", edit)
        assert merged["success"], merged
        await world.settle()
        stays, other = [(await world.document("participants", f"p-{number}"))["salesforce"] for number in (1, 2)]
        assert (stays["syncStatus"], stays["leadId"]) == ("synced", found[0]["Id"])
        assert (other["syncStatus"], other["mergedInto"]) == ("merged", "p-1")
        assert world.parked == []


async def test_who_asks_is_a_lead_and_who_buys_a_contact(ticketing: World) -> None:
    """An enquiry becomes a deal; its contact is the buyer's too, who is not made a second time."""
    asked = {"email": "Zoe@Corp.ro", "first_name": "Zoe", "last_name": "Ardel", "company_name": "Corp"}
    await ticketing.post("prospect.created", "z-1", **asked, interest="corporate", tickets_wanted=40)
    await ticketing.settle()
    lead = await ticketing.row("SELECT Id, Email, Company, Interest__c, Tickets_Wanted__c, LeadSource FROM Lead")
    assert list(lead.values())[1:] == ["zoe@corp.ro", "Corp", "Corporate", 40, "Web"]
    await ticketing.edit("Lead", lead["Id"], Status="Working - Contacted", Rating="Hot")
    await ticketing.settle()
    document = await ticketing.document("prospects", "z-1")
    assert (document["status"], document["rating"]) == ("Working - Contacted", "Hot")
    edit = {"action": "convert", "object": "Lead", "id": lead["Id"], "conversion": {"opportunity_name": "Corp 40"}}
    (converted,) = await ticketing.org.admin("POST", "/edits", edit)
    assert converted["success"], converted
    await ticketing.settle()
    told = (await ticketing.document("prospects", "z-1"))["salesforce"]
    opportunity = await ticketing.row("SELECT Id, AccountId FROM Opportunity")
    assert (told["opportunityId"], told["accountId"]) == (opportunity["Id"], opportunity["AccountId"])
    await ticketing.post("customer.created", "zoe", email="zoe@corp.ro", first_name="Zoe", last_name="Ardel")
    await ticketing.post("order.completed", "o-1", **order(1, customer_id="zoe"))
    await ticketing.settle()
    contact = await ticketing.row(
        "SELECT Id, Tandem_Customer_Id__c, Tandem_Prospect_Id__c, Interest__c, Tickets_Wanted__c, Total_Purchases__c "
        "FROM Contact WHERE Email = 'zoe@corp.ro'"
    )
    assert list(contact.values()) == [told["contactId"], "zoe", "z-1", "Corporate", 40, 1]
    assert ticketing.parked == []


async def test_an_opt_out_outlives_the_conversion(tmp_path: Path) -> None:
    """Sales tick it in the lead, and a conversion leaves it behind: the contact's empty box is no decision."""
    async with world_of(preset("hackathon"), tmp_path) as world:
        await world.post("participant.registered", "p-1", email="dev@x.io", last_name="Loper", consent=True)
        await world.settle()
        lead = await world.row("SELECT Id FROM Lead")
        await world.edit("Lead", lead["Id"], Sync_Opt_Out__c=True)
        await world.settle()
        edit = {"action": "convert", "object": "Lead", "id": lead["Id"]}
        (converted,) = await world.org.admin("POST", "/edits", edit)
        assert converted["success"], converted
        await world.settle()
        contact = await world.row("SELECT Id, Sync_Opt_Out__c FROM Contact")
        document = await world.document("participants", "p-1")
        assert (document["opted_out"], document["salesforce"]["contactId"]) == (True, contact["Id"])
        await world.change("participant.updated", "p-1", opted_out=False)
        await world.settle()
        assert (await world.document("participants", "p-1"))["salesforce"]["syncStatus"] == "synced"
