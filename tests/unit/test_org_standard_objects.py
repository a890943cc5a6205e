"""What Salesforce's standard objects do by themselves: stages, membership, lead conversion, duplicate rules."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.org import OrgClient, org_client


@pytest.fixture
async def client() -> AsyncIterator[OrgClient]:
    """An org of the test's own, logged in."""
    async with org_client() as one:
        yield one


async def made(client: OrgClient, sobject: str, **fields: Any) -> str:
    """A new record's id."""
    status, told = await client.call("POST", f"/sobjects/{sobject}", fields)
    assert status == 201, told
    return str(told["id"])


async def read(client: OrgClient, sobject: str, record_id: str, *names: str) -> list[Any]:
    """These fields of a record."""
    status, told = await client.call("GET", f"/sobjects/{sobject}/{record_id}")
    assert status == 200, told
    return [told[name] for name in names]


async def refusal(client: OrgClient, verb: str, path: str, body: Any, **headers: str) -> tuple[str, dict[str, Any]]:
    """The code and the whole error of a call that must fail."""
    status, told = await client.call(verb, path, body, headers)
    assert status == 400, told
    return str(told[0]["errorCode"]), dict(told[0])


async def edit(client: OrgClient, **edit: Any) -> dict[str, Any]:
    """A user's edit; its result."""
    (result,) = await client.admin("POST", "/edits", edit)
    return dict(result)


def changes(client: OrgClient, after: int = 0) -> list[tuple[str, str, str]]:
    """Entity, type and transaction of each event after the first so many."""
    headers = [one["ChangeEventHeader"] for one in client.events()[after:]]
    return [(one["entityName"], one["changeType"], one["transactionKey"]) for one in headers]


class TestOpportunity:
    """A stage decides what a deal is."""

    WHOLE = ("StageName", "Probability", "IsClosed", "IsWon", "ForecastCategoryName", "ExpectedRevenue")

    async def test_a_stage_sets_what_follows_from_it(self, client: OrgClient) -> None:
        """Probability, closed, won and forecast; the expected amount is computed."""
        deal = await made(
            client, "Opportunity", Name="Gala", StageName="Prospecting", CloseDate="2025-03-31", Amount=2000
        )
        assert await read(client, "Opportunity", deal, *self.WHOLE) == [
            "Prospecting",
            10.0,
            False,
            False,
            "Pipeline",
            200.0,
        ]
        await client.call("PATCH", f"/sobjects/Opportunity/{deal}", {"StageName": "Closed Won"})
        assert await read(client, "Opportunity", deal, *self.WHOLE) == [
            "Closed Won",
            100.0,
            True,
            True,
            "Closed",
            2000.0,
        ]
        event = client.events()[-1]
        assert event["ChangeEventHeader"]["changedFields"] == [
            "StageName",
            "Probability",
            "IsClosed",
            "IsWon",
            "ForecastCategoryName",
            "LastModifiedDate",
        ]
        assert "ExpectedRevenue" not in client.events()[0]

    async def test_a_probability_that_is_given_stays(self, client: OrgClient) -> None:
        """With the stage, or after it; the stage sent again changes nothing."""
        deal = await made(
            client, "Opportunity", Name="Gala", StageName="Prospecting", CloseDate="2025-03-31", Probability=33
        )
        assert await read(client, "Opportunity", deal, "Probability") == [33.0]
        await client.call("PATCH", f"/sobjects/Opportunity/{deal}", {"StageName": "Prospecting"})
        assert await read(client, "Opportunity", deal, "Probability") == [33.0]

    async def test_what_follows_cannot_be_set(self, client: OrgClient) -> None:
        """IsWon and the formula are read only; the three required fields are required."""
        code, _ = await refusal(client, "POST", "/sobjects/Opportunity", {"Name": "x", "IsWon": True})
        assert code == "INVALID_FIELD_FOR_INSERT_UPDATE"
        _, error = await refusal(client, "POST", "/sobjects/Opportunity", {"Name": "x"})
        assert error["fields"] == ["StageName", "CloseDate"]
        found = await client.query("SELECT Id FROM Opportunity WHERE ExpectedRevenue > 5")
        assert found["totalSize"] == 0
        _, described = await client.call("GET", "/sobjects/Opportunity/describe")
        fields = {one["name"]: one for one in described["fields"]}
        assert fields["ExpectedRevenue"]["calculatedFormula"] == "Amount * Probability / 100"
        assert not fields["ExpectedRevenue"]["createable"]
        assert (fields["ContactId"]["createable"], fields["ContactId"]["updateable"]) == (True, False)


class TestCampaignMember:
    """A person is in a campaign once."""

    async def test_a_person_is_a_member_once(self, client: OrgClient) -> None:
        """As a Contact or as a Lead; another campaign, or a deleted membership, is no matter."""
        gala, ball = await made(client, "Campaign", Name="Gala"), await made(client, "Campaign", Name="Ball")
        contact = await client.create()
        lead = await made(client, "Lead", LastName="Doe", Company="Acme")
        member = await made(client, "CampaignMember", CampaignId=gala, ContactId=contact)
        await made(client, "CampaignMember", CampaignId=gala, LeadId=lead)
        await made(client, "CampaignMember", CampaignId=ball, ContactId=contact)
        for person in ({"ContactId": contact}, {"LeadId": lead}):
            body = {"CampaignId": gala} | person
            code, error = await refusal(client, "POST", "/sobjects/CampaignMember", body)
            assert (code, error["message"]) == ("DUPLICATE_VALUE", "Already a campaign member.")
        await client.call("DELETE", f"/sobjects/CampaignMember/{member}")
        await made(client, "CampaignMember", CampaignId=gala, ContactId=contact)

    async def test_two_rows_of_one_call_are_one_person_too_many(self, client: OrgClient) -> None:
        """The second of them fails."""
        gala, contact = await made(client, "Campaign", Name="Gala"), await client.create()
        row = {"attributes": {"type": "CampaignMember"}, "CampaignId": gala, "ContactId": contact}
        _, told = await client.call("POST", "/composite/sobjects", {"records": [row, row]})
        assert [one["success"] for one in told] == [True, False]

    async def test_a_status_says_who_responded(self, client: OrgClient) -> None:
        """Sent by default; neither person nor campaign can be changed."""
        gala, contact = await made(client, "Campaign", Name="Gala"), await client.create()
        member = await made(client, "CampaignMember", CampaignId=gala, ContactId=contact)
        assert await read(client, "CampaignMember", member, "Status", "HasResponded") == ["Sent", False]
        await client.call("PATCH", f"/sobjects/CampaignMember/{member}", {"Status": "responded"})
        assert await read(client, "CampaignMember", member, "Status", "HasResponded") == ["Responded", True]
        body = {"ContactId": contact}
        code, error = await refusal(client, "PATCH", f"/sobjects/CampaignMember/{member}", body)
        assert (code, error["fields"]) == ("INVALID_FIELD_FOR_INSERT_UPDATE", ["ContactId"])
        code, _ = await refusal(client, "POST", "/sobjects/CampaignMember", {"CampaignId": gala})
        assert code == "REQUIRED_FIELD_MISSING"

    async def test_a_status_that_the_campaign_lacks_becomes_its_default(self, client: OrgClient) -> None:
        """Without a word, whoever writes it; each Campaign has a list of its own."""
        gala, fair = await made(client, "Campaign", Name="Gala"), await made(client, "Campaign", Name="Fair")
        contact = await client.create()
        await made(client, "CampaignMemberStatus", CampaignId=fair, Label="Attended", HasResponded=True)
        fields = {"ContactId": contact, "Status": "Attended"}
        there = await made(client, "CampaignMember", CampaignId=fair, **fields)
        assert await read(client, "CampaignMember", there, "Status", "HasResponded") == ["Attended", True]
        member = await made(client, "CampaignMember", CampaignId=gala, **fields)
        assert await read(client, "CampaignMember", member, "Status", "HasResponded") == ["Sent", False]
        await client.call("PATCH", f"/sobjects/CampaignMember/{member}", {"Status": "Responded"})
        await client.call("PATCH", f"/sobjects/CampaignMember/{member}", {"Status": "Attended"})
        assert await read(client, "CampaignMember", member, "Status", "HasResponded") == ["Sent", False]

    async def test_a_merge_of_two_members_leaves_one(self, client: OrgClient) -> None:
        """The loser's membership goes with it where the master has one; else it moves."""
        gala, ball = await made(client, "Campaign", Name="Gala"), await made(client, "Campaign", Name="Ball")
        master, loser = await client.create(), await client.create()
        kept = await made(client, "CampaignMember", CampaignId=gala, ContactId=master)
        await made(client, "CampaignMember", CampaignId=gala, ContactId=loser)
        moved = await made(client, "CampaignMember", CampaignId=ball, ContactId=loser)
        assert (await client.merge(master, loser))["success"]
        found = await client.query("SELECT Id, ContactId FROM CampaignMember ORDER BY Id")
        assert [(one["Id"], one["ContactId"]) for one in found["records"]] == [(kept, master), (moved, master)]


class TestLeadConversion:
    """A Lead becomes an Account, a Contact and an Opportunity."""

    async def test_everything_is_made_in_one_transaction(self, client: OrgClient) -> None:
        """In the order Account, Contact, Opportunity, Lead, with the Lead's values and links to all three."""
        lead = await made(
            client,
            "Lead",
            FirstName="Ana",
            LastName="Popescu",
            Company="Acme",
            Email="ana@acme.org",
            City="Cluj",
            Website="acme.org",
        )
        assert (await edit(client, action="convert", object="Lead", id=lead))["success"]
        told = changes(client, 1)
        assert [(entity, kind) for entity, kind, _ in told] == [
            ("Account", "CREATE"),
            ("Contact", "CREATE"),
            ("Opportunity", "CREATE"),
            ("Lead", "UPDATE"),
        ]
        assert len({key for _, _, key in told}) == 1
        names = ("IsConverted", "Status", "ConvertedAccountId", "ConvertedContactId", "ConvertedOpportunityId")
        converted, status, account, contact, deal = await read(client, "Lead", lead, *names)
        assert (converted, status) == (True, "Closed - Converted")
        assert await read(client, "Account", account, "Name", "BillingCity", "Website") == ["Acme", "Cluj", "acme.org"]
        person = await read(client, "Contact", contact, "Name", "Email", "AccountId", "MailingCity")
        assert person == ["Ana Popescu", "ana@acme.org", account, "Cluj"]
        assert await read(client, "Opportunity", deal, "Name", "AccountId", "StageName") == [
            "Acme",
            account,
            "Prospecting",
        ]
        assert {"IsConverted", "ConvertedContactId"} <= set(client.events()[-1]["ChangeEventHeader"]["changedFields"])

    async def test_existing_records_are_filled_not_overwritten(self, client: OrgClient) -> None:
        """Only what is empty there; without an opportunity if none is wanted."""
        account = await made(client, "Account", Name="Old", Phone="1")
        contact = await client.create(LastName="Kept", AccountId=account)
        lead = await made(client, "Lead", LastName="New", Company="Acme", Email="ana@acme.org", Phone="2")
        conversion = {"account_id": account, "contact_id": contact, "no_opportunity": True}
        result = await edit(client, action="convert", object="Lead", id=lead, conversion=conversion)
        assert result["success"], result
        assert await read(client, "Account", account, "Name", "Phone") == ["Old", "1"]
        assert await read(client, "Contact", contact, "LastName", "Email") == ["Kept", "ana@acme.org"]
        assert await read(client, "Lead", lead, "ConvertedOpportunityId") == [None]

    async def test_a_converted_lead_is_changed_no_more(self, client: OrgClient) -> None:
        """Nor converted again; it may be deleted."""
        lead = await made(client, "Lead", LastName="Doe", Company="Acme")
        await edit(client, action="convert", object="Lead", id=lead)
        code, _ = await refusal(client, "PATCH", f"/sobjects/Lead/{lead}", {"Phone": "1"})
        assert code == "CANNOT_UPDATE_CONVERTED_LEAD"
        result = await edit(client, action="convert", object="Lead", id=lead)
        assert result["errors"][0]["statusCode"] == "CANNOT_UPDATE_CONVERTED_LEAD"
        found = await client.query("SELECT ConvertedContact.LastName FROM Lead WHERE IsConverted = true")
        assert found["records"][0]["ConvertedContact"]["LastName"] == "Doe"
        assert (await client.call("DELETE", f"/sobjects/Lead/{lead}"))[0] == 204

    async def test_its_memberships_become_the_contacts(self, client: OrgClient) -> None:
        """The Lead's id stays with them; one that the Contact has already is not doubled."""
        gala, ball = await made(client, "Campaign", Name="Gala"), await made(client, "Campaign", Name="Ball")
        contact = await client.create()
        lead = await made(client, "Lead", LastName="Doe", Company="Acme")
        await made(client, "CampaignMember", CampaignId=gala, ContactId=contact)
        await made(client, "CampaignMember", CampaignId=gala, LeadId=lead)
        moved = await made(client, "CampaignMember", CampaignId=ball, LeadId=lead)
        await edit(client, action="convert", object="Lead", id=lead, conversion={"contact_id": contact})
        assert await read(client, "CampaignMember", moved, "LeadId", "ContactId") == [lead, contact]
        found = await client.query(f"SELECT Id FROM CampaignMember WHERE CampaignId = '{gala}'")
        assert found["totalSize"] == 1

    async def test_custom_fields_go_along_where_they_are_mapped(self) -> None:
        """As an administrator has set it; else they stay behind."""
        for along, kept in (((), None), (("Tandem_Customer_Id__c",), "cust-1")):
            async with org_client(lead_conversion_fields=along) as client:
                lead = await made(client, "Lead", LastName="Doe", Company="Acme", Tandem_Customer_Id__c="cust-1")
                await edit(client, action="convert", object="Lead", id=lead)
                (contact,) = await read(client, "Lead", lead, "ConvertedContactId")
                assert await read(client, "Contact", contact, "Tandem_Customer_Id__c") == [kept]


class TestAccountMerge:
    """An Account takes over what belongs to another."""

    async def test_contacts_and_deals_move(self, client: OrgClient) -> None:
        """The loser names its master."""
        master, loser = await made(client, "Account", Name="A"), await made(client, "Account", Name="B")
        contact = await client.create(AccountId=loser)
        deal = await made(
            client, "Opportunity", Name="x", StageName="Prospecting", CloseDate="2025-01-31", AccountId=loser
        )
        result = await edit(client, action="merge", object="Account", id=master, losers=[loser])
        assert result["success"], result
        assert await read(client, "Contact", contact, "AccountId") == [master]
        assert await read(client, "Opportunity", deal, "AccountId") == [master]
        found = await client.query("SELECT MasterRecordId FROM Account WHERE IsDeleted = true", "queryAll")
        assert [one["MasterRecordId"] for one in found["records"]] == [master]


RULE = {"object": "Contact", "fields": ["Email"]}


class TestDuplicateRules:
    """A record that looks like another is refused, or saved by whoever insists."""

    async def test_a_duplicate_is_told_with_what_it_duplicates(self, client: OrgClient) -> None:
        """In any case; with the header it is saved."""
        await client.admin("POST", "/duplicate_rules", RULE)
        first = await client.create(Email="ana@x.org")
        body = {"LastName": "Doe", "Email": "ANA@x.org"}
        code, error = await refusal(client, "POST", "/sobjects/Contact", body)
        found = error["duplicateResut"]
        assert (code, found["allowSave"], found["duplicateRule"]) == (
            "DUPLICATES_DETECTED",
            True,
            "Standard_Contact_Duplicate_Rule",
        )
        (match,) = found["matchResults"][0]["matchRecords"]
        assert match["record"]["Id"] == first
        insists = {"Sforce-Duplicate-Rule-Header": "allowSave=true; includeRecordDetails=true"}
        status, _ = await client.call("POST", "/sobjects/Contact", body, insists)
        assert status == 201

    async def test_a_rule_that_blocks_blocks(self, client: OrgClient) -> None:
        """Whatever the header says, and users too; an update that does not touch the fields is let through."""
        other = await client.create(Email="ana@x.org")
        twin = await client.create(Email="ana@x.org")
        await client.admin("POST", "/duplicate_rules", RULE | {"allow_save": False})
        body = {"LastName": "Doe", "Email": "ana@x.org"}
        insists = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
        code, _ = await refusal(client, "POST", "/sobjects/Contact", body, **insists)
        assert code == "DUPLICATES_DETECTED"
        assert not (await edit(client, action="create", fields=body))["success"]
        assert (await client.edit(twin, FirstName="Bo"))["success"]
        await client.edit(other, Email="else@x.org")
        assert not (await client.edit(other, Email="ana@x.org"))["success"]
        await client.admin("DELETE", "/duplicate_rules")
        assert (await client.edit(other, Email="ana@x.org"))["success"]

    async def test_a_row_of_a_call_fails_alone(self, client: OrgClient) -> None:
        """As Collections tell it: the code, and no records."""
        await client.admin("POST", "/duplicate_rules", RULE)
        rows = [{"LastName": "A", "Email": "a@x.org"}, {"LastName": "B", "Email": "a@x.org"}]
        body = {"records": [{"attributes": {"type": "Contact"}} | row for row in rows]}
        _, told = await client.call("POST", "/composite/sobjects", body)
        assert [one["success"] for one in told] == [True, False]
        assert told[1]["errors"][0]["statusCode"] == "DUPLICATES_DETECTED"

    async def test_a_rule_names_what_is_there(self, client: OrgClient) -> None:
        """An unknown object or field is refused."""
        for rule in ({"object": "Nope", "fields": ["Email"]}, {"object": "Contact", "fields": ["Nope"]}):
            async with client.http.post(f"{client.org.base_url}/admin/duplicate_rules", json=rule) as reply:
                assert reply.status == 400


class TestPersonAccounts:
    """An Account and a Contact that are one person."""

    @pytest.fixture
    async def client(self) -> AsyncIterator[OrgClient]:
        """An org with Person Accounts."""
        async with org_client(person_accounts=True) as one:
            yield one

    async def test_a_last_name_makes_a_person(self, client: OrgClient) -> None:
        """Two records and two events in one transaction; the Name is made of its parts."""
        body = {"FirstName": "Ana", "LastName": "Popescu", "PersonEmail": "ana@x.org", "Customer_Tier__pc": "Growth"}
        person = await made(client, "Account", **body)
        name, is_person, contact = await read(client, "Account", person, "Name", "IsPersonAccount", "PersonContactId")
        assert (name, is_person) == ("Ana Popescu", True)
        mirrored = await read(client, "Contact", contact, "Name", "Email", "Customer_Tier__c", "IsPersonAccount")
        assert mirrored == ["Ana Popescu", "ana@x.org", "Growth", True]
        told = changes(client)
        assert [(entity, kind) for entity, kind, _ in told] == [("Account", "CREATE"), ("Contact", "CREATE")]
        assert len({key for _, _, key in told}) == 1

    async def test_each_half_follows_the_other(self, client: OrgClient) -> None:
        """One event for each half that changes; a field of the account alone leaves the contact be."""
        person = await made(client, "Account", LastName="Popescu")
        (contact,) = await read(client, "Account", person, "PersonContactId")
        await client.call("PATCH", f"/sobjects/Account/{person}", {"LastName": "Doe", "PersonTitle": "CTO"})
        assert await read(client, "Contact", contact, "LastName", "Title") == ["Doe", "CTO"]
        assert await read(client, "Account", person, "Name") == ["Doe"]
        assert [(entity, kind) for entity, kind, _ in changes(client, 2)] == [
            ("Account", "UPDATE"),
            ("Contact", "UPDATE"),
        ]
        await client.call("PATCH", f"/sobjects/Contact/{contact}", {"FirstName": "Bo"})
        assert await read(client, "Account", person, "FirstName", "Name") == ["Bo", "Bo Doe"]
        seen = len(client.events())
        await client.call("PATCH", f"/sobjects/Account/{person}", {"Website": "x.org"})
        assert [(entity, kind) for entity, kind, _ in changes(client, seen)] == [("Account", "UPDATE")]

    async def test_a_person_is_no_company(self, client: OrgClient) -> None:
        """Its Name is not written, nor a person's field of a company; it goes with its contact and not without."""
        person, company = await made(client, "Account", LastName="Doe"), await made(client, "Account", Name="Acme")
        for record_id, body in ((person, {"Name": "x"}), (company, {"PersonEmail": "a@x.org"})):
            code, _ = await refusal(client, "PATCH", f"/sobjects/Account/{record_id}", body)
            assert code == "INVALID_FIELD_FOR_INSERT_UPDATE"
        (contact,) = await read(client, "Account", person, "PersonContactId")
        code, _ = await refusal(client, "DELETE", f"/sobjects/Contact/{contact}", None)
        assert code == "DELETE_FAILED"
        assert (await client.call("DELETE", f"/sobjects/Account/{person}"))[0] == 204
        assert (await client.call("GET", f"/sobjects/Contact/{contact}"))[0] == 404
        assert await read(client, "Account", company, "IsPersonAccount") == [False]
