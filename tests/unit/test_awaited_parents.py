"""When a parent that has no record is looked for again: told by how long it has been missed, not by the child's age."""

from consumers.rules.kinds import compile_kind
from consumers.rules.lookups import LATEST, SOONEST, Parents, note_awaited
from consumers.rules.state import DocumentState
from schemas.presets import preset

KIND = compile_kind("order", preset("ticketing"))
DAY = 86_400_000
VALUES = {"Contact__c": "cust-1"}
THERE = Parents(records={("customer", "cust-1"): "003Td000000000DIAQ"})


def order(shown_at: int = 0) -> DocumentState:
    """An order whose customer has been shown since then."""
    state = DocumentState(kind="order", id="ord-1")
    state.field("Contact__c").shown_at = shown_at
    return state


def waits(state: DocumentState, now: int, values: dict[str, str] = VALUES) -> int:
    """How long it is until the next look, noted now."""
    note_awaited(state, KIND, values, Parents(), now=now)
    return state.awaited["Contact__c"].at - now


def test_an_old_child_whose_parent_was_lost_this_moment_looks_soon() -> None:
    """A merge takes the parent's record away, and its new one is known seconds later."""
    assert waits(order(shown_at=0), now=DAY) == SOONEST


def test_each_wait_is_as_long_as_the_parent_has_been_missed() -> None:
    """Up to a day: a parent that never gets a record costs next to nothing."""
    state, now, found = order(), DAY, []
    for _ in range(20):
        found.append(waits(state, now))
        now += found[-1]
    assert found[:5] == [2_000, 2_000, 4_000, 8_000, 16_000]
    assert found[-1] == LATEST


def test_another_parent_is_missed_from_now_on() -> None:
    """And one that is there is missed no more."""
    state = order()
    assert waits(state, now=DAY) == SOONEST
    assert waits(state, now=3 * DAY) == LATEST
    assert waits(state, now=2 * DAY, values={"Contact__c": "cust-2"}) == SOONEST
    note_awaited(state, KIND, VALUES, THERE, now=2 * DAY)
    assert state.awaited == {}
