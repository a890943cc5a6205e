"""Conflicts that wait for a person, and fields that are only filled: what is held back, and what ends it."""

import random

import pytest
from support.merge_world import World

from consumers.rules import review
from consumers.rules.platform import Assertion, assert_platform
from consumers.rules.state import DocumentState, FieldState, Side


def linked(policy: str) -> World:
    """Both sides agree on `v1`, a minute ago."""
    world = World(random.Random(1), policy=policy)
    world.platform_edits("phone", named=False)
    world.deliver_post()
    world.settle()
    world.now += 60_000
    return world


def field(world: World) -> FieldState:
    """The phone, as it is stored."""
    return world.load().fields["Phone"]


def post(world: World, value: str, *, ago: int = 0) -> None:
    """The platform names a new phone, made so many milliseconds ago."""
    state = world.load()
    event = f"event-{value}"
    made = world.now - ago
    assert_platform(
        state, Assertion(event, made, {"phone": value}, frozenset({"phone"})), world.kind, world.occasion(event)
    )
    world.save(state)


def sell(world: World, value: str | None) -> None:
    """A Salesforce user edits, and the event is delivered."""
    world.salesforce_edits("Phone", value)
    world.deliver_change()


def in_conflict(shown: Side = Side.SALESFORCE) -> World:
    """A conflict of `p1` and `s1` under `review`, of which the document shows one."""
    world = linked("review")
    if shown is Side.SALESFORCE:
        sell(world, "s1")
        post(world, "p1", ago=10)
    else:
        post(world, "p1")
        sell(world, "s1")
    return world


def choose(world: World, side: Side) -> bool:
    """A person chooses."""
    state = world.load()
    done = review.choose(
        state, state.fields["Phone"], world.kind.by_name["Phone"], side, world.occasion("choice:1"), "by ana: called"
    )
    world.save(state)
    return done


def questions(state: DocumentState, world: World) -> list[tuple[str, str, Side]]:
    """What a person is asked."""
    return [(one.platform, one.salesforce, one.shown) for one in review.open_reviews(state, world.kind)]


def holds(world: World) -> str | None:
    """What the record holds once everything is at rest."""
    world.settle()
    assert world.record is not None
    return world.record["Phone"]


def last_row(world: World) -> dict[str, object]:
    """The last audit row."""
    return list(world.audit.values())[-1]


@pytest.mark.parametrize("shown", list(Side))
def test_rule_13_under_review_nobody_wins_and_nothing_is_written(shown: Side) -> None:
    """The document shows what it showed, the record holds what it held, and the question names both values."""
    world = in_conflict(shown)
    assert field(world).value == ("p1" if shown is Side.PLATFORM else "s1")
    assert questions(world.load(), world) == [("p1", "s1", shown)]
    assert (last_row(world)["rule"], last_row(world)["winner"], last_row(world)["lost"]) == (
        "13.review",
        "nobody",
        None,
    )
    calls = world.calls
    assert holds(world) == "s1"
    assert world.calls == calls
    assert world.stored is not None
    assert world.stored["salesforce"]["held"] == ["phone"]
    assert world.stored["_sync"]["reviews"] == ["Phone"]


@pytest.mark.parametrize("shown", list(Side))
@pytest.mark.parametrize("chosen", list(Side))
def test_rule_13_a_person_chooses_and_both_sides_follow(shown: Side, chosen: Side) -> None:
    """Whichever was shown: the chosen value is on both sides, and the other one has its row."""
    world = in_conflict(shown)
    assert choose(world, chosen)
    value, lost = ("p1", "s1") if chosen is Side.PLATFORM else ("s1", "p1")
    assert field(world).value == value
    assert holds(world) == value
    row = last_row(world)
    assert (row["winner"], row["rule"], row["note"]) == (chosen, "13.review", "by ana: called")
    assert isinstance(row["lost"], dict)
    assert row["lost"]["value"] == lost
    assert world.stored is not None
    assert "held" not in world.stored["salesforce"]
    assert "reviews" not in world.stored["_sync"]
    assert not choose(world, chosen)


def test_rule_13_the_side_that_is_shown_may_go_on_and_the_question_stays() -> None:
    """A later edit of the shown side says nothing about the value that waits."""
    world = in_conflict(Side.SALESFORCE)
    sell(world, "s2")
    assert questions(world.load(), world) == [("p1", "s2", Side.SALESFORCE)]
    world = in_conflict(Side.PLATFORM)
    world.now += 1_000
    post(world, "p2")
    assert questions(world.load(), world) == [("p2", "s1", Side.PLATFORM)]


def test_rule_13_a_later_edit_of_the_side_that_waits_takes_the_place_of_its_value() -> None:
    """The question is then between that one and what is shown."""
    world = in_conflict(Side.PLATFORM)
    sell(world, "s2")
    assert questions(world.load(), world) == [("p1", "s2", Side.PLATFORM)]
    assert holds(world) == "s2"


def test_rule_13_an_edit_made_with_the_shown_value_in_view_ends_the_question() -> None:
    """It wins outright by rule 5; the value that waited has its row."""
    world = in_conflict(Side.SALESFORCE)
    world.now += 60_000
    post(world, "p2")
    assert questions(world.load(), world) == []
    row = last_row(world)
    assert (row["winner"], row["note"]) == ("platform", "a later edit took the place of the value that waited")
    values = [(row[side] or {}).get("value") for side in ("platform", "salesforce", "lost")]  # type: ignore[attr-defined]
    assert values == ["p2", "s1", "p1"]
    assert holds(world) == "p2"


def test_rule_13_the_same_value_ends_the_question() -> None:
    """Somebody typed what the other side shows: there is nothing left to choose."""
    for shown, same in ((Side.PLATFORM, "p1"), (Side.SALESFORCE, "s1")):
        world = in_conflict(shown)
        world.now += 60_000
        if shown is Side.PLATFORM:
            sell(world, same)
        else:
            post(world, same)
        assert questions(world.load(), world) == []
        assert holds(world) == same


def test_rule_13_what_our_write_has_buried_can_still_be_chosen() -> None:
    """The write was on its way when the other edit was made: both sides show ours, and the question stays open."""
    world = linked("review")
    post(world, "p1")
    world.salesforce_edits("Phone", "s1")
    assert world.write() == "ok"
    world.deliver_change()
    world.deliver_change()
    assert questions(world.load(), world) == [("p1", "s1", Side.PLATFORM)]
    assert holds(world) == "p1"
    choose(world, Side.SALESFORCE)
    assert holds(world) == "s1"


def test_rule_13_fill_only_fills_what_is_empty() -> None:
    """The first value goes in."""
    assert holds(linked("fill_only")) == "v1"


def test_rule_13_fill_only_never_overwrites_even_where_it_wins_outright() -> None:
    """The platform's next value shows in its own document, and Salesforce keeps what it has."""
    world = linked("fill_only")
    calls = world.calls
    post(world, "p1")
    assert field(world).value == "p1"
    assert holds(world) == "v1"
    assert world.calls == calls
    assert world.stored is not None
    assert world.stored["salesforce"]["held"] == ["phone"]
    assert not world.audit


def test_rule_13_fill_only_lets_salesforce_win_a_conflict() -> None:
    """What was held back gives way to the next edit in Salesforce, with a row."""
    world = linked("fill_only")
    post(world, "p1")
    sell(world, "s1")
    assert field(world).value == "s1"
    assert (last_row(world)["rule"], last_row(world)["winner"]) == ("13.fill_only", "salesforce")
    assert holds(world) == "s1"


def test_rule_13_fill_only_fills_what_was_cleared_meanwhile() -> None:
    """The field was emptied in Salesforce by somebody who could not see the platform's value: it may be filled."""
    world = linked("fill_only")
    post(world, "p1")
    sell(world, None)
    assert holds(world) == "p1"


def test_rule_13_fill_only_puts_back_what_our_write_has_buried() -> None:
    """Two filled the empty field at once: the value typed in Salesforce stands in the end."""
    world = World(random.Random(1), policy="fill_only")
    world.platform_edits("title", named=False)
    world.deliver_post()
    world.settle()
    post(world, "p1")
    world.salesforce_edits("Phone", "s1")
    assert world.write() == "ok"
    assert holds(world) == "s1"
    assert field(world).value == "s1"
