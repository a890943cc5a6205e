"""Schedules of troubles: laws that hold for any seed and any time."""

from hypothesis import given
from hypothesis import strategies as st

from ops.chaos.schedule import plan_troubles
from ops.chaos.troubles import all_troubles

seeds = st.integers(0, 2**32)
times = st.floats(1, 2_000)


@given(seeds, times, st.booleans())
def test_all_that_can_go_wrong_does_in_order_and_in_time(seed: int, seconds: float, wires: bool) -> None:
    """Each as often as any other, once at least, none before the beginning nor after the end."""
    troubles = all_troubles(wires=wires)
    schedule = plan_troubles(seed, seconds, troubles, pause=8.0, silence=20.0)
    times_of = [sum(1 for one in schedule if one.trouble == trouble) for trouble in troubles]
    assert min(times_of) == max(times_of) >= 1
    assert len(schedule) == sum(times_of)
    begins = [one.at for one in schedule]
    assert begins == sorted(begins)
    assert begins[0] >= 0
    assert begins[-1] <= seconds


@given(seeds, times)
def test_the_same_seed_makes_the_same_schedule(seed: int, seconds: float) -> None:
    """So that a run can be had again."""
    troubles = all_troubles(wires=True)
    first, second = (plan_troubles(seed, seconds, troubles, pause=8.0, silence=20.0) for _ in range(2))
    assert first == second


@given(seeds)
def test_another_seed_makes_another_schedule(seed: int) -> None:
    """The order is chance's."""
    troubles = all_troubles(wires=True)
    first, second = (plan_troubles(one, 300.0, troubles, pause=8.0, silence=20.0) for one in (seed, seed + 1))
    assert first != second
