"""The observer's totals against those of a second reckoning, however late, often or out of order the copies come."""

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.witnesses import Witnesses

from schemas.presets import preset
from simulator.platform.author import Habits
from simulator.platform.clerk import Clerk
from simulator.platform.papers import Orders

CUSTOMERS = ("cust-1", "cust-2", "cust-3")
EVENTS = (("event-1", "Gala"), ("event-2", "Summit"))
NAMES = {
    "total_purchases": "Total_Purchases__c",
    "total_spent": "Total_Spent__c",
    "total_tickets": "Total_Tickets__c",
    "last_event": "Last_Event__c",
    "last_purchase_at": "Last_Purchase_At__c",
    "events_attended": "Events_Attended__c",
    "vip": "VIP__c",
    "lifecycle_stage": "Lifecycle_Stage__c",
}
TICKETING = preset("ticketing")


def reckoned(papers: list[dict[str, Any]]) -> dict[str, Any]:
    """What a customer's orders come to, by hand."""
    paid = sorted((paper for paper in papers if paper["status"] == "paid"), key=lambda paper: str(paper["ordered_at"]))
    spent = round(sum(paper["total"] for paper in paid), 2)
    return {
        "total_purchases": len(paid),
        "total_spent": spent,
        "total_tickets": sum(paper["tickets"] for paper in paid),
        "last_event": paid[-1]["event_name"] if paid else None,
        "last_purchase_at": paid[-1]["ordered_at"] if paid else None,
        "events_attended": 0,
        "vip": spent >= 1_000,
        "lifecycle_stage": "Customer" if paid else "Prospect",
    }


def history(seed: int, births: int, steps: int) -> Witnesses:
    """Orders live; every customer and document ends as it should. The log is in any order."""
    chance = random.Random(seed)
    world = Witnesses(TICKETING)
    clerk = Clerk(seed, Orders(CUSTOMERS, EVENTS), Habits(duplicate=0), prefix="ord")
    papers: dict[str, dict[str, Any]] = {}
    sent = []
    for step in range(births + steps):
        posting = clerk.create(1_000_000 + step) if step < births else clerk.edit(1_000_000 + step)
        event = posting.event
        if event.type == "order.deleted":
            papers.pop(event.document_id)
        else:
            papers[event.document_id] = dict(event.fields)
        sent.append(event)
    chance.shuffle(sent)  # the journal tells the times, and its own order is nobody's
    for event in sent:
        world.sent(
            event.occurred_at, event.fields, edits=list(event.edits), type=event.type, document=event.document_id
        )
    for number, customer in enumerate(CUSTOMERS):
        record = f"003{number:012d}AAA"
        mine = [paper for paper in papers.values() if paper["customer_id"] == customer]
        totals = reckoned(mine)
        world.sent(100, {"last_name": customer}, type="customer.created", document=customer)
        told = {NAMES[path]: value for path, value in totals.items()}
        world.ours(200, document=customer, record=record, LastName=customer, **told)
        world.shows(2, customer, record, last_name=customer, **totals)
    return world


def wrong(world: Witnesses) -> list[tuple[str, str]]:
    """The totals that the observer does not come to."""
    findings = world.verdict().findings
    return [(one.document, one.field) for one in findings if one.kind == "customer"]


histories = {"seed": st.integers(0, 2**32), "births": st.integers(1, 8), "steps": st.integers(0, 40)}


@settings(max_examples=60, deadline=None)
@given(**histories)
def test_right_totals_are_clean(seed: int, births: int, steps: int) -> None:
    """Refunds, second payments, deletions, changed amounts, in cents."""
    assert wrong(history(seed, births, steps)) == []


@settings(max_examples=40, deadline=None)
@given(**histories, path=st.sampled_from(sorted(NAMES)), on_record=st.booleans())
def test_one_wrong_total_is_found(seed: int, births: int, steps: int, path: str, on_record: bool) -> None:
    """In the document or in the record: a refund that was counted, an order that was not, a cent too many."""
    world = history(seed, births, steps)
    customer = CUSTOMERS[seed % len(CUSTOMERS)]
    record = world.documents[customer]["salesforce"]["recordId"]
    place, name = (world.records[record], NAMES[path]) if on_record else (world.documents[customer], path)
    held = place.get(name)
    if isinstance(held, bool):
        place[name] = not held
    elif isinstance(held, int | float):
        place[name] = held + 0.01
    else:
        place[name] = "Advocate" if path == "lifecycle_stage" else "2020-01-01T00:00:00Z"
    assert wrong(world) == [(customer, NAMES[path])]


def test_papers_are_read_as_the_mapping_says() -> None:
    """Dates by the clock, numbers and statuses in any spelling, and a customer who is named by a number."""
    world = Witnesses(TICKETING)
    orders = {
        "ord-1": {"ordered_at": "2026-11-22T09:00:00Z", "event_name": "Late", "status": " paid", "total": "12.50"},
        "ord-2": {"ordered_at": "2026-11-22T10:30:00+02:00", "event_name": "Early", "status": "paid", "total": 1},
    }
    for number, (id_, order) in enumerate(orders.items()):
        fields = {**order, "customer_id": 42, "tickets": 1, "event_id": "event-1"}
        world.sent(200 + number, fields, type="order.created", document=id_)
    totals = reckoned([]) | {
        "total_purchases": 2,
        "total_spent": 13.5,
        "total_tickets": 2,
        "last_event": "Late",
        "last_purchase_at": "2026-11-22T09:00:00Z",
        "lifecycle_stage": "Customer",
    }
    record = "003000000000042AAA"
    world.sent(100, {"last_name": "Byron"}, type="customer.created", document="42")
    told = {NAMES[path]: value for path, value in totals.items()}
    world.ours(300, document="42", record=record, LastName="Byron", **told)
    world.shows(2, "42", record, last_name="Byron", **totals)
    assert wrong(world) == []
    world.documents["42"]["last_event"] = "Early"
    assert wrong(world) == [("42", "Last_Event__c")]
