"""One kind in two objects: a person is a Lead until sales convert it, and a Contact from then on (rule 23)."""

from typing import Any, ClassVar

import pytest
from support.fake_documents import FakeDocuments, FakeLog, FakeParked
from support.lead_stage import ADA, LEAD, NOBODY, LeadStage

from consumers.catalog import Catalog
from consumers.rules.state import DocumentState, Link, Write, WriteState
from consumers.rules.unread import hear_of_last_row
from schemas.change import Change, ChangeType
from schemas.mapping import Mapping
from schemas.outcome import Outcome
from schemas.position import CommitPosition
from schemas.records import Failure

KEY = "Tandem_Customer_Id__c"


@pytest.fixture
def stage() -> LeadStage:
    return LeadStage(FakeDocuments())


async def linked(stage: LeadStage) -> str:
    """A document that is kept in a lead, at rest; the lead's id."""
    await stage.post(ADA, type_="customer.created")
    await stage.settle()
    return str(stage.only("Lead")["Id"])


async def test_a_stranger_becomes_a_lead(stage: LeadStage) -> None:
    """Under Lead's names, with what Lead requires and what the mapping adds; the platform reads which it is."""
    lead = await linked(stage)
    assert stage.records("Contact") == {}
    row = stage.only("Lead")
    told = {"LastName": "Lovelace", "Email": "ada@example.org", "City": "London", "Company": NOBODY}
    assert row.items() >= {**told, "LeadSource": "Hackathon", KEY: "cust-1"}.items()
    assert "Title" not in row, "not kept in a lead"
    document = await stage.document()
    assert document["salesforce"].items() >= {"syncStatus": "synced", "leadId": lead, "recordId": lead}.items()
    assert "company" not in document, "what stands for no value is no company"


async def test_edits_of_both_sides_go_by_the_leads_names(stage: LeadStage) -> None:
    """City is MailingCity there; what Lead has under a name that the kind uses otherwise is not taken for it."""
    lead = await linked(stage)
    stage.salesforce.edit("Lead", lead, {"City": "Bath", "Title": "Ms", "Company": "Analytical"})
    await stage.settle()
    document = await stage.document()
    assert (document["address"]["city"], document["title"], document["company"]) == ("Bath", "Countess", "Analytical")
    await stage.post({"address.city": "Ockham", "company": ""}, changed=["address.city", "company"])
    await stage.settle()
    assert stage.only("Lead").items() >= {"City": "Ockham", "Company": NOBODY, "Title": "Ms"}.items()
    assert (await stage.shown())[0] == "synced"


async def test_rule_23_a_conversion_is_followed_and_what_a_lead_has_not_is_written(stage: LeadStage) -> None:
    """The id changes, the registers stay; the contact gets our external id, and the fields kept only there."""
    lead = await linked(stage)
    contact = stage.salesforce.convert(lead, carried={"MailingCity": "City"}, AccountId="0015g0000000001AAA")
    await stage.settle()
    assert await stage.shown() == ("synced", contact, None)
    public = (await stage.document())["salesforce"]
    assert public["contactId"] == contact
    assert "leadId" not in public
    row = stage.only("Contact")
    assert row.items() >= {KEY: "cust-1", "Title": "Countess", "MailingCity": "London"}.items()
    await stage.post({"address.city": "Ockham"}, changed=["address.city"])
    await stage.settle()
    assert stage.only("Contact")["MailingCity"] == "Ockham"
    assert stage.only("Lead")["City"] == "London", "nothing is written to a lead that was converted"


async def test_what_can_only_name_a_contact_is_written_once_its_lead_is_converted(stage: LeadStage) -> None:
    """However long it has waited, and not a look sooner: the Lead's own record wakes nothing."""
    raw = stage.catalog.mapping.model_dump(mode="json")
    badge = {"collection": "badges", "sobject": "Badge__c", "events": {"badge.updated": "values"}}
    fields = [{"platform": "person", "salesforce": "Contact__c", "lookup": "customer", "required": True}]
    names = {"external_id": "Tandem_Badge_Id__c", "token": "Tandem_Badge_Write__c"}
    stage.map_kinds(raw | {"kinds": raw["kinds"] | {"badge": {**badge, **names, "fields": fields}}})
    await stage.post({"person": "cust-1"}, id_="badge-1", type_="badge.updated")
    await stage.settle()
    stage.now += 4_000_000
    await stage.settle()
    asleep = await stage.document("badge-1", "badges")
    lead = await linked(stage)
    assert await stage.document("badge-1", "badges") == asleep
    contact = stage.salesforce.convert(lead)
    began = stage.now
    await stage.settle()
    assert stage.only("Badge__c")["Contact__c"] == contact
    assert stage.now - began < 60_000 < asleep["_sync"]["due_at"] - began


async def test_rule_23_a_conversion_that_a_write_meets_first_is_followed(stage: LeadStage) -> None:
    """Its event is late: Salesforce refuses the write, and the value goes to the contact instead."""
    lead = await linked(stage)
    contact = stage.salesforce.convert(lead)
    late, stage.changes[:] = stage.changes[:], []
    await stage.post({"phone": "+40712000111"}, changed=["phone"])
    await stage.settle()
    assert await stage.shown() == ("synced", contact, None)
    assert stage.only("Contact")["Phone"] == "+40712000111"
    stage.changes[:] = late
    await stage.settle()
    assert await stage.shown() == ("synced", contact, None)
    assert isinstance(stage.parked, FakeParked)
    assert stage.parked.rows == {}


async def test_rule_23_a_conversion_whose_event_never_comes_is_seen_by_a_whole_read(stage: LeadStage) -> None:
    """As after a gap."""
    lead = await linked(stage)
    contact = stage.salesforce.convert(lead)
    event = stage.changes[-1]
    stage.changes[:] = [event.model_copy(update={"type": ChangeType.GAP_UPDATE, "fields": {}})]
    await stage.settle()
    assert await stage.shown() == ("synced", contact, None)


async def test_rule_23_what_sales_said_stands_after_a_conversion_into_a_contact_of_theirs(
    stage: LeadStage,
) -> None:
    """Salesforce fills only its empty fields. The contact's other values are sales' own, and the audit tells ours."""
    there = stage.salesforce.create("Contact", {"LastName": "Byron", "Phone": "+40712999999"})
    await stage.post({**ADA, "phone": "+40712000111"}, type_="customer.created")
    await stage.settle()
    stage.salesforce.convert(str(stage.only("Lead")["Id"]), there)
    await stage.settle()
    document = await stage.document()
    assert (document["last_name"], document["phone"], document["email"]) == ("Byron", "+40712999999", ADA["email"])
    assert await stage.shown() == ("synced", there, None)
    assert stage.only("Contact")[KEY] == "cust-1"


async def test_rule_18_of_what_a_lead_has_not_a_contact_is_first_contact(stage: LeadStage) -> None:
    """Nothing was known of it, so `first` decides, and not the policy of later conflicts."""
    fields = stage.catalog.mapping.model_dump(mode="json")["kinds"]["customer"]["fields"]
    for field in fields:
        if field["salesforce"] == "Title":
            field |= {"policy": "platform_wins", "first": "salesforce_wins"}
    stage.map(lead=LEAD, create="lead", fields=fields)
    lead = await linked(stage)
    there = stage.salesforce.create("Contact", {"LastName": "Lovelace", "Title": "Baron"})
    stage.salesforce.convert(lead, there)
    await stage.settle()
    assert (await stage.document())["title"] == "Baron"
    assert stage.only("Contact")["Title"] == "Baron"


async def test_rule_23_a_lead_merged_and_then_converted_is_followed_to_the_contact(stage: LeadStage) -> None:
    """Link by link."""
    lead = await linked(stage)
    master = stage.salesforce.create("Lead", {"LastName": "Lovelace", "Company": "A"})
    stage.salesforce.merge("Lead", master, [lead])
    contact = stage.salesforce.convert(master)
    await stage.settle()
    assert await stage.shown() == ("synced", contact, None)


async def test_a_contact_that_is_another_documents_parks_with_both_named(stage: LeadStage) -> None:
    """As after a merge."""
    theirs = stage.salesforce.create("Contact", {"LastName": "Lovelace", "Email": "countess@example.org"})
    await stage.post({**ADA, "email": "countess@example.org"}, id_="cust-2", type_="customer.created")
    lead = await linked(stage)
    stage.salesforce.convert(lead, theirs)
    await stage.settle_but_for_tomorrow()
    status, _, error = await stage.shown()
    assert (status, error) == ("gone", "MERGED_INTO_ANOTHERS_RECORD")
    refusal = (await stage.document())["_sync"]["refusal"]
    assert theirs in refusal["message"]
    assert "cust-2" in refusal["message"]


async def test_a_first_write_without_an_answer_is_found_in_the_lead(stage: LeadStage) -> None:
    """Rule 20: looked up by Lead's own external id, and no second one is made."""
    stage.salesforce.fail_next_call(Failure.UNKNOWN, lands="at_once")
    lead = await linked(stage)
    assert await stage.shown() == ("synced", lead, None)


async def test_a_lead_that_was_converted_before_we_knew_that_we_made_it(stage: LeadStage) -> None:
    """The first write was never answered, and sales were fast: its external id leads to the contact."""
    stage.salesforce.fail_next_call(Failure.UNKNOWN, lands="at_once")
    await stage.post(ADA, type_="customer.created")
    await stage.answer_doorbells()
    contact = stage.salesforce.convert(str(stage.only("Lead")["Id"]))
    await stage.settle()
    assert await stage.shown() == ("synced", contact, None)
    assert stage.only("Contact").items() >= {KEY: "cust-1", "Title": "Countess"}.items()
    assert len(stage.records("Lead")) == 1


async def test_two_kinds_share_a_lead_and_follow_it_each_for_itself(stage: LeadStage) -> None:
    """Each has its two fields in both objects, and one of them alone writes what both have."""
    raw = stage.catalog.mapping.model_dump(mode="json")
    raw["kinds"]["guest"] = {
        "collection": "guests",
        "sobject": "Contact",
        "external_id": "Tandem_Guest_Id__c",
        "token": "Tandem_Guest_Write__c",
        "events": {"guest.came": "values"},
        "match": {"by": ["Email"]},
        "create": "none",
        "lead": {
            "external_id": "Tandem_Guest_Id__c",
            "token": "Tandem_Guest_Write__c",
            "fields": {"Email": "Email", "Seat__c": "Seat__c"},
        },
        "fields": [
            {"platform": "mail", "salesforce": "Email", "direction": "pull"},
            {"platform": "seat", "salesforce": "Seat__c"},
        ],
    }
    raw["kinds"]["guest"]["fields"][0]["direction"] = "pull"
    stage.catalog = Catalog(Mapping.model_validate(raw))
    lead = await linked(stage)
    stage.salesforce.edit("Lead", lead, {"Tandem_Guest_Id__c": "guest-1"})
    await stage.post({"seat": "A1"}, id_="guest-1", type_="guest.came")
    await stage.settle()
    assert stage.only("Lead").items() >= {KEY: "cust-1", "Tandem_Guest_Id__c": "guest-1", "Seat__c": "A1"}.items()
    contact = stage.salesforce.convert(lead)
    await stage.settle()
    assert stage.only("Contact").items() >= {KEY: "cust-1", "Tandem_Guest_Id__c": "guest-1"}.items()
    await stage.post({"seat": "B2"}, id_="guest-1", type_="guest.came")
    await stage.settle()
    assert stage.only("Contact")["Seat__c"] == "B2"
    guest = await stage.document("guest-1", "guests")
    assert (guest["salesforce"]["contactId"], guest["mail"]) == (contact, ADA["email"])
    assert await stage.shown() == ("synced", contact, None)


async def test_a_converted_leads_external_id_leads_to_its_contact(stage: LeadStage) -> None:
    """A document restored without its link: the lead still names it."""
    row = {"LastName": "Lovelace", "Company": "A", KEY: "cust-1"}
    lead = stage.salesforce.create("Lead", row)
    contact = stage.salesforce.convert(lead)
    await stage.post(ADA)
    await stage.settle()
    assert await stage.shown() == ("synced", contact, None)
    assert len(stage.records("Contact")) == 1


async def test_the_account_that_a_conversion_led_to_is_told(stage: LeadStage) -> None:
    """Beside the contact; and it stays known when the contact is merged."""
    account = "0015g0000000001AAA"
    contact = stage.salesforce.convert(await linked(stage), AccountId=account)
    await stage.settle()
    assert (await stage.document())["salesforce"]["accountId"] == account
    master = stage.salesforce.create("Contact", {"LastName": "Lovelace"})
    stage.salesforce.merge("Contact", master, [contact])
    await stage.settle()
    public = (await stage.document())["salesforce"]
    assert (public["contactId"], public["accountId"]) == (master, account)


async def test_rule_22_a_lead_of_which_nothing_is_left_is_no_lead_again(stage: LeadStage) -> None:
    """Its contact was deleted at once: the thing is gone. With `recreate` a contact is made, for the lead is closed."""
    contact = stage.salesforce.convert(await linked(stage))
    stage.salesforce.remove("Contact", contact)
    await stage.settle()
    assert (await stage.shown())[0] == "gone"
    await stage.post({"title": "Lady"}, changed=["title"])
    await stage.settle()
    assert stage.records("Contact") == {}
    stage.keep_in_leads(on_delete={"salesforce": "recreate"})
    await stage.post({"title": "Dame"}, changed=["title"])
    await stage.settle()
    row = stage.only("Contact")
    assert row.items() >= {KEY: "cust-1", "Title": "Dame", "MailingCity": "London"}.items()
    assert await stage.shown() == ("synced", row["Id"], None)
    assert len(stage.records("Lead")) == 1


async def test_rule_23_what_a_conversion_carries_over_of_ours_is_nobodys_edit(stage: LeadStage) -> None:
    """A write whose event is still to come lies in the contact too: the platform's next word stands over it."""
    fields = stage.catalog.mapping.model_dump(mode="json")["kinds"]["customer"]["fields"]
    stage.map(lead=LEAD, create="lead", fields=[field | {"policy": "salesforce_wins"} for field in fields])
    lead = await linked(stage)
    await stage.post({"last_name": "Byron"}, changed=["last_name"])
    stage.now += 700
    await stage.answer_doorbells()
    stage.salesforce.convert(lead)
    late, stage.changes[:] = stage.changes[:], []
    stage.now += 30_000
    await stage.sweep.ring_due()
    await stage.answer_doorbells()
    await stage.post({"last_name": "King"}, changed=["last_name"])
    for _ in range(10):
        stage.now += 700
        await stage.sweep.ring_due()
        await stage.answer_doorbells()
    stage.changes[:] = late
    await stage.settle()
    assert (await stage.document())["last_name"] == "King"
    assert stage.only("Contact")["LastName"] == "King"


@pytest.mark.parametrize("heard", [True, False])
async def test_rule_22_a_deletion_follows_a_conversion(stage: LeadStage, heard: bool) -> None:
    """The platform deletes the thing, and its record is a contact by then, whether that was heard of or not."""
    stage.keep_in_leads(on_delete={"platform": "delete"})
    contact = stage.salesforce.convert(await linked(stage))
    late = stage.changes[:]
    stage.changes[:] = []
    if heard:
        stage.changes[:], late = late, []
        await stage.hear()
    await stage.post({}, type_="customer.deleted")
    await stage.settle()
    stage.changes[:] = late
    await stage.settle()
    assert stage.records("Contact") == {}
    assert contact in stage.salesforce.deleted
    assert (await stage.shown())[0] == "deleted"


async def test_rule_23_two_documents_are_never_led_to_one_contact_at_the_same_moment(stage: LeadStage) -> None:
    """By two writers, of whom neither sees the other's link: the second looks again, and finds whose it is."""
    first = await linked(stage)
    await stage.post({**ADA, "email": "b@example.org"}, id_="cust-2", type_="customer.created")
    await stage.settle()
    second = (await stage.document("cust-2"))["salesforce"]["recordId"]
    contact = stage.salesforce.convert(first)
    stage.salesforce.convert(second, contact)
    await stage.documents.claim("customers", {contact: "cust-2"})
    await stage.settle_but_for_tomorrow()
    assert (await stage.document())["_sync"]["retry"]["code"] == "LOOK_AGAIN"
    stage.now += 600_000
    await stage.settle_but_for_tomorrow()
    ends = {id_: await stage.shown(id_) for id_ in ("cust-1", "cust-2")}
    assert ends["cust-2"] == ("synced", contact, None)
    assert ends["cust-1"] == ("gone", first, "MERGED_INTO_ANOTHERS_RECORD")


class TestMatching:
    """A Contact goes before a Lead that is not converted; only then something is made."""

    async def test_a_contact_goes_before_a_lead(self, stage: LeadStage) -> None:
        stage.salesforce.create("Lead", {"LastName": "L", "Company": "A", "Email": "ADA@example.org"})
        contact = stage.salesforce.create("Contact", {"LastName": "L", "Email": "Ada@Example.org"})
        await stage.post(ADA)
        await stage.settle()
        assert await stage.shown() == ("synced", contact, None)

    async def test_a_lead_is_linked_and_claimed(self, stage: LeadStage) -> None:
        """The oldest by default, or by `lead.prefer`; the others are told."""
        stage.keep_in_leads(lead={**LEAD, "prefer": [{"take": "present", "field": "Rating"}]})
        cold, hot = (
            stage.salesforce.create("Lead", {"LastName": "L", "Company": "A", "Email": ADA["email"], **each})
            for each in ({}, {"Rating": "Hot"})
        )
        await stage.post(ADA)
        await stage.settle()
        assert await stage.shown() == ("synced", hot, None)
        assert stage.records("Lead")[hot][KEY] == "cust-1"
        assert isinstance(stage.log, FakeLog)
        (row,) = [row for row in stage.log.rows.values() if row["type"] == "match"]
        assert (row["record"], row["runners_up"]) == (hot, [cold])

    async def test_a_converted_lead_is_no_match(self, stage: LeadStage) -> None:
        """Its contact may have another e-mail by now; nobody can write to it."""
        lead = stage.salesforce.create("Lead", {"LastName": "L", "Company": "A", "Email": ADA["email"]})
        contact = stage.salesforce.convert(lead)
        stage.salesforce.edit("Contact", contact, {"Email": "other@example.org"})
        await stage.post(ADA)
        await stage.settle()
        status, record, _ = await stage.shown()
        assert status == "synced"
        assert record not in (lead, contact)

    async def test_create_none_links_and_never_makes(self, stage: LeadStage) -> None:
        """The document says so; once its values change it is looked for again."""
        stage.keep_in_leads(create="none")
        await stage.post(ADA)
        await stage.settle()
        assert await stage.shown() == ("not_found", "", None)
        assert stage.salesforce.rows == {}
        contact = stage.salesforce.create("Contact", {"LastName": "L", "Email": "countess@example.org"})
        await stage.post({"email": "countess@example.org"}, changed=["email"])
        await stage.settle()
        assert await stage.shown() == ("synced", contact, None)

    async def test_without_a_lead_a_contact_is_made(self, stage: LeadStage) -> None:
        """`create: sobject`, the default."""
        stage.keep_in_leads(create="sobject")
        await stage.post(ADA)
        await stage.settle()
        assert stage.records("Lead") == {}
        assert stage.only("Contact")["Title"] == "Countess"


class TestCustomFieldsOfALead:
    """A conversion carries them along only where an admin has mapped them."""

    LEAD: ClassVar = {**LEAD, "fields": {**LEAD["fields"], "Preferred_Language__c": "Preferred_Language__c"}}

    @pytest.fixture
    def stage(self) -> LeadStage:
        return LeadStage(FakeDocuments(), lead=self.LEAD)

    async def spoken(self, stage: LeadStage) -> tuple[Any, Any]:
        return (await stage.document())["preferred_language"], stage.only("Contact").get("Preferred_Language__c")

    async def test_rule_23_what_a_conversion_has_not_carried_along_is_written(self, stage: LeadStage) -> None:
        """An empty custom field is nobody's decision; an empty standard one is."""
        await stage.post({**ADA, "preferred_language": "ro"}, type_="customer.created")
        await stage.settle()
        stage.salesforce.convert(str(stage.only("Lead")["Id"]))
        await stage.settle()
        assert await self.spoken(stage) == ("ro", "ro")
        assert stage.only("Contact").get("MailingCity") is None
        assert (await stage.document())["address"]["city"] is None

    async def test_rule_23_what_stands_in_the_contact_is_salesforces(self, stage: LeadStage) -> None:
        """And so is what somebody clears there once the contact was read."""
        there = stage.salesforce.create("Contact", {"LastName": "Lovelace", "Preferred_Language__c": "en"})
        await stage.post({**ADA, "preferred_language": "ro"}, type_="customer.created")
        await stage.settle()
        stage.salesforce.convert(str(stage.only("Lead")["Id"]), there)
        await stage.settle()
        assert await self.spoken(stage) == ("en", "en")
        stage.salesforce.edit("Contact", there, {"Preferred_Language__c": None})
        await stage.settle()
        assert await self.spoken(stage) == (None, None)

    async def unread(self, stage: LeadStage) -> str:
        """A lead that we have just made, whose own event has come and that was not read whole yet; its id."""
        await stage.post({**ADA, "preferred_language": "ro"}, type_="customer.created")
        await stage.answer_doorbells()
        await stage.hear()
        lead = str(stage.only("Lead")["Id"])
        assert not (await stage.document())["_sync"]["link"]["read"]
        return lead

    async def convert_unread(self, stage: LeadStage, lead: str) -> None:
        """A second after an edit in a lead that is still not read."""
        stage.now += 1_000
        await stage.hear()
        stage.salesforce.convert(lead)
        await stage.settle()

    async def test_rule_23_an_edit_in_a_lead_that_ends_unread_is_not_lost(self, stage: LeadStage) -> None:
        """The read that would have shown it never comes, and the contact does not have it: it stands, and is written.

        Its author had what we made the lead with before him, so that there is no conflict.
        """
        lead = await self.unread(stage)
        stage.salesforce.edit("Lead", lead, {"Preferred_Language__c": "en"})
        await self.convert_unread(stage, lead)
        assert await self.spoken(stage) == ("en", "en")
        assert "edits" not in (await stage.document())["_sync"]["link"]
        assert self.losers(stage) == []

    @pytest.mark.parametrize("read", [False, True])
    async def test_rule_23_an_edit_in_a_lead_whose_event_is_lost_is_not(self, stage: LeadStage, read: bool) -> None:
        """Its conversion is heard, so nothing else will be told of it: its own row shows what the contact has not."""
        lead = await self.unread(stage)
        if read:
            await stage.settle()
        stage.salesforce.edit("Lead", lead, {"Preferred_Language__c": "en"})
        stage.changes.clear()
        await self.convert_unread(stage, lead)
        assert await self.spoken(stage) == ("en", "en")
        assert self.losers(stage) == []

    async def test_rule_23_an_edit_in_a_lead_whose_event_is_lost_may_be_a_conflict(self, stage: LeadStage) -> None:
        """The platform had not seen it: the one that loses has its row, and only one."""
        self.remap(stage, {"policy": "platform_wins"})
        lead = await self.unread(stage)
        await stage.settle()
        stage.salesforce.edit("Lead", lead, {"Preferred_Language__c": "en"})
        stage.changes.clear()
        await stage.post({"preferred_language": "de"}, changed=["preferred_language"])
        await self.convert_unread(stage, lead)
        assert await self.spoken(stage) == ("de", "de")
        assert self.losers(stage) == [("salesforce", "en")]

    async def test_rule_23_an_edit_back_to_a_value_of_ours_is_one(self, stage: LeadStage) -> None:
        """What we had written there was heard, and replaced since."""
        lead = await self.unread(stage)
        await stage.settle()
        stage.salesforce.edit("Lead", lead, {"Preferred_Language__c": "en"})
        await stage.settle()
        stage.salesforce.edit("Lead", lead, {"Preferred_Language__c": "ro"})
        stage.changes.clear()
        await self.convert_unread(stage, lead)
        assert await self.spoken(stage) == ("ro", "ro")

    async def test_rule_23_the_later_of_two_edits_in_a_lead_counts_though_it_alone_is_lost(
        self, stage: LeadStage
    ) -> None:
        """The earlier one was heard, and waited for a read that never came."""
        lead = await self.unread(stage)
        stage.salesforce.edit("Lead", lead, {"Preferred_Language__c": "en"})
        stage.now += 100
        await stage.hear()
        stage.salesforce.edit("Lead", lead, {"Preferred_Language__c": "fr"})
        stage.changes.clear()
        await self.convert_unread(stage, lead)
        assert await self.spoken(stage) == ("fr", "fr")

    async def test_rule_23_the_policy_is_asked_though_the_platform_is_back_at_its_first_value(
        self, stage: LeadStage
    ) -> None:
        """Whoever edits a lead that was read long ago has not seen what the platform says since."""
        self.remap(stage, {"policy": "platform_wins"})
        lead = await self.unread(stage)
        await stage.settle()
        await stage.post({"preferred_language": "de"}, changed=["preferred_language"])
        await stage.settle()
        stage.salesforce.edit("Lead", lead, {"Preferred_Language__c": "en"})
        stage.changes.clear()
        await stage.post({"preferred_language": "ro"}, changed=["preferred_language"])
        await self.convert_unread(stage, lead)
        assert await self.spoken(stage) == ("ro", "ro")
        assert self.losers(stage) == [("salesforce", "en")]

    @pytest.mark.parametrize("another", [False, True])
    async def test_rule_23_what_we_wrote_to_a_lead_is_no_edit_of_its_last_row(
        self, stage: LeadStage, another: bool
    ) -> None:
        """Though the event of that write is lost, and that of a later one which the record's token names."""
        lead = await self.unread(stage)
        await stage.settle()
        await stage.post({"preferred_language": "de"}, changed=["preferred_language"])
        await stage.answer_doorbells()
        assert stage.only("Lead")["Preferred_Language__c"] == "de"
        if another:
            await stage.post({"phone": "+40712000111"}, changed=["phone"])
            await stage.answer_doorbells()
            assert stage.only("Lead")["Phone"] == "+40712000111"
        stage.changes.clear()
        await stage.post({"preferred_language": "fr"}, changed=["preferred_language"])
        await self.convert_unread(stage, lead)
        assert await self.spoken(stage) == ("fr", "fr")
        assert self.losers(stage) == []

    async def test_rule_23_what_a_trigger_made_of_an_unheard_write_is_no_edit_of_a_last_row(
        self, stage: LeadStage
    ) -> None:
        """Nobody has set it, so nobody has lost it."""
        self.remap(stage, {"policy": "platform_wins"})
        lead = await self.unread(stage)
        await stage.settle()
        await stage.post({"preferred_language": "de"}, changed=["preferred_language"])
        await stage.answer_doorbells()
        stage.only("Lead")["Preferred_Language__c"] = "de_DE"
        stage.changes.clear()
        await self.convert_unread(stage, lead)
        assert await self.spoken(stage) == ("de", "de")
        assert self.losers(stage) == []

    async def test_rule_23_what_is_empty_in_a_lead_that_took_anothers_place_nobody_has_cleared(
        self, stage: LeadStage
    ) -> None:
        """It was made anew for us by somebody who need not know what the one before held."""
        lead = await self.unread(stage)
        await stage.settle()
        documents = stage.documents
        assert isinstance(documents, FakeDocuments)
        documents.collections["customers"]["cust-1"]["_sync"]["link"]["anew"] = True
        stage.only("Lead")["Preferred_Language__c"] = None
        await self.convert_unread(stage, lead)
        assert await self.spoken(stage) == ("ro", "ro")

    @pytest.mark.parametrize(
        ("sent", "shown", "noted"),
        [(None, None, False), (None, "en", True), (WriteState.UNKNOWN, None, False), (WriteState.LANDED, None, True)],
    )
    async def test_rule_23_what_is_empty_and_was_never_known_is_no_edit_of_a_last_row(
        self, stage: LeadStage, sent: WriteState | None, shown: str | None, noted: bool
    ) -> None:
        """Unless we know that something was there."""
        kind = stage.catalog.kinds["customer"]
        link = Link("00Q000000000001AAA", stage.now, gone=True, converted=True)
        state = DocumentState("customer", "cust-1", link=link, position=CommitPosition(stage.now, 1, 1))
        if sent is not None:
            state.writes.append(Write(1, {"Preferred_Language__c": "ro"}, 1, stage.now, sent, first=True))
        hear_of_last_row(state, kind, {"Preferred_Language__c": shown}, modified=stage.now)
        assert ("Preferred_Language__c" in link.edits) is noted

    @pytest.mark.parametrize(("first", "ends"), [("salesforce_wins", "en"), ("platform_wins", "de")])
    async def test_rule_23_an_edit_in_a_lead_that_ends_unread_may_be_a_conflict(
        self, stage: LeadStage, first: str, ends: str
    ) -> None:
        """The platform has said something else meanwhile. Whichever wins, the other one has its row."""
        self.remap(stage, {"policy": "salesforce_wins", "first": first})
        lead = await self.unread(stage)
        stage.salesforce.edit("Lead", lead, {"Preferred_Language__c": "en"})
        await stage.post({"preferred_language": "de"}, changed=["preferred_language"])
        await self.convert_unread(stage, lead)
        assert await self.spoken(stage) == (ends, ends)
        assert self.losers(stage) == [("platform", "de") if ends == "en" else ("salesforce", "en")]

    async def test_rule_23_an_edit_in_a_field_that_is_only_pushed_has_its_row(self, stage: LeadStage) -> None:
        """The platform's value goes to the contact all the same."""
        self.remap(stage, {"direction": "push"})
        lead = await self.unread(stage)
        stage.salesforce.edit("Lead", lead, {"Preferred_Language__c": "en"})
        await self.convert_unread(stage, lead)
        assert await self.spoken(stage) == ("ro", "ro")
        assert self.losers(stage) == [("salesforce", "en")]

    @pytest.mark.parametrize("read", [False, True])
    @pytest.mark.parametrize(("policy", "ends"), [("salesforce_wins", "en"), ("platform_wins", "ro")])
    async def test_rule_23_an_edit_that_a_conversion_left_behind_counts_though_it_is_told_late(
        self, stage: LeadStage, policy: str, ends: str, read: bool
    ) -> None:
        """The contact was read and written to by then, and could not show it: a conflict, and the loser has its row."""
        self.remap(stage, {"policy": policy})
        lead = await self.unread(stage)
        if read:
            await stage.settle()
        stage.salesforce.edit("Lead", lead, {"Preferred_Language__c": "en"})
        stage.now += 1_000
        stage.salesforce.convert(lead)
        late, stage.changes[:] = stage.changes[:], []
        await stage.post({"phone": "+40712000111"}, changed=["phone"])
        await self.write_unheard(stage)
        assert await self.spoken(stage) == ("ro", "ro")
        stage.changes[:0] = late
        await stage.settle()
        assert await self.spoken(stage) == (ends, ends)
        assert self.losers(stage) == [("platform", "ro") if ends == "en" else ("salesforce", "en")]

    async def test_rule_23_a_later_edit_stands_over_one_that_a_conversion_left_behind(self, stage: LeadStage) -> None:
        """A read of the contact has shown it. Its author could not see the one that is told late: that has its row."""
        lead = await self.unread(stage)
        stage.salesforce.edit("Lead", lead, {"Preferred_Language__c": "en"})
        stage.now += 1_000
        contact = stage.salesforce.convert(lead)
        late, stage.changes[:] = stage.changes[:], []
        await self.write_unheard(stage)
        stage.salesforce.edit("Contact", contact, {"Preferred_Language__c": "fr"})
        await stage.post({"phone": "+40712000111"}, changed=["phone"])
        await self.write_unheard(stage)
        assert await self.spoken(stage) == ("fr", "fr")
        stage.changes[:0] = late
        await stage.settle()
        assert await self.spoken(stage) == ("fr", "fr")
        assert self.losers(stage)[-1] == ("salesforce", "en")

    async def write_unheard(self, stage: LeadStage) -> None:
        """All that is due, and the read that follows where no event comes."""
        for _ in range(40):
            stage.now += 1_000
            await stage.sweep.ring_due()
            await stage.answer_doorbells()

    async def test_rule_22_an_edit_in_a_record_that_is_made_anew_unread_stands(self, stage: LeadStage) -> None:
        """It was deleted before it was read: what the new one is made of has the edit."""
        stage.keep_in_leads(lead=self.LEAD, on_delete={"salesforce": "recreate"})
        lead = await self.unread(stage)
        stage.salesforce.edit("Lead", lead, {"Preferred_Language__c": "en"})
        stage.now += 1_000
        await stage.hear()
        stage.salesforce.remove("Lead", lead)
        await stage.settle()
        assert stage.only("Lead")["Preferred_Language__c"] == "en"

    def remap(self, stage: LeadStage, settings: dict[str, Any]) -> None:
        """The language with these settings."""
        fields = stage.catalog.mapping.model_dump(mode="json")["kinds"]["customer"]["fields"]
        (language,) = (field for field in fields if field["salesforce"] == "Preferred_Language__c")
        language |= settings
        stage.keep_in_leads(lead=self.LEAD, fields=fields)

    def losers(self, stage: LeadStage) -> list[tuple[str, Any]]:
        """Of the language: the side and the value of each that has lost, by the audit."""
        assert isinstance(stage.log, FakeLog)
        rows = [row for row in stage.log.rows.values() if row.get("field") == "Preferred_Language__c"]
        return [(row["lost"]["side"], row["lost"]["value"]) for row in rows]


class TestConsent:
    """A record is only made for a document that agrees; linking and updating need nobody's leave."""

    @pytest.fixture
    def stage(self) -> LeadStage:
        return LeadStage(FakeDocuments(), consent={"path": "preferred_language", "equals": "yes"})

    async def test_nothing_is_made_without_and_it_is_due_with_consent(self, stage: LeadStage) -> None:
        """The status says why; the field that gives consent need not be one that is written to a lead."""
        await stage.post(ADA)
        [end] = await stage.answer_doorbells()
        assert end.outcome is Outcome.IGNORED
        await stage.settle()
        assert await stage.shown() == ("no_consent", "", None)
        assert stage.salesforce.rows == {}
        assert isinstance(stage.parked, FakeParked)
        assert stage.parked.rows == {}
        await stage.post({"preferred_language": "yes"}, changed=["preferred_language"])
        await stage.settle()
        assert await stage.shown() == ("synced", str(stage.only("Lead")["Id"]), None)

    async def test_what_is_linked_is_written_without(self, stage: LeadStage) -> None:
        """Whether it matched, or the consent was withdrawn."""
        contact = stage.salesforce.create("Contact", {"LastName": "L", "Email": ADA["email"]})
        await stage.post({**ADA, "preferred_language": "no"})
        await stage.settle()
        assert await stage.shown() == ("synced", contact, None)
        await stage.post({"title": "Lady"}, changed=["title"])
        await stage.settle()
        assert stage.only("Contact")["Title"] == "Lady"

    async def test_what_sales_link_themselves_is_written_at_last(self, stage: LeadStage) -> None:
        """Somebody gives a record the document's id: nobody has to agree to the making any more."""
        stage.keep_in_leads(consent={"path": "preferred_language", "equals": "yes"}, on_unlinked="match")
        await stage.post(ADA)
        await stage.settle()
        contact = stage.salesforce.create("Contact", {"LastName": "Lovelace", KEY: "cust-1"})
        await stage.settle()
        assert await stage.shown() == ("synced", contact, None)
        assert stage.only("Contact")["Title"] == "Countess"


class TestSwitches:
    """`SYNC_LEADS` and `SYNC_CONTACTS` each switch their own object."""

    def switch(self, stage: LeadStage, *off: str) -> None:
        stage.catalog = Catalog(stage.catalog.mapping, frozenset(off))

    async def test_leads_off_stops_leads_alone(self, stage: LeadStage) -> None:
        """What is in a contact is written; what is in a lead waits, and the sweep does not ring for it in vain."""
        contact = stage.salesforce.create("Contact", {"LastName": "B", "Email": "b@example.org"})
        await stage.post({"last_name": "B", "email": "b@example.org"}, id_="cust-2")
        lead = await linked(stage)
        await stage.settle()
        self.switch(stage, "Lead")
        await stage.post({"last_name": "Byron"}, changed=["last_name"])
        await stage.post({"last_name": "Byron"}, id_="cust-2", changed=["last_name"])
        stage.salesforce.edit("Lead", lead, {"City": "Bath"})
        for _ in range(20):
            stage.now += 700
            await stage.hear()
            await stage.sweep.ring_due()
            await stage.answer_doorbells()
        assert stage.records("Contact")[contact]["LastName"] == "Byron"
        assert stage.only("Lead")["LastName"] == "Lovelace"
        assert (await stage.document())["address"]["city"] == "London"
        self.switch(stage)
        await stage.settle()
        assert stage.only("Lead")["LastName"] == "Byron"
        assert (await stage.document())["address"]["city"] == "Bath"

    async def test_a_stranger_waits_while_what_would_be_made_is_off(self, stage: LeadStage) -> None:
        """It is made once leads are on again."""
        self.switch(stage, "Lead")
        await stage.post(ADA)
        [end] = await stage.answer_doorbells()
        assert end.outcome is Outcome.IGNORED
        stage.now += 60_000
        assert await stage.sweep.ring_due() == 0
        assert stage.salesforce.rows == {}
        self.switch(stage)
        await stage.settle()
        assert stage.only("Lead")["LastName"] == "Lovelace"


class TestUnlinked:
    """Records that no document has, by `on_unlinked`."""

    async def test_a_lead_of_sales_becomes_a_document(self, stage: LeadStage) -> None:
        """By Lead's names, and gets our external id of that object."""
        stage.keep_in_leads(on_unlinked="create")
        lead = stage.salesforce.create("Lead", {"LastName": "Byron", "Company": "Navy", "City": "Bath"})
        await stage.settle()
        document = await stage.document(lead)
        assert (document["last_name"], document["company"], document["address"]["city"]) == ("Byron", "Navy", "Bath")
        assert stage.only("Lead")[KEY] == lead

    async def test_the_contact_of_a_converted_lead_is_no_new_thing(self, stage: LeadStage) -> None:
        """Its event comes before the lead's, and may come alone."""
        stage.keep_in_leads(on_unlinked="create")
        lead = await linked(stage)
        contact = stage.salesforce.convert(lead)
        told: list[Change] = [each for each in stage.changes if each.entity == "Contact"]
        late, stage.changes[:] = [each for each in stage.changes if each.entity == "Lead"], told
        for _ in range(5):
            stage.now += 700
            await stage.hear()
            await stage.answer_doorbells()
        assert await stage.documents.read("customers", [contact]) == {}
        stage.changes[:] = late
        await stage.settle()
        assert await stage.shown() == ("synced", contact, None)
        assert await stage.documents.read("customers", [contact]) == {}

    async def test_a_contact_that_a_document_waits_for_matches_no_other(self, stage: LeadStage) -> None:
        """Somebody else has the same e-mail and no record: the contact is still that of the lead's document."""
        stage.keep_in_leads(on_unlinked="match")
        lead = await linked(stage)
        await stage.post(ADA, id_="cust-2", type_="customer.created")
        await stage.settle()
        assert (await stage.shown("cust-2"))[2] == "MATCHED_RECORD_TAKEN"
        contact = stage.salesforce.convert(lead)
        late = [each for each in stage.changes if each.entity == "Lead"]
        stage.changes[:] = [each for each in stage.changes if each.entity == "Contact"]
        for _ in range(5):
            stage.now += 700
            await stage.hear()
            await stage.answer_doorbells()
        assert (await stage.shown("cust-2"))[1] == ""
        stage.changes[:] = late
        await stage.settle()
        assert await stage.shown() == ("synced", contact, None)

    async def test_a_lead_that_is_closed_matches_nobody(self, stage: LeadStage) -> None:
        """Its last event comes late, and somebody has its e-mail by now: its contact is matched, if that has it."""
        stage.keep_in_leads(on_unlinked="match", create="none")
        lead = stage.salesforce.create("Lead", {"LastName": "L", "Company": "A", "Email": ADA["email"]})
        contact = stage.salesforce.convert(lead)
        stage.salesforce.edit("Contact", contact, {"Email": "other@example.org"})
        await stage.post(ADA, type_="customer.created")
        await stage.settle()
        assert await stage.shown() == ("not_found", "", None)


class TestLookups:
    """What names a person who may be a lead."""

    def order(self, stage: LeadStage, **settings: Any) -> None:
        """Orders that name their buyer."""
        raw = stage.catalog.mapping.model_dump(mode="json")
        buyer = {"platform": "buyer", "salesforce": "Contact__c", "lookup": "customer", "required": True, **settings}
        raw["kinds"]["order"] = {
            "collection": "orders",
            "sobject": "Ticket_Order__c",
            "external_id": "Tandem_Order_Id__c",
            "token": "Tandem_Order_Write__c",
            "events": {"order.completed": "values"},
            "fields": [buyer, {"platform": "total", "salesforce": "Total__c"}],
        }
        stage.catalog = Catalog(Mapping.model_validate(raw))

    async def test_a_field_for_contacts_waits_for_the_conversion(self, stage: LeadStage) -> None:
        """A lead's id in it would be refused; the order is made as soon as there is a contact."""
        self.order(stage)
        lead = await linked(stage)
        await stage.post({"buyer": "cust-1", "total": 5}, id_="order-1", type_="order.completed")
        await stage.settle_but_for_tomorrow()
        assert stage.records("Ticket_Order__c") == {}
        contact = stage.salesforce.convert(lead)
        await stage.settle_but_for_tomorrow()
        stage.now += 300_000
        await stage.settle_but_for_tomorrow()
        assert stage.only("Ticket_Order__c")["Contact__c"] == contact

    async def test_a_field_for_leads_takes_the_lead(self, stage: LeadStage) -> None:
        """And both are read as the same person; a lead that is nobody's is named by its record's id."""
        self.order(stage, lead="Lead__c")
        lead = await linked(stage)
        await stage.post({"buyer": "cust-1", "total": 5}, id_="order-1", type_="order.completed")
        await stage.settle()
        row = stage.only("Ticket_Order__c")
        assert (row.get("Contact__c"), row["Lead__c"]) == (None, lead)
        other = stage.salesforce.create("Lead", {"LastName": "B", "Company": "A"})
        stage.salesforce.edit("Ticket_Order__c", row["Id"], {"Lead__c": other})
        await stage.settle()
        assert (await stage.document("order-1", "orders"))["buyer"] == other
        stage.salesforce.edit("Ticket_Order__c", row["Id"], {"Lead__c": lead})
        await stage.settle()
        assert (await stage.document("order-1", "orders"))["buyer"] == "cust-1"
