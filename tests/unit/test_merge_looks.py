"""Changes that a look at Salesforce found: they have the record read, and take no place among its events."""

import random

import pytest
from support.merge_world import RECORD, World

from consumers.rules.salesforce import apply_change
from consumers.rules.state import DocumentState
from schemas.change import Change, ChangeType
from schemas.codec import decode, encode
from schemas.gap_change import differing, missing, record_of, stamped
from schemas.outcome import Outcome, Result

ENTITY = "Contact"


@pytest.fixture
def world() -> World:
    """Both sides agree on a phone, and a minute has passed."""
    world = World(random.Random(1))
    world.platform_edits("phone", named=False)
    world.deliver_post()
    world.settle()
    world.now += 60_000
    return world


def look(world: World, change: Change) -> Result:
    """Hand a look to the rules."""
    state = world.load()
    result = apply_change(state, change, world.kind, world.occasion("look"))
    world.save(state)
    return result


def second(world: World) -> int:
    """When the record was last modified, in whole seconds as a query tells it."""
    return world.modified // 1000 * 1000


def shown(world: World, name: str) -> object:
    """The document's current value."""
    return world.load().field(name).value


def test_rule_24_an_edit_that_no_event_told_of_is_found_by_a_look(world: World) -> None:
    """Its stamp alone says so; the record is read whole, and the document shows the edit."""
    world.salesforce_edits("Title", "Countess")
    world.stream.clear()
    world.unheard = 0
    assert look(world, stamped(ENTITY, RECORD, second(world))).outcome is Outcome.APPLIED
    world.settle()
    assert shown(world, "Title") == "Countess"


def test_rule_1_a_look_moves_no_position_and_the_event_behind_it_still_counts(world: World) -> None:
    """The event of the same commit comes after the look and is no duplicate; after that one it is."""
    world.salesforce_edits("Title", "Countess")
    before = world.load().position
    assert look(world, differing(ENTITY, RECORD, second(world) + 999)).outcome is Outcome.APPLIED
    assert world.load().position == before
    heard = world.deliver_change()
    assert heard is not None
    assert heard.outcome is Outcome.APPLIED
    assert world.load().position > before
    world.settle()
    assert shown(world, "Title") == "Countess"


def test_rule_1_a_look_is_no_duplicate_though_its_second_began_before_the_last_event(world: World) -> None:
    """A query tells whole seconds: an edit that was missed may share its second with one that was heard."""
    world.now = world.now // 1000 * 1000
    world.salesforce_edits("Phone", "v-heard")
    world.deliver_change()
    world.settle()
    world.salesforce_edits("Title", "v-missed")
    world.stream.pop()
    at = world.load().position.timestamp // 1000 * 1000
    assert look(world, differing(ENTITY, RECORD, at)).outcome is Outcome.APPLIED
    world.settle()
    assert shown(world, "Title") == "v-missed"


def test_rule_25_a_stamp_that_a_row_has_shown_is_a_duplicate(world: World) -> None:
    """Polling looks at the last minutes again and again; a row that differs is read whatever its stamp."""
    world.salesforce_edits("Title", "Countess")
    change = stamped(ENTITY, RECORD, second(world))
    look(world, change)
    world.settle()
    assert look(world, change) == Result(Outcome.DUPLICATE, "rule 25: a row read whole has shown it")
    assert look(world, differing(ENTITY, RECORD, second(world))).outcome is Outcome.APPLIED


def test_rule_22_a_record_that_is_missing_from_a_list_is_gone_when_a_read_says_so(world: World) -> None:
    """One that is there all the same stays linked; one that is not is marked gone, and known to be from then on."""
    look(world, missing(ENTITY, RECORD, world.now))
    world.settle()
    assert gone(world.load()) is False
    world.delete()
    world.stream.pop()
    look(world, missing(ENTITY, RECORD, world.now))
    world.settle()
    assert gone(world.load()) is True
    assert look(world, missing(ENTITY, RECORD, world.now)).outcome is Outcome.DUPLICATE


def test_rule_21_a_record_that_is_seen_again_has_come_back(world: World) -> None:
    """Any look that has found it has it read, and the read says how it is: an old one does not bring it back."""
    world.delete()
    world.deliver_change()
    world.settle()
    assert look(world, differing(ENTITY, RECORD, second(world) - 60_000)).outcome is Outcome.APPLIED
    world.settle()
    assert gone(world.load()) is True
    world.now += 60_000
    world.undelete()
    world.stream.pop()
    assert look(world, stamped(ENTITY, RECORD, world.now)).outcome is Outcome.APPLIED
    world.settle()
    assert gone(world.load()) is False


@pytest.mark.parametrize("told_by", ["look", "event"])
def test_rule_21_a_record_that_was_hidden_for_a_while_is_written_to_again(told_by: str, world: World) -> None:
    """Who takes a share away and gives it back changes nothing in the record, and no event tells of either."""
    hidden, world.record = world.record, None
    look(world, missing(ENTITY, RECORD, world.now))
    world.settle()
    assert gone(world.load()) is True
    world.record = hidden
    world.now += 60_000
    if told_by == "look":
        assert look(world, differing(ENTITY, RECORD, second(world))).outcome is Outcome.APPLIED
    else:
        world.salesforce_edits("Title", "Countess")
    world.settle()
    assert gone(world.load()) is False
    world.platform_edits("phone")
    world.settle()
    assert world.record is not None
    assert world.record["Phone"] == shown(world, "Phone") == world.edits[-1].value


def test_rule_22_what_we_have_deleted_is_not_asked_for_by_an_old_look(world: World) -> None:
    """Nor forgotten that it was we, where the platform takes its deletion back."""
    state = world.load()
    assert state.link is not None
    state.link.gone = state.link.searched = True
    state.link.deleted_for = world.now
    state.heard_at = world.now
    world.save(state)
    assert look(world, differing(ENTITY, RECORD, second(world))).outcome is Outcome.DUPLICATE
    link = world.load().link
    assert link is not None
    assert link.gone
    assert link.deleted_for


def test_rule_25_a_deletion_that_was_undone_and_is_told_late_leaves_the_record_there(world: World) -> None:
    """The events of a time of polling come after it: nothing is made anew meanwhile, or counted as deleted."""
    world.delete()
    world.now += 60_000
    world.undelete()
    deletion, _undelete = world.stream[world.unheard :]
    del world.stream[world.unheard :]
    look(world, stamped(ENTITY, RECORD, second(world)))
    world.settle()
    world.now += 60_000
    assert world.load().row_mark >= deletion.position.timestamp
    world.stream.append(deletion)
    heard = world.deliver_change()
    assert heard is not None
    assert heard.reason == "rule 25: a row read since shows that the record is there"
    assert gone(world.load()) is False
    world.delete()
    world.deliver_change()
    assert gone(world.load()) is True


def test_rule_1_a_look_is_the_same_record_however_often_it_is_taken() -> None:
    """Ids follow from the record and what was seen; what was seen in another way is another change."""
    one, again = (record_of(stamped(ENTITY, RECORD, 5_000), "00D", received_at=at) for at in (1, 2))
    assert (one.key, one.value) == (again.key, again.value)
    changes = [make(ENTITY, RECORD, 5_000) for make in (stamped, differing, missing)]
    assert len({change.event_id for change in changes}) == 3
    read = decode(Change, one.value)
    assert read == changes[0]
    assert (read.type, read.fields) == (ChangeType.GAP_UPDATE, {})
    assert dict(one.headers)["ce_id"] == read.event_id.encode()
    assert Change.model_validate_json(encode(changes[2])).type is ChangeType.GAP_DELETE


def gone(state: DocumentState) -> bool:
    """Whether the link is marked gone."""
    assert state.link is not None
    return state.link.gone
