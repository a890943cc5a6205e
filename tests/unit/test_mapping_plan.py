"""The plan of a new version of the mapping: what befalls one document, and how that is counted and told."""

import copy
import random
import re
from pathlib import Path
from typing import Any

import pytest
from support.merge_world import TIMING, World, changed, mapping
from support.orders import MAPPING as ORDERS

from consumers.catalog import Catalog
from consumers.rules.kinds import Kind
from consumers.rules.plan import Effect, Effects, effects
from consumers.rules.platform import Assertion, assert_platform
from consumers.rules.writes import due_values
from ops.mapping_change import Change
from ops.mapping_plan import Plan
from ops.mapping_view import plan_lines
from schemas.mapping import Mapping
from schemas.mapping_versions import differences
from schemas.mapping_yaml import load_mapping

PAGE = (Path(__file__).parents[2] / "docs" / "mapping.md").read_text(encoding="utf-8")


def linked(policy: str = "salesforce_wins", on_delete: dict[str, str] | None = None) -> World:
    """Both sides agree on the phone `v1`, a minute ago."""
    world = World(random.Random(1), policy=policy, on_delete=on_delete or {})
    world.platform_edits("phone", named=False)
    world.deliver_post()
    world.settle()
    world.now += 60_000
    return world


def say(world: World, *, deletes: bool = False, **fields: str) -> None:
    """The platform names new values, or says that the thing is gone."""
    state = world.load()
    event = f"event-{world.now}"
    said = Assertion(event, world.now, fields, frozenset(fields), deletes=deletes)
    assert_platform(state, said, world.kind, world.occasion(event))
    world.save(state)


def in_review() -> World:
    """A person is asked about the phone: `v1` is shown, one side has `p1`, the other `s1`."""
    world = linked("review")
    world.salesforce_edits("Phone", "s1")
    world.deliver_change()
    world.now -= 10
    say(world, phone="p1")
    world.now += 10
    return world


def planned(world: World, after: Mapping, *, in_force: int = 0) -> Effects:
    """What the plan says; it touches nothing."""
    assert world.stored is not None
    before = copy.deepcopy(world.stored)
    found = effects(before, world.kind, kind_of(after), TIMING, in_force=in_force, now=world.now)
    assert before == world.stored
    return found


def kind_of(after: Mapping) -> Kind:
    """The one kind there is."""
    return Catalog(after).kinds["customer"]


def on_delete(before: Mapping, **sides: str) -> Mapping:
    """The next version with other consequences of a deletion."""
    raw: dict[str, Any] = before.model_dump(mode="json")
    raw["kinds"]["customer"]["on_delete"].update(sides)
    return Mapping.model_validate(raw).model_copy(update={"version": before.version + 1})


def test_what_both_versions_map_alike_is_in_no_line() -> None:
    """Nor what was due before, and is due still."""
    world = linked()
    assert planned(world, changed(mapping(), "Phone", policy="latest_wins")) == []
    say(world, phone="p1")
    assert planned(world, changed(mapping(), "Phone", policy="latest_wins")) == []


def test_a_value_that_was_held_back_is_to_be_written() -> None:
    """And one that will be is not written any more."""
    world = linked("fill_only")
    say(world, phone="p1")
    freed = changed(mapping("fill_only"), "Phone", policy="latest_wins")
    assert planned(world, freed) == [(Effect.WRITTEN, "Phone")]
    world.publish(freed)
    held = changed(freed, "Phone", policy="fill_only")
    assert planned(world, held, in_force=1) == [(Effect.NO_LONGER_WRITTEN, "Phone")]


def test_a_newly_mapped_field_is_read_and_perhaps_written() -> None:
    """Perhaps, since nobody knows yet what Salesforce has; where the platform has nothing it is read all the same."""
    world = linked()
    after = changed(mapping(), "Email", platform="email")
    assert planned(world, after) == [(Effect.READ, "")]
    assert world.stored is not None
    world.stored["email"] = "p1"
    assert planned(world, after) == [(Effect.READ, ""), (Effect.WRITTEN_AFTER_READ, "Email")]


def test_a_document_without_a_record_is_looked_up_first() -> None:
    """It had nothing that is pushed; now it has."""
    world = World(random.Random(1))
    world.stored = {"_id": "c-1", "revision": 1, "email": "p1", "_sync": {"number": 0, "decisions": ""}}
    after = changed(mapping(), "Email", platform="email")
    assert planned(world, after) == [(Effect.LOOKED_UP, ""), (Effect.WRITTEN, "Email")]


def test_a_field_that_is_only_pulled_now_takes_over_what_salesforce_has() -> None:
    """What the platform said is not written any more."""
    world = linked()
    say(world, phone="p1")
    after = changed(mapping(), "Phone", direction="pull")
    assert planned(world, after) == [(Effect.NO_LONGER_WRITTEN, "Phone"), (Effect.TAKEN_OVER, "Phone")]


def test_a_field_that_is_mapped_no_longer_is_written_no_longer() -> None:
    """What was due is left."""
    world = linked()
    say(world, phone="p1")
    assert planned(world, changed(mapping(), "Phone", platform="")) == [(Effect.NO_LONGER_WRITTEN, "Phone")]


@pytest.mark.parametrize("policy", ["platform_wins", "salesforce_wins", "latest_wins", "review"])
def test_a_question_is_settled_by_the_policy_that_the_field_has_now(policy: str) -> None:
    """The side that was shown is shown on or gives way: the plan says which, as the application does."""
    world = in_review()
    after = changed(mapping("review"), "Phone", policy=policy)
    found = planned(world, after)
    assert ((Effect.SETTLED, "Phone") in found) is (policy != "review")
    assert world.stored is not None
    shown = world.stored["phone"]
    world.publish(after)
    assert ((Effect.WRITTEN, "Phone") in found) is ("Phone" in due_values(world.load(), world.kind))
    field = world.load().fields["Phone"]
    assert ((Effect.TAKEN_OVER, "Phone") in found) is (field.source == "salesforce" and field.value != shown)


def test_a_question_about_a_field_that_is_mapped_no_longer_ends() -> None:
    """Nobody can answer it any more."""
    assert planned(in_review(), changed(mapping("review"), "Phone", platform="")) == [(Effect.SETTLED, "Phone")]


def test_a_record_that_is_to_be_deleted_has_its_line() -> None:
    """The platform deleted the thing under a version that left the record alone."""
    world = linked()
    say(world, deletes=True)
    assert planned(world, on_delete(mapping(), platform="delete")) == [(Effect.DELETED, "")]


def test_a_record_that_is_to_be_made_anew_has_its_line() -> None:
    """It was deleted in Salesforce under a version that left it at that; then its fields are written."""
    world = linked()
    world.delete()
    world.settle()
    after = on_delete(mapping(), salesforce="recreate")
    assert planned(world, after) == [(Effect.MADE_ANEW, ""), (Effect.WRITTEN, "Phone")]
    world.publish(after)
    assert set(due_values(world.load(), world.kind)) == {"Phone"}


def test_through_a_link_that_is_gone_nothing_is_planned() -> None:
    """Rule 21: nothing is written, nor read."""
    world = linked()
    world.delete()
    world.settle()
    assert world.stored is not None
    world.stored["email"] = "p1"
    assert planned(world, changed(mapping(), "Email", platform="email")) == []


def test_a_refused_write_is_not_planned_again() -> None:
    """The same values are not sent again."""
    world = linked("fill_only")
    say(world, phone="p1")
    assert world.stored is not None
    world.stored["_sync"]["refusal"] = {"values": {"Phone": "p1"}, "code": "C", "message": "", "at": world.now}
    assert planned(world, changed(mapping("fill_only"), "Phone", policy="latest_wins")) == []


def test_a_document_that_the_version_in_force_has_not_decided_is_told() -> None:
    """Its lines hold what is still to come of that version, too."""
    world = linked()
    between = changed(mapping(), "Email", platform="email")
    world.kind = kind_of(between)
    after = changed(between, "Phone", policy="latest_wins")
    assert planned(world, after, in_force=1) == [(Effect.BEHIND, ""), (Effect.READ, "")]


def test_a_document_that_nobody_has_decided_is_left_out() -> None:
    """The platform has made it by itself, and no event has spoken of it."""
    after = changed(mapping(), "Email", platform="email")
    document = {"_id": "c-1", "email": "p1"}
    assert effects(document, None, kind_of(after), TIMING, in_force=0, now=1) == []


def test_a_kind_that_is_new_has_nothing_to_compare_with() -> None:
    """All that is due is news."""
    world = linked()
    say(world, phone="p1")
    after = mapping().model_copy(update={"version": 1})
    found = effects(world.stored or {}, None, kind_of(after), TIMING, in_force=0, now=world.now)
    assert found == [(Effect.WRITTEN, "Phone")]


@pytest.mark.parametrize(
    ("changes", "anew"),
    [
        ({}, []),
        ({"Total_Spent__c": {"where": {"status": ["refunded"]}}}, ["Total_Spent__c", "VIP__c"]),
        ({"Last_Event__c": {"order": "amount"}}, ["Last_Event__c"]),
        ({"Stage__c": {"otherwise": "nobody"}}, ["Stage__c"]),
    ],
)
def test_totals_that_follow_from_something_else_are_taken_anew(changes: dict[str, Any], anew: list[str]) -> None:
    """And what follows from those; the sum itself needs the orders, which a plan does not look at."""
    raw = copy.deepcopy(ORDERS)
    for field in raw["kinds"]["customer"]["fields"]:
        field.get("derive", {}).update(changes.get(field["salesforce"], {}))
    assert taken_anew(raw) == anew


def test_totals_of_values_that_are_read_otherwise_are_taken_anew() -> None:
    """A transform of the orders' own fields."""
    raw = copy.deepcopy(ORDERS)
    (ordered_at,) = [each for each in raw["kinds"]["order"]["fields"] if each["platform"] == "ordered_at"]
    ordered_at["zone"] = "Europe/Bucharest"
    assert taken_anew(raw) == ["Last_Event__c", "First_At__c", "Last_At__c"]


def test_a_total_that_the_platform_posted_before_is_taken_anew() -> None:
    """And is not written as it is."""
    raw = copy.deepcopy(ORDERS)
    (spent,) = [each for each in raw["kinds"]["customer"]["fields"] if each["salesforce"] == "Dearest__c"]
    del spent["derive"]
    assert taken_anew(ORDERS, before=raw) == ["Dearest__c"]


def taken_anew(after: dict[str, Any], before: dict[str, Any] = ORDERS) -> list[str]:
    """The derived fields of which the plan says so, of a customer who was decided by the version before."""
    kinds = [
        Catalog(Mapping.model_validate(each).model_copy(update={"version": version})).kinds["customer"]
        for version, each in ((1, before), (2, after))
    ]
    document = {"_id": "c-1", "revision": 1, "_sync": {"mapping": 1}}
    found = effects(document, kinds[0], kinds[1], TIMING, in_force=1, now=1)
    assert {effect for effect, _name in found} <= {Effect.TAKEN_ANEW}
    return [name for _effect, name in found]


def test_the_plan_counts_lines_and_calls() -> None:
    """Each line with its documents; calls rounded up for each kind, since no call speaks of two objects."""
    plan = Plan(["customer", "company"], names=2)
    for number in range(401):
        plan.add("customer", f"c-{number}", [(Effect.WRITTEN, "Phone"), (Effect.WRITTEN, "Title")])
    for number in range(2_001):
        plan.add("company", f"k-{number}", [(Effect.READ, "")])
    plan.add("company", "k-x", [])
    plan.add("company", "k-d", [(Effect.DELETED, "")])
    plan.add("company", "k-n", [(Effect.LOOKED_UP, ""), (Effect.WRITTEN, "Name")])
    assert plan.calls() == (2 + 1, 3 + 1 + 1)
    assert list(plan.lines()) == [
        "customer: 401 documents looked at",
        "        401  to be written                                  Phone",
        "             c-0, c-1, …",
        "        401  to be written                                  Title",
        "             c-0, c-1, …",
        "company: 2,004 documents looked at",
        "          1  whose record is to be deleted",
        "             k-d",
        "          1  to be looked up first, and made where missing",
        "             k-n",
        "          1  to be written                                  Name",
        "             k-n",
        "      2,001  to be read whole first",
        "             k-0, k-1, …",
        "API calls: 3 to read and 5 at most to write, if they go out full (2,000 reads or 200 writes a call)",
    ]


def test_the_plan_names_no_document_unless_asked() -> None:
    """And says so where nothing happens."""
    plan = Plan(["customer"])
    plan.add("customer", "c-1", [])
    assert list(plan.lines())[:2] == [
        "customer: 1 document looked at",
        "  nothing is written, read or shown differently",
    ]
    plan.add("customer", "c-2", [(Effect.TAKEN_OVER, "Phone")])
    assert "c-2" not in "".join(plan.lines())
    assert plan.kinds["customer"].count(Effect.TAKEN_OVER, "Phone") == 1


def test_the_plan_shown_in_the_documentation_is_how_it_looks() -> None:
    """The page's mapping, changed as the page says, in the page's words; and each line is explained there."""
    example, *_parts = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    after = load_mapping(example + "      - {platform: nickname, salesforce: Nickname__c}\n")
    before = load_mapping(example.replace("policy: latest_wins, first", "policy: review, first"))
    plan = Plan(["customer"])
    befalls: list[tuple[int, Effects]] = [
        (29, [(Effect.WRITTEN, "Phone"), (Effect.SETTLED, "Phone"), (Effect.READ, "")]),
        (12, [(Effect.TAKEN_OVER, "Phone"), (Effect.SETTLED, "Phone"), (Effect.READ, "")]),
        (7_020, [(Effect.READ, ""), (Effect.WRITTEN_AFTER_READ, "Nickname__c")]),
        (18_440 - 7_061, [(Effect.READ, "")]),
        (20_000 - 18_440, []),
    ]
    for count, found in befalls:
        for number in range(count):
            plan.add("customer", f"c-{number}", found)
    change = Change(
        before.model_copy(update={"version": 3}),
        after.model_copy(update={"version": 4}),
        differences(before, after),
        plan,
    )
    (shown,) = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    assert shown.splitlines() == list(plan_lines(change))
    assert [effect for effect in Effect if f"| {effect.value} |" not in PAGE] == []
