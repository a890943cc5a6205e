"""The observer on whole mappings: each good history is clean, and each fault planted in one is found."""

from typing import Any

import pytest
from support.witnesses import CUSTOMER, RECORD, Witnesses

from schemas.mapping import Mapping
from schemas.presets import preset
from simulator.observer.verdict import Fault

ACME, GLOBEX = "comp-1", "comp-2"
ACME_RECORD, GLOBEX_RECORD = "001000000000001AAA", "001000000000002AAA"
OTHER = "003000000000002AAA"
LEAD = "00Q000000000001AAA"
ORDER_RECORD = "a00000000000001AAA"
DEAL_RECORD = "006000000000001AAA"
MEMBER_RECORD = "00v000000000001AAA"
ORDER = {"customer_id": CUSTOMER, "status": "paid", "total": 49.9, "tickets": 2, "ordered_at": "2026-11-01T10:00:00Z"}
NOTHING_BOUGHT = {
    "total_purchases": 0,
    "total_spent": 0,
    "total_tickets": 0,
    "events_attended": 0,
    "vip": False,
    "lifecycle_stage": "Prospect",
}
TOTALS = {
    "total_purchases": "Total_Purchases__c",
    "total_spent": "Total_Spent__c",
    "total_tickets": "Total_Tickets__c",
    "last_event": "Last_Event__c",
    "last_purchase_at": "Last_Purchase_At__c",
    "events_attended": "Events_Attended__c",
    "vip": "VIP__c",
    "lifecycle_stage": "Lifecycle_Stage__c",
}


def found(witnesses: Witnesses) -> list[tuple[str, str, str]]:
    """Kind, fault and field of every finding."""
    return [(one.kind, str(one.fault), one.field) for one in witnesses.verdict().findings]


def ticketing() -> Witnesses:
    """Two companies, and a customer of the first who has bought nothing: nothing wrong."""
    world = Witnesses(preset("ticketing"))
    for document, record, at in ((ACME, ACME_RECORD, 10), (GLOBEX, GLOBEX_RECORD, 20)):
        world.sent(at, {"name": document}, type="company.created", document=document)
        world.ours(at + 5, document=document, record=record, kind="company", Name=document)
        world.shows(2, document, record, "company", name=document)
    customer(world)
    return world


def hackathons(**settings: Any) -> Mapping:
    """The preset, with these settings of the participant; a Lead keeps neither skills nor totals."""
    mapping = preset("hackathon")
    kind = mapping.kinds["participant"]
    assert kind.lead is not None
    apart = {each.salesforce for each in kind.fields if each.derive is not None} | {"Skills__c"}
    kept = {name: there for name, there in kind.lead.fields.items() if name not in apart}
    changed = kind.model_copy(update={"lead": kind.lead.model_copy(update={"fields": kept}), **settings})
    return mapping.model_copy(update={"kinds": {**mapping.kinds, "participant": changed}})


def hackathon() -> Witnesses:
    """One whose participants are not asked for consent."""
    return Witnesses(hackathons(consent=None))


def customer(world: Witnesses, **fields: Any) -> None:
    """The customer is told of, written, and shown as it should be."""
    world.sent(100, {"last_name": "Pop", "company_id": ACME}, type="customer.created")
    totals = {TOTALS[path]: value for path, value in {**NOTHING_BOUGHT, **fields}.items() if path in TOTALS}
    world.ours(200, LastName="Pop", AccountId=ACME_RECORD, **totals)
    shown(world, **fields)


def shown(world: Witnesses, record: str = RECORD, **fields: Any) -> None:
    """What the customer's document shows in the end."""
    world.shows(9, record=record, **{"last_name": "Pop", "company_id": ACME, **NOTHING_BOUGHT, **fields})


def test_several_kinds_are_judged_each_by_itself() -> None:
    """A finding bears its kind, and every kind is counted."""
    world = ticketing()
    assert found(world) == []
    assert {name: tally.records for name, tally in world.verdict().kinds.items()} == {
        "company": 2,
        "customer": 1,
        "prospect": 0,
        "order": 0,
        "event": 0,
        "order_line": 0,
        "registration": 0,
        "deal": 0,
    }
    world.documents[GLOBEX]["name"] = "Other"
    assert found(world) == [("company", "lost", "Name"), ("company", "different", "Name")]


# --- lookups ---


def test_a_parent_is_compared_by_the_platforms_id() -> None:
    """The org names another account than the platform."""
    world = ticketing()
    world.records[RECORD]["AccountId"] = GLOBEX_RECORD
    assert ("customer", "different", "AccountId") in found(world)


def test_a_move_to_another_account_that_comes_back_is_none() -> None:
    """Sales put the contact under another account, and the platform's document follows; one that does not is lost."""
    world = ticketing()
    world.user(300, AccountId=GLOBEX_RECORD)
    shown(world, company_id=GLOBEX)
    assert found(world) == []
    shown(world, company_id=ACME)
    assert found(world) == [("customer", "lost", "AccountId"), ("customer", "different", "AccountId")]


def test_a_parent_that_the_platform_does_not_know_is_named_by_its_record() -> None:
    """On both sides."""
    world = ticketing()
    world.user(290, record="001000000000009AAA", entity="Account", Name="Of sales alone")
    world.user(300, AccountId="001000000000009AAA")
    shown(world, company_id="001000000000009AAA")
    assert found(world) == []


def test_a_parent_that_was_merged_is_the_one_that_was_kept() -> None:
    """An account of the platform's ends in one of sales' own: its contacts stand under that one."""
    world = ticketing()
    kept = "001000000000009AAA"
    world.user(290, record=kept, entity="Account", Name=ACME)
    world.merged(300, ACME_RECORD, kept)
    world.user(300, AccountId=kept)
    world.ours(400, document=ACME, record=kept, kind="company")
    world.shows(4, ACME, kept, "company", name=ACME)
    assert found(world) == []


# --- snapshots, and what is only pushed ---


def order(
    world: Witnesses, at: int, type_: str = "completed", document: str = "ord-1", **changes: Any
) -> dict[str, Any]:
    """A copy of the order is posted."""
    values = {**ORDER, **changes}
    world.sent(at, values, type=f"order.{type_}", document=document)
    return values


def written(world: Witnesses, at: int, record: str = ORDER_RECORD, document: str = "ord-1", **values: Any) -> None:
    """The order's record is written and its document shows the same."""
    names = {field.platform: field.salesforce for field in world.mapping.kinds["order"].fields}
    words = {"paid": "Paid", "refunded": "Refunded"}
    fields = {names[path]: words.get(value, value) for path, value in values.items()}
    world.ours(at, document=document, record=record, kind="order", **fields | {"Contact__c": RECORD})
    world.shows(3, document, record, "order", **values)


def bought(**changes: Any) -> dict[str, Any]:
    """The customer's totals after the one order."""
    return {
        "total_purchases": 1,
        "total_spent": 49.9,
        "total_tickets": 2,
        "last_purchase_at": "2026-11-01T10:00:00Z",
        "lifecycle_stage": "Customer",
        **changes,
    }


def totalled(world: Witnesses, at: int, **totals: Any) -> None:
    """The totals are written and shown."""
    world.ours(at, **{TOTALS[path]: value for path, value in totals.items()})
    shown(world, **totals)


def test_a_snapshot_that_goes_back_to_an_earlier_value_counts() -> None:
    """Refunded and paid again: paid. Where the record stays refunded, the last copy is lost."""
    world = ticketing()
    order(world, 300)
    order(world, 400, "refunded", status="refunded")
    written(world, 450, **{**ORDER, "status": "refunded"})
    final = order(world, 500)
    totalled(world, 550, **bought())
    assert ("order", "lost", "Status__c") in found(world)
    written(world, 560, **final)
    assert found(world) == []


def test_a_late_copy_is_no_news() -> None:
    """It was made before one that came sooner."""
    world = ticketing()
    order(world, 300)
    order(world, 500, "refunded", status="refunded")
    final = {**ORDER, "status": "refunded"}
    order(world, 400, "updated", tickets=5)
    written(world, 550, **final)
    shown(world)
    assert found(world) == []
    written(world, 560, **{**final, "tickets": 5})
    assert ("order", "lost", "Tickets__c") in found(world)


# --- derived fields ---


def test_totals_are_counted_from_the_platforms_own_log() -> None:
    """The right ones are clean; each wrong one is found, on either side."""
    world = ticketing()
    written(world, 350, **order(world, 300))
    totalled(world, 360, **bought())
    assert found(world) == []
    assert world.verdict().totals == len(TOTALS)
    world.records[RECORD]["Total_Spent__c"] = 99.8
    assert found(world) == [("customer", "different", "Total_Spent__c")]
    world.records[RECORD]["Total_Spent__c"] = 49.900000001
    world.documents[CUSTOMER]["total_purchases"] = 2
    assert found(world) == [("customer", "different", "Total_Purchases__c")]


@pytest.mark.parametrize(
    ("event", "change", "counted"),
    [
        ("refunded", {"status": "refunded"}, False),
        ("deleted", {}, False),
        ("updated", {"customer_id": "cust-2"}, False),
        ("updated", {"total": 49.9}, True),
    ],
)
def test_what_no_longer_counts_is_in_no_total(event: str, change: dict[str, Any], counted: bool) -> None:
    """A refund, a deletion, an order that was somebody else's after all; a copy without news changes nothing."""
    world = ticketing()
    written(world, 350, **order(world, 300))
    totalled(world, 360, **bought())
    if event == "deleted":
        world.sent(400, {}, type="order.deleted", document="ord-1")
    else:
        order(world, 400, event, **change)
    wrong = [finding for finding in found(world) if finding[2] in TOTALS.values()]
    assert (wrong == []) is counted
    totalled(world, 460, **(bought() if counted else {**NOTHING_BOUGHT, "last_purchase_at": None}))
    assert [finding for finding in found(world) if finding[2] in TOTALS.values()] == []


def test_the_latest_order_is_that_of_the_latest_time_whatever_came_last() -> None:
    """An order of long ago that is told of late is not the last one."""
    world = ticketing()
    written(world, 350, **order(world, 300, event_name="Gala"))
    late = order(world, 400, document="ord-2", event_name="Long ago", ordered_at="2025-01-01T10:00:00Z")
    written(world, 450, "a00000000000002AAA", "ord-2", **late)
    both = bought(total_purchases=2, total_spent=99.8, total_tickets=4)
    totalled(world, 460, **both, last_event="Long ago")
    assert found(world) == [("customer", "different", "Last_Event__c")]
    totalled(world, 470, **both, last_event="Gala")
    assert found(world) == []


def test_what_follows_from_totals_is_judged_too() -> None:
    """A VIP is who has spent a thousand."""
    world = ticketing()
    written(world, 350, **order(world, 300, total=1_200))
    totalled(world, 360, **bought(total_spent=1_200))
    assert found(world) == [("customer", "different", "VIP__c")]
    totalled(world, 370, **bought(total_spent=1_200, vip=True))
    assert found(world) == []


def test_an_order_that_was_never_acknowledged_leaves_the_totals_open() -> None:
    """It may have been taken in or not: nobody can say what they come to."""
    world = ticketing()
    world.sent(300, ORDER, type="order.completed", document="ord-1", statuses=(503,))
    assert found(world) == []
    totalled(world, 360, **bought())
    assert found(world) == []


# --- merges and conversions in the org ---


def test_a_record_that_was_merged_goes_on_in_the_other() -> None:
    """What the person who merged left standing takes the place of what the lost record held."""
    world = ticketing()
    world.user(290, record=OTHER, LastName="Popescu", Title="Chair")
    world.merged(300, RECORD, OTHER, AccountId=ACME_RECORD)
    moved = {TOTALS[path]: value for path, value in NOTHING_BOUGHT.items()}
    world.ours(400, record=OTHER, **moved)
    shown(world, OTHER, last_name="Popescu", title="Chair")
    assert found(world) == []
    shown(world, OTHER, last_name="Pop", title="Chair")
    assert found(world) == [("customer", "lost", "LastName"), ("customer", "different", "LastName")]


def test_an_edit_that_a_merge_buries_unseen_must_be_named() -> None:
    """The platform's edit was on its way when the records were merged: it survives, or a row names it."""
    world = ticketing()
    world.user(290, record=OTHER, LastName="Popescu")
    event = world.sent(295, {"last_name": "Popa"}, changed=["last_name"])
    world.merged(300, RECORD, OTHER, AccountId=ACME_RECORD)
    world.ours(400, record=OTHER, **{TOTALS[path]: value for path, value in NOTHING_BOUGHT.items()})
    shown(world, OTHER, last_name="Popescu")
    assert found(world) == [("customer", "lost", "LastName")]
    world.settled("last_name", "LastName", ("Popa", 295), ("Popescu", 300), winner="salesforce", event=event)
    assert found(world) == []


def test_a_customer_whose_merged_record_was_not_followed_is_different() -> None:
    """It is not deleted: there is a record that has taken its place."""
    world = ticketing()
    world.user(290, record=OTHER, LastName="Pop")
    world.merged(300, RECORD, OTHER)
    assert found(world) == [("customer", "different", "")]
    assert world.verdict().apart == 0


def test_a_duplicate_that_is_merged_into_ours_brings_its_values() -> None:
    """The master takes the phone of the one that goes."""
    world = ticketing()
    world.user(290, record=OTHER, LastName="Pop", Phone="+40721234567")
    world.merged(300, OTHER, RECORD, Phone="+40721234567")
    assert found(world) == [("customer", "lost", "Phone"), ("customer", "different", "Phone")]
    shown(world, phone="+40721234567")
    assert found(world) == []


def test_a_lead_goes_on_in_the_contact_that_is_made_of_it() -> None:
    """Its history is the thing's: an edit of the lead that the conversion took over is none that was lost."""
    world = hackathon()
    names = {"Email": "ana@example.org", "LastName": "Pop"}
    world.sent(100, {"last_name": "Pop", "email": "ana@example.org"}, type="participant.registered", document="part-1")
    world.ours(200, document="part-1", record=LEAD, kind="participant", entity="Lead", **names)
    world.user(250, record=LEAD, City="Umberfeld")
    key = {"Tandem_Participant_Id__c": "part-1"}
    world.converted(300, LEAD, RECORD, **names, MailingCity="Umberfeld", **key)
    totals = {"Hackathons_Attended__c": 0, "Projects_Submitted__c": 0, "Lifecycle_Stage__c": "Prospect"}
    world.ours(400, document="part-1", kind="participant", **totals)
    values = {"last_name": "Pop", "email": "ana@example.org", "hackathons_attended": 0, "projects_submitted": 0}
    world.shows(9, "part-1", RECORD, "participant", **values, city="Umberfeld", lifecycle_stage="Prospect")
    assert found(world) == []
    world.documents["part-1"]["city"] = None
    assert found(world) == [("participant", "lost", "MailingCity"), ("participant", "different", "MailingCity")]


def test_an_edit_of_a_lead_that_the_conversion_never_saw_is_lost() -> None:
    """The platform changed the phone while sales converted: the contact has the old one, and no row tells of it."""
    world = hackathon()
    world.sent(100, {"last_name": "Pop", "phone": "+12025550100"}, type="participant.registered", document="part-1")
    named = {"LastName": "Pop", "Phone": "+12025550100"}
    world.ours(200, document="part-1", record=LEAD, kind="participant", entity="Lead", **named)
    world.sent(290, {"phone": "+12025550101"}, changed=["phone"], type="participant.updated", document="part-1")
    world.converted(300, LEAD, RECORD, **named, Tandem_Participant_Id__c="part-1")
    totals = {"Hackathons_Attended__c": 0, "Projects_Submitted__c": 0, "Lifecycle_Stage__c": "Prospect"}
    world.ours(400, document="part-1", kind="participant", **totals)
    shows = {"hackathons_attended": 0, "projects_submitted": 0, "lifecycle_stage": "Prospect", "last_name": "Pop"}
    world.shows(9, "part-1", RECORD, "participant", phone="+12025550100", **shows)
    assert found(world) == [("participant", "lost", "Phone")]


def test_a_contact_of_a_lead_that_is_merged_away_is_followed_from_the_lead_on() -> None:
    """Salesforce rewrites in the lead what it became; what the conversion carried along is still nobody's edit."""
    world = hackathon()
    updated = {"type": "participant.updated", "document": "part-1"}
    world.sent(100, {"last_name": "Pop"}, type="participant.registered", document="part-1")
    world.ours(200, document="part-1", record=LEAD, kind="participant", entity="Lead", LastName="Pop")
    world.sent(290, {"last_name": "Popa"}, changed=["last_name"], **updated)
    world.converted(300, LEAD, RECORD, LastName="Pop")
    totals = {"Hackathons_Attended__c": 0, "Projects_Submitted__c": 0, "Lifecycle_Stage__c": "Prospect"}
    world.ours(400, document="part-1", kind="participant", LastName="Popa", **totals)
    world.user(500, record=OTHER, LastName="Popa")
    world.merged(510, RECORD, OTHER)
    world.user(510, record=LEAD, ConvertedContactId=OTHER)
    world.ours(600, document="part-1", record=OTHER, kind="participant", **totals)
    shown = {"last_name": "Popa", "hackathons_attended": 0, "projects_submitted": 0, "lifecycle_stage": "Prospect"}
    world.shows(9, "part-1", OTHER, "participant", **shown)
    assert found(world) == []


def test_what_a_conversion_leaves_behind_is_nobodys_edit() -> None:
    """A custom field is written there again, if it is pushed at all; a standard one that is empty was emptied."""
    world = hackathon()
    told = {"last_name": "Pop", "opted_out": False, "city": "Umberfeld"}
    world.sent(100, told, type="participant.registered", document="part-1")
    named = {"LastName": "Pop", "City": "Umberfeld", "Sync_Opt_Out__c": False}
    world.ours(200, document="part-1", record=LEAD, kind="participant", entity="Lead", **named)
    world.user(250, record=LEAD, Customer_Tier__c="Growth")
    world.converted(300, LEAD, RECORD, LastName="Pop", Customer_Tier__c=None, Tandem_Participant_Id__c="part-1")
    totals = {"Hackathons_Attended__c": 0, "Projects_Submitted__c": 0, "Lifecycle_Stage__c": "Prospect"}
    world.ours(400, document="part-1", kind="participant", Sync_Opt_Out__c=False, **totals)
    shown = {"last_name": "Pop", "opted_out": False, "hackathons_attended": 0, "projects_submitted": 0}
    world.shows(9, "part-1", RECORD, "participant", **shown, city="Umberfeld", lifecycle_stage="Prospect")
    assert found(world) == [("participant", "lost", "MailingCity"), ("participant", "different", "MailingCity")]


def led() -> Witnesses:
    """A participant in a Lead, as the preset keeps them, and a membership of theirs: nothing wrong."""
    world = hackathon()
    world.sent(50, {"name": "Spring Hack"}, type="event.created", document="event-1")
    world.ours(55, document="event-1", record="701000000000001AAA", kind="event", Name="Spring Hack")
    world.shows(2, "event-1", "701000000000001AAA", "event", name="Spring Hack")
    person = {"last_name": "Pop", "city": "Umberfeld", "company_name": None, "skills": ["Go"]}
    world.sent(100, person, type="participant.registered", document="part-1")
    told = {"LastName": "Pop", "City": "Umberfeld", "Company": "[not provided]"}
    world.ours(200, document="part-1", record=LEAD, kind="participant", entity="Lead", **told)
    values = {"participant_id": "part-1", "event_id": "event-1", "status": "registered"}
    world.sent(300, values, type="registration.created", document="reg-1")
    member = {"LeadId": LEAD, "CampaignId": "701000000000001AAA", "Status": "Registered"}
    world.ours(350, document="reg-1", record=MEMBER_RECORD, kind="registration", **member)
    world.shows(2, "reg-1", MEMBER_RECORD, "registration", **values)
    world.shows(9, "part-1", LEAD, "participant", **person)
    return world


def test_a_person_in_a_lead_is_read_by_the_leads_own_names() -> None:
    """`City` is the city; a placeholder is no company; what a lead does not keep is not missed there."""
    world = led()
    assert found(world) == []
    world.user(400, record=LEAD, City="Quillon")
    assert found(world) == [("participant", "lost", "MailingCity"), ("participant", "different", "MailingCity")]
    world.documents["part-1"]["city"] = "Quillon"
    assert found(world) == []


def test_a_member_names_a_lead_or_a_contact() -> None:
    """Either is the person; another lead is not."""
    world = led()
    other = "00Q000000000009AAA"
    world.user(360, record=other, entity="Lead", LastName="Other")
    world.records[MEMBER_RECORD]["LeadId"] = other
    assert found(world) == [("registration", "lost", "ContactId")]


def test_a_converted_lead_is_no_second_record() -> None:
    """It still bears the external id; the contact is the person's record, and keeps what the lead could not."""
    world = led()
    world.converted(400, LEAD, RECORD, LastName="Pop", MailingCity="Umberfeld")
    totals = {"Hackathons_Attended__c": 0, "Projects_Submitted__c": 0, "Lifecycle_Stage__c": "Prospect"}
    world.ours(450, document="part-1", kind="participant", Skills__c="Go", **totals)
    person = {"last_name": "Pop", "city": "Umberfeld", "skills": ["Go"], "lifecycle_stage": "Prospect"}
    world.shows(12, "part-1", RECORD, "participant", **person, hackathons_attended=0, projects_submitted=0)
    assert found(world) == []
    world.records[RECORD]["Skills__c"] = None
    assert ("participant", "different", "Skills__c") in found(world)


# --- filters and deletions ---


def deal(world: Witnesses, at: int, **values: Any) -> None:
    """A group sale is told of."""
    world.sent(at, {"type": "group_sale", **values}, type="deal.created", document="deal-1")


def test_what_the_filter_keeps_back_needs_no_record() -> None:
    """A small group sale stays on the platform; a large one without a record is a fault."""
    world = ticketing()
    deal(world, 300, amount=500)
    world.shows(1, "deal-1", "", "deal", type="group_sale", amount=500)
    assert found(world) == []
    assert world.verdict().kept_back == 1
    deal(world, 400, amount=5_000)
    world.shows(1, "deal-1", "", "deal", type="group_sale", amount=5_000)
    assert found(world) == [("deal", "different", "")]


def test_what_the_filter_has_always_kept_back_must_have_no_record() -> None:
    """As somebody who never consented; one that was large once may have one."""
    world = ticketing()
    deal(world, 300, amount=500)
    world.ours(350, document="deal-1", record=DEAL_RECORD, kind="deal", Amount=500, Type="Group Sale")
    world.shows(1, "deal-1", DEAL_RECORD, "deal", type="group_sale", amount=500)
    assert found(world) == [("deal", "different", "")]
    world.sent(310, {"amount": 5_000}, changed=["amount"], type="deal.updated", document="deal-1")
    world.sent(320, {"amount": 500}, changed=["amount"], type="deal.updated", document="deal-1")
    assert found(world) == []


def participant(world: Witnesses, at: int = 100, **values: Any) -> None:
    """Somebody registers."""
    world.sent(at, {"last_name": "Pop", **values}, type="participant.registered", document="part-1")


def test_who_never_consented_needs_no_record_and_must_have_none_of_ours() -> None:
    """One of sales' own that was matched may be linked and written; with consent the want of a record is a fault."""
    world = Witnesses(hackathons())
    participant(world, consent=False)
    world.shows(1, "part-1", "", "participant", last_name="Pop", consent=False)
    assert found(world) == []
    assert world.verdict().kept_back == 1
    world.documents["part-1"]["consent"] = True
    assert found(world) == [("participant", "different", "")]
    values = {"LastName": "Pop", "Sync_Consent__c": False}
    world.ours(200, document="part-1", record=LEAD, kind="participant", entity="Lead", **values)
    world.shows(2, "part-1", LEAD, "participant", last_name="Pop", consent=False)
    assert ("participant", "different", "") in found(world)
    known = Witnesses(hackathons())
    participant(known, consent=False)
    known.user(90, record=LEAD, entity="Lead", LastName="Pop")
    known.ours(200, document="part-1", record=LEAD, kind="participant", entity="Lead", **values)
    known.shows(2, "part-1", LEAD, "participant", last_name="Pop", consent=False, lifecycle_stage="Prospect")
    assert found(known) == []


def test_a_record_made_before_the_consent_is_found() -> None:
    """A consent that comes afterwards excuses nothing."""
    world = Witnesses(hackathons())
    participant(world, consent=False)
    world.ours(200, document="part-1", record=LEAD, kind="participant", entity="Lead", LastName="Pop")
    world.sent(300, {"consent": True}, changed=["consent"], type="participant.updated", document="part-1")
    world.ours(400, document="part-1", record=LEAD, kind="participant", entity="Lead", Sync_Consent__c=True)
    world.shows(2, "part-1", LEAD, "participant", last_name="Pop", consent=True)
    assert found(world) == [("participant", "different", "")]


def test_what_is_written_of_who_has_opted_out_is_found() -> None:
    """What was said before may still land; what was said after must not, unless they are in again."""
    world = Witnesses(hackathons())
    updated = {"type": "participant.updated", "document": "part-1"}
    ours = {"document": "part-1", "record": LEAD, "kind": "participant", "entity": "Lead"}
    participant(world, consent=True, opted_out=False)
    world.ours(200, **ours, LastName="Pop", Sync_Consent__c=True)
    world.sent(250, {"city": "Quillon"}, changed=["city"], **updated)
    world.sent(300, {"opted_out": True}, changed=["opted_out"], **updated)
    world.sent(400, {"city": "Umberfeld"}, changed=["city"], **updated)
    shown = {"last_name": "Pop", "city": "Umberfeld", "consent": True}
    world.shows(5, "part-1", LEAD, "participant", **shown, opted_out=True)
    world.ours(350, **ours, City="Quillon")
    assert found(world) == []
    assert world.verdict().kept_back == 1
    world.ours(450, **ours, City="Umberfeld")
    assert found(world) == [("participant", "different", "MailingCity")]
    world.sent(420, {"opted_out": False}, changed=["opted_out"], **updated)
    world.shows(6, "part-1", LEAD, "participant", **shown, opted_out=False)
    world.records[LEAD]["Sync_Opt_Out__c"] = False
    assert [one for one in found(world) if one[1] == "different"] == []


PERSON = {"last_name": "Pop", "consent": True}
REGISTERED = {"event_id": "event-1", "participant_id": "part-1", "status": "registered"}
CAMPAIGN = "701000000000001AAA"


def registered() -> Witnesses:
    """Somebody is registered for an event, and opts out after that; the platform has seen it in the document."""
    world = Witnesses(hackathons())
    world.sent(90, {"name": "Gala"}, type="event.created", document="event-1")
    world.ours(95, document="event-1", record=CAMPAIGN, kind="event", Name="Gala")
    world.shows(2, "event-1", CAMPAIGN, "event", name="Gala")
    participant(world, **PERSON, opted_out=False)
    world.ours(200, document="part-1", record=LEAD, kind="participant", entity="Lead", LastName="Pop")
    world.records[LEAD]["Sync_Consent__c"] = True
    world.sent(210, REGISTERED, type="registration.created", document="reg-1")
    values = {"LeadId": LEAD, "CampaignId": CAMPAIGN, "Status": "Registered"}
    world.ours(250, document="reg-1", record=MEMBER_RECORD, kind="registration", **values)
    world.sent(300, {"opted_out": True}, changed=["opted_out"], type="participant.updated", document="part-1")
    world.looked(320, 5, PERSON | {"opted_out": True}, "part-1")
    world.shows(5, "part-1", LEAD, "participant", **PERSON, opted_out=True)
    world.shows(3, "reg-1", MEMBER_RECORD, "registration", **REGISTERED)
    return world


def test_what_hangs_on_who_has_opted_out_is_kept_back_with_them() -> None:
    """A registration that says nothing of it: neither made nor written; what was on its way before may land."""
    world = registered()
    assert found(world) == []
    told = {"type": "registration.attended", "document": "reg-1"}
    world.sent(310, {"status": "no_show"}, changed=["status"], **told)
    world.sent(330, {"status": "attended"}, changed=["status"], **told)
    world.shows(4, "reg-1", MEMBER_RECORD, "registration", **REGISTERED | {"status": "attended"})
    world.sent(340, REGISTERED, type="registration.created", document="reg-2")
    world.shows(1, "reg-2", "", "registration", **REGISTERED)
    assert found(world) == []
    assert world.verdict().kept_back == 3
    world.ours(350, document="reg-1", record=MEMBER_RECORD, kind="registration", Status="No Show")
    assert found(world) == []
    world.ours(360, document="reg-1", record=MEMBER_RECORD, kind="registration", Status="Attended")
    assert found(world) == [("registration", "different", "Status")]


def test_what_hung_on_who_is_in_again_must_have_been_written() -> None:
    """As ever: a registration without a member is a fault then, and so is an edit that never came."""
    world = registered()
    world.sent(330, {"status": "attended"}, changed=["status"], type="registration.attended", document="reg-1")
    world.shows(4, "reg-1", MEMBER_RECORD, "registration", **REGISTERED | {"status": "attended"})
    world.sent(340, REGISTERED, type="registration.created", document="reg-2")
    world.shows(1, "reg-2", "", "registration", **REGISTERED)
    world.sent(400, {"opted_out": False}, changed=["opted_out"], type="participant.updated", document="part-1")
    world.shows(6, "part-1", LEAD, "participant", **PERSON, opted_out=False)
    wrong = [one for one in found(world) if one[0] == "registration"]
    assert wrong == [("registration", "lost", "Status"), ("registration", "different", "")]


def test_a_field_that_was_written_without_the_consent_it_needs_is_found() -> None:
    """What is held back is no difference. A value that came after the consent was taken back must not be written."""
    world = Witnesses(preset("ticketing"))
    world.sent(90, {"name": "Gala"}, type="event.created", document="event-1")
    world.ours(95, document="event-1", record="701000000000001AAA", kind="event", Name="Gala")
    world.shows(2, "event-1", "701000000000001AAA", "event", name="Gala")
    customer(world)
    told = {"customer_id": CUSTOMER, "event_id": "event-1", "status": "registered"}
    world.sent(300, told | {"dietary_needs": "vegan"}, type="registration.created", document="reg-1")
    ours = {"document": "reg-1", "record": MEMBER_RECORD, "kind": "registration"}
    world.ours(350, **ours, ContactId=RECORD, CampaignId="701000000000001AAA", Status="Registered")
    world.shows(3, "reg-1", MEMBER_RECORD, "registration", **told, dietary_needs="vegan")
    world.documents["reg-1"]["salesforce"]["held"] = ["dietary_needs"]
    wrong = [one for one in found(world) if one[0] == "registration"]
    assert wrong == []
    world.ours(360, **ours, Dietary_Needs__c="vegan")
    wrong = [one for one in found(world) if one[0] == "registration"]
    assert wrong == [("registration", "different", "Dietary_Needs__c")]
    updated = {"type": "registration.updated", "document": "reg-1"}
    world.sent(355, {"dietary_consent": True}, changed=["dietary_consent"], **updated)
    world.ours(358, **ours, Dietary_Consent__c=True)
    world.shows(4, "reg-1", MEMBER_RECORD, "registration", **told, dietary_needs="vegan", dietary_consent=True)
    assert [one for one in found(world) if one[0] == "registration"] == []
    world.sent(400, {"dietary_consent": False}, changed=["dietary_consent"], **updated)
    world.sent(450, {"dietary_needs": "halal"}, changed=["dietary_needs"], **updated)
    world.ours(500, **ours, Dietary_Consent__c=False)
    world.shows(5, "reg-1", MEMBER_RECORD, "registration", **told, dietary_needs="halal", dietary_consent=False)
    world.documents["reg-1"]["salesforce"]["held"] = ["dietary_needs"]
    assert [one for one in found(world) if one[0] == "registration"] == []
    world.ours(550, **ours, Dietary_Needs__c="halal")
    assert ("registration", "different", "Dietary_Needs__c") in found(world)


def test_a_record_that_should_have_gone_with_its_thing_is_found() -> None:
    """`on_delete` says that a registration's record is deleted; a person may bring it back, once that is done."""
    world = ticketing()
    values = {"customer_id": CUSTOMER, "event_id": "event-1", "status": "registered"}
    world.sent(300, values, type="registration.created", document="reg-1")
    member = {"ContactId": RECORD, "Status": "Registered"}
    world.ours(350, document="reg-1", record=MEMBER_RECORD, kind="registration", **member)
    world.sent(400, {}, type="registration.deleted", document="reg-1")
    world.shows(3, "reg-1", MEMBER_RECORD, "registration", sync_status="deleted", **values)
    assert found(world) == [("registration", "different", "")]
    world.ended(450, MEMBER_RECORD, "DELETE", IsDeleted=True)
    assert found(world) == []
    world.undeleted(500, MEMBER_RECORD)
    assert found(world) == []


def test_what_can_be_written_once_only_is_held_later() -> None:
    """A member stays in its campaign: that the document says so excuses the difference, and nothing else does."""
    world = ticketing()
    world.sent(90, {"name": "Gala"}, type="event.created", document="event-1")
    world.ours(95, document="event-1", record="701000000000001AAA", kind="event", Name="Gala")
    world.shows(2, "event-1", "701000000000001AAA", "event", name="Gala")
    values = {"customer_id": CUSTOMER, "event_id": "event-1", "status": "registered"}
    world.sent(300, values, type="registration.created", document="reg-1")
    member = {"ContactId": RECORD, "CampaignId": "701000000000001AAA", "Status": "Registered"}
    world.ours(350, document="reg-1", record=MEMBER_RECORD, kind="registration", **member)
    later = {**values, "event_id": "event-2"}
    world.sent(400, later, edits=["event_id"], type="registration.updated", document="reg-1")
    world.shows(3, "reg-1", MEMBER_RECORD, "registration", **later)
    assert found(world) == [("registration", "lost", "CampaignId")]
    world.documents["reg-1"]["salesforce"]["held"] = ["event_id"]
    assert found(world) == []


# --- the policies that look at the values ---


def policed(policy: str, transform: str, path: str, name: str) -> Witnesses:
    """Customers with one field of this policy."""
    field = {"platform": path, "salesforce": name, "policy": policy, "transform": [transform]}
    kind = {
        "collection": "customers",
        "sobject": "Contact",
        "external_id": "Tandem_Customer_Id__c",
        "token": "Tandem_Customer_Write__c",
        "events": {"customer.created": "values", "customer.updated": "values"},
        "fields": [field],
    }
    return Witnesses(Mapping.model_validate({"kinds": {"customer": kind}}))


def skilled() -> Witnesses:
    """Both sides add a skill at once; the row tells of both."""
    world = policed("union", "multi_select", "skills", "Skills__c")
    world.sent(100, {"skills": ["Go"]}, type="customer.created")
    world.ours(150, Skills__c="Go")
    world.user(200, Skills__c="Go;Rust")
    event = world.sent(210, {"skills": ["Go", "SQL"]}, changed=["skills"])
    world.settled(
        "skills",
        "Skills__c",
        (["Go", "SQL"], 210),
        ("Go;Rust", 200),
        winner="both",
        rule="13.union",
        event=event,
        result=["Go", "Rust", "SQL"],
    )
    world.ours(300, Skills__c="Go;Rust;SQL")
    world.shows(5, skills=["Go", "Rust", "SQL"])
    return world


def test_what_a_union_made_of_both_is_the_survival_of_both() -> None:
    """The order of the values makes no difference."""
    world = skilled()
    assert found(world) == []
    world.shows(5, skills=["SQL", "Go", "Rust"])
    assert found(world) == []


def test_a_union_that_is_gone_though_nobody_set_another_is_lost() -> None:
    """Both sides hold the one side's set again."""
    world = skilled()
    world.ours(400, Skills__c="Go;SQL")
    world.shows(6, skills=["Go", "SQL"])
    assert found(world) == [("customer", "lost", "Skills__c")]


def test_a_union_that_somebody_set_anew_is_superseded() -> None:
    """A user takes a skill out, knowingly."""
    world = skilled()
    world.user(400, Skills__c="Rust")
    world.shows(6, skills=["Rust"])
    assert found(world) == []


def test_a_union_without_a_row_is_silent() -> None:
    """Both values are there in a way, and nobody was told."""
    world = skilled()
    world.audit.clear()
    assert found(world) == [("customer", "lost", "Skills__c"), ("customer", "lost", "Skills__c")]


def test_a_union_must_hold_every_value() -> None:
    """One of three was dropped on the way."""
    world = skilled()
    world.audit[0]["result"] = ["Go", "Rust"]
    assert ("customer", "lost", "Skills__c") in found(world)


@pytest.mark.parametrize(("policy", "right"), [("max", "platform"), ("min", "salesforce")])
def test_the_greater_or_the_lesser_wins(policy: str, right: str) -> None:
    """7 of the platform's against 5 of Salesforce's."""
    for winner in ("platform", "salesforce"):
        world = policed(policy, "number", "score", "Score__c")
        world.sent(100, {"score": 1}, type="customer.created")
        world.ours(150, Score__c=1)
        world.user(200, Score__c=5)
        event = world.sent(210, {"score": 7}, changed=["score"])
        world.settled("score", "Score__c", (7, 210), (5, 200), winner=winner, rule=f"13.{policy}", event=event)
        if winner == "platform":
            world.ours(300, Score__c=7)
        world.shows(5, score=7 if winner == "platform" else 5)
        expected = [] if winner == right else [("customer", "lost", "Score__c")]
        assert found(world) == expected, winner


@pytest.mark.parametrize("policy", ["max", "min"])
def test_nothing_never_wins(policy: str) -> None:
    """A cleared field against a number."""
    world = policed(policy, "number", "score", "Score__c")
    world.sent(100, {"score": 1}, type="customer.created")
    world.ours(150, Score__c=1)
    world.user(200, Score__c=None)
    event = world.sent(210, {"score": 7}, changed=["score"])
    row = ("score", "Score__c", (7, 210), (None, 200))
    world.settled(*row, winner="salesforce", rule=f"13.{policy}", event=event)
    world.shows(5, score=None)
    assert found(world) == [("customer", "lost", "Score__c")]


def test_a_conflict_that_waits_for_a_person_has_lost_nothing() -> None:
    """Both values are named, and the document says that it holds the field."""
    world = policed("review", "trim", "title", "Title")
    world.sent(100, {"title": "Host"}, type="customer.created")
    world.ours(150, Title="Host")
    world.user(200, Title="Chair")
    event = world.sent(210, {"title": "Guest"}, changed=["title"])
    world.shows(5, title="Guest")
    assert {one[1] for one in found(world)} == {"lost", "different"}
    world.settled("title", "Title", ("Guest", 210), ("Chair", 200), winner="nobody", rule="13.review", event=event)
    world.documents[CUSTOMER]["salesforce"]["held"] = ["title"]
    assert found(world) == []


# --- picklists ---


def test_a_picklist_is_compared_in_one_sides_words() -> None:
    """`won` on the platform is `Closed Won` in Salesforce; another stage is another value."""
    world = ticketing()
    deal(world, 300, amount=5_000, stage="won")
    told = {"Amount": 5_000, "Type": "Group Sale", "StageName": "Closed Won"}
    world.ours(350, document="deal-1", record=DEAL_RECORD, kind="deal", **told)
    values = {"type": "group_sale", "amount": 5_000}
    world.shows(1, "deal-1", DEAL_RECORD, "deal", **values, stage="won")
    assert found(world) == []
    world.user(400, record=DEAL_RECORD, StageName="Closed Lost")
    assert {one for one in found(world) if one[1] == "lost"} == {("deal", "lost", "StageName")}
    world.shows(2, "deal-1", DEAL_RECORD, "deal", **values, stage="lost")
    assert found(world) == []


def test_every_finding_has_a_fault() -> None:
    """The table is made of the four."""
    world = ticketing()
    world.documents.pop(CUSTOMER)
    assert [finding.fault for finding in world.verdict().findings] == [Fault.LOST]
