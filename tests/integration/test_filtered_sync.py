"""The mapping's record filters at work: what is left out is not written, never deleted, and seen to be left out."""

from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.fake_documents import FakeDocuments
from support.sync_stage import Stage

from adapters.mongo.collections import prepare
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.logs import MongoParkedRecords, MongoSyncLog

PUSH = {"any": [{"path": "address.country", "equals": "RO"}, {"path": "title", "one_of": ["Countess"]}]}
PULL = {"path": "title", "present": "true"}


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


async def status(stage: Stage) -> str:
    """What the platform is shown."""
    found: str = (await stage.document())["salesforce"]["syncStatus"]
    return found


async def test_a_document_that_the_filter_leaves_out_makes_no_record(stage: Stage) -> None:
    """Until it matches; its status says so meanwhile."""
    stage.map(filters={"push": PUSH})
    await stage.post({"last_name": "Byron", "title": "Baron"}, type_="customer.created")
    await stage.settle()
    assert stage.salesforce.rows.get("Contact", {}) == {}
    assert await status(stage) == "filtered"
    await stage.post({"title": "Countess"}, changed=["title"])
    await stage.settle()
    assert (stage.contact()["LastName"], stage.contact()["Title"]) == ("Byron", "Countess")
    assert await status(stage) == "synced"


async def test_one_that_stops_matching_is_let_be_and_goes_on_when_it_matches_again(stage: Stage) -> None:
    """The record stays as it was, and what was changed meanwhile is written then."""
    stage.map(filters={"push": PUSH})
    await stage.post({"last_name": "Lovelace", "title": "countess"}, type_="customer.created")
    await stage.settle()
    stage.now += 60_000
    await stage.post({"title": "Analyst", "last_name": "King"}, changed=["title", "last_name"])
    await stage.settle()
    assert (stage.contact()["LastName"], stage.contact()["Title"]) == ("Lovelace", "countess")
    assert await status(stage) == "filtered"
    stage.now += 60_000
    await stage.post({"address": {"country": "ro"}}, changed=["address.country"])
    await stage.settle()
    assert (stage.contact()["LastName"], stage.contact()["Title"]) == ("King", "Analyst")


async def test_changes_of_its_record_still_come_in(stage: Stage) -> None:
    """The filter is of what is pushed; and an edit in Salesforce may make it match again."""
    stage.map(filters={"push": PUSH})
    await stage.post({"last_name": "Lovelace", "title": "Countess"}, type_="customer.created")
    await stage.settle()
    stage.now += 60_000
    await stage.post({"title": "Analyst", "last_name": "King"}, changed=["title", "last_name"])
    await stage.settle()
    (record_id,) = stage.salesforce.rows["Contact"]
    stage.salesforce.edit("Contact", record_id, {"MailingCountry": "RO"})
    await stage.settle()
    assert (await stage.document())["address"]["country"] == "RO"
    assert (stage.contact()["LastName"], stage.contact()["Title"]) == ("King", "Analyst")


async def test_only_records_that_the_filter_takes_become_documents(stage: Stage) -> None:
    """A Contact that sales made, by what the record holds."""
    stage.map(filters={"pull": PULL}, on_unlinked="create")
    stage.salesforce.create("Contact", {"LastName": "Nobody"})
    taken = stage.salesforce.create("Contact", {"LastName": "Babbage", "Title": "Professor"})
    await stage.settle()
    found = await stage.documents.read("customers", [taken, *stage.salesforce.rows["Contact"]])
    assert [document["last_name"] for document in found.values()] == ["Babbage"]
