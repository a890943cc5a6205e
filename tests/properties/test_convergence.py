"""Promises 3 and 5 on the pure rules: whatever happens on the way, the causal oracle finds nothing wrong at rest.

`make prove` runs many more of the same schedules.
"""

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.oracle import Violation
from support.oracle_org import TRIGGERS
from support.oracle_schedule import (
    DELETIONS,
    LAST_EDITS,
    POLICIES,
    VOCABULARY,
    judge,
    run,
    seeded,
    seeded_conversion,
    seeded_far_behind,
    seeded_partitions,
    settle,
)
from support.oracle_world import Setting

SETTINGS = st.builds(
    Setting,
    policy=st.sampled_from(POLICIES),
    other_policy=st.sampled_from(POLICIES),
    trigger=st.sampled_from(sorted(TRIGGERS)),
    platform_skew=st.sampled_from((0, 300, -1_500)),
    salesforce_skew=st.sampled_from((0, 700, -1_500)),
    exists=st.booleans(),
    on_delete=st.sampled_from(DELETIONS),
)
STEPS = st.lists(st.sampled_from(VOCABULARY), min_size=3, max_size=50)
SEEDS_A_TEST = 500


@settings(max_examples=2_000, deadline=None)
@given(setting=SETTINGS, steps=STEPS, last=st.sampled_from(LAST_EDITS))
def test_both_sides_end_equal_and_writing_stops(setting: Setting, steps: list[str], last: str) -> None:
    """Nor does a superseded edit survive, or a loser go without a row, or an edit in the quiet not win."""
    run(setting, steps, last)


@pytest.mark.parametrize("first", range(0, 6 * SEEDS_A_TEST, SEEDS_A_TEST))
def test_seeded_schedules_end_right(first: int) -> None:
    """The same, on the schedules of these seeds: the first few thousand of `make prove`."""
    assert_right(first, seeded)


@pytest.mark.parametrize("first", range(0, 3 * SEEDS_A_TEST, SEEDS_A_TEST))
def test_seeded_schedules_with_policies_that_merge_end_right(first: int) -> None:
    """`union`, `max` and `min` among the others: a merge is made of two edits of which neither had seen the other."""
    assert_right(first, partial(seeded, merging=True))


def test_seeded_schedules_of_a_lead_that_is_converted_end_right() -> None:
    """The thing goes on in the contact, with what both sides said of the lead before, meanwhile and after."""
    assert_right(0, seeded_conversion)


def test_seeded_schedules_in_which_one_record_overtakes_another_end_right() -> None:
    """Of a record and the one that it ended in: each tells in order, by a partition of its own."""
    assert_right(0, seeded_partitions)


def test_seeded_schedules_in_which_a_former_record_is_heard_long_after_end_right() -> None:
    """Rule 16: what a write of ours had buried there still comes to light."""
    assert_right(0, seeded_far_behind, seeds=150)


def assert_right(
    first: int, schedule_of: Callable[[int], tuple[Setting, list[str], str]], seeds: int = SEEDS_A_TEST
) -> None:
    for seed in range(first, first + seeds):
        setting, steps, last = schedule_of(seed)
        try:
            run(setting, steps, last)
        except Violation as violation:
            raise AssertionError(f"seed {seed}, {setting}, {steps}, {last!r}: {violation}") from violation


@pytest.mark.parametrize("seed", range(40))
def test_nothing_is_called_at_rest(seed: int) -> None:
    """At rest nobody asks Salesforce anything any more, however often the sweep looks."""
    setting, steps, last = seeded(seed)
    world = run(setting, steps, last)
    calls = world.calls
    for _ in range(5):
        world.advance(1_000_000)
        settle(world)
    judge(world)
    assert world.calls == calls
