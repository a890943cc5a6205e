"""Waits between tries, as values."""

import pytest

from listener.changes.backoff import Backoff, Waits
from listener.changes.bayeux import Ending

WAITS = Waits(ordinary=Backoff(1, 60), busy=Backoff(30, 600), sent_away=5)


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
@pytest.mark.parametrize(("attempt", "whole"), [(0, 1), (1, 2), (5, 32), (6, 60), (10_000, 60)])
def test_waits_double_up_to_the_cap(attempt: int, whole: float, chance: float) -> None:
    """Between half of it and all of it, never none."""
    assert Backoff(1, 60).delay(attempt, chance) == pytest.approx(whole * (1 + chance) / 2)


def test_the_wait_fits_the_ending() -> None:
    """Short after a lost reply, long where Salesforce is over its limits, spread where it sends everyone away."""
    assert WAITS.after(Ending.LOST, 0, 0.5) == 0.75
    assert WAITS.after(Ending.LOGIN, 2, 0.0) == 2
    assert WAITS.after(Ending.BUSY, 0, 0.0) == 15
    assert WAITS.after(Ending.BUSY, 9, 1.0) == 600
    assert WAITS.after(Ending.SENT_AWAY, 0, 0.5) == 2.5
    assert WAITS.after(Ending.SENT_AWAY, 3, 0.5) == 2.5 + 6
