"""A new version of the mapping: documents are decided again from their registers."""

import random
from typing import Any

import pytest
from support.merge_world import RECORD, TIMING, World, changed, mapping

from consumers.rules.platform import Assertion, assert_platform
from consumers.rules.state import DocumentState, Side
from consumers.rules.versions import DecidedByNewerMapping, bring_up
from consumers.rules.writes import Read, next_step
from schemas.mapping import Mapping


def linked(policy: str = "salesforce_wins") -> World:
    """Both sides agree on the phone `v1`, a minute ago."""
    world = World(random.Random(1), policy=policy)
    world.platform_edits("phone", named=False)
    world.deliver_post()
    world.settle()
    world.now += 60_000
    return world


def publish(world: World, after: Mapping) -> None:
    """The version is in force, and the document is decided by it."""
    assert world.publish(after)


def say(world: World, **fields: str) -> None:
    """The platform names new values."""
    state = world.load()
    event = f"event-{world.now}-{fields}"
    assert_platform(state, Assertion(event, world.now, fields, frozenset(fields)), world.kind, world.occasion(event))
    world.save(state)


def current(world: World, name: str) -> Any:
    """What the document shows, by Salesforce name."""
    return world.load().fields[name].value


def step(world: World) -> Any:
    """What the writer would do now."""
    return next_step(world.load(), world.kind, TIMING, now=world.now)


def test_rule_29_a_document_is_decided_again_once_for_each_version() -> None:
    """What both versions map alike stays as it is: nothing is written, nothing read."""
    world = linked()
    publish(world, changed(mapping(), "Phone", policy="latest_wins"))
    assert world.settle() == 0
    state = world.load()
    assert (state.mapping, state.read_reason) == (1, "")
    assert not bring_up(state, world.kind, world.occasion("mapping:1"), lambda _rule: None)
    assert not world.audit


def test_rule_29_a_newly_mapped_field_is_read_before_it_is_written() -> None:
    """The platform's own value is pushed where Salesforce has none; rule 18 decides where both have one."""
    for theirs, rules in ((None, []), ("s1", ["18.salesforce_wins"])):
        world = linked()
        assert world.stored is not None
        assert world.record is not None
        world.stored["email"] = "p1"
        if theirs:
            world.record["Email"] = theirs
        publish(world, changed(mapping(), "Email", platform="email"))
        assert isinstance(step(world), Read)
        calls = world.settle()
        assert (world.record["Email"], current(world, "Email"), calls) == (
            (theirs, theirs, 0) if theirs else ("p1", "p1", 1)
        )
        assert [row["rule"] for row in world.audit.values()] == rules


def test_rule_29_a_newly_pulled_field_shows_what_salesforce_has() -> None:
    """What the platform had at that path was never its to say."""
    world = linked()
    assert world.record is not None
    world.record["Region__c"] = "north"
    publish(world, changed(mapping(), "Region__c", platform="region", direction="pull"))
    assert world.settle() == 0
    assert current(world, "Region__c") == "north"


def test_rule_29_a_field_on_another_path_is_a_new_one() -> None:
    """What was known of the Salesforce field was said of the other path."""
    world = linked()
    before = mapping()
    publish(world, changed(before, "Phone", platform="mobile"))
    assert world.load().fields["Phone"].platform is None
    world.settle()
    assert current(world, "Phone") == "v1"
    assert world.stored is not None
    assert world.stored["mobile"] == "v1"


def test_rule_29_a_field_that_was_away_for_a_version_is_read_again() -> None:
    """Though its registers are still stored, nobody has kept them."""
    world = linked()
    away = changed(mapping(), "Phone", platform="")
    back = changed(away, "Phone", platform="phone", policy="platform_wins")
    world.salesforce_edits("Phone", "s1")
    publish(world, back)
    world.settle()
    assert world.record is not None
    assert current(world, "Phone") == world.record["Phone"] == "v1"
    assert [row["rule"] for row in world.audit.values()] == ["18.platform_wins"]


def test_rule_29_a_field_that_is_only_pulled_now_shows_salesforces_value() -> None:
    """The platform's value that had not landed yet has its row."""
    world = linked()
    say(world, phone="p1")
    publish(world, changed(mapping(), "Phone", direction="pull"))
    assert world.settle() == 0
    assert current(world, "Phone") == "v1"
    (row,) = world.audit.values()
    assert (row["rule"], row["lost"]["value"]) == ("29", "p1")


def test_rule_29_a_pushed_field_that_is_two_way_now_gives_back_what_a_trigger_made_of_it() -> None:
    """It was held back, since it could not be taken over."""
    world = linked()
    world.trigger = lambda values: {"Total__c": "0"} if "Total__c" in values else {}
    say(world, total="7")
    world.settle()
    assert current(world, "Total__c") == "7"
    publish(world, changed(mapping(), "Total__c", direction="both"))
    world.settle()
    assert current(world, "Total__c") == "0"


@pytest.mark.parametrize(("policy", "value"), [("platform_wins", "p1"), ("salesforce_wins", "s1"), ("fill_only", "s1")])
def test_rule_29_a_field_that_is_no_longer_reviewed_is_settled_by_its_policy(policy: str, value: str) -> None:
    """Nobody is asked any more, and the loser has its row."""
    world = linked("review")
    world.salesforce_edits("Phone", "s1")
    world.deliver_change()
    world.now -= 10
    say(world, phone="p1")
    world.now += 10
    publish(world, changed(mapping("review"), "Phone", policy=policy))
    world.settle()
    assert world.record is not None
    assert current(world, "Phone") == world.record["Phone"] == value
    assert list(world.audit.values())[-1]["note"] == f"the policy is {policy} now"


def test_rule_29_what_was_only_filled_is_due_when_it_may_be_overwritten() -> None:
    """The value had won outright: it was held back, not lost."""
    world = linked("fill_only")
    say(world, phone="p1")
    assert world.settle() == 0
    publish(world, changed(mapping("fill_only"), "Phone", policy="latest_wins"))
    assert world.settle() == 1
    assert world.record is not None
    assert world.record["Phone"] == "p1"


def test_rule_29_a_document_of_a_newer_version_is_left_alone() -> None:
    """A process that has not taken the version up would forget the fields that are new in it."""
    world = linked()
    old = world.kind
    publish(world, changed(mapping(), "Email", platform="email"))
    with pytest.raises(DecidedByNewerMapping, match="decided by version 1"):
        bring_up(world.load(), old, world.occasion("mapping:0"), lambda _rule: None)


def test_rule_18_a_field_of_which_nothing_is_known_is_read_before_it_is_written() -> None:
    """Whatever made it unknown: a restore, a repair, a field newly mapped."""
    world = linked()
    state: DocumentState = world.load()
    field = state.fields["Phone"]
    field.salesforce = None
    field.show("p1", Side.PLATFORM, made_at=world.now, at=world.now, revision=state.next_revision)
    world.save(state)
    assert isinstance(step(world), Read)
    assert state.link is not None
    assert state.link.record_id == RECORD
