"""What an erasure's certificate tells."""

import pytest

from ops.erasure.certificate import certificate, left, next_step
from ops.erasure.eraser import is_last
from schemas.erasure import Erasure, ErasureState


def test_a_certificate_names_nobody_and_tells_what_is_left() -> None:
    """Of the last pass."""
    passes = [{"left": []}, {"left": ["Contact: DELETE_FAILED"]}]
    inner = {
        "document": "cust-1",
        "things": [["customer", "cust-1"]],
        "records": [["customer", "003"]],
        "due_at": 1,
        "held_until": 1,
    }
    told = certificate({"_id": "ref", "state": "removed", "passes": passes, **inner})
    assert told == {"reference": "ref", "state": "removed", "passes": passes}
    assert left(told) == ["Contact: DELETE_FAILED"]


def test_before_the_first_pass_nothing_is_left() -> None:
    """Nor when there were none."""
    assert left({"passes": []}) == []
    assert left({}) == []


@pytest.mark.parametrize(
    ("state", "now", "last"),
    [(ErasureState.ASKED, 700, False), (ErasureState.REMOVED, 699, False), (ErasureState.REMOVED, 700, True)],
)
def test_a_pass_is_the_last_once_nothing_from_before_can_land(state: ErasureState, now: int, *, last: bool) -> None:
    """However often it is asked for before that; a pass that is made sooner puts it off."""
    erasure = Erasure("ref", "customer", "cust-1", 1, state, passes=({"at": 5}, {"at": 100}))
    assert is_last(erasure, now=now, settle=600) is last


def test_what_is_still_to_come_is_told() -> None:
    """When, and by whom."""
    assert next_step({"state": "done"}, now=1) == ""
    assert "somebody is working" in next_step({"state": "asked", "due_at": 9, "held_until": 9}, now=1)
    assert "is due: `tandem schedule`" in next_step({"state": "asked", "due_at": 1, "held_until": None}, now=1)
    waits = next_step({"state": "removed", "due_at": 1_796_000_000_000, "held_until": None}, now=1)
    assert "due at 2026-11-30T00:53:20Z" in waits
