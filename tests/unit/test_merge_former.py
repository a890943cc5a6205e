"""What a record has still to tell when another has taken its place: the two tell what they tell in no common order."""

import copy
import random
from typing import Any

import pytest
from support.merge_world import RECORD, World

from consumers.rules.existence import moved
from consumers.rules.kept_writes import UNHEARD_FOR, WRITES_KEPT, forget_old_writes
from consumers.rules.platform import Assertion, assert_platform
from consumers.rules.state import DocumentState, Link, WriteState
from consumers.rules.stored import load
from consumers.rules.timing import LONGEST_CALL
from consumers.rules.writes import take
from schemas.change import Change, ChangeType
from schemas.outcome import Outcome
from schemas.position import BEGINNING, CommitPosition

OTHER = "003000000000009AAA"


def at_rest(policy: str = "salesforce_wins") -> World:
    """Both sides agree on `v1`, a minute ago."""
    world = World(random.Random(1), policy=policy)
    world.platform_edits("phone", named=False)
    world.deliver_post()
    world.settle()
    world.now += 60_000
    return world


def posted(world: World, value: str) -> None:
    """The platform names a new phone."""
    state = world.load()
    event = f"event-{value}"
    assert_platform(state, Assertion(event, world.now, {"phone": value}, frozenset({"phone"})), world.kind, at(world))
    world.save(state)


def titled(world: World, value: str) -> None:
    """The platform names a new title."""
    state, event = world.load(), f"event-{value}"
    assert_platform(state, Assertion(event, world.now, {"title": value}, frozenset({"title"})), world.kind, at(world))
    world.save(state)


def at(world: World) -> Any:
    """Now, of no event in particular."""
    return world.occasion("event")


def goes_on(world: World, holds: dict[str, Any], *, modified: int = 0) -> None:
    """The record has ended in another, which holds this and was last modified then, and which is read whole."""
    world.merge(holds)
    world.modified = modified or world.modified
    state = world.load()
    moved(state, world.record_id, now=world.now, claimed=False)
    world.save(state)
    world.now += 5_000
    assert world.write() == "read"


def heard_ahead(world: World) -> None:
    """The new record's events come before all that the former one has still to tell: by a partition of its own."""
    news = world.stream[world.unheard :]
    news.sort(key=lambda change: change.record_id != world.record_id)
    world.stream[world.unheard :] = news
    while world.unheard < len(world.stream):
        world.deliver_change()


def tells(world: World, record_id: str, position: CommitPosition, kind: ChangeType, **fields: Any) -> Outcome:
    """How an event ends that a record tells now."""
    change = Change(
        entity="Contact", record_id=record_id, type=kind, position=position, transaction_key="t", fields=fields
    )
    world.stream.append(change)
    world.unheard = len(world.stream) - 1
    result = world.deliver_change()
    assert result is not None
    return result.outcome


def link_of(state: DocumentState) -> Link:
    """The document's link."""
    assert state.link is not None
    return state.link


def commit(world: World, ahead: int = 0) -> CommitPosition:
    """A commit of now, or so many milliseconds ahead."""
    world.commits += 1
    return CommitPosition(world.now + ahead, world.commits, 1)


@pytest.mark.parametrize("policy", ["salesforce_wins", "platform_wins"])
def test_rule_1_what_one_record_tells_makes_nothing_old_that_another_tells(policy: str) -> None:
    """An edit in the record that was merged, which our write had buried, is heard after what the new record tells."""
    world = at_rest(policy)
    posted(world, "p1")
    world.salesforce_edits("Phone", "s1")
    world.now += 1_000
    assert world.write() == "ok"
    world.now += 1_000
    goes_on(world, {"Phone": "p1"})
    heard_ahead(world)
    world.settle()
    assert world.record is not None
    kept, lost = ("s1", "p1") if policy == "salesforce_wins" else ("p1", "s1")
    assert world.load().fields["Phone"].value == world.record["Phone"] == kept
    assert [row["lost"]["value"] for row in world.audit.values()] == [lost]


@pytest.mark.parametrize("kind", [ChangeType.DELETE, ChangeType.UPDATE])
def test_rule_1_what_a_former_id_tells_makes_nothing_old_that_the_record_tells(kind: ChangeType) -> None:
    """A flow goes on with a Lead that was converted; what its contact tells of the seconds before comes later."""
    world = at_rest()
    goes_on(world, {"Phone": "v1"})
    heard_ahead(world)
    world.settle()
    world.now += 60_000
    earlier, later = commit(world), commit(world, ahead=2_000)
    assert tells(world, RECORD, later, ChangeType.UPDATE, Title="s3") is Outcome.APPLIED
    fields = {"Phone": "s2"} if kind is ChangeType.UPDATE else {}
    assert tells(world, world.record_id, earlier, kind, **fields) is Outcome.APPLIED
    state = world.load()
    assert link_of(state).gone == (kind is ChangeType.DELETE)
    assert state.fields["Phone"].value == ("s2" if kind is ChangeType.UPDATE else "v1")
    assert tells(world, RECORD, later, ChangeType.UPDATE, Title="s3") is Outcome.DUPLICATE
    assert tells(world, world.record_id, earlier, kind, **fields) is Outcome.DUPLICATE


def test_rule_1_a_document_of_before_counts_all_its_ids_by_the_one_position_that_it_has() -> None:
    """An earlier release has stored no others. From the first update on each id has its own."""
    world = at_rest()
    goes_on(world, {"Phone": "v1"})
    heard_ahead(world)
    assert world.stored is not None
    del world.stored["_sync"]["link"]["positions"]
    shared = world.load().position
    assert link_of(world.load()).positions == {RECORD: shared}
    assert tells(world, RECORD, shared, ChangeType.UPDATE, Phone="s1") is Outcome.DUPLICATE
    world.now += 60_000
    news = commit(world)
    assert tells(world, world.record_id, news, ChangeType.UPDATE, Title="s2") is Outcome.APPLIED
    assert world.stored["_sync"]["link"]["positions"] == {RECORD: list(shared)}
    assert world.load().position == news


def test_rule_1_a_former_id_of_which_nothing_was_heard_is_not_taken_for_heard() -> None:
    """The beginning of all is a position too, and is stored as one."""
    world = at_rest()
    state = world.load()
    state.position = BEGINNING
    moved(state, OTHER, now=world.now)
    world.save(state)
    state = world.load()
    state.position = CommitPosition(world.now, 9, 1)
    world.save(state)
    assert link_of(load(copy.deepcopy(world.stored), "c-1", world.kind)).positions == {RECORD: BEGINNING}


def test_rule_1_a_former_id_that_is_another_record_again_leaves_no_position() -> None:
    """A merge is taken back: what is kept of it would be kept for ever."""
    world = at_rest()
    goes_on(world, {"Phone": "v1"})
    world.now += 60_000
    assert tells(world, RECORD, commit(world), ChangeType.UNDELETE) is Outcome.APPLIED
    assert (link_of(world.load()).former, link_of(world.load()).positions) == ((), {})


@pytest.mark.parametrize("policy", ["salesforce_wins", "platform_wins"])
@pytest.mark.parametrize("since", [None, "s1"])
def test_rule_23_what_is_edited_in_a_former_record_afterwards_ends_on_both_sides(
    policy: str, since: str | None
) -> None:
    """A Lead that was converted can still be edited. What it says then, its contact does not hold: it is written there.

    Who edits it does not see what the contact holds: a row names what gives way.
    """
    world = at_rest(policy)
    goes_on(world, {"Phone": "v1"})
    heard_ahead(world)
    world.now += 60_000
    if since is not None:
        world.salesforce_edits("Phone", since)
        world.settle()
    world.now += 60_000
    assert tells(world, RECORD, commit(world), ChangeType.UPDATE, Phone="s2") is Outcome.APPLIED
    held = world.load().fields["Phone"].salesforce
    assert held is not None
    assert held.value == (since or "v1"), "the record does not hold it"
    world.settle()
    assert world.record is not None
    kept, lost = ("s2", since or "v1") if policy == "salesforce_wins" or since else ("v1", "s2")
    assert world.load().fields["Phone"].value == world.record["Phone"] == kept
    assert [row["lost"]["value"] for row in world.audit.values()] == [lost]


def test_rule_23_what_a_former_record_held_the_new_one_need_not_hold() -> None:
    """A Lead is converted to a contact that keeps what it has, and is older than what the Lead has still to tell."""
    world = at_rest()
    posted(world, "p1")
    assert world.write() == "ok"
    made = world.now - 30_000
    world.now += 1_000
    world.salesforce_edits("Title", "s1")
    world.now += 1_000
    goes_on(world, {"Phone": "m1", "Title": "m2"}, modified=made)
    heard_ahead(world)
    state = world.load()
    held = {name: register.salesforce for name in ("Phone", "Title") if (register := state.fields[name])}
    assert {name: register and register.value for name, register in held.items()} == {"Phone": "m1", "Title": "m2"}
    world.settle()
    assert world.record is not None
    state = world.load()
    assert (state.fields["Phone"].value, state.fields["Title"].value) == (world.record["Phone"], world.record["Title"])


@pytest.mark.parametrize("recreate", [False, True])
def test_rule_23_what_was_set_in_a_record_that_is_gone_unread_counts_also_when_it_is_heard_at_last(
    recreate: bool,
) -> None:
    """A read has found no record, and nothing has taken its place, before the edit in it was heard of."""
    world = World(random.Random(1), on_delete={"salesforce": "recreate"} if recreate else {})
    posted(world, "p1")
    assert world.write() == "ok"
    world.now += 100
    world.salesforce_edits("Phone", "s1")
    world.delete()
    world.now += 10_000
    assert [world.write(), world.write()] == ["read", "followed"]
    while world.unheard < len(world.stream):
        world.deliver_change()
    world.settle()
    assert world.load().fields["Phone"].value == "s1"
    assert link_of(world.load()).edits == {}
    if recreate:
        assert world.record is not None
        assert world.record["Phone"] == "s1"


def test_rule_16_a_write_to_a_former_id_is_kept_until_that_id_has_told_of_it() -> None:
    """The new record has gone on for long, and eight writes further, before the former one tells what ours buried."""
    world = at_rest()
    posted(world, "p1")
    world.salesforce_edits("Phone", "s1")
    world.now += 1_000
    assert world.write() == "ok"
    world.now += 1_000
    goes_on(world, {"Phone": "p1"})
    late = [change for change in world.stream[world.unheard :] if change.record_id == RECORD]
    world.stream[world.unheard :] = [change for change in world.stream[world.unheard :] if change not in late]
    for number in range(WRITES_KEPT + 1):
        world.now += LONGEST_CALL // 4
        titled(world, f"t{number}")
        world.settle()
    forget_old_writes(state := world.load(), now=world.now)
    world.save(state)
    assert any(write.values.get("Phone") == "p1" for write in state.writes)
    assert len(state.writes) < WRITES_KEPT + 3, "and others go"
    world.stream += late
    while world.unheard < len(world.stream):
        world.deliver_change()
    world.settle()
    assert world.record is not None
    assert world.load().fields["Phone"].value == world.record["Phone"] == "s1"
    assert [row["lost"]["value"] for row in world.audit.values()] == ["p1"]
    forget_old_writes(state := world.load(), now=world.now)
    assert not any(write.values.get("Phone") == "p1" for write in state.writes), "told of, it goes as any other"


@pytest.mark.parametrize(
    ("state", "kept"),
    [(WriteState.LANDED, True), (WriteState.UNKNOWN, True), (WriteState.NOT_RUN, False), (WriteState.REJECTED, False)],
)
def test_rule_16_what_a_former_id_never_tells_is_not_kept_for_ever(state: WriteState, kept: bool) -> None:
    """What changed nothing there goes with the others; of what may have, an event may come for a month."""
    document = DocumentState("customer", "c-1", position=CommitPosition(2 * LONGEST_CALL, 1, 1))
    document.link = Link(OTHER, linked_at=1, read=True, former=(RECORD,))
    for number in range(WRITES_KEPT + 1):
        take(document, {"Phone": str(number)}, now=number)
        document.writes[-1].state = WriteState.LANDED
    document.writes[0].state = state
    forget_old_writes(document, now=3 * LONGEST_CALL)
    assert len(document.writes) == WRITES_KEPT
    assert (document.writes[0].number == 1) is kept
    take(document, {"Phone": "last"}, now=3 * LONGEST_CALL)
    forget_old_writes(document, now=UNHEARD_FOR + 1)
    assert document.writes[0].number > 1
