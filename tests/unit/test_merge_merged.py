"""The policies that look at the values: `union` makes one of both, `max` and `min` compare them."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.merge_world import World, changed, mapping

from consumers.catalog import Catalog
from consumers.rules import review
from consumers.rules.conflict import Merged, Verdict, settle_by
from consumers.rules.platform import Assertion, assert_platform
from consumers.rules.rows import Row, apply_row
from consumers.rules.state import FieldState, Side
from schemas.field_mapping import Policy

ELEMENTS = st.lists(st.sampled_from("abcde"), unique=True)
NUMBERS = st.none() | st.integers(-1_000, 1_000)


def linked(policy: str, first: Any) -> World:
    """Both sides agree on `first`, a minute ago."""
    world = World(random.Random(1), policy=policy)
    post(world, first)
    world.settle()
    world.now += 60_000
    return world


def field(world: World) -> FieldState:
    """The phone, as it is stored."""
    return world.load().fields["Phone"]


def post(world: World, value: Any, *, ago: int = 0, seen: int | None = None) -> None:
    """The platform names a new value, made so many milliseconds ago."""
    state = world.load()
    event = f"event-{value}-{world.now}"
    assertion = Assertion(event, world.now - ago, {"phone": value}, frozenset({"phone"}), seen)
    assert_platform(state, assertion, world.kind, world.occasion(event))
    world.save(state)


def sell(world: World, value: Any) -> None:
    """A Salesforce user edits, and the event is delivered."""
    world.salesforce_edits("Phone", value)
    world.deliver_change()


def in_conflict(author: str, ours: Any, theirs: Any, world: World) -> None:
    """Neither has seen the other's; the edit of `author` is the one that is heard last."""
    if author == "platform":
        sell(world, theirs)
        post(world, ours, ago=10)
    else:
        post(world, ours)
        sell(world, theirs)


def last_row(world: World) -> dict[str, Any]:
    """The newest audit row."""
    return list(world.audit.values())[-1]


def as_set(value: Any) -> set[str]:
    """A multi-select value of either side."""
    return set(value) if isinstance(value, list) else set((value or "").split(";")) - {""}


def at_rest(world: World) -> tuple[set[str], set[str]]:
    """What the document shows and the record holds at rest."""
    world.settle()
    assert world.record is not None
    return as_set(field(world).value), as_set(world.record["Phone"])


@pytest.mark.parametrize("author", ["platform", "salesforce"])
def test_rule_13_a_union_has_what_either_side_has_and_is_written_wherever_it_is_missing(
    author: str,
) -> None:
    """Whoever is heard last. The row names both values, what was made of them, and that nobody lost."""
    world = linked("union", ["a"])
    in_conflict(author, ["a", "b"], "c;a", world)
    assert field(world).value == ["a", "b", "c"]
    row = last_row(world)
    assert (row["rule"], row["winner"], row["loser"], row["lost"]) == ("13.union", "both", "nobody", None)
    assert (as_set(row["platform"]["value"]), as_set(row["salesforce"]["value"])) == ({"a", "b"}, {"a", "c"})
    assert row["result"] == ["a", "b", "c"]
    assert at_rest(world) == ({"a", "b", "c"}, {"a", "b", "c"})


@pytest.mark.parametrize(
    ("ours", "theirs", "winner"),
    [(["a", "b", "c"], "c", "platform"), (["a"], "a;b", "salesforce"), ([], "b", "salesforce")],
)
def test_rule_13_where_one_side_has_all_a_union_is_that_side_s(ours: list[str], theirs: str, winner: str) -> None:
    """The other's edit, which took something out, is lost, and its row says so."""
    world = linked("union", ["z"])
    in_conflict("platform", ours, theirs, world)
    row = last_row(world)
    assert (row["rule"], row["winner"]) == ("13.union", winner)
    assert row["lost"]["side"] != winner
    assert at_rest(world) == (set(ours) | as_set(theirs),) * 2


def test_rule_13_a_union_gives_way_to_an_edit_made_with_it_in_view() -> None:
    """From either side: so something can be taken out again."""
    for author in ("platform", "salesforce"):
        world = linked("union", ["a"])
        in_conflict("platform", ["a", "b"], "c;a", world)
        world.settle()
        world.now += 60_000
        rows = len(world.audit)
        if author == "platform":
            post(world, ["b"])
        else:
            sell(world, "b")
        assert at_rest(world) == ({"b"}, {"b"})
        assert len(world.audit) == rows


def test_rule_13_an_author_who_had_salesforces_part_in_view_wins_outright_over_a_union() -> None:
    """`seen` names the revision that showed it alone; that the platform's own part came later makes no conflict."""
    world = linked("union", ["a"])
    sell(world, "a;c")
    seen = (world.stored or {})["revision"]
    post(world, ["a", "b"], ago=10)
    assert field(world).merged
    post(world, ["b"], seen=seen)
    assert at_rest(world) == ({"b"}, {"b"})


@pytest.mark.parametrize("author", ["platform", "salesforce"])
def test_rule_13_a_union_is_made_anew_of_what_each_side_said_last(author: str) -> None:
    """What that side has taken out since, without having seen the other's, goes; the other's part stays."""
    world = linked("union", ["a"])
    in_conflict(author, ["a", "b"], "a;c", world)
    assert field(world).value == ["a", "b", "c"]
    if author == "platform":
        post(world, ["c"], ago=5)
        assert at_rest(world) == ({"a", "c"}, {"a", "c"})
    else:
        sell(world, "b")
        assert at_rest(world) == ({"a", "b"}, {"a", "b"})
    assert not field(world).merged


def test_rule_13_a_union_survives_storing_and_a_row_read_whole() -> None:
    """The row shows what Salesforce held before the union was written: that is no news, and the union is due still."""
    world = linked("union", ["a"])
    in_conflict("platform", ["a", "b"], "c;a", world)
    world.now += 60_000
    state = world.load()
    assert state.fields["Phone"].merged
    assert state.fields["Phone"].theirs is not None
    values = {**dict.fromkeys(world.kind.by_name), **(world.record or {})}
    row = Row(world.now, world.now, values, world.modified)
    apply_row(state, row, world.kind, world.occasion("row"))
    world.save(state)
    assert at_rest(world) == ({"a", "b", "c"}, {"a", "b", "c"})


def test_rule_18_a_union_on_first_contact_holds_both() -> None:
    """Two that never met keep what each of them knows."""
    world = World(random.Random(1), policy="union", record={"Phone": "x;y"})
    world.modified = world.now
    post(world, ["y", "z"])
    world.now += 60_000
    assert at_rest(world) == ({"x", "y", "z"}, {"x", "y", "z"})
    assert [row["rule"] for row in world.audit.values()] == ["18.union"]


@pytest.mark.parametrize("shown", [Side.SALESFORCE, Side.PLATFORM])
def test_rule_29_a_question_becomes_a_union_where_that_is_the_policy_now(shown: Side) -> None:
    """Nobody is asked any more, and neither value is lost; the record gets what it lacks."""
    world = World(random.Random(1), policy="review")
    multi = changed(mapping("review"), "Phone", transform=["multi_select"])
    world.catalog = Catalog(multi)
    world.kind = world.catalog.kinds["customer"]
    post(world, ["a"])
    world.settle()
    world.now += 60_000
    in_conflict("platform" if shown is Side.SALESFORCE else "salesforce", ["b"], "c", world)
    assert field(world).review is not None
    world.publish(changed(multi, "Phone", policy="union"))
    assert (last_row(world)["winner"], last_row(world)["result"]) == ("both", ["b", "c"])
    assert list(review.open_reviews(world.load(), world.kind)) == []
    assert at_rest(world) == ({"b", "c"}, {"b", "c"})


@pytest.mark.parametrize(
    ("policy", "ours", "theirs", "winner"),
    [
        ("max", 12, 9, "platform"),
        ("max", 9, 12, "salesforce"),
        ("max", "12.5", 9, "platform"),
        ("min", 12, 9, "salesforce"),
        ("min", -1, 0, "platform"),
    ],
)
@pytest.mark.parametrize("author", ["platform", "salesforce"])
def test_rule_13_max_and_min_compare_the_numbers(policy: str, ours: Any, theirs: Any, winner: str, author: str) -> None:
    """Whoever is heard last, and whenever either was set: 12 is more than 9, although not as text."""
    world = linked(policy, 10)
    in_conflict(author, ours, theirs, world)
    assert (last_row(world)["rule"], last_row(world)["winner"]) == (f"13.{policy}", winner)
    world.settle()
    assert world.record is not None
    assert float(world.record["Phone"]) == float(field(world).value) == float(ours if winner == "platform" else theirs)


@pytest.mark.parametrize("policy", ["max", "min"])
def test_rule_13_under_max_and_min_nothing_never_wins(policy: str) -> None:
    """A value that somebody cleared is no extreme of anything; the row keeps that it was."""
    for author, ours, theirs in (("platform", None, 3), ("salesforce", 3, None)):
        world = linked(policy, 10)
        in_conflict(author, ours, theirs, world)
        world.settle()
        assert world.record is not None
        assert (world.record["Phone"], field(world).value) == (3, 3)
        assert last_row(world)["lost"]["value"] is None


def verdict(policy: Policy, ours: Any, theirs: Any) -> Verdict:
    """What the policy makes of two claims."""
    rule = Catalog(mapping(policy)).kinds["customer"].by_name["Phone"]
    return settle_by(policy, rule, platform=(ours, 1), salesforce=(theirs, 2))


def result(ours: Any, theirs: Any, verdict: Verdict) -> Any:
    """The value that stands after it."""
    match verdict:
        case Merged(value):
            return value
        case Side.PLATFORM:
            return ours
        case _:
            return theirs


@given(ours=ELEMENTS, theirs=ELEMENTS)
def test_rule_13_a_union_is_commutative_and_contains_both(ours: list[str], theirs: list[str]) -> None:
    """It does not depend on which side has which value, nor on their order."""
    one = result(ours, theirs, verdict(Policy.UNION, ours, theirs))
    other = result(theirs, ours, verdict(Policy.UNION, ";".join(theirs), list(reversed(ours))))
    assert as_set(one) == as_set(other) == set(ours) | set(theirs)


@given(ours=ELEMENTS, theirs=ELEMENTS, more=ELEMENTS)
def test_rule_13_a_union_is_associative_and_idempotent(ours: list[str], theirs: list[str], more: list[str]) -> None:
    """Conflicts may come in any order, and again."""

    def union(one: Any, other: Any) -> Any:
        return result(one, other, verdict(Policy.UNION, one, other))

    assert as_set(union(union(ours, theirs), more)) == as_set(union(ours, union(theirs, more)))
    assert as_set(union(union(ours, theirs), theirs)) == as_set(union(ours, theirs))


@pytest.mark.parametrize("policy", [Policy.MAX, Policy.MIN])
@given(ours=NUMBERS, theirs=NUMBERS)
def test_rule_13_max_and_min_are_commutative_and_pick_one_of_the_two(
    policy: Policy, ours: int | None, theirs: int | None
) -> None:
    """The same number stands whichever side has it."""
    numbers = [value for value in (ours, theirs) if value is not None]
    expected = (max if policy is Policy.MAX else min)(numbers, default=None)
    assert result(ours, theirs, verdict(policy, ours, theirs)) == expected
    assert result(theirs, ours, verdict(policy, theirs, ours)) == expected


@given(ours=ELEMENTS, theirs=ELEMENTS, platform_last=st.booleans(), wait=st.sampled_from([0, 10, 5_000]))
def test_rule_13_both_sides_end_with_the_union(
    ours: list[str], theirs: list[str], platform_last: bool, wait: int
) -> None:
    """However the two edits meet, both sides end equal; and with the union unless one had the other in view."""
    world = linked("union", ["z"])
    world.now += wait
    in_conflict("platform" if platform_last else "salesforce", ours, ";".join(theirs) or None, world)
    shown, held = at_rest(world)
    assert shown == held == set(ours) | set(theirs)
