"""The pretend platform's people and author: seeded, no value twice, whole records that repeat what was seen."""

import random
from collections import Counter, defaultdict
from importlib.resources import files
from typing import Any

import phonenumbers
import pytest
import yaml

from schemas.mapping import Mapping
from schemas.transforms import compile_field
from simulator.platform.author import Author, Habits, Posting
from simulator.platform.journal import Seen
from simulator.platform.people import (
    PLATFORM_PATHS,
    TWO_WAY_PATHS,
    Exhausted,
    Inventor,
    fictitious_number,
    invent,
    invent_person,
    respell,
)

PRESET = Mapping.model_validate(yaml.safe_load(files("schemas").joinpath("presets/customers.yaml").read_text("utf-8")))
KEYS = {field.platform: compile_field(field).key for field in PRESET.kinds["customer"].fields}
LENGTHS = {"phone": 40, "address.city": 40, "first_name": 40, "last_name": 80, "email": 80, "title": 128}


def same(path: str, value: Any) -> Any:
    """The value in the form in which both sides are compared."""
    return KEYS[path](value)


def story(seed: int, edits: int = 400, habits: Habits | None = None) -> list[Posting]:
    """What one author does who never reads."""
    author = Author(seed, habits)
    postings = [author.create(1_000 + number) for number in range(20)]
    for number in range(edits):
        posting = author.edit(2_000 + number)
        author.accepted(posting.event)
        postings.append(posting)
    return postings


def test_a_seed_tells_one_story() -> None:
    """The same seed makes the same events, another seed others."""
    assert story(3) == story(3)
    assert story(3) != story(4)


@pytest.mark.parametrize("inventor", Inventor)
@pytest.mark.parametrize("path", PLATFORM_PATHS)
def test_no_value_comes_twice(path: str, inventor: Inventor) -> None:
    """A thousand serial numbers give a thousand values, also as compared, that fit the org's fields."""
    chance = random.Random(1)
    values = [invent(path, serial, inventor, chance) for serial in range(1_000)]
    assert len({same(path, value) for value in values}) == 1_000
    assert all(len(str(value)) <= LENGTHS.get(path, 80) for value in values)


@pytest.mark.parametrize("path", TWO_WAY_PATHS)
def test_the_two_inventors_never_meet(path: str) -> None:
    """No value of the platform is one of the Salesforce user's."""
    chance = random.Random(1)
    made = {
        inventor: {same(path, invent(path, serial, inventor, chance)) for serial in range(1_400)}
        for inventor in Inventor
    }
    assert not made[Inventor.PLATFORM] & made[Inventor.SALESFORCE_USER]


def test_numbers_and_domains_belong_to_nobody() -> None:
    """Telephone numbers are well-formed ones of the range kept for fiction; mail goes to domains kept for examples."""
    chance = random.Random(1)
    for inventor in Inventor:
        for serial in (0, 99, 100, 1_499):
            number = fictitious_number(serial, inventor)
            assert phonenumbers.is_valid_number(phonenumbers.parse(number))
            assert number[5:10] == "55501"
        with pytest.raises(Exhausted):
            fictitious_number(1_500, inventor)
        assert invent("email", 7, inventor, chance).endswith(("@example.org", "@example.com"))


def test_a_value_written_in_another_way_is_the_same_value() -> None:
    """Other spellings differ as text and are equal as compared."""
    chance = random.Random(2)
    person = invent_person(chance)
    spelled: defaultdict[str, set[Any]] = defaultdict(set)
    for path, value in person.items():
        for _ in range(30):
            other = respell(path, value, chance)
            spelled[path].add(other)
            assert same(path, other) == same(path, value)
    assert len(spelled["phone"]) == 5
    assert all(len(spelled[path]) > 1 or spelled[path] != {person[path]} for path in ("email", "title", "address.city"))


def test_every_edit_brings_a_value_never_said_before() -> None:
    """Whatever its shape, an event changes at most one field for real, to a value new to that field of that thing."""
    said: defaultdict[tuple[str, str], set[Any]] = defaultdict(set)
    for posting in story(5, edits=2_000):
        event = posting.event
        if event.type == "customer.updated":
            assert len(event.edits) <= 1
        for path, value in event.fields.items():
            values = said[event.document_id, path]
            assert (same(path, value) in values) is (path not in event.edits)
            values.add(same(path, value))


def test_times_of_one_thing_grow() -> None:
    """No two events of one customer bear the same time, though many are made in one millisecond."""
    author = Author(1)
    author.create(1_000)
    times = [author.edit(1_000).event.occurred_at for _ in range(50)]
    assert times == sorted(set(times))


def test_all_shapes_come_up() -> None:
    """Named changes, whole and partial records, some that change nothing, duplicates and late posts."""
    events = [posting for posting in story(6, edits=2_000) if posting.event.type == "customer.updated"]
    shapes = Counter(
        "named" if each.event.changed else "whole" if len(each.event.fields) > 5 else "partial" for each in events
    )
    assert shapes.keys() == {"named", "whole", "partial"}
    assert all(300 < count < 1_200 for count in shapes.values())
    assert 100 < sum(not each.event.edits for each in events) < 350
    assert 60 < sum(each.repeats for each in events) < 200
    assert 60 < sum(each.delay_seconds > 0 for each in events) < 200


def edits_of(author: Author, number: int) -> list[Posting]:
    postings = []
    for _ in range(number):
        posting = author.edit(5_000)
        author.accepted(posting.event)
        postings.append(posting)
    return postings


def test_a_whole_record_repeats_what_was_seen_or_said() -> None:
    """All but the one edit is from one of the last readings or the platform's own copy; `seen` names the reading."""
    author = Author(2, Habits(whole=1.0, partial=0.0, respelled=0.0, tells_seen=0.5))
    created = author.create(1_000).event
    author.accepted(created)
    own = dict(created.fields)
    readings: list[Seen] = []
    used = Counter[int | None]()
    for revision in range(1, 60):
        reading = Seen(created.document_id, revision, 5_000, {**own, "department": f"seen {revision}"})
        readings.append(reading)
        assert author.saw(reading)
        assert not author.saw(reading)
        for posting in edits_of(author, 5):
            event = posting.event
            repeated = {path: value for path, value in event.fields.items() if path not in event.edits}
            candidates = [each for each in readings[-4:] if repeated.items() <= each.fields.items()]
            if event.seen is not None:
                assert event.seen in [each.revision for each in candidates]
                used[readings[-1].revision - event.seen] += 1
            assert candidates or repeated.items() <= own.items()
            own.update(event.fields)
    assert used.keys() == {0, 1, 2, 3}


def test_unsent_work_is_in_every_later_record() -> None:
    """Until an edit is accepted, whole records carry it, whatever reading they are made from."""
    author = Author(9, Habits(whole=1.0, partial=0.0, respelled=0.0, nothing_new=0.0))
    created = author.create(1_000).event
    author.accepted(created)
    author.saw(Seen(created.document_id, 1, 1_000, dict(created.fields)))
    pending: dict[str, Any] = {}
    for _ in range(40):
        event = author.edit(2_000).event
        assert {
            path: value for path, value in pending.items() if path not in event.edits
        }.items() <= event.fields.items()
        assert event.seen is None or not pending
        pending |= {path: event.fields[path] for path in event.edits}


def test_an_edit_on_its_way_never_hides_a_newer_one() -> None:
    """The older of two edits of a field is accepted late; no record in between goes back to it."""
    author = Author(9, Habits(whole=1.0, partial=0.0, respelled=0.0, stale=0.0))
    created = author.create(1_000).event
    author.accepted(created)
    author.saw(Seen(created.document_id, 1, 1_000, dict(created.fields)))
    newest = dict(created.fields)
    replaced: set[tuple[str, Any]] = set()
    for number in range(200):
        event = author.edit(2_000).event
        assert not replaced & {(path, value) for path, value in event.fields.items() if path not in event.edits}
        replaced |= {(path, newest[path]) for path in event.edits if newest[path] != created.fields[path]}
        newest |= {path: event.fields[path] for path in event.edits}
        if number % 2:
            author.accepted(event)
