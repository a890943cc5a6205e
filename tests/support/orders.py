"""A mapping in which a customer's totals are taken of orders, and orders as the platform tells of them."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

ORDER_FIELDS = ("customer_id", "amount", "quantity", "status", "event", "ordered_at")
FORMS: dict[str, dict[str, Any]] = {
    "amount": {"transform": ["number"]},
    "status": {"picklist": {"paid": "Paid", "refunded": "Refunded"}},
    "ordered_at": {"transform": ["datetime"]},
}
"""How the platform's values are read."""


def total(platform: str, salesforce: str, take: str, **more: Any) -> dict[str, Any]:
    """A customer's field that is a total of orders."""
    derive = {"take": take, "of": "order", "by": "customer_id", **more}
    return {"platform": platform, "salesforce": salesforce, "direction": "push", "derive": derive}


PAID = {"status": ["paid"]}
STAGES = {
    "cases": [
        {"value": "advocate", "when": {"events_attended": 3}},
        {"value": "customer", "when": {"total_purchases": 1}},
    ],
    "otherwise": "prospect",
}
MAPPING: dict[str, Any] = {
    "format": 1,
    "kinds": {
        "customer": {
            "collection": "customers",
            "sobject": "Contact",
            "external_id": "Tandem_Customer_Id__c",
            "token": "Tandem_Customer_Write__c",
            "events": {"customer.updated": "values"},
            "fields": [
                {"platform": "last_name", "salesforce": "LastName"},
                total("total_purchases", "Total_Purchases__c", "count", where=PAID),
                total("total_spent", "Total_Spent__c", "sum", path="amount", where=PAID),
                total("total_tickets", "Total_Tickets__c", "sum", path="quantity", where=PAID),
                total("events_attended", "Events_Attended__c", "distinct", path="event", where=PAID),
                total("last_event", "Last_Event__c", "latest", path="event", order="ordered_at", where=PAID),
                total("dearest", "Dearest__c", "max", path="amount", where=PAID),
                total("first_at", "First_At__c", "min", path="ordered_at", where=PAID),
                total("last_at", "Last_At__c", "max", path="ordered_at", where=PAID),
                {
                    "platform": "vip",
                    "salesforce": "VIP__c",
                    "direction": "push",
                    "derive": {"cases": [{"value": True, "when": {"total_spent": 1000}}], "otherwise": False},
                },
                {"platform": "stage", "salesforce": "Stage__c", "direction": "push", "derive": STAGES},
            ],
        },
        "order": {
            "collection": "orders",
            "sobject": "Order__c",
            "external_id": "Tandem_Order_Id__c",
            "token": "Tandem_Order_Write__c",
            "events": {"order.updated": "values", "order.deleted": "deleted"},
            "whole_records": "snapshots",
            "fields": [
                {
                    "platform": "customer_id",
                    "salesforce": "Contact__c",
                    "lookup": "customer",
                    "required": True,
                    "direction": "push",
                },
                *(
                    {"platform": path, "salesforce": f"{path.title().replace('_', '')}__c", "direction": "push"}
                    | FORMS.get(path, {})
                    for path in ORDER_FIELDS[1:]
                ),
            ],
        },
    },
}


def expected(orders: list[dict[str, Any]]) -> dict[str, Any]:
    """The totals of one customer by plain arithmetic in cents, from the orders that there are in the end."""
    paid = [order for order in orders if order["status"].strip() in ("paid", "Paid")]
    amounts = [Decimal(str(order["amount"]).strip()) for order in paid]
    cents = round(sum(amounts) * 100)
    last = max(paid, key=lambda order: (moment(order) or datetime.min.replace(tzinfo=UTC), order["id"]), default=None)
    moments = [found.replace(microsecond=0) for order in paid if (found := moment(order)) is not None]
    events = {order["event"].strip() for order in paid}
    stage = "advocate" if len(events) >= 3 else "customer" if paid else "prospect"
    return {
        "total_purchases": len(paid),
        "total_spent": cents / 100,
        "total_tickets": sum(order["quantity"] for order in paid),
        "events_attended": len(events),
        "last_event": last["event"].strip() if last else None,
        "dearest": float(max(amounts)) if amounts else None,
        "first_at": min(moments, default=None),
        "last_at": max(moments, default=None),
        "vip": cents >= 100_000,
        "stage": stage,
    }


def moment(order: dict[str, Any]) -> datetime | None:
    """When it was ordered, to the millisecond; without an offset it is UTC."""
    return read_moment(order["ordered_at"])


def read_moment(told: str | None) -> datetime | None:
    if told is None:
        return None
    found = datetime.fromisoformat(told)
    found = (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).astimezone(UTC)
    return found.replace(microsecond=found.microsecond // 1_000 * 1_000)


def shown(document: dict[str, Any]) -> dict[str, Any]:
    """What a document shows of its totals, in the form of `expected`: as the mapping compares them, to the second."""
    totals = {path: document.get(path) for path in expected([])}
    dearest = totals["dearest"]
    times = {path: read_moment(totals[path]) for path in ("first_at", "last_at")}
    return (
        totals
        | {path: None if at is None else at.replace(microsecond=0) for path, at in times.items()}
        | {"dearest": None if dearest is None else float(str(dearest).strip())}
        | {"last_event": None if totals["last_event"] is None else totals["last_event"].strip()}
    )
