"""What a doorbell is in the log, and how updates are named."""

import tracemalloc

from consumers.reconciler.reconciler import decisions
from schemas.codec import decode, encode
from schemas.doorbell import Doorbell, ring_for


def test_a_doorbell_made_the_short_way_is_the_same() -> None:
    """Linked and not linked."""
    for record_id in ("", "0035g0000000002AAA"):
        model = Doorbell(kind="customer", id="cust-1", record_id=record_id)
        assert ring_for("customer", "cust-1", record_id) == encode(model)
        assert decode(Doorbell, ring_for("customer", "cust-1", record_id)) == model


def test_doorbells_that_wait_are_no_longer_than_they_are() -> None:
    """A serializer's bytes may keep the buffer that they were made in: a backlog of doorbells is many of them."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        waiting = [ring_for("customer", "cust-1", "") for _ in range(500)]
        waiting += [encode(Doorbell(kind="customer", id="cust-1")) for _ in range(500)]
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 300 * len(waiting)


def test_no_two_updates_have_one_name() -> None:
    """Within a batch or across batches: a lost race is told from a won one by them."""
    one, other = decisions(), decisions()
    named = [name() for _ in range(300) for name in (one, other)]
    assert len(set(named)) == 600
