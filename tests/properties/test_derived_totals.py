"""Rule 28: totals are those of the orders that there are, in whatever order and however often they were heard."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.fake_documents import FakeDocuments
from support.orders import MAPPING, ORDER_FIELDS, expected, shown
from support.sync_stage import Stage

from consumers.catalog import Catalog
from consumers.ports import Record
from schemas.mapping import Mapping

CUSTOMERS = ("cust-1", "42")
PARTS = {"o-1": ".5", "o-2": ""}
OFFSETS = ("Z", "+00:00", "+02:00", "-05:30", "")


def amounts() -> st.SearchStrategy[Any]:
    """In cents, as numbers and as texts."""
    in_cents = st.integers(0, 100_000)
    return st.one_of(in_cents.map(lambda cents: cents / 100), in_cents.map(lambda cents: f" {cents / 100}"))


@st.composite
def times(draw: st.DrawFn) -> str | None:
    """Few, so that many meet; with offsets, without, and none at all."""
    if draw(st.integers(0, 9)) == 0:
        return None
    return f"2026-11-{draw(st.integers(21, 22))}T{draw(st.integers(8, 12)):02}:30:00{draw(st.sampled_from(OFFSETS))}"


orders = st.fixed_dictionaries(
    {
        "customer_id": st.sampled_from(["cust-1", "42", 42, 42.0]),
        "amount": amounts(),
        "quantity": st.integers(1, 5),
        "status": st.sampled_from(["paid", "paid", " paid", "Paid", "refunded", "pending"]),
        "event": st.sampled_from(["PyConf", "JSConf", " RustConf", "RustConf", "GopherCon"]),
        "ordered_at": times(),
    }
)
happenings = st.lists(st.tuples(st.sampled_from(["o-1", "o-2"]), st.one_of(orders, st.none())), min_size=4, max_size=16)
"""What becomes of each order, in time: a state of it, or its deletion."""


def named(state: dict[str, Any]) -> str:
    """Whose the order is."""
    owner = state["customer_id"]
    return owner if isinstance(owner, str) else str(int(owner))


def to_the_part(order_id: str, state: dict[str, Any] | None) -> dict[str, Any] | None:
    """Parts of a second are no edit, so that each order has its own for good."""
    if state is None or state["ordered_at"] is None:
        return state
    return state | {"ordered_at": state["ordered_at"].replace(":30:00", f":30:00{PARTS[order_id]}")}


def told(stage: Stage, order_id: str, state: dict[str, Any] | None) -> Record:
    stage.now += 10
    if state is None:
        return stage.event({}, id_=order_id, type_="order.deleted")
    return stage.event(state, id_=order_id, type_="order.updated")


@settings(max_examples=200, deadline=None)
@given(happenings, st.randoms(use_true_random=False), st.integers(0, 6))
def test_totals_are_exact_however_orders_are_heard(happened: list[Any], rng: Any, again: int) -> None:
    """Duplicates, refunds, late orders, refund and re-order, deletions, another customer, batches of any size."""

    happened = [(order_id, to_the_part(order_id, state)) for order_id, state in happened]

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
                if state is not None and named(state) == customer
            ]
            document = await stage.document(customer)
            assert shown(document) == expected(there)
            assert all(path in ORDER_FIELDS for path in (there[0].keys() - {"id"} if there else ()))

    asyncio.run(hear())
