"""Rule 28: totals are those of the orders that there are, in whatever order and however often they were heard."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.fake_documents import FakeDocuments
from support.orders import MAPPING, ORDER_FIELDS, expected
from support.sync_stage import Stage

from consumers.catalog import Catalog
from consumers.ports import Record
from schemas.mapping import Mapping

CUSTOMERS = ("cust-1", "cust-2")

orders = st.fixed_dictionaries(
    {
        "customer_id": st.sampled_from(CUSTOMERS),
        "amount": st.integers(0, 100_000).map(lambda cents: cents / 100),
        "quantity": st.integers(1, 5),
        "status": st.sampled_from(["paid", "paid", "refunded", "pending"]),
        "event": st.sampled_from(["PyConf", "JSConf", "RustConf", "GopherCon"]),
        "ordered_at": st.integers(1, 28).map(lambda day: f"2026-11-{day:02}T10:00:00Z"),
    }
)
happenings = st.lists(st.tuples(st.sampled_from(["o-1", "o-2"]), st.one_of(orders, st.none())), min_size=4, max_size=16)
"""What becomes of each order, in time: a state of it, or its deletion."""


def told(stage: Stage, order_id: str, state: dict[str, Any] | None) -> Record:
    stage.now += 10
    if state is None:
        return stage.event({}, id_=order_id, type_="order.deleted")
    return stage.event(state, id_=order_id, type_="order.updated")


@settings(max_examples=200, deadline=None)
@given(happenings, st.randoms(use_true_random=False), st.integers(0, 6))
def test_totals_are_exact_however_orders_are_heard(happened: list[Any], rng: Any, again: int) -> None:
    """Duplicates, refunds, late orders, refund and re-order, deletions, another customer, batches of any size."""

    async def hear() -> None:
        stage = Stage(FakeDocuments())
        stage.catalog = Catalog(Mapping.model_validate(MAPPING))
        records = [told(stage, *one) for one in happened]
        records += [stage.event({"last_name": "Lovelace"}, id_=customer) for customer in CUSTOMERS]
        records += rng.choices(records, k=again)
        rng.shuffle(records)
        while records:
            batch = [records.pop() for _ in range(min(len(records), rng.randint(1, 4)))]
            await (stage.reconciler, stage.new_reconciler())[rng.randint(0, 1)].handle(batch)
        last = dict(happened)
        for customer in CUSTOMERS:
            there = [
                {"id": order_id, **state}
                for order_id, state in last.items()
                if state is not None and state["customer_id"] == customer
            ]
            document = await stage.document(customer)
            assert {path: document.get(path) for path in expected(there)} == expected(there)
            assert all(path in ORDER_FIELDS for path in (there[0].keys() - {"id"} if there else ()))

    asyncio.run(hear())
