"""The pretend platform's scenarios: whole presets, seeded, that the mapping can take and the org can hold."""

import random
from collections import Counter, defaultdict
from typing import Any

import pytest

from schemas.mapping import Mapping
from schemas.platform_event import PlatformEvent
from schemas.presets import preset
from schemas.transforms import compile_field
from simulator.platform.author import Author, Habits, Posting
from simulator.platform.people import Inventor
from simulator.platform.permission import CONSENT, OPTED_OUT, registers, takes_part
from simulator.platform.posting import body_of
from simulator.platform.scenario import Scenario, builders_of, play
from simulator.platform.sorts import BUYER, COMPANY, DEAL, EVENT, HACKATHON, PARTICIPANT, SPONSOR, Sort

PRESETS = ("ticketing", "hackathon", "customers")
BORN, LATER = 1_795_000_000_000, 1_795_000_100_000


def played(name: str, seed: int = 1, people: int = 40, edits: int = 800) -> tuple[Scenario, list[Posting]]:
    """A scenario whose every event is taken."""
    script = play(preset(name).kinds, seed, people, "run")
    postings = [script.create(BORN + number) for number in range(script.births)]
    for posting in postings:
        script.accepted(posting.event)
    for number in range(edits):
        posting = script.edit(LATER + number)
        script.accepted(posting.event)
        postings.append(posting)
    return script, postings


@pytest.mark.parametrize("name", PRESETS)
def test_a_seed_plays_one_scenario(name: str) -> None:
    """The same seed makes the same events, another seed others."""
    assert played(name)[1] == played(name)[1]
    assert played(name)[1] != played(name, seed=2)[1]


@pytest.mark.parametrize("name", PRESETS)
def test_every_event_is_one_of_the_mappings(name: str) -> None:
    """Its type is mapped, its body is the contract's, and every value is one that its field takes."""
    mapping = preset(name)
    for posting in played(name)[1]:
        event = posting.event
        kind = mapping.kind_of_event(event.type)
        assert kind is not None, event.type
        PlatformEvent.model_validate_json(body_of(event))
        for field in kind[1].fields:
            if field.platform in event.fields and field.derive is None:
                compile_field(field).push(event.fields[field.platform])


@pytest.mark.parametrize("name", ["ticketing", "hackathon"])
def test_nothing_is_deleted_that_others_cannot_be_without(name: str) -> None:
    """Deleted before it had a record, it would leave them waiting for good; and nobody could tell who is late."""
    mapping = preset(name)
    _, postings = played(name, edits=3_000)
    named = {
        posting.event.fields.get(field.platform)
        for posting in postings
        if (kind := mapping.kind_of_event(posting.event.type)) is not None
        for field in kind[1].fields
        if field.required and field.lookups
    }
    deleted = {posting.event.document_id for posting in postings if posting.event.type.endswith(".deleted")}
    assert deleted
    assert not deleted & named


@pytest.mark.parametrize("name", ["ticketing", "hackathon"])
def test_a_scenario_has_all_its_kinds_and_turns(name: str) -> None:
    """Every kind lives; refunds, second payments, attendance, deletions and duplicates come up."""
    script, postings = played(name, edits=2_000)
    types = Counter(posting.event.type for posting in postings)
    assert all(script.of(kind) for kind in preset(name).kinds)
    turns = {
        "ticketing": ("order.refunded", "order.completed", "order.deleted", "registration.attended", "deal.updated"),
        "hackathon": ("project.submitted", "registration.attended", "registration.deleted", "participant.registered"),
    }
    assert all(types[turn] for turn in turns[name]), types
    assert any(posting.repeats for posting in postings)
    assert any(posting.delay_seconds for posting in postings if posting.event.type.endswith("ed"))


def test_an_order_that_was_refunded_may_be_paid_again() -> None:
    """And each copy is whole: nothing in it says what changed."""
    history: defaultdict[str, list[Any]] = defaultdict(list)
    for posting in played("ticketing", edits=2_000)[1]:
        if posting.event.type.startswith("order.") and posting.event.fields:
            assert posting.event.changed is None
            assert posting.event.fields.keys() >= {"customer_id", "status", "total", "ordered_at"}
            history[posting.event.document_id].append(posting.event.fields["status"])
    assert any("refunded" in states and "paid" in states[states.index("refunded") :] for states in history.values())


def test_some_children_come_before_their_parents() -> None:
    """And most parents before their children."""
    born: dict[str, int] = {}
    for place, posting in enumerate(played("ticketing", people=100, edits=0)[1]):
        born[posting.event.document_id] = place
    early = late = 0
    for posting in played("ticketing", people=100, edits=0)[1]:
        parent = posting.event.fields.get("customer_id")
        if parent is not None:
            late += born[parent] < born[posting.event.document_id]
            early += born[parent] > born[posting.event.document_id]
    assert 0 < early < late / 4


def test_every_parent_is_told_of_some_time() -> None:
    """No child waits for ever."""
    script, postings = played("ticketing")
    there = set(script.document_ids)
    for posting in postings:
        for path in ("customer_id", "company_id", "event_id"):
            assert posting.event.fields.get(path) in {None, *there}


def test_one_company_and_one_event_are_everybodys() -> None:
    """Hot parents: most people work for the first company, and all register for the first event."""
    postings = played("ticketing", people=200, edits=0)[1]
    companies = Counter(p.event.fields["company_id"] for p in postings if p.event.type == "customer.created")
    events = Counter(p.event.fields["event_id"] for p in postings if p.event.type == "registration.created")
    assert companies.most_common(1)[0][1] > 100
    assert events.most_common(1)[0][1] == 200


def test_nobody_registers_twice_for_an_event() -> None:
    """Salesforce takes a person in a campaign once."""
    postings = played("hackathon", edits=2_000)[1]
    created = [p.event.fields for p in postings if p.event.type == "registration.created"]
    pairs = [(fields["event_id"], fields["participant_id"]) for fields in created]
    assert len(set(pairs)) == len(pairs) > 40


def test_times_of_a_paper_grow() -> None:
    """Two copies of one paper are never of one time."""
    times: defaultdict[str, list[int]] = defaultdict(list)
    for posting in played("ticketing")[1]:
        times[posting.event.document_id].append(posting.event.occurred_at)
    assert all(found == sorted(set(found)) for found in times.values())


def test_people_whom_sales_know_are_born_with_what_they_know() -> None:
    """The first ones bear the e-mail addresses of sales' leads."""
    known = [{"email": "lead0@example.com"}, {"email": "lead1@example.com"}]
    script = play(preset("ticketing").kinds, 1, 20, "run", known)
    made = [script.create(BORN + number).event for number in range(script.births)]
    emails = {event.document_id: event.fields["email"] for event in made if event.type == "customer.created"}
    assert [emails[one] for one in script.of("customer")[:2]] == ["lead0@example.com", "lead1@example.com"]
    assert len(set(emails.values())) == 20


def test_a_mapping_of_some_kinds_plays_those() -> None:
    """Events of a kind that is not mapped would be refused."""
    script = play(["company", "customer"], 1, 20, "run")
    kinds = {script.create(BORN + number).event.type.partition(".")[0] for number in range(script.births)}
    assert kinds == {"company", "customer"}


def test_a_thing_that_is_not_born_yet_is_not_edited() -> None:
    """Its first event is still on its way."""
    author = Author(1, Habits(late_births=0.5, hot=0.0))
    made = [author.create(BORN + number) for number in range(40)]
    unborn = {posting.event.document_id for posting in made if posting.delay_seconds}
    assert 10 < len(unborn) < 30
    assert not unborn & {author.edit(LATER).event.document_id for _ in range(300)}
    for posting in made:
        author.accepted(posting.event)
    assert unborn & {author.edit(LATER).event.document_id for _ in range(300)}


SORTS = {"ticketing": (BUYER, COMPANY, EVENT, DEAL), "hackathon": (PARTICIPANT, SPONSOR, HACKATHON)}


@pytest.mark.parametrize(
    ("name", "sort"), [(name, sort) for name, sorts in SORTS.items() for sort in sorts], ids=lambda one: str(one)[:20]
)
def test_values_never_come_again_and_the_two_sides_never_meet(name: str, sort: Sort) -> None:
    """But for those that are one of a few, which are always named."""
    mapping: Mapping = preset(name)
    keys = {field.platform: compile_field(field).key for field in mapping.kinds[sort.kind].fields}
    chance = random.Random(1)
    for path in sort.edited:
        if path in sort.choices or path == "company_id":
            continue
        made = {
            inventor: [keys[path](sort.invent(path, serial, inventor, chance, "thing-1")) for serial in range(700)]
            for inventor in Inventor
        }
        ours, theirs = (set(values) for values in made.values())
        assert len(ours) == len(theirs) == 700, path
        assert not ours & theirs, path


@pytest.mark.parametrize("name", ["ticketing", "hackathon"])
def test_one_of_a_few_is_always_named(name: str) -> None:
    """Nobody could tell such an edit from an old page."""
    few = {"industry", "status", "active", "stage", "company_id", "event_id", "skills"}
    pages = {sort.kind for sort in SORTS[name]}
    for posting in played(name)[1]:
        event = posting.event
        if event.type.endswith(".updated") and event.type.partition(".")[0] in pages:
            changed = set(event.edits) & few
            assert changed <= set(event.changed or ())


PAPERS = ("registration", "project")


def test_a_hackathons_people_decide_what_sales_may_know() -> None:
    """Some never consent, some late, some opt out, for good or for a while; each decision is named and told alone.

    Who may be left without a record builds nothing, and registers for nothing either, but for those who opt out: what
    they register for says nothing of that.
    """
    script, postings = played("hackathon", edits=2_000)
    people = script.of("participant")
    told: defaultdict[str, list[tuple[Any, Any]]] = defaultdict(list)
    for posting in postings:
        event = posting.event
        if event.type.startswith("participant.") and {CONSENT, OPTED_OUT} & set(event.edits):
            told[event.document_id].append((event.fields.get(CONSENT), event.fields.get(OPTED_OUT)))
            assert len(told[event.document_id]) == 1 or event.changed == event.edits
    turns = {tuple(told[person]) for person in people}
    assert {((True, False),), ((False, False),), ((False, False), (True, None))} <= turns
    assert ((True, False), (None, True)) in turns
    assert any(states[:3] == ((True, False), (None, True), (None, False)) for states in turns)
    assert ((True, False), (False, None)) in turns
    sure = {person for number, person in enumerate(people) if takes_part(number)}
    those = {person for number, person in enumerate(people) if registers(number)}
    made = {paper: [one.event for one in postings if one.event.type == f"{paper}.created"] for paper in PAPERS}
    named = {paper: {event.fields["participant_id"] for event in events} for paper, events in made.items()}
    assert named["project"] <= set(builders_of(people)) <= sure
    assert named["registration"] == those > sure
    assert not any(OPTED_OUT in one.event.fields for one in postings if one.event.type.partition(".")[0] in PAPERS)
