"""Fields that are written only with consent: what holds them back, what lets them go, and what stays as it is."""

import random

import pytest
from support.merge_world import World, changed

from consumers.catalog import Catalog
from consumers.rules.platform import Assertion, assert_platform
from consumers.rules.state import DocumentState

CONSENT = {"path": "allows_calls", "equals": True}


@pytest.fixture
def world() -> World:
    """A phone that sales may only have while the person allows calls."""
    made = World(random.Random(1))
    mapping = changed(made.catalog.mapping, "Phone", consent=CONSENT)
    mapping = changed(mapping, "Allows_Calls__c", platform="allows_calls", transform=["boolean"])
    made.catalog = Catalog(mapping)
    made.kind = made.catalog.kinds["customer"]
    return made


def say(world: World, **values: object) -> DocumentState:
    """The platform says so, by name."""
    world.now += 60_000
    state = world.load()
    event = f"event-{world.now}"
    assert_platform(state, Assertion(event, world.now, values, frozenset(values)), world.kind, world.occasion(event))
    world.save(state)
    return state


def held(world: World) -> list[str]:
    """What the document says is held back."""
    assert world.stored is not None
    found: list[str] = world.stored["salesforce"].get("held", [])
    return found


def phone(world: World) -> str | None:
    """What the record has, once everything is at rest."""
    world.settle()
    assert world.record is not None
    value: str | None = world.record.get("Phone")
    return value


def test_without_consent_a_field_does_not_leave_and_the_others_do(world: World) -> None:
    """The document shows it, says that it is held, and is at rest."""
    say(world, phone="p1", title="Dr")
    assert phone(world) is None
    assert world.record is not None
    assert world.record["Title"] == "Dr"
    assert held(world) == ["phone"]
    assert world.stored is not None
    assert world.stored["_sync"].get("due_at") is None


def test_consent_lets_it_go_without_another_word_of_the_field(world: World) -> None:
    """Only the consent is told; what was said before is written then."""
    say(world, phone="p1", title="Dr")
    assert phone(world) is None
    say(world, allows_calls=True)
    assert phone(world) == "p1"
    assert held(world) == []


def test_consent_that_is_taken_back_holds_what_comes_after(world: World) -> None:
    """What Salesforce has by then stays; and what is changed there still comes in."""
    say(world, phone="p1", allows_calls=True)
    assert phone(world) == "p1"
    say(world, allows_calls=False)
    say(world, phone="p2")
    assert phone(world) == "p1"
    assert held(world) == ["phone"]
    world.now += 60_000
    world.salesforce_edits("Phone", "s1")
    world.deliver_change()
    assert phone(world) == "s1"
    assert world.load().fields["Phone"].value == "s1"
    assert held(world) == []


def test_sales_may_enter_the_consent(world: World) -> None:
    """It is a field like any other: what is ticked there lets the phone go."""
    say(world, phone="p1", title="Dr", allows_calls=False)
    assert phone(world) is None
    world.now += 60_000
    world.salesforce_edits("Allows_Calls__c", True)
    world.deliver_change()
    assert phone(world) == "p1"


def test_a_record_that_is_made_anew_has_it_only_with_consent(world: World) -> None:
    """The record was deleted in Salesforce, and `recreate` makes another."""
    raw = world.catalog.mapping.model_dump(mode="json")
    raw["kinds"]["customer"]["on_delete"] = {"salesforce": "recreate"}
    world.catalog = Catalog(type(world.catalog.mapping).model_validate(raw))
    world.kind = world.catalog.kinds["customer"]
    say(world, phone="p1", title="Dr", allows_calls=True)
    assert phone(world) == "p1"
    say(world, allows_calls=False)
    world.settle()
    world.now += 60_000
    world.delete()
    world.deliver_change()
    assert phone(world) is None
    assert world.record is not None
    assert world.record["Title"] == "Dr"


def test_a_total_may_need_consent_too(world: World) -> None:
    """Whatever a value follows from."""
    mapping = changed(world.catalog.mapping, "Total__c", consent=CONSENT)
    world.catalog = Catalog(mapping)
    world.kind = world.catalog.kinds["customer"]
    say(world, total=5, title="Dr")
    world.settle()
    assert world.record is not None
    assert world.record.get("Total__c") is None
    say(world, allows_calls=True)
    world.settle()
    assert world.record["Total__c"] == 5
