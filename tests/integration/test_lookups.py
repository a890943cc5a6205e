"""Documents that name one another, and the records behind them: in memory and on the real MongoDB."""

import copy
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.fake_documents import FakeDocuments
from support.sync_stage import Stage

from adapters.mongo.collections import prepare
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.logs import MongoParkedRecords, MongoSyncLog
from consumers.catalog import Catalog
from schemas.mapping import Mapping
from schemas.outcome import Outcome
from schemas.storage import DocumentWrite
from schemas.unavailable import Unavailable


def kind(collection: str, sobject: str, event: str, *fields: dict[str, Any]) -> dict[str, Any]:
    """A kind of the mapping, with the field names that follow from its event's."""
    own = event.title()
    return {
        "collection": collection,
        "sobject": sobject,
        "external_id": f"Tandem_{own}_Id__c",
        "token": f"Tandem_{own}_Write__c",
        "events": {f"{event}.updated": "values"},
        "fields": list(fields),
    }


def both(platform: str, salesforce: str, **more: Any) -> dict[str, Any]:
    """A two-way field."""
    return {"platform": platform, "salesforce": salesforce, **more}


MAPPING = {
    "format": 1,
    "kinds": {
        "member": kind(
            "members",
            "CampaignMember",
            "member",
            both("campaign_id", "CampaignId", lookup="campaign", required=True, direction="push"),
            both("customer_id", "ContactId", lookup="customer", required=True, direction="push"),
            both("status", "Status"),
        ),
        "customer": kind(
            "customers",
            "Contact",
            "customer",
            both("last_name", "LastName"),
            both("title", "Title"),
            both("company_id", "AccountId", lookup="company"),
        ),
        "company": kind(
            "companies", "Account", "company", both("name", "Name"), both("parent_id", "ParentId", lookup="company")
        ),
        "campaign": kind("campaigns", "Campaign", "campaign", both("name", "Name")),
    },
}
COLLECTIONS = [each["collection"] for each in MAPPING["kinds"].values()]  # type: ignore[attr-defined]


@pytest.fixture(params=["memory", pytest.param("mongodb", marks=pytest.mark.integration)])
async def stage(request: pytest.FixtureRequest, database: AsyncDatabase[dict[str, Any]]) -> Stage:
    """Four kinds that name one another, in an org that takes no lookup to nowhere."""
    made = Stage(FakeDocuments())
    if request.param == "mongodb":
        await prepare(database, COLLECTIONS)
        made = Stage(MongoDocuments(database), MongoSyncLog(database), MongoParkedRecords(database))
    made.catalog = Catalog(Mapping.model_validate(MAPPING))
    made.salesforce.references = {
        "Contact": {"AccountId": "Account"},
        "Account": {"ParentId": "Account"},
        "CampaignMember": {"CampaignId": "Campaign", "ContactId": "Contact"},
    }
    return made


async def post(stage: Stage, kind_name: str, id_: str, **fields: Any) -> None:
    assert (await stage.post(fields, id_=id_, type_=f"{kind_name}.updated")).outcome is Outcome.APPLIED


def record(stage: Stage, sobject: str, key: str, id_: str) -> dict[str, Any]:
    (row,) = [row for row in stage.salesforce.rows.get(sobject, {}).values() if row.get(key) == id_]
    return row


def account(stage: Stage, id_: str) -> dict[str, Any]:
    return record(stage, "Account", "Tandem_Company_Id__c", id_)


def contact(stage: Stage, id_: str) -> dict[str, Any]:
    return record(stage, "Contact", "Tandem_Customer_Id__c", id_)


def parked(stage: Stage) -> list[Any]:
    return getattr(stage.parked, "rows", [])


async def test_parents_are_made_before_their_children_in_one_pass(stage: Stage) -> None:
    """Whatever order the platform told of them in: one round of the writer makes all four records, linked."""
    await post(stage, "member", "m-1", campaign_id="conf-1", customer_id="cust-1", status="Sent")
    await post(stage, "customer", "cust-1", last_name="Lovelace", company_id="comp-1")
    await post(stage, "company", "comp-1", name="Analytical")
    await post(stage, "campaign", "conf-1", name="PyConf")
    await stage.answer_doorbells()
    made = {sobject: len(rows) for sobject, rows in stage.salesforce.rows.items()}
    assert made == {"Account": 1, "Campaign": 1, "Contact": 1, "CampaignMember": 1}
    assert contact(stage, "cust-1")["AccountId"] == account(stage, "comp-1")["Id"]
    await stage.settle()
    (member,) = stage.salesforce.rows["CampaignMember"].values()
    assert member["ContactId"] == contact(stage, "cust-1")["Id"]
    assert [(await stage.document(*each))["salesforce"]["syncStatus"] for each in ALL] == ["synced"] * 4
    assert (await stage.document("cust-1"))["company_id"] == "comp-1", "the platform's name for it"


ALL = (("m-1", "members"), ("cust-1", "customers"), ("comp-1", "companies"), ("conf-1", "campaigns"))


async def test_a_child_whose_parent_is_not_there_goes_without_and_is_joined_later(stage: Stage) -> None:
    """A lookup that may be empty keeps nothing else back, then or later; nothing is parked."""
    await post(stage, "customer", "cust-1", last_name="Lovelace", company_id="comp-1")
    await stage.settle()
    assert "AccountId" not in contact(stage, "cust-1")
    assert (await stage.document("cust-1"))["salesforce"]["syncStatus"] == "pending"
    await stage.post({"title": "Countess"}, changed=["title"], type_="customer.updated")
    for _round in range(4):
        stage.now += 1_500
        await stage.hear()
        await stage.answer_doorbells()
    assert contact(stage, "cust-1")["Title"] == "Countess", "at once"
    calls = len(stage.salesforce.calls)
    await post(stage, "company", "comp-1", name="Analytical")
    stage.now += 300_000
    await stage.settle()
    assert contact(stage, "cust-1")["AccountId"] == account(stage, "comp-1")["Id"]
    assert len(stage.salesforce.calls) - calls <= 6
    document = await stage.document("cust-1")
    assert document["salesforce"]["syncStatus"] == "synced"
    assert "awaited" not in document["_sync"]
    assert not parked(stage)


async def test_a_child_is_written_as_soon_as_its_parent_has_a_record(stage: Stage) -> None:
    """However long it has been missed, and with nobody else's woken."""
    await post(stage, "customer", "cust-1", last_name="Lovelace", company_id="comp-1")
    await post(stage, "customer", "cust-2", last_name="Babbage", company_id="comp-2")
    await stage.settle()
    stage.now += 40_000_000
    await stage.settle()
    asleep = await stage.document("cust-2")
    assert asleep["_sync"]["awaited"]["AccountId"]["at"] > stage.now + 10_000_000, "or this tells nothing"
    await post(stage, "company", "comp-1", name="Analytical")
    began = stage.now
    await stage.settle()
    assert contact(stage, "cust-1")["AccountId"] == account(stage, "comp-1")["Id"]
    assert stage.now - began < 60_000
    assert await stage.document("cust-2") == asleep


async def test_a_child_is_written_as_soon_as_its_parents_record_is_undeleted(stage: Stage) -> None:
    """Two that have missed it for days: one that was made meanwhile, and one that cannot be made without it."""
    await post(stage, "campaign", "conf-1", name="PyConf")
    await post(stage, "company", "comp-1", name="Analytical")
    await stage.settle()
    (campaign,) = stage.salesforce.rows["Campaign"]
    lost = {"Account": str(account(stage, "comp-1")["Id"]), "Campaign": campaign}
    for sobject, record in lost.items():
        stage.salesforce.remove(sobject, record)
    await stage.settle()
    await post(stage, "customer", "cust-1", last_name="Lovelace", company_id="comp-1")
    await post(stage, "member", "m-1", campaign_id="conf-1", customer_id="cust-1", status="Sent")
    await post(stage, "customer", "cust-2", last_name="Babbage", company_id="comp-2")
    await stage.settle()
    stage.now += 80_000_000
    await stage.settle()
    asleep = await stage.document("cust-2")
    assert asleep["_sync"]["awaited"]["AccountId"]["at"] > stage.now + 10_000_000, "or this tells nothing"
    assert not contact(stage, "cust-1").get("AccountId")
    assert not stage.salesforce.rows.get("CampaignMember")
    for sobject, record in lost.items():
        stage.salesforce.undelete(sobject, record)
    began = stage.now
    await stage.settle()
    assert contact(stage, "cust-1")["AccountId"] == lost["Account"]
    (member,) = stage.salesforce.rows["CampaignMember"].values()
    assert member["CampaignId"] == campaign
    assert stage.now - began < 60_000
    assert await stage.document("cust-2") == asleep, "nobody else is woken"


async def test_a_child_that_decides_while_it_is_woken_looks_again(stage: Stage) -> None:
    """It has read its parent without a record a moment ago, and would sleep on."""
    await post(stage, "customer", "cust-1", last_name="Lovelace", company_id="comp-1")
    await stage.settle()
    found = await stage.document("cust-1")
    assert await stage.documents.wake("customers", "AccountId", ["comp-1"], stage.now) == 1
    late = DocumentWrite("cust-1", found["revision"], "late", set={"revision": found["revision"] + 1})
    assert await stage.documents.write("customers", [late]) == {"cust-1"}
    woken = await stage.document("cust-1")
    assert woken["_sync"]["awaited"]["AccountId"]["at"] == woken["_sync"]["due_at"] == stage.now
    assert await stage.documents.wake("customers", "AccountId", ["comp-1"], stage.now) == 0, "it is awake"


async def test_what_cannot_be_made_without_its_parent_waits_for_it(stage: Stage) -> None:
    """A required lookup: no call is tried in vain, and none is made before both parents have records."""
    await post(stage, "member", "m-1", campaign_id="conf-1", customer_id="cust-1", status="Sent")
    await post(stage, "campaign", "conf-1", name="PyConf")
    await stage.settle()
    assert "CampaignMember" not in stage.salesforce.rows
    await post(stage, "customer", "cust-1", last_name="Lovelace")
    stage.now += 300_000
    await stage.settle()
    (member,) = stage.salesforce.rows["CampaignMember"].values()
    assert (member["ContactId"], member["Status"]) == (contact(stage, "cust-1")["Id"], "Sent")
    assert not parked(stage)


async def kept_back(stage: Stage) -> dict[str, Any]:
    """A member who changes their status after the customer was left out; the member's document, asleep."""
    raw: Any = copy.deepcopy(MAPPING)
    raw["kinds"]["customer"]["filters"] = {"push": {"none": [{"path": "title", "equals": "out"}]}}
    stage.catalog = Catalog(Mapping.model_validate(raw))
    await post(stage, "campaign", "conf-1", name="PyConf")
    for number in (1, 2):
        await post(stage, "customer", f"cust-{number}", last_name="Lovelace")
        who = {"campaign_id": "conf-1", "customer_id": f"cust-{number}"}
        await post(stage, "member", f"m-{number}", **who, status="Sent")
    await stage.settle()
    for number in (1, 2):
        await post(stage, "customer", f"cust-{number}", title="out")
        await post(stage, "member", f"m-{number}", status="Responded")
    await stage.settle()
    asleep = await stage.document("m-1", "members")
    assert asleep["salesforce"]["syncStatus"] == "filtered"
    assert asleep["_sync"]["due_at"] > stage.now + 50_000_000, "or this tells nothing"
    assert statuses(stage) == ["Sent", "Sent"]
    return asleep


def statuses(stage: Stage) -> list[str]:
    rows = stage.salesforce.rows["CampaignMember"].values()
    return [row["Status"] for row in sorted(rows, key=lambda row: str(row["Tandem_Member_Id__c"]))]


async def test_what_was_kept_back_is_written_as_soon_as_its_parent_is_let_out(stage: Stage) -> None:
    """However long it slept, and nobody else's. Nothing was due of the parent itself."""
    await kept_back(stage)
    other = await stage.document("m-2", "members")
    stage.now += 20_000_000
    await post(stage, "customer", "cust-1", title=None)
    assert "cust-1" in str(stage.doorbells.rung), "at once, and not by the sweep"
    began = stage.now
    await stage.settle()
    assert stage.now - began < 60_000
    assert statuses(stage) == ["Responded", "Sent"]
    written = await stage.document("m-1", "members")
    assert (written["salesforce"]["syncStatus"], written["_sync"].get("awaited")) == ("synced", None)
    assert "keeps" not in (await stage.document("cust-1"))["_sync"]
    assert await stage.document("m-2", "members") == other


async def test_who_is_killed_while_letting_go_leaves_it_to_the_next(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark is in the parent's document before, and goes after that."""
    await kept_back(stage)
    await post(stage, "customer", "cust-1", title=None)

    async def ended(*_asked: Any) -> int:
        raise Unavailable("killed here")

    with monkeypatch.context() as killed:
        killed.setattr(stage.documents, "let_go", ended)
        with pytest.raises(Unavailable):
            await stage.answer_doorbells()
    assert (await stage.document("cust-1"))["_sync"]["keeps"] is True
    stage.doorbells.rung.clear()
    await stage.settle()
    assert statuses(stage) == ["Responded", "Sent"]


async def test_a_child_that_decides_while_it_is_let_go_looks_again(stage: Stage) -> None:
    """It has read its parent as left out a moment ago, and would sleep a day."""
    found = await kept_back(stage)
    assert await stage.documents.let_go("members", "ContactId", ["customer/cust-1"], stage.now) == 1
    late = DocumentWrite("m-1", found["revision"], "late", set={"revision": found["revision"] + 1})
    assert await stage.documents.write("members", [late]) == {"m-1"}
    freed = await stage.document("m-1", "members")
    assert freed["_sync"]["awaited"]["ContactId"]["at"] == freed["_sync"]["due_at"] == stage.now
    assert await stage.documents.let_go("members", "ContactId", ["customer/cust-1"], stage.now + 5) == 1, "once more"
    assert (await stage.document("m-1", "members"))["_sync"]["due_at"] == stage.now


async def test_a_mapping_without_the_filter_lets_all_go(stage: Stage) -> None:
    """Whatever was noted by the one before."""
    await kept_back(stage)
    raw: Any = copy.deepcopy(MAPPING)
    stage.catalog = Catalog(Mapping.model_validate(raw | {"version": 2}))
    for number in (1, 2):
        await post(stage, "member", f"m-{number}", status="Responded")
    await stage.settle()
    assert statuses(stage) == ["Responded", "Responded"]


async def test_a_cycle_of_lookups_is_made_all_the_same(stage: Stage) -> None:
    """Each names the other: the records are made first, and joined when both are there."""
    await post(stage, "company", "comp-1", name="Analytical", parent_id="comp-2")
    await post(stage, "company", "comp-2", name="Difference", parent_id="comp-1")
    for _round in range(3):
        await stage.settle()
        stage.now += 10_000
    assert account(stage, "comp-1")["ParentId"] == account(stage, "comp-2")["Id"]
    assert account(stage, "comp-2")["ParentId"] == account(stage, "comp-1")["Id"]


async def test_what_salesforce_says_of_a_parent_becomes_the_platforms_id(stage: Stage) -> None:
    """A user moves the contact to another account, and the document names that account's document."""
    await post(stage, "company", "comp-1", name="Analytical")
    await post(stage, "company", "comp-2", name="Difference")
    await post(stage, "customer", "cust-1", last_name="Lovelace", company_id="comp-1")
    await stage.settle()
    stage.now += 60_000
    stage.salesforce.edit("Contact", contact(stage, "cust-1")["Id"], {"AccountId": account(stage, "comp-2")["Id"]})
    await stage.settle()
    assert (await stage.document("cust-1"))["company_id"] == "comp-2"
    calls = len(stage.salesforce.calls)
    await stage.settle()
    assert len(stage.salesforce.calls) == calls, "nothing is written back"


async def test_a_parent_that_is_no_document_keeps_its_record_id(stage: Stage) -> None:
    """On both sides, until the account belongs to a document; then the next read whole names that."""
    await post(stage, "customer", "cust-1", last_name="Lovelace")
    await stage.settle()
    stage.now += 60_000
    stranger = stage.salesforce.create("Account", {"Name": "Analytical"})
    stage.salesforce.edit("Contact", contact(stage, "cust-1")["Id"], {"AccountId": stranger})
    await stage.settle()
    assert (await stage.document("cust-1"))["company_id"] == stranger
    await stage.post({"company_id": stranger, "title": "Countess"}, changed=["title"], type_="customer.updated")
    await stage.settle()
    assert contact(stage, "cust-1")["AccountId"] == stranger


async def test_a_lookup_that_is_cleared_is_cleared_on_the_other_side(stage: Stage) -> None:
    """Null names no parent, and waits for none."""
    await post(stage, "company", "comp-1", name="Analytical")
    await post(stage, "customer", "cust-1", last_name="Lovelace", company_id="comp-1")
    await stage.settle()
    stage.now += 60_000
    await stage.post({"company_id": None}, changed=["company_id"], type_="customer.updated")
    await stage.settle()
    assert contact(stage, "cust-1")["AccountId"] is None


async def test_a_child_that_meets_a_merge_before_its_event_is_tried_again(stage: Stage) -> None:
    """Its parent's record was merged away a moment ago: nothing is parked, and it comes under the master."""
    await post(stage, "company", "comp-1", name="Analytical")
    await stage.settle()
    stage.now += 60_000
    master = stage.salesforce.create("Account", {"Name": "Analytical Ltd"})
    stage.salesforce.merge("Account", master, [account(stage, "comp-1")["Id"]])
    await post(stage, "customer", "cust-1", last_name="Lovelace", company_id="comp-1")
    for _doorbell in range(3):
        stage.now += 1_000
        await stage.sweep.ring_due()
        await stage.answer_doorbells()
    assert "Contact" not in stage.salesforce.rows
    await stage.settle()
    assert contact(stage, "cust-1")["AccountId"] == master
    assert not parked(stage)


async def test_a_child_of_a_merged_parent_names_the_master(stage: Stage) -> None:
    """The loser's record leads to the master's, and what names either is the same document."""
    await post(stage, "company", "comp-1", name="Analytical")
    await post(stage, "customer", "cust-1", last_name="Lovelace", company_id="comp-1")
    await stage.settle()
    stage.now += 60_000
    loser, master = account(stage, "comp-1")["Id"], stage.salesforce.create("Account", {"Name": "Analytical Ltd"})
    stage.salesforce.merge("Account", master, [loser])
    stage.salesforce.edit("Contact", contact(stage, "cust-1")["Id"], {"AccountId": master})
    await stage.settle()
    assert (await stage.document("comp-1", "companies"))["_sync"]["link"]["id"] == master
    assert contact(stage, "cust-1")["AccountId"] == master
    stage.now += 60_000
    await stage.post({"company_id": "comp-1", "title": "Countess"}, changed=["title"], type_="customer.updated")
    await stage.settle()
    assert contact(stage, "cust-1")["AccountId"] == master
