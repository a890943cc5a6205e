"""Rule 28: a customer's totals follow from the orders, in memory and on the real MongoDB."""

import copy
from typing import Any, cast

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.fake_documents import FakeDocuments
from support.orders import MAPPING, expected
from support.orders import shown as shown_totals
from support.review_stage import reviews_of
from support.sync_stage import Stage

from adapters.mongo.collections import prepare
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.logs import MongoParkedRecords, MongoSyncLog
from adapters.mongo.mappings import next_version
from consumers.catalog import Catalog
from consumers.rules.state import Side
from ops.reviews import ReviewedDocuments
from schemas import topics
from schemas.change import ChangeType
from schemas.doorbell import ring_for
from schemas.mapping import Mapping
from schemas.outcome import Outcome
from schemas.unavailable import Unavailable


@pytest.fixture(params=["memory", pytest.param("mongodb", marks=pytest.mark.integration)])
async def stage(request: pytest.FixtureRequest, database: AsyncDatabase[dict[str, Any]]) -> Stage:
    """Customers and their orders, on either store."""
    mapping = Mapping.model_validate(MAPPING)
    made = Stage(FakeDocuments())
    if request.param == "mongodb":
        await prepare(database, mapping.collections(), mapping.counted())
        made = Stage(MongoDocuments(database), MongoSyncLog(database), MongoParkedRecords(database))
    made.catalog = Catalog(mapping)
    made.salesforce.references = {"Order__c": {"Contact__c": "Contact"}}
    await made.post({"last_name": "Lovelace"})
    return made


def order(number: int, **more: Any) -> dict[str, Any]:
    """An order of cust-1."""
    return {
        "id": f"o-{number}",
        "customer_id": "cust-1",
        "amount": 19.99,
        "quantity": 2,
        "status": "paid",
        "event": f"Conference {number}",
        "ordered_at": f"2026-11-{number:02}T10:00:00Z",
    } | more


async def post(stage: Stage, one: dict[str, Any], type_: str = "order.updated") -> None:
    stage.now += 1
    fields = {path: value for path, value in one.items() if path != "id"} if type_ == "order.updated" else {}
    assert (await stage.post(fields, id_=one["id"], type_=type_)).outcome is Outcome.APPLIED


async def shown(stage: Stage, id_: str = "cust-1") -> dict[str, Any]:
    return shown_totals(await stage.document(id_))


async def test_a_customer_without_orders_is_a_prospect(stage: Stage) -> None:
    """Totals of nothing are 0 and not missing, and they are written with the customer's first record."""
    assert await shown(stage) == expected([])
    await stage.settle()
    assert (stage.contact()["Total_Spent__c"], stage.contact()["Stage__c"]) == (0, "prospect")


async def test_orders_count_whenever_they_are_heard(stage: Stage) -> None:
    """Paid, late, refunded, ordered again, deleted: the totals are those of the orders that there are."""
    orders = [order(1), order(2), order(3, amount=1_000.05)]
    for one in (orders[2], orders[0], orders[1]):
        await post(stage, one)
    assert await shown(stage) == expected(orders)
    await stage.settle()
    assert (stage.contact()["Total_Spent__c"], stage.contact()["VIP__c"]) == (1_040.03, True)
    await post(stage, orders[2] | {"status": "refunded"})
    assert await shown(stage) == expected(orders[:2])
    await post(stage, orders[2])
    assert await shown(stage) == expected(orders)
    await post(stage, orders[0], "order.deleted")
    assert await shown(stage) == expected(orders[1:])
    await stage.settle()
    assert stage.contact()["Total_Purchases__c"] == 2


async def test_the_last_order_is_the_last_by_the_clock(stage: Stage) -> None:
    """Whatever its offset, and to the part of a second: texts would be in another order."""
    orders = [
        order(1, ordered_at="2026-11-22T10:30:00+02:00"),
        order(2, ordered_at="2026-11-22T09:00:00Z"),
        order(3, ordered_at="2026-11-22T09:00:00.500Z"),
    ]
    for one in orders:
        await post(stage, one)
    assert await shown(stage) == expected(orders)
    assert (await stage.document("cust-1"))["last_event"] == "Conference 3"


async def test_an_order_counts_by_what_its_values_mean(stage: Stage) -> None:
    """White space, a number as text, and Salesforce's own word for a status."""
    orders = [order(1, status=" paid", amount=" 12.50 "), order(2, status="Paid"), order(3, status="refunded ")]
    for one in orders:
        await post(stage, one)
    assert (await shown(stage))["total_purchases"] == 2
    assert await shown(stage) == expected(orders)


async def test_an_order_may_name_its_customer_by_a_number(stage: Stage) -> None:
    """It hangs under the contact, so it counts."""
    await stage.post({"last_name": "Byron"}, id_="42")
    orders = [order(1, customer_id=42), order(2, customer_id="42"), order(3, customer_id=42.0)]
    for one in orders:
        await post(stage, one)
    assert await shown(stage, "42") == expected(orders)
    await stage.settle()
    parents = {row["Contact__c"] for row in stage.salesforce.rows["Order__c"].values()}
    assert len(parents) == 1


async def test_an_order_that_comes_before_its_customer_counts(stage: Stage) -> None:
    """Its totals are there as soon as the customer is."""
    early = order(1, customer_id="cust-2")
    await post(stage, early)
    await stage.post({"last_name": "Byron"}, id_="cust-2")
    assert await shown(stage, "cust-2") == expected([early])


async def test_an_order_that_moves_to_another_customer_counts_there_alone(stage: Stage) -> None:
    """Also where the process ends between the order's update and the customers': the same record does it again."""
    await stage.post({"last_name": "Byron"}, id_="cust-2")
    await post(stage, order(1))
    moved = {path: value for path, value in order(1, customer_id="cust-2").items() if path != "id"}
    stage.now += 60_000
    record = stage.event(moved, id_="o-1", type_="order.updated", changed=["customer_id"])
    derive, stage.reconciler._deriver.derive = stage.reconciler._deriver.derive, ended  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await stage.reconciler.handle([record])
    stage.reconciler._deriver.derive = derive  # type: ignore[method-assign]
    assert await shown(stage) == expected([order(1)]), "not done yet"
    assert [result.outcome for result in await stage.reconciler.handle([record])] == [Outcome.DUPLICATE]
    assert await shown(stage) == expected([])
    assert await shown(stage, "cust-2") == expected([order(1)])


async def ended(*_asked: Any) -> Any:
    raise Unavailable("killed here")


def shared_amounts(**more: Any) -> Mapping:
    """Sales may change an order's amount."""
    raw = copy.deepcopy(MAPPING)
    (amount,) = [field for field in raw["kinds"]["order"]["fields"] if field["platform"] == "amount"]
    amount.update(direction="both", **more)
    return Mapping.model_validate(raw)


async def sold(stage: Stage, amount: float) -> None:
    """An order changed by sales, whose record is to be read whole: its event told of no field."""
    (row,) = stage.salesforce.rows["Order__c"].values()
    stage.now += 60_000
    stage.salesforce.edit("Order__c", row["Id"], {"Amount__c": amount})
    edit = stage.changes.pop()
    stage.changes[:] = [edit.model_copy(update={"type": ChangeType.GAP_UPDATE, "fields": {}})]
    await stage.hear()
    stage.now += 60_000


async def marks(stage: Stage) -> set[str]:
    """Totals that documents say are still to be taken."""
    found = [*(await stage.documents.read("orders", ["o-1"])).values(), await stage.document()]
    return {name for document in found for name in ("underived", "uncounted") if name in document["_sync"]}


async def test_what_a_read_brings_counts(stage: Stage) -> None:
    """A record read whole changes what others count; afterwards nothing is left to do."""
    stage.catalog = Catalog(shared_amounts())
    await post(stage, order(1))
    await stage.settle()
    await sold(stage, 50)
    await stage.settle()
    assert await shown(stage) == expected([order(1, amount=50)])
    assert stage.contact()["Total_Spent__c"] == 50
    assert await marks(stage) == set()


@pytest.mark.parametrize("dies", ["before the totals", "before the mark goes"])
async def test_a_writer_killed_after_its_read_leaves_the_totals_to_the_next(stage: Stage, dies: str) -> None:
    """The doorbell is lost with it, and the order itself has nothing to do any more: its mark has."""
    stage.catalog = Catalog(shared_amounts())
    await post(stage, order(1))
    await stage.settle()
    await sold(stage, 50)
    killed = stage.writer
    if dies == "before the totals":
        killed._totals._deriver.derive = ended  # type: ignore[method-assign]
    else:
        killed._totals._desk.save = ended_if_counted(killed._totals._desk.save)  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="killed here"):
        await stage.settle()
    assert await marks(stage) == {"uncounted"}
    stage.doorbells.rung.clear()
    stage.writer = stage.new_writer()
    await stage.settle()
    assert await shown(stage) == expected([order(1, amount=50)])
    assert stage.contact()["Total_Spent__c"] == 50
    assert await marks(stage) == set()


def ended_if_counted(save: Any) -> Any:
    """A desk whose process ends when it would take a mark out."""

    async def saved(visits: Any) -> Any:
        if any("uncounted" in (visit.document or {}).get("_sync", {}) for visit in visits):
            raise Unavailable("killed here")
        return await save(visits)

    return saved


async def test_a_person_whom_sales_made_has_totals(stage: Stage) -> None:
    """Nothing else is ever heard of them."""
    raw = copy.deepcopy(MAPPING)
    raw["kinds"]["customer"]["on_unlinked"] = "create"
    stage.catalog = Catalog(Mapping.model_validate(raw))
    record_id = stage.salesforce.create("Contact", {"LastName": "Byron"})
    await stage.settle()
    (document,) = (await stage.documents.read_linked("customers", [record_id]))[record_id]
    assert shown_totals(document) == expected([])
    assert "underived" not in document["_sync"]


async def test_an_order_that_sales_made_counts(stage: Stage) -> None:
    """As soon as it is a document."""
    raw = copy.deepcopy(MAPPING)
    raw["kinds"]["order"]["on_unlinked"] = "create"
    for field in raw["kinds"]["order"]["fields"]:
        field["direction"] = "both"
    stage.catalog = Catalog(Mapping.model_validate(raw))
    await stage.settle()
    made = {path: value for path, value in order(1).items() if path not in ("id", "customer_id")}
    names = {path: f"{path.title().replace('_', '')}__c" for path in made}
    values = {names[path]: value for path, value in made.items()}
    stage.salesforce.create("Order__c", values | {"Contact__c": stage.contact()["Id"], "Status__c": "Paid"})
    await stage.settle()
    assert await shown(stage) == expected([order(1)])
    assert stage.contact()["Total_Spent__c"] == 19.99


async def test_a_choice_counts(stage: Stage) -> None:
    """What a person picked for an order is in the customer's totals."""
    stage.catalog = Catalog(shared_amounts(policy="review"))
    await post(stage, order(1))
    await stage.settle()
    (row,) = stage.salesforce.rows["Order__c"].values()
    stage.now += 60_000
    stage.salesforce.edit("Order__c", row["Id"], {"Amount__c": 50})
    stage.now += 1
    await stage.post({"amount": 40}, id_="o-1", type_="order.updated", changed=["amount"])
    await stage.settle()
    assert await shown(stage) == expected([order(1, amount=40)])
    reviews = reviews_of(stage, cast("ReviewedDocuments", stage.documents))
    (asked,) = (await reviews.waiting()).questions
    await reviews.choose(asked, Side.SALESFORCE, who="ops")
    assert await shown(stage) == expected([order(1, amount=50)])
    await stage.settle()
    assert await marks(stage) == set()


def second_version(**fields: dict[str, Any]) -> Catalog:
    """Version 2, with other settings of these Salesforce fields of a customer."""
    raw = copy.deepcopy(MAPPING)
    for field in raw["kinds"]["customer"]["fields"]:
        field.update(fields.get(field["salesforce"], {}))
    before, after = (Mapping.model_validate(each).model_copy(update={"version": 1}) for each in (MAPPING, raw))
    return Catalog(next_version(before, after))


REFUNDED = {
    "derive": {"take": "sum", "of": "order", "by": "customer_id", "path": "amount", "where": {"status": ["no"]}}
}


@pytest.mark.parametrize("heard_by", ["reconciler", "writer"])
async def test_totals_follow_a_new_version_of_the_mapping(stage: Stage, heard_by: str) -> None:
    """Whoever meets the document first: no order of theirs has to change for it."""
    await post(stage, order(1))
    await post(stage, order(2, status="no", amount=7))
    await stage.settle()
    assert stage.contact()["Total_Spent__c"] == 19.99
    stage.now += 60_000
    stage.catalog = second_version(Total_Spent__c=REFUNDED)
    if heard_by == "reconciler":
        await stage.post({"last_name": "Byron"})
        assert (await stage.document())["total_spent"] == 7
    else:
        await stage.writer.handle([stage.record(topics.SALESFORCE_WRITES, b"k", ring_for("customer", "cust-1", ""))])
    await stage.settle()
    assert stage.contact()["Total_Spent__c"] == 7
    assert await marks(stage) == set()


async def test_what_events_say_of_a_derived_field_does_not_count(stage: Stage) -> None:
    """A platform that posts a total of its own, in a whole record or by name, does not change it."""
    await post(stage, order(1))
    await stage.post({"total_spent": 5, "vip": True}, changed=["total_spent", "vip"])
    assert await shown(stage) == expected([order(1)])


async def test_an_edit_of_a_total_in_salesforce_is_written_over(stage: Stage) -> None:
    """It is pushed only; what a person put there is in the audit."""
    await post(stage, order(1))
    await stage.settle()
    stage.now += 60_000
    stage.salesforce.edit("Contact", stage.contact()["Id"], {"Total_Spent__c": 7})
    await stage.settle()
    assert stage.contact()["Total_Spent__c"] == 19.99


async def test_two_at_once_derive_from_both_orders(stage: Stage) -> None:
    """Whoever loses the guard takes the totals again: neither order is missing."""
    other = stage.new_reconciler()
    stage.now += 1
    one = stage.event({k: v for k, v in order(1).items() if k != "id"}, id_="o-1", type_="order.updated")
    two = stage.event({k: v for k, v in order(2).items() if k != "id"}, id_="o-2", type_="order.updated")
    write = stage.documents.write

    async def meanwhile(collection: str, writes: Any) -> Any:
        if collection == "customers":
            stage.documents.write = write  # type: ignore[method-assign]
            await other.handle([two])
        return await write(collection, writes)

    stage.documents.write = meanwhile  # type: ignore[method-assign]
    await stage.reconciler.handle([one])
    assert await shown(stage) == expected([order(1), order(2)])


async def test_an_order_is_a_record_under_its_contact(stage: Stage) -> None:
    """The purchase history in Salesforce: one record for each order, of the customer's contact."""
    for number in (1, 2):
        await post(stage, order(number))
    await stage.settle()
    rows = stage.salesforce.rows["Order__c"].values()
    assert {row["Tandem_Order_Id__c"]: row["Contact__c"] for row in rows} == dict.fromkeys(
        ("o-1", "o-2"), stage.contact()["Id"]
    )
