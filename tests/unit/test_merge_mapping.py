"""What the mapping decides: a new version of it, derived fields, what whole records are copies of."""

import copy
import dataclasses
import random
from functools import partial
from typing import Any

import pytest
from support.merge_world import RECORD, TIMING, World, changed, mapping
from support.orders import MAPPING as ORDERS

from consumers.rules.answers import Answer, answered
from consumers.rules.audit import Occasion
from consumers.rules.derived import derive, is_underived, mark_totals, owners
from consumers.rules.kinds import compile_kind
from consumers.rules.platform import Assertion, assert_platform
from consumers.rules.retry import RetryPolicy
from consumers.rules.review import open_reviews
from consumers.rules.state import DocumentState, Existence, Side
from consumers.rules.stored import dump, load, value_at
from consumers.rules.versions import DecidedByNewerMapping, bring_up
from consumers.rules.writes import Read, due_values, next_step, take
from schemas.derivation import Total
from schemas.mapping import Mapping
from schemas.outcome import Outcome
from schemas.records import Failure, RowResult


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


def test_rule_29_what_salesforce_has_is_shown_in_the_new_words() -> None:
    """A picklist's words have changed on the platform's side: nothing is written, and the document says the new one."""
    words = {"picklist": {"vip": "VIP", "regular": "Regular"}, "transform": []}
    world = linked()
    first = changed(mapping(), "Phone", **words)
    publish(world, first)
    world.settle()
    world.salesforce_edits("Phone", "VIP")
    world.settle()
    assert current(world, "Phone") == "vip"
    publish(world, changed(first, "Phone", **(words | {"picklist": {"gold": "VIP", "regular": "Regular"}})))
    assert current(world, "Phone") == "gold"
    assert world.settle() == 0
    assert world.record is not None
    assert world.record["Phone"] == "VIP"
    assert not world.audit


def test_rule_29_a_question_about_a_field_that_is_only_pulled_now_is_settled() -> None:
    """Its kind may still ask on first contact, in a version that was published before that was refused."""
    world = linked("review")
    world.salesforce_edits("Phone", "s1")
    world.deliver_change()
    world.now -= 10
    say(world, phone="p1")
    world.now += 10
    after = changed(mapping("review"), "Phone", direction="pull", policy="salesforce_wins", first="review")
    publish(world, after)
    assert list(open_reviews(world.load(), world.kind)) == []
    world.settle()
    assert current(world, "Phone") == "s1"


def test_rule_29_a_write_whose_field_is_mapped_no_more_is_answered_all_the_same() -> None:
    """A Bulk job that was under way when the version was published brings its answer, however late."""
    world = linked()
    say(world, phone="p1")
    state = world.load()
    write = take(state, {"Phone": "p1", "Title": "t1"}, now=world.now, job="750000000000001")
    world.save(state)
    publish(world, changed(mapping(), "Title", platform=""))
    state = world.load()
    refused = RowResult(failure=Failure.NOT_RUN, code="UNABLE_TO_LOCK_ROW")
    assert answered(state, world.kind, write.number, refused, RetryPolicy(), now=world.now) is Answer.DEFERRED
    assert state.write(write.number) is not None


def test_rule_29_what_was_only_filled_is_due_when_it_may_be_overwritten() -> None:
    """The value had won outright: it was held back, not lost."""
    world = linked("fill_only")
    say(world, phone="p1")
    assert world.settle() == 0
    publish(world, changed(mapping("fill_only"), "Phone", policy="latest_wins"))
    assert world.settle() == 1
    assert world.record is not None
    assert world.record["Phone"] == "p1"


def test_rule_29_totals_are_taken_anew() -> None:
    """No register tells by what one was taken; and what was shown at the path of a new one is nobody's total."""
    kind = compile_kind("customer", Mapping.model_validate(ORDERS).model_copy(update={"version": 2}))
    spent = dataclasses.replace(kind.by_name["Total_Spent__c"], since=2)
    kind = dataclasses.replace(kind, fields=(spent,), derived=(spent,))
    state = DocumentState(kind="customer", id="c-1", revision=1, mapping=1)
    assert bring_up(state, kind, Occasion("mapping:2", 1, 1), lambda _rule: 5)
    assert state.underived
    assert state.field("Total_Spent__c").source is None


def test_rule_28_who_changes_what_counts_leaves_a_mark() -> None:
    """In the very update that changes it; what counts for nobody leaves none."""
    raw = copy.deepcopy(ORDERS)
    raw["kinds"]["order"]["fields"].append({"platform": "note", "salesforce": "Note__c"})
    kind = compile_kind("order", Mapping.model_validate(raw))
    before = DocumentState(kind="order", id="o-1")
    for name, value in (("Amount__c", 30), ("Note__c", "a")):
        before.field(name).show(value, Side.PLATFORM, made_at=1, at=1, revision=1)
    document = dump(before, kind, now=1, due_at=None, decision="d")
    for name, value, marks in (("Note__c", "b", False), ("Amount__c", 30, False), ("Amount__c", 50, True)):
        state = load(document, "o-1", kind)
        state.field(name).show(value, Side.SALESFORCE, made_at=2, at=2, revision=2)
        mark_totals(state, kind)
        assert state.uncounted is marks
    state = load(document, "o-1", kind)
    state.existence = Existence(exists=False, heard=2, events=("e",))
    mark_totals(state, kind)
    assert state.uncounted, "it counts no more"


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


def test_rule_28_a_derived_field_shows_its_totals_and_what_follows_from_them() -> None:
    """Set when it moved or was never set, by nobody's register; and what events say of it does not count."""
    kind = compile_kind("customer", Mapping.model_validate(ORDERS))
    state = DocumentState("customer", "cust-1")
    totals = {rule.name: 3 for rule in kind.derived if isinstance(rule.derive, Total)} | {"Total_Spent__c": 1_000}
    assert is_underived(state, kind)
    assert derive(state, kind, totals, now=5)
    assert not is_underived(state, kind)
    shown = {rule.dotted: state.field(rule.name).value for rule in kind.derived}
    assert (shown["total_spent"], shown["vip"], shown["stage"]) == (1_000, True, "advocate")
    assert not derive(state, kind, totals, now=6), "nothing moved"
    assert derive(state, kind, totals | {"Total_Spent__c": 999.99}, now=7)
    assert state.field("VIP__c").value is False
    assert_platform(
        state, Assertion("e-1", 9, {"total_spent": 5}, frozenset({"total_spent"})), kind, Occasion("e", 9, 9)
    )
    assert state.field("Total_Spent__c").value == 999.99
    assert state.field("Total_Spent__c").platform is None
    assert due_values(state, kind)["Total_Spent__c"] == 999.99


def test_rule_28_a_document_counts_for_those_before_too() -> None:
    """A crash may have come between its own update and that of the customer whom it no longer names."""
    kind = compile_kind("order", Mapping.model_validate(ORDERS))
    state = DocumentState("order", "o-1")
    for at, owner in enumerate(("cust-1", "cust-2", None), start=1):
        state.field("Contact__c").show(owner, Side.PLATFORM, made_at=at, at=at, revision=at)
    assert owners(state, kind.by_name["Contact__c"]) == {"cust-1", "cust-2"}


def test_rule_4_of_a_snapshot_the_latest_counts_in_fields_that_are_only_pushed() -> None:
    """An order that is refunded and paid again is paid, and a late snapshot is stale; a two-way field has pages."""
    raw = copy.deepcopy(ORDERS)
    raw["kinds"]["order"]["fields"][4]["direction"] = "both"
    kind = compile_kind("order", Mapping.model_validate(raw))
    state = DocumentState("order", "o-1")

    def posts(at: int, **fields: str) -> Outcome:
        return assert_platform(state, Assertion(f"e-{at}", at, fields), kind, Occasion(f"e-{at}", at, at)).outcome

    for at, status in ((10, "paid"), (20, "refunded"), (30, "paid")):
        assert posts(at, status=status, event=status) is Outcome.APPLIED
    assert (state.field("Status__c").value, state.field("Event__c").value) == ("paid", "refunded")
    assert posts(25, status="pending") is Outcome.STALE
    assert state.field("Status__c").value == "paid"
    assert not state.audit


def test_rule_18_what_was_there_before_us_is_the_platforms_own() -> None:
    """A document that no event has spoken of, met by whoever comes first: its values are known, and due."""
    world = World(random.Random(1))
    world.stored = {"_id": "c-1", "phone": "p-own", "tier": "t-own", "unmapped": 1}
    world.record = {"Phone": "s-own", "Title": "s-title"}
    state = world.load()
    shown = partial(value_at, world.stored)
    assert bring_up(state, world.kind, world.occasion("mapping:0"), shown)
    assert (state.field("Phone").value, state.field("Phone").source) == ("p-own", Side.PLATFORM)
    assert state.field("Tier__c").source is Side.SALESFORCE  # only pulled: never the platform's to say
    assert state.field("Title").source is None
    world.save(state)
    world.settle()
    conflicts = [row for row in world.audit.values() if row["path"] == "phone"]
    assert [(row["platform"]["value"], row["salesforce"]["value"]) for row in conflicts] == [("p-own", "s-own")]
    assert world.load().field("Title").value == "s-title"
    assert world.stored is not None
    assert world.stored["unmapped"] == 1
