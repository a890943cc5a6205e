"""An object that is switched off: nothing goes there, nothing comes from there, and nothing is lost."""

from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.fake_documents import FakeDocuments
from support.sync_stage import Stage

from adapters.mongo.collections import prepare
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.logs import MongoParkedRecords, MongoSyncLog
from consumers.catalog import Catalog
from ops.sync_settings import SyncSettings
from schemas.outcome import Outcome

ADA = {"last_name": "Lovelace", "title": "Countess"}


@pytest.fixture
def memory_stage() -> Stage:
    """On documents in memory."""
    return Stage(FakeDocuments())


@pytest.fixture
async def mongodb_stage(database: AsyncDatabase[dict[str, Any]]) -> Stage:
    """On the real MongoDB."""
    await prepare(database, ["customers"])
    return Stage(MongoDocuments(database), MongoSyncLog(database), MongoParkedRecords(database))


@pytest.fixture(params=["memory", pytest.param("mongodb", marks=pytest.mark.integration)])
def stage(request: pytest.FixtureRequest) -> Stage:
    """The same stage on either store."""
    made: Stage = request.getfixturevalue(f"{request.param}_stage")
    return made


def switch(stage: Stage, **settings: Any) -> None:
    """The processes start again with these settings."""
    stage.catalog = Catalog(stage.catalog.mapping, SyncSettings(**settings).switched_off())


async def test_a_document_is_made_and_no_record(stage: Stage) -> None:
    """Each doorbell ends as ignored, the document stays due, and the sweep does not ring for it in vain."""
    switch(stage, contacts=False)
    assert (await stage.post(ADA, type_="customer.created")).outcome is Outcome.APPLIED
    (end,) = await stage.answer_doorbells()
    assert (end.outcome, end.reason) == (Outcome.IGNORED, "the object is switched off; what is due stays due")
    assert stage.salesforce.rows.get("Contact", {}) == {}
    stage.now += 3_600_000
    assert await stage.sweep.ring_due() == 0
    switch(stage)
    await stage.settle()
    assert stage.contact()["LastName"] == "Lovelace"


async def test_edits_of_both_sides_meanwhile_are_merged_afterwards(stage: Stage) -> None:
    """Salesforce's change is not taken over while it is off, and neither is the platform's; both are when it is on."""
    await stage.post(ADA, type_="customer.created")
    await stage.settle()
    stage.now += 60_000
    switch(stage, contacts=False)
    (record_id,) = stage.salesforce.rows["Contact"]
    stage.salesforce.edit("Contact", record_id, {"Title": "Analyst"})
    await stage.hear()
    await stage.post({"last_name": "King"}, changed=["last_name"])
    await stage.answer_doorbells()
    assert (await stage.document())["title"] == "Countess"
    assert stage.contact()["LastName"] == "Lovelace"
    stage.now += 3_600_000
    switch(stage)
    await stage.settle()
    document = await stage.document()
    assert (document["title"], document["last_name"]) == ("Analyst", "King")
    assert (stage.contact()["Title"], stage.contact()["LastName"]) == ("Analyst", "King")


async def test_a_deletion_meanwhile_is_noticed_afterwards(stage: Stage) -> None:
    """By the read that follows."""
    await stage.post(ADA, type_="customer.created")
    await stage.settle()
    stage.now += 60_000
    switch(stage, contacts=False)
    (record_id,) = stage.salesforce.rows["Contact"]
    await stage.salesforce.delete("Contact", [record_id])
    await stage.hear()
    assert (await stage.document())["_sync"]["link"]["gone"] is False
    stage.now += 3_600_000
    switch(stage)
    await stage.settle()
    assert (await stage.document())["_sync"]["link"]["gone"] is True


@pytest.mark.parametrize(
    ("settings", "off"),
    [
        ({}, set()),
        ({"SYNC_CONTACTS": "false", "SYNC_LEADS": "0"}, {"Contact", "Lead"}),
        ({"SYNC_OFF": "Visit__c, CampaignMember", "SYNC_CAMPAIGNS": "no"}, {"Visit__c", "CampaignMember", "Campaign"}),
    ],
)
def test_each_object_has_its_switch(monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], off: set[str]) -> None:
    """The standard ones by name, and any other by its API name."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert SyncSettings().switched_off() == off
