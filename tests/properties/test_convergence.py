"""Promise 3 on the pure rules: whatever happens on the way, both sides end equal and writing stops."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.merge_world import World

PLATFORM_PATHS = ("phone", "title", "total")
SALESFORCE_FIELDS = ("Phone", "Title", "Tier__c", "Total__c")
FATES = ("ok", "ok", "lost", "late", "unanswered", "not_run", "killed", "killed_after")

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.sampled_from([1, 5, 60, 300, 1500, 5000])),
        st.tuples(st.just("platform"), st.sampled_from(PLATFORM_PATHS), st.booleans(), st.booleans()),
        st.tuples(st.just("post"), st.integers(0, 3), st.booleans()),
        st.tuples(st.just("salesforce"), st.sampled_from(SALESFORCE_FIELDS)),
        st.tuples(st.just("change")),
        st.tuples(st.just("write"), st.sampled_from(FATES)),
        st.tuples(st.just("late")),
        st.tuples(st.just("rewind")),
    ),
    min_size=3,
    max_size=60,
)


TRIGGERS = {
    "none": None,
    "rewrites": lambda values: {"Phone": str(values["Phone"]).upper()} if values.get("Phone") else {},
    "resets": lambda values: {"Phone": "reset"} if "Phone" in values else {},
    "touches another": lambda values: {"Title": f"for {values['Phone']}"} if "Phone" in values else {},
    "insists on a pushed field": lambda values: {"Total__c": "0"} if "Total__c" in values else {},
}


def run(world: World, steps: list[tuple[object, ...]]) -> None:
    """Take the steps in order."""
    world.platform_edits("phone", named=False)
    for step in steps:
        match step:
            case ("wait", int(milliseconds)):
                world.now += milliseconds
            case ("platform", str(name), bool(named), bool(seen)):
                world.platform_edits(name, named=named, seen=seen)
            case ("post", int(index), bool(again)):
                world.deliver_post(index, again=again)
            case ("salesforce", str(name)):
                world.salesforce_edits(name)
            case ("change",):
                world.deliver_change()
            case ("write", str(fate)):
                world.write(fate)
            case ("late",):
                world.land_late()
            case ("rewind",):
                world.rewind()
            case _:
                raise AssertionError(step)


@pytest.mark.parametrize("policy", ["salesforce_wins", "platform_wins", "latest_wins"])
@settings(max_examples=500, deadline=None)
@given(steps=STEPS, seed=st.integers(0, 2**32), trigger=st.sampled_from(sorted(TRIGGERS)))
def test_both_sides_end_equal_and_writing_stops(
    policy: str, steps: list[tuple[object, ...]], seed: int, trigger: str
) -> None:
    """Every two-way and pulled field is equal at rest, and at rest no more calls are made."""
    world = World(random.Random(seed), policy=policy, trigger=TRIGGERS[trigger])
    run(world, steps)
    world.settle()
    assert world.stored is not None
    for path, name in (("phone", "Phone"), ("title", "Title"), ("tier", "Tier__c")):
        assert world.stored.get(path) == (world.record or {}).get(name), path
    assert world.settle() == 0
