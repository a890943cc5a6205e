"""A new version of the mapping takes totals anew (rules 28 and 29), on the real MongoDB."""

import copy
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.orders import MAPPING
from support.sync_stage import TIMING, Stage

from adapters.mongo.collections import prepare
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.logs import MongoParkedRecords, MongoSyncLog
from adapters.mongo.mappings import MongoMappings
from adapters.mongo.versions import MongoVersions
from consumers.catalog import Catalog
from ops.mapping_walk import Application
from schemas.mapping import Mapping
from schemas.unavailable import Unavailable

pytestmark = pytest.mark.integration

Database = AsyncDatabase[dict[str, Any]]
CUSTOMERS = ("cust-1", "cust-2", "cust-3")


def mapping(*, spent: dict[str, Any] | None) -> Mapping:
    """A customer's name, and what they have spent by this: of orders of a status, or as the platform says."""
    raw = copy.deepcopy(MAPPING)
    name, field = [
        each for each in raw["kinds"]["customer"]["fields"] if each["salesforce"] in ("LastName", "Total_Spent__c")
    ]
    if spent is None:
        del field["derive"]
    else:
        field["derive"]["where"] = spent
    raw["kinds"]["customer"]["fields"] = [name, field]
    return Mapping.model_validate(raw)


PAID, REFUNDED = mapping(spent={"status": ["paid"]}), mapping(spent={"status": ["refunded"]})
POSTED = mapping(spent=None)


async def at_rest(database: Database, first: Mapping) -> Stage:
    """Three customers by this mapping, each with an order of 30 that is paid and one of 7 that was refunded."""
    await prepare(database, first.collections(), [("orders", "customer_id")])
    stage = Stage(MongoDocuments(database), MongoSyncLog(database), MongoParkedRecords(database))
    stage.salesforce.references = {"Order__c": {"Contact__c": "Contact"}}
    stage.catalog = Catalog(await MongoMappings(database).publish(first, 0, by="ops"))
    for number, customer in enumerate(CUSTOMERS):
        await stage.post({"last_name": "L", "total_spent": 5}, id_=customer)
        for status, amount in (("paid", 30), ("refunded", 7)):
            order = {"customer_id": customer, "status": status, "amount": amount}
            await stage.post(order, id_=f"o-{number}-{status}", type_="order.updated")
    await stage.settle()
    return stage


async def publish(stage: Stage, database: Database, after: Mapping) -> Application:
    """In force, and known to all processes; no document has been decided by it."""
    in_force = after.model_copy(update={"version": 1})
    stage.catalog = Catalog(await MongoMappings(database).publish(in_force, 1, by="ops"))
    stage.now += 60_000
    return Application(
        versions=MongoVersions(database, page=2),
        documents=MongoDocuments(database),
        log=MongoSyncLog(database),
        catalog=stage.catalog,
        timing=TIMING,
        now=lambda: stage.now,
    )


async def spent(database: Database) -> list[Any]:
    """What the customers' documents show."""
    return [each["total_spent"] async for each in database["customers"].find().sort("_id")]


async def marked(database: Database) -> int:
    """Documents whose totals are still to be taken."""
    return await database["customers"].count_documents({"_sync.underived": True})


@pytest.mark.parametrize(("before", "after", "was", "is_now"), [(PAID, REFUNDED, 30, 7), (POSTED, PAID, 5, 30)])
async def test_totals_are_taken_anew_of_all(
    database: Database, before: Mapping, after: Mapping, was: int, is_now: int
) -> None:
    """A condition that has changed, and a number that the platform posted until now."""
    stage = await at_rest(database, before)
    assert await spent(database) == [was] * 3
    await (await publish(stage, database, after)).run()
    assert await spent(database) == [is_now] * 3
    assert await marked(database) == 0
    await stage.settle()
    assert [row["Total_Spent__c"] for row in stage.salesforce.rows["Contact"].values()] == [is_now] * 3


async def test_what_an_application_could_not_take_is_taken_by_the_writer(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends between the decision and the totals: the documents say that they are due."""
    stage = await at_rest(database, PAID)
    application = await publish(stage, database, REFUNDED)

    async def ended(*_asked: Any) -> Any:
        raise Unavailable("killed here")

    monkeypatch.setattr(application._totals._deriver, "derive", ended)
    with pytest.raises(Unavailable, match="killed here"):
        await application.run()
    assert await spent(database) == [30] * 3
    assert await marked(database) == 2, "a page"
    await stage.settle()
    assert await spent(database) == [7, 7, 30]
    assert await marked(database) == 0
    await (await publish_again(stage, database)).run()
    assert await spent(database) == [7] * 3


async def publish_again(stage: Stage, database: Database) -> Application:
    """`tandem mapping apply` goes on."""
    return Application(
        versions=MongoVersions(database),
        documents=MongoDocuments(database),
        log=MongoSyncLog(database),
        catalog=stage.catalog,
        timing=TIMING,
        now=lambda: stage.now,
    )


async def test_a_newly_mapped_total_is_not_what_the_platform_had_there(database: Database) -> None:
    """A number of the platform's own at that path is nobody's total, at no moment."""
    raw = PAID.model_dump(mode="json")
    raw["kinds"]["customer"]["fields"] = raw["kinds"]["customer"]["fields"][:1]
    stage = await at_rest(database, Mapping.model_validate(raw))
    await database["customers"].update_many({}, {"$set": {"total_spent": 5}})
    application = await publish(stage, database, PAID)
    written: list[Any] = []
    write = MongoDocuments.write

    async def seen(self: MongoDocuments, collection: str, writes: Any) -> set[str]:
        written.extend(each.set["total_spent"] for each in writes if "total_spent" in each.set)
        return await write(self, collection, writes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MongoDocuments, "write", seen)
        await application.run()
    assert written == [30] * 3
    await stage.settle()
    assert [row["Total_Spent__c"] for row in stage.salesforce.rows["Contact"].values()] == [30] * 3
