"""Two documents whose records became one (`on_merge`), by a merge or a conversion: in memory and on real MongoDB."""

from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.fake_documents import FakeDocuments
from support.lead_stage import ADA, LeadStage

from adapters.mongo.collections import prepare
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.logs import MongoParkedRecords, MongoSyncLog
from consumers.catalog import Catalog
from schemas.mapping import Mapping

BYRON = {"last_name": "Byron", "email": "b@example.org"}
KEY = "Tandem_Customer_Id__c"


@pytest.fixture(params=["memory", pytest.param("mongodb", marks=pytest.mark.integration)])
async def stage(request: pytest.FixtureRequest, database: AsyncDatabase[dict[str, Any]]) -> LeadStage:
    """Two customers, each with a contact, of whom the one that has the record stays."""
    made = LeadStage(FakeDocuments())
    if request.param == "mongodb":
        await prepare(database, ["customers"])
        made = LeadStage(MongoDocuments(database), MongoSyncLog(database), MongoParkedRecords(database))
    made.keep_in_leads(create="sobject", on_merge="keep_master", on_delete={"salesforce": "recreate"})
    await made.post(ADA, type_="customer.created")
    await made.post(BYRON, id_="cust-2", type_="customer.created")
    await made.settle()
    return made


async def record_id(stage: LeadStage, id_: str = "cust-1") -> str:
    return str((await stage.document(id_))["salesforce"]["recordId"])


async def rows(stage: LeadStage, type_: str) -> list[dict[str, Any]]:
    if isinstance(stage.log, MongoSyncLog):
        return await stage.log._database["salesforce_sync_logs"].find({"type": type_}).to_list()
    return [row for row in stage.log.rows.values() if row["type"] == type_]  # type: ignore[attr-defined]


async def parked(stage: LeadStage) -> int:
    if isinstance(stage.parked, MongoParkedRecords):
        return await stage.parked._database["tandem_parked"].count_documents({})
    return len(stage.parked.rows)  # type: ignore[attr-defined]


async def merged(stage: LeadStage) -> str:
    """The contact of the second customer, into which that of the first was merged."""
    loser, master = await record_id(stage), await record_id(stage, "cust-2")
    stage.salesforce.merge("Contact", master, [loser])
    await stage.settle()
    return master


async def test_the_document_of_the_losing_record_is_marked_and_nobody_is_asked(stage: LeadStage) -> None:
    """Which is told in the log; the other is as it was, and no new record is made, whatever `on_delete` says."""
    loser = await record_id(stage)
    master = await merged(stage)
    public = (await stage.document())["salesforce"]
    assert (public["syncStatus"], public["mergedInto"], public["recordId"]) == ("merged", "cust-2", loser)
    assert "syncError" not in public
    assert await stage.shown("cust-2") == ("synced", master, None)
    (row,) = await rows(stage, "merge")
    assert (row["document"], row["record"], row["into"], row["into_record"]) == ("cust-1", loser, "cust-2", master)
    assert await parked(stage) == 0
    assert stage.only("Contact")[KEY] == "cust-2"


async def test_a_merged_document_is_not_deleted(stage: LeadStage) -> None:
    """Also where a deletion in Salesforce counts as one of the thing."""
    stage.keep_in_leads(create="sobject", on_merge="keep_master", on_delete={"salesforce": "delete"})
    await merged(stage)
    assert (await stage.document())["salesforce"]["syncStatus"] == "merged"


async def test_an_edit_stays_in_the_document_and_the_audit_tells(stage: LeadStage) -> None:
    """Nothing of it reaches the record, which is another document's."""
    await merged(stage)
    before = dict(stage.only("Contact"))
    await stage.post({**ADA, "address.city": "Ockham"}, changed=["address"])
    await stage.settle()
    document = await stage.document()
    assert document["address"]["city"] == "Ockham"
    assert document["salesforce"]["syncStatus"] == "merged"
    assert stage.only("Contact") == before
    (row,) = [row for row in await rows(stage, "audit") if row["rule"] == "23.merged"]
    assert (row["document"], row["path"], row["platform"]["value"], row["winner"]) == (
        "cust-1",
        "address.city",
        "Ockham",
        "nobody",
    )
    assert "cust-2" in row["note"]


async def test_edits_of_the_record_are_those_of_the_document_that_stays(stage: LeadStage) -> None:
    """The merged document does not follow it any more."""
    master = await merged(stage)
    stage.salesforce.edit("Contact", master, {"Title": "Baron"})
    await stage.settle()
    assert (await stage.document("cust-2"))["title"] == "Baron"
    assert (await stage.document())["title"] == "Countess"


async def test_an_undelete_gives_the_document_its_record_back(stage: LeadStage) -> None:
    """And what the platform changed meanwhile is due again."""
    loser = await record_id(stage)
    await merged(stage)
    await stage.post({"title": "Lady"}, changed=["title"])
    await stage.settle()
    stage.salesforce.undelete("Contact", loser)
    await stage.settle()
    assert await stage.shown() == ("synced", loser, None)
    assert "mergedInto" not in (await stage.document())["salesforce"]
    assert stage.records("Contact")[loser]["Title"] == "Lady"


async def test_the_platform_may_make_the_thing_anew(stage: LeadStage) -> None:
    """It deletes and posts it again: that is somebody of his own, and gets a record of his own."""
    master = await merged(stage)
    stage.now += 60_000
    await stage.post({}, type_="customer.deleted")
    stage.now += 60_000
    await stage.post({**ADA, "title": "Other"}, type_="customer.created")
    await stage.settle()
    status, record, _ = await stage.shown()
    assert status == "synced"
    assert record != master
    assert stage.records("Contact")[record].items() >= {KEY: "cust-1", "Title": "Other"}.items()


async def test_two_leads_converted_into_one_contact(stage: LeadStage) -> None:
    """The same by a conversion: the first to be followed has the contact, the other is merged into it."""
    stage.keep_in_leads(on_merge="keep_master")
    for number in "34":
        await stage.post({**BYRON, "email": f"{number}@example.org"}, id_=f"cust-{number}", type_="customer.created")
    await stage.settle()
    first, second = await record_id(stage, "cust-3"), await record_id(stage, "cust-4")
    contact = stage.salesforce.convert(first)
    stage.salesforce.convert(second, contact)
    await stage.settle()
    ends = {id_: (await stage.document(id_))["salesforce"] for id_ in ("cust-3", "cust-4")}
    stays = next(id_ for id_, public in ends.items() if public["recordId"] == contact)
    other = "cust-4" if stays == "cust-3" else "cust-3"
    assert ends[stays]["syncStatus"] == "synced"
    assert (ends[other]["syncStatus"], ends[other]["mergedInto"]) == ("merged", stays)
    assert stage.records("Contact")[contact][KEY] == stays


async def test_what_names_a_merged_document_leads_to_the_record_that_stays(stage: LeadStage) -> None:
    """An order of a customer who was merged, twice over, is made under the contact that is left, and does not wait."""
    raw = stage.catalog.mapping.model_dump(mode="json")
    raw["kinds"]["order"] = {
        "collection": "orders",
        "sobject": "Ticket_Order__c",
        "external_id": "Tandem_Order_Id__c",
        "token": "Tandem_Order_Write__c",
        "events": {"order.completed": "values"},
        "fields": [
            {
                "platform": "buyer",
                "salesforce": "Contact__c",
                "lookup": "customer",
                "required": True,
                "direction": "push",
            },
            {"platform": "total", "salesforce": "Total__c", "direction": "push"},
        ],
    }
    stage.catalog = Catalog(Mapping.model_validate(raw))
    await stage.post({**BYRON, "email": "3@example.org"}, id_="cust-3", type_="customer.created")
    await stage.settle()
    await merged(stage)
    last = await record_id(stage, "cust-3")
    stage.salesforce.merge("Contact", last, [await record_id(stage, "cust-2")])
    await stage.settle()
    await stage.post({"buyer": "cust-1", "total": 5}, id_="order-1", type_="order.completed")
    await stage.settle()
    assert stage.only("Ticket_Order__c").items() >= {"Contact__c": last, "Total__c": 5}.items()
    assert (await stage.document("order-1", "orders"))["salesforce"]["syncStatus"] == "synced"
