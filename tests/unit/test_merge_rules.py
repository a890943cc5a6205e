"""The merge, rule by rule: each test is named after its rule in the design and shows it by one small example."""

import copy
import random
from typing import Any

import pytest
from support.merge_world import RECORD, TIMING, World
from support.oracle_schedule import run
from support.oracle_world import Setting

from consumers.rules.answers import Answer, answered, existing_found
from consumers.rules.jobs import FIRST_ASKED, LONGEST_UNASKED, ask_again, lost_with_job
from consumers.rules.kept_writes import forget_old_writes
from consumers.rules.kinds import number_of, token_of
from consumers.rules.platform import Assertion, assert_platform
from consumers.rules.retry import GiveUp, RetryPolicy, Wait
from consumers.rules.rows import Row, apply_row
from consumers.rules.state import LARGEST_NUMBER, DocumentState, Side, WriteState
from consumers.rules.timing import CLOCKS_APART
from consumers.rules.writes import (
    Ask,
    Nothing,
    Read,
    Send,
    Until,
    due_at,
    due_values,
    give_up_unanswered,
    next_step,
    take,
)
from schemas.change import Change, ChangeType
from schemas.event_reading import modelled
from schemas.outcome import Outcome, Result
from schemas.platform_event import PlatformEvent
from schemas.position import CommitPosition
from schemas.records import Failure, RowResult


@pytest.fixture
def world() -> World:
    """One customer with a phone, linked to a record that was read whole: both sides agree on `v1`."""
    return linked_world()


def linked_world(policy: str = "salesforce_wins") -> World:
    world = World(random.Random(1), policy=policy)
    world.platform_edits("phone", named=False)
    world.deliver_post()
    world.settle()
    world.now += 60_000
    assert field(world).agreed is not None
    return world


def field(world: World, name: str = "Phone") -> Any:
    return world.load().fields[name]


def post(world: World, value: Any, *, at: int, named: bool = True, seen: int | None = None, id_: str = "") -> Result:
    """Deliver one platform event about the phone."""
    state = world.load()
    event_id = id_ or f"event-{value}-{at}"
    changed = frozenset({"phone"}) if named else None
    result = assert_platform(
        state, Assertion(event_id, at, {"phone": value}, changed, seen), world.kind, world.occasion(event_id)
    )
    world.save(state)
    return result


def edit(world: World, value: Any, name: str = "Phone") -> Result:
    """A Salesforce user edits, and the event is delivered."""
    world.salesforce_edits(name, value)
    result = world.deliver_change()
    assert result is not None
    return result


def last_audit(world: World) -> dict[str, Any]:
    assert world.audit, "no audit row"
    return list(world.audit.values())[-1]


def test_rule_1_a_change_not_beyond_the_last_event_is_a_duplicate(world: World) -> None:
    """A stream that rewinds changes nothing."""
    edit(world, "s1")
    world.unheard = 0
    before = world.stored
    outcomes = {result.outcome for _ in world.stream if (result := world.deliver_change())}
    assert outcomes == {Outcome.DUPLICATE}
    assert world.stored is not None
    assert before is not None
    assert world.stored["phone"] == before["phone"] == "s1"


def test_rule_2_only_the_same_event_id_is_a_duplicate(world: World) -> None:
    """Of two events of the same time both count, in order of arrival; each of them again does not."""
    at = world.now
    assert post(world, "a", at=at, id_="one").outcome is Outcome.APPLIED
    assert post(world, "b", at=at, id_="two").outcome is Outcome.APPLIED
    assert post(world, "a", at=at, id_="one").outcome is Outcome.DUPLICATE
    assert post(world, "b", at=at, id_="two").outcome is Outcome.DUPLICATE
    assert field(world).value == "b"


def test_rule_2_occurred_at_is_never_later_than_received_at() -> None:
    """A clock that runs ahead cannot make an event from the future; one that lags is corrected by its offset."""
    posted = {"type": "customer.updated", "timestamp": "2026-11-22T10:00:00Z", "data": {"id": "c"}}
    event = modelled(PlatformEvent.model_validate(posted))
    ten = 1_795_341_600_000
    assert event.occurred_at(received_at=ten - 5_000) == ten - 5_000
    assert event.occurred_at(received_at=ten + 9_000, clock_offset=4_000) == ten + 4_000
    missing = modelled(PlatformEvent.model_validate({"type": "customer.updated", "data": {"id": "c"}}))
    assert missing.occurred_at(received_at=7) == 7


def test_rule_3_an_older_assertion_is_stale_and_a_newer_one_moves_heard(world: World) -> None:
    """Heard moves also when the value is not new, so what is between is stale afterwards."""
    at = world.now
    post(world, "a", at=at)
    post(world, "a", at=at + 100)
    assert post(world, "b", at=at + 50).outcome is Outcome.STALE
    register = field(world).platform
    assert (register.value, register.heard) == ("a", at + 100)


def test_rule_4_a_whole_record_repeats_old_values_without_changing_anything(world: World) -> None:
    """The platform's own last value, the current one, and any of the last eight shown are no change."""
    edit(world, "s1")
    world.now += 10_000
    for stale_view in ("v1", "s1"):
        post(world, stale_view, at=world.now, named=False)
        world.now += 1_000
        assert field(world).value == "s1"
    assert not world.audit


def test_rule_4_beyond_eight_values_shown_a_repeated_one_is_a_change(world: World) -> None:
    """Eight are kept and no more."""
    for number in range(9):
        world.now += 10
        post(world, f"n{number}", at=world.now)
    post(world, "n0", at=world.now + 10, named=False)
    assert field(world).value == "n8"
    post(world, "v1", at=world.now + 20, named=False)
    assert field(world).value == "v1"


def test_rule_4_a_named_value_is_a_change_even_where_it_repeats_an_old_one(world: World) -> None:
    """Naming the field says that its author meant it."""
    edit(world, "s1")
    world.now += 10_000
    post(world, "v1", at=world.now)
    assert field(world).value == "v1"


def test_rule_5_an_author_who_could_have_seen_the_value_wins_outright(world: World) -> None:
    """After Salesforce's value was shown, a platform edit replaces it without a conflict."""
    edit(world, "s1")
    world.now += TIMING.visible_after + 1
    post(world, "p1", at=world.now)
    assert field(world).value == "p1"
    assert not world.audit


def test_rule_5_seen_decides_and_no_clock_does(world: World) -> None:
    """An author who looked at an older revision has not seen the value, however late the clock says it was."""
    edit(world, "s1")
    shown = field(world).shown_revision
    world.now += 60_000
    post(world, "p1", at=world.now, seen=shown - 1)
    assert last_audit(world)["rule"] == "13.salesforce_wins"
    assert field(world).value == "s1"
    post(world, "p2", at=world.now + 1, seen=shown)
    assert field(world).value == "p2"


def test_rule_5_over_a_value_of_the_platform_its_next_one_wins(world: World) -> None:
    """Among its own edits the platform's order decides."""
    post(world, "p1", at=world.now)
    post(world, "p2", at=world.now + 1)
    assert field(world).value == "p2"
    assert not world.audit


def test_rule_6_an_unnamed_change_that_may_be_older_is_presumed(world: World) -> None:
    """It was made any time since the platform was last heard, which was before Salesforce's value was shown."""
    edit(world, "s1")
    world.now += 10_000
    post(world, "p1", at=world.now, named=False)
    assert field(world).value == "p1"
    assert (last_audit(world)["rule"], last_audit(world)["note"]) == ("6", "presumed")


@pytest.mark.parametrize(
    ("policy", "earlier", "winner"),
    [
        ("salesforce_wins", True, "s1"),
        ("platform_wins", True, "p1"),
        ("latest_wins", True, "s1"),
        ("latest_wins", False, "p1"),
    ],
)
def test_rules_7_and_13_an_unseen_edit_is_a_conflict_settled_by_policy(policy: str, earlier: bool, winner: str) -> None:
    """Neither author could have seen the other's value. Both values, both times, the winner and the rule are kept."""
    world = linked_world(policy)
    world.salesforce_edits("Phone", "s1")
    committed = world.now
    made = committed - 10 if earlier else committed + 10
    world.now += 20
    world.deliver_change()
    post(world, "p1", at=made)
    row = last_audit(world)
    assert row["rule"] == f"13.{policy}"
    assert row["platform"] == {"value": "p1", "at": made}
    assert row["salesforce"] == {"value": "s1", "at": committed}
    assert row["winner"] == ("salesforce" if winner == "s1" else "platform")
    assert field(world).value == winner
    world.settle()
    assert world.record is not None
    assert world.record["Phone"] == winner


def test_rule_8_the_token_tells_our_writes_from_others() -> None:
    """Only `<this document>:<number>` is ours; an id may hold anything but a colon."""
    assert number_of(token_of("c-1", 7), "c-1") == 7
    assert number_of("c-2:7", "c-1") is None
    assert number_of("c-1", "c-1") is None
    assert number_of("c-1:x", "c-1") is None
    assert number_of(None, "c-1") is None


def test_rule_8_our_own_write_comes_back_as_an_echo(world: World) -> None:
    """The mark and the user are not looked at: the token is."""
    post(world, "p1", at=world.now)
    world.write()
    result = world.deliver_change()
    assert result is not None
    assert result.outcome is Outcome.ECHO


def test_rule_9_a_confirmed_write_is_an_agreement_from_its_commit_on(world: World) -> None:
    """An edit after it has seen our value and wins outright."""
    post(world, "p1", at=world.now)
    assert field(world).agreed is None
    world.write()
    world.deliver_change()
    assert field(world).agreed == world.stream[-1].position
    edit(world, "s1")
    assert field(world).value == "s1"
    assert not world.audit


def test_rule_9_a_written_field_absent_from_its_event_is_read_before_it_is_judged(world: World) -> None:
    """Absent means left as it was; where S is not what we wrote, nothing is called overruled yet."""
    post(world, "p1", at=world.now)
    world.write()
    change = world.stream[-1]
    world.stream[-1] = change.model_copy(update={"fields": {"Token__c": change.fields["Token__c"]}})
    world.deliver_change()
    assert world.load().read_reason
    assert not world.audit
    world.settle()
    assert field(world).value == "p1"
    assert not world.audit


def test_rule_10_what_a_trigger_rewrote_is_taken_over_and_not_written_again(world: World) -> None:
    """A trigger that capitalises wins against us once, and there is no ping-pong."""
    world.trigger = lambda values: {"Phone": values["Phone"].upper()} if "Phone" in values else {}
    post(world, "p1", at=world.now)
    world.write()
    world.deliver_change()
    assert field(world).value == "P1"
    assert (last_audit(world)["rule"], last_audit(world)["note"]) == ("10", "overruled")
    assert world.settle() == 0


def test_rule_10_a_value_that_has_moved_on_is_due_anyway(world: World) -> None:
    """The trigger judged an older value: the newer one is written, and the audit says so."""
    world.trigger = lambda values: {"Phone": "reset"} if values.get("Phone") == "p1" else {}
    post(world, "p1", at=world.now)
    world.write()
    post(world, "p2", at=world.now + 1)
    world.deliver_change()
    assert last_audit(world)["note"] == "overruled, and moved on since"
    world.settle()
    assert world.record is not None
    assert world.record["Phone"] == field(world).value == "p2"


def test_rule_10_a_trigger_that_puts_the_old_value_back_is_let_be(world: World) -> None:
    """The field is then absent from the event, which looks like a write that changed nothing: the row tells."""
    world.trigger = lambda values: {"Phone": "v1"} if "Phone" in values else {}
    post(world, "p1", at=world.now)
    assert world.settle() == 1
    assert field(world).value == "v1"
    assert (last_audit(world)["rule"], last_audit(world)["note"]) == ("26", "overruled")


def test_rule_11_a_field_that_a_trigger_set_beside_our_write_wins_outright(world: World) -> None:
    """It had seen our write."""
    post(world, "p1", at=world.now)
    state = world.load()
    assert_platform(
        state, Assertion("t", world.now, {"title": "t1"}, frozenset({"title"})), world.kind, world.occasion("t")
    )
    world.save(state)
    world.settle()
    world.now += 10_000
    world.trigger = lambda values: {"Title": "by trigger"} if "Phone" in values else {}
    post(world, "p2", at=world.now)
    world.write()
    world.deliver_change()
    assert field(world, "Title").value == "by trigger"
    assert not world.audit
    assert world.settle() == 0


def test_rule_12_over_a_value_of_salesforce_its_next_one_wins(world: World) -> None:
    """Among its own edits Salesforce's order decides."""
    edit(world, "s1")
    edit(world, "s2")
    assert field(world).value == "s2"
    assert not world.audit


def test_rule_12_an_edit_that_our_write_had_buried_gives_way_with_a_row(world: World) -> None:
    """Its successor's author saw our value and not that edit: two edits of Salesforce's, and one is lost unseen."""
    post(world, "p1", at=world.now)
    world.salesforce_edits("Phone", "s1")
    world.write()
    world.salesforce_edits("Phone", "s2")
    for _ in world.stream:
        world.deliver_change()
    assert field(world).value == "s2"
    assert last_audit(world)["rule"] == "12"
    assert last_audit(world)["lost"] == {"side": "salesforce", "value": "s1", "at": world.stream[-3].position.timestamp}
    world.settle()
    assert world.record is not None
    assert world.record["Phone"] == "s2"


def test_rule_12_an_edit_over_a_platform_value_that_had_not_landed_is_a_conflict() -> None:
    """The sides did not agree when it was committed; the loser is written again if it had landed."""
    world = linked_world("platform_wins")
    post(world, "p1", at=world.now)
    edit(world, "s1")
    assert last_audit(world)["rule"] == "13.platform_wins"
    world.settle()
    assert world.record is not None
    assert world.record["Phone"] == field(world).value == "p1"


def test_rule_14_an_acknowledged_write_is_what_salesforce_is_expected_to_hold(world: World) -> None:
    """Until its event comes nothing is due; when the event is late the record is read, which ends the wait."""
    post(world, "p1", at=world.now)
    world.write()
    state = world.load()
    assert due_values(state, world.kind) == {}
    assert isinstance(next_step(state, world.kind, TIMING, now=world.now), Until)
    late = world.now + TIMING.event_within
    assert isinstance(next_step(state, world.kind, TIMING, now=late), Read)
    world.stream.pop()
    world.commits -= 1
    world.now = late
    assert world.write() == "read"
    assert world.load().writes[-1].state is WriteState.LANDED
    assert field(world).agreed is not None


def test_rule_14_a_write_whose_event_is_lost_is_not_expected_for_ever(world: World) -> None:
    """The event of a later write tells that it is lost: what a record tells is in order. The record is read."""
    post(world, "p1", at=world.now)
    world.write()
    world.stream.pop()
    world.now += 10
    world.platform_edits("title")
    world.deliver_post()
    assert world.write() == "ok"
    world.deliver_change()
    world.now += CLOCKS_APART + 1
    assert world.write() == "read"
    assert next_step(world.load(), world.kind, TIMING, now=world.now + TIMING.event_within) == Nothing()


@pytest.mark.parametrize("behind", [0, CLOCKS_APART - 1], ids=["one_clock", "two_clocks"])
def test_rule_14_an_edit_is_not_carried_back_over_a_write_whose_event_is_lost(behind: int) -> None:
    """It was heard after our write, and nothing tells which of them came first: the record is read, and not written."""
    world = linked_world("latest_wins")
    post(world, "p1", at=world.now - behind)
    world.write()
    world.stream.pop()
    world.commits -= 1
    world.now += 10 - behind
    edit(world, "s1")
    world.now += behind
    assert field(world).value == "s1"
    assert due_values(world.load(), world.kind) == {"Phone": "s1"}
    if not behind:
        assert world.write() == "nothing"
    world.now += CLOCKS_APART + 1
    assert world.write() == "read"
    assert next_step(world.load(), world.kind, TIMING, now=world.now + TIMING.event_within) == Nothing()
    assert (field(world).value, world.record["Phone"] if world.record else None) == ("s1", "s1")


def test_rule_14_a_value_that_our_write_has_replaced_is_written_again_at_once(world: World) -> None:
    """The edit was heard long before that write was taken: nobody waits for its event, and nothing is read."""
    edit(world, "s1")
    world.now += CLOCKS_APART + 10
    post(world, "p1", at=world.now)
    assert world.write() == "ok"
    post(world, "s1", at=world.now + 1)
    assert world.write() == "ok"
    assert world.record is not None
    assert world.record["Phone"] == "s1"


def test_rule_14_an_edit_that_our_write_has_buried_is_written_once_that_is_heard() -> None:
    """Its event comes in time and tells the order: the edit was first, won, and is written again. Nothing is read."""
    world = linked_world("salesforce_wins")
    post(world, "p1", at=world.now)
    world.salesforce_edits("Phone", "s1")
    world.write()
    assert world.deliver_change() is not None
    assert field(world).value == "s1"
    assert world.write() == "nothing"
    world.deliver_change()
    assert world.write() == "ok"
    assert world.record is not None
    assert world.record["Phone"] == "s1"


def test_rule_15_one_open_request_and_a_number_of_its_own_after_an_unknown_answer(world: World) -> None:
    """While a request is open nothing is sent; after an unknown answer the next one takes a new number."""
    post(world, "p1", at=world.now)
    assert world.write("killed") == "killed"
    post(world, "p2", at=world.now + 1)
    assert world.write() == "nothing"
    world.now += TIMING.answer_within
    assert world.write() == "ok"
    assert [write.number for write in world.load().writes[-2:]] == [2, 3]
    assert world.load().writes[-2].state is WriteState.UNKNOWN


def test_rule_15_a_bulk_job_keeps_its_answer_however_late(world: World) -> None:
    """It is asked after, ever more seldom, and not given up by the clock; only one that is gone leaves it unknown."""
    post(world, "v2", at=world.now)
    state = world.load()
    begun = world.now
    write = take(state, {"Phone": "v2"}, now=begun, job="750000000000001AAA")
    assert next_step(state, world.kind, TIMING, now=begun) == Until(begun + FIRST_ASKED)
    asked = []
    now = begun + FIRST_ASKED
    for _ in range(20):
        assert next_step(state, world.kind, TIMING, now=now) == Ask("750000000000001AAA", first=False)
        give_up_unanswered(state, world.kind, TIMING, now=now)
        ask_again(state, write.job, now=now)
        asked.append(write.ask_at - now)
        now = write.ask_at
    assert write.state is WriteState.OPEN
    assert asked == sorted(asked)
    assert (asked[0], asked[-1]) == (FIRST_ASKED, LONGEST_UNASKED)
    assert due_at(state, world.kind, TIMING, now=now) == now
    lost_with_job(state, world.kind, "another")
    assert write.state is WriteState.OPEN
    lost_with_job(state, world.kind, write.job)
    assert write.state is WriteState.UNKNOWN
    assert isinstance(next_step(state, world.kind, TIMING, now=now), Send)


def test_rule_15_an_unknown_write_that_lands_late_is_known_by_its_token(world: World) -> None:
    """It puts an old value back; that is ours, no conflict, and the current one is written again."""
    post(world, "p1", at=world.now)
    world.write("late")
    world.now += 1_000
    post(world, "p2", at=world.now)
    world.write()
    world.deliver_change()
    world.land_late()
    result = world.deliver_change()
    assert result is not None
    assert result.outcome is Outcome.ECHO
    assert not world.audit
    world.settle()
    assert world.record is not None
    assert world.record["Phone"] == "p2"


def restored_after_another_write(world: World) -> str:
    """A write lands and is heard; then the document is as in a backup from before. The token that Salesforce holds."""
    backup = copy.deepcopy(world.stored)
    post(world, "p1", at=world.now)
    world.write()
    world.stored = backup
    assert world.record is not None
    return str(world.record["Token__c"])


def test_rule_15_a_number_that_an_event_has_told_of_is_not_taken_again_after_a_restore(world: World) -> None:
    """Else the event of the older write would be taken for that of the next, and its value for a trigger's."""
    token = restored_after_another_write(world)
    assert token == token_of("c-1", world.load().last_number + 1)
    world.deliver_change()
    assert world.load().last_number == number_of(token, "c-1")
    assert field(world).value == "p1"
    world.now += 1_000
    post(world, "p2", at=world.now)
    world.settle()
    assert world.record is not None
    assert (world.record["Phone"], field(world).value) == ("p2", "p2")
    assert number_of(world.record["Token__c"], "c-1") == world.load().last_number == 3
    assert not world.audit


def test_rule_15_nor_is_one_that_a_row_shows(world: World) -> None:
    """Where events are no more kept, the record is read whole."""
    token = restored_after_another_write(world)
    assert world.record is not None
    state, later = world.load(), world.now + 10_000
    row = Row(began_at=later, server_time=later, values=world.record, modified=world.now)
    assert apply_row(state, row, world.kind, world.occasion("row")).outcome is Outcome.APPLIED
    assert token == token_of("c-1", state.last_number)
    assert take(state, {"Phone": "p2"}, now=later).number == state.last_number == 3


@pytest.mark.parametrize("number", ["9" * 200, str(LARGEST_NUMBER + 1)])
def test_rule_15_a_number_that_could_not_be_stored_is_not_counted_on(world: World, number: str) -> None:
    """Somebody has put it into the token field."""
    state = world.load()
    assert state.named(number_of(f"c-1:{number}", "c-1")) is None
    assert state.last_number == 1


def test_rule_16_writes_are_kept_until_none_can_land_any_more() -> None:
    """Never fewer than eight, and none that is younger than the longest call by our clock and by the position."""
    state = DocumentState("customer", "c-1", position=CommitPosition(2_000_000, 1, 1))
    for number in range(12):
        take(state, {"Phone": str(number)}, now=number)
        state.writes[-1].state = WriteState.LANDED
    forget_old_writes(state, now=599_999)
    assert len(state.writes) == 12
    forget_old_writes(state, now=2_000_000)
    assert [write.number for write in state.writes] == [5, 6, 7, 8, 9, 10, 11, 12]


def test_rule_16_without_events_the_rows_and_a_month_say_that_none_can_land_any_more() -> None:
    """An object that is polled has no event position: its documents must not grow with every write for ever."""
    month = 30 * 24 * 60 * 60 * 1000
    state = DocumentState("customer", "c-1")
    for number in range(12):
        take(state, {"Phone": str(number)}, now=number)
        state.writes[-1].state = WriteState.LANDED
    forget_old_writes(state, now=2 * month)
    assert len(state.writes) == 12
    state.row_mark = 600_001
    forget_old_writes(state, now=month)
    assert len(state.writes) == 12
    forget_old_writes(state, now=month + 1)
    assert [write.number for write in state.writes] == list(range(2, 13))
    state.row_mark = month
    forget_old_writes(state, now=2 * month)
    assert [write.number for write in state.writes] == [5, 6, 7, 8, 9, 10, 11, 12]


def test_rule_17_the_same_value_on_both_sides_is_an_agreement(world: World) -> None:
    """Both made the same edit: there is nothing to settle, and whoever edits next wins outright."""
    post(world, "same", at=world.now)
    edit(world, "same")
    assert field(world).agreed is not None
    edit(world, "s2")
    assert field(world).value == "s2"
    assert not world.audit


def test_rule_25_every_write_that_the_row_showed_may_have_buried_an_edit(world: World) -> None:
    """Two writes landed before the row was read; the first of them lies over the edit."""
    post(world, "p1", at=world.now)
    world.salesforce_edits("Phone", "s1")
    world.write()
    world.now += 10
    state = world.load()
    title = Assertion("t", world.now, {"title": "t1"}, frozenset({"title"}))
    assert_platform(state, title, world.kind, world.occasion("t"))
    world.save(state)
    world.write()
    world.now += TIMING.event_within
    assert world.write() == "read"
    world.deliver_change()
    assert last_audit(world)["salesforce"]["value"] == "s1"


def test_rule_18_values_that_differ_on_first_contact_are_settled_by_the_first_policy() -> None:
    """The record was there before: nothing is overwritten unread."""
    world = World(random.Random(1), policy="salesforce_wins")
    world.record = {"Phone": "s0"}
    world.modified = world.now - 60_000
    world.platform_edits("phone", named=False)
    world.deliver_post()
    world.settle()
    assert world.stored is not None
    assert world.stored["phone"] == world.record["Phone"] == "s0"
    assert last_audit(world)["rule"] == "18.salesforce_wins"


def test_rule_19_nothing_is_written_through_a_new_link_before_a_whole_read(world: World) -> None:
    """And a change heard since the read began voids it."""
    state = world.load()
    assert state.link is not None
    state.link.read = False
    assert isinstance(next_step(state, world.kind, TIMING, now=world.now), Read)
    state.heard_at = world.now
    row = Row(world.now, world.now + 10_000, {"Phone": "x"}, world.now - 10_000)
    assert apply_row(state, row, world.kind, world.occasion("row")).outcome is Outcome.DEFERRED
    assert not state.link.read


def test_rule_20_a_first_write_without_an_answer_is_looked_up_for_ten_minutes() -> None:
    """Only then is it upserted anew."""
    world = World(random.Random(1))
    world.platform_edits("phone", named=False)
    world.deliver_post()
    assert world.write("lost") == "lost"
    sent_at = world.now
    while world.write() == "nothing":
        world.now += 10_000
    assert world.now >= sent_at + 600_000
    assert world.record is not None


@pytest.mark.parametrize("claimed", [True, False])
def test_rule_20_a_first_write_refused_for_a_record_that_is_there_links_it(claimed: bool) -> None:
    """It is read whole before anything is written to it; an answer that comes too late links nothing."""
    world = World(random.Random(1))
    world.platform_edits("phone", named=False)
    world.deliver_post()
    state = world.load()
    refused, late = [take(state, {"Phone": "p"}, now=world.now) for _each in range(2)]
    late.state = WriteState.UNKNOWN
    assert existing_found(state, late.number, RECORD, claimed=claimed, now=world.now) is Answer.LATE
    assert (state.link, late.state) == (None, WriteState.UNKNOWN)
    assert existing_found(state, refused.number, RECORD, claimed=claimed, now=world.now) is Answer.LINKED
    assert state.link is not None
    assert (state.link.record_id, state.link.claimed, refused.state) == (RECORD, claimed, WriteState.REJECTED)
    assert isinstance(next_step(state, world.kind, TIMING, now=world.now + 600_000), Read)


def test_rule_21_nothing_is_written_through_a_gone_link(world: World) -> None:
    """And an edit makes no new one."""
    state = world.load()
    assert state.link is not None
    state.link.gone = state.link.searched = True
    world.save(state)
    post(world, "p1", at=world.now)
    assert isinstance(next_step(world.load(), world.kind, TIMING, now=world.now), Nothing)


def test_rule_21_delete_marks_the_link_gone_and_undelete_has_it_read() -> None:
    """The registers stay."""
    world = linked_world()
    for change_type, gone in ((ChangeType.DELETE, True), (ChangeType.UNDELETE, False)):
        world.commits += 1
        world.now += 1
        world.stream.append(
            Change(
                entity="Contact",
                record_id=RECORD,
                type=change_type,
                position=CommitPosition(world.now, world.commits, 1),
                transaction_key="t",
            )
        )
        world.deliver_change()
        state = world.load()
        assert state.link is not None
        assert state.link.gone is gone
    assert world.load().read_reason
    assert field(world).salesforce.value == "v1"


def test_rule_22_a_platform_deletion_asserts_existence_at_its_time(world: World) -> None:
    """Nothing is written for a deleted thing; what occurred before the deletion is stale, what came after revives."""
    state = world.load()
    gone = Assertion("gone", world.now, {}, deletes=True)
    assert assert_platform(state, gone, world.kind, world.occasion("gone")).outcome is Outcome.APPLIED
    assert assert_platform(state, gone, world.kind, world.occasion("gone")).outcome is Outcome.DUPLICATE
    world.save(state)
    assert post(world, "old", at=world.now - 1).outcome is Outcome.STALE
    assert isinstance(next_step(world.load(), world.kind, TIMING, now=world.now), Nothing)
    post(world, "new", at=world.now + 1)
    assert isinstance(next_step(world.load(), world.kind, TIMING, now=world.now), Send)


def test_rule_24_a_row_whose_second_is_not_over_is_read_again(world: World) -> None:
    """A commit later in that second would be covered by the row's mark and lost."""
    state = world.load()
    modified = world.now // 1000 * 1000
    row = Row(world.now, modified + 999, {"Phone": "x"}, modified)
    assert apply_row(state, row, world.kind, world.occasion("row")).outcome is Outcome.DEFERRED


def test_rule_25_an_event_within_the_row_mark_leaves_s_alone(world: World) -> None:
    """The row has shown its value, or a later one, already."""
    world.salesforce_edits("Phone", "s1")
    world.salesforce_edits("Phone", "s2")
    world.now += 5_000
    state = world.load()
    state.read_reason = "asked for"
    world.save(state)
    assert world.write() == "read"
    assert field(world).value == "s2"
    world.deliver_change()
    assert (field(world).value, field(world).salesforce.value) == ("s2", "s2")


def test_rule_25_a_value_that_our_write_buried_is_a_conflict(world: World) -> None:
    """The row shows our write; the edit that was under it is heard later and is not lost without a word."""
    post(world, "p1", at=world.now)
    world.salesforce_edits("Phone", "s1")
    world.write()
    world.now += 5_000
    state = world.load()
    state.read_reason = "asked for"
    world.save(state)
    assert world.write() == "read"
    world.deliver_change()
    assert last_audit(world)["salesforce"]["value"] == "s1"
    assert field(world).value == "s1"


def read_whole(world: World) -> None:
    """Have the record read whole, now that its second is over."""
    state = world.load()
    state.read_reason = "asked for"
    world.save(state)
    world.now += 5_000
    assert world.write() == "read"


def test_rule_25_an_edit_that_our_write_buried_is_named_although_a_later_one_stands(world: World) -> None:
    """The row shows the later edit; the one under our write is heard after it and has a row of its own."""
    post(world, "p1", at=world.now)
    world.salesforce_edits("Phone", "s1")
    world.write()
    world.salesforce_edits("Phone", "s2")
    read_whole(world)
    world.deliver_change()
    row = last_audit(world)
    assert row["rule"] == "25"
    assert row["lost"]["value"] == "s1"
    assert field(world).value == "s2"


def test_rule_25_an_edit_buried_before_the_last_of_two_reads_is_brought_to_light() -> None:
    """Each read shows a write of ours; the stream is behind both."""
    world = linked_world("platform_wins")
    post(world, "p1", at=world.now)
    world.salesforce_edits("Phone", "s1")
    world.write()
    read_whole(world)
    world.now += 5_000
    post(world, "p2", at=world.now)
    world.write()
    read_whole(world)
    world.deliver_change()
    assert last_audit(world)["lost"]["value"] == "s1"
    assert field(world).value == "p2"


def test_rule_25_a_write_that_was_heard_of_buries_nothing_after_it(world: World) -> None:
    """Events come in the order of commits: what comes after ours was committed after it."""
    post(world, "p1", at=world.now)
    world.write()
    world.salesforce_edits("Phone", "s1")
    world.salesforce_edits("Phone", "s2")
    read_whole(world)
    rows = len(world.audit)
    for _ in world.stream:
        world.deliver_change()
    assert field(world).value == "s2"
    assert len(world.audit) == rows


def test_rule_27_a_long_text_that_comes_as_a_difference_is_read_from_the_record(world: World) -> None:
    """The event says that it changed and not to what; the document shows the old text until the row has come."""
    before = field(world).value
    world.salesforce_edits("Phone", "a long text")
    told = world.stream[-1]
    fields = {name: value for name, value in told.fields.items() if name != "Phone"}
    world.stream[-1] = told.model_copy(update={"fields": fields, "differences": ("Phone",)})
    world.deliver_change()
    assert field(world).value == before
    world.settle()
    assert field(world).value == "a long text"


def test_rule_26_a_row_that_differs_from_a_newly_landed_write() -> None:
    """Current value as when taken: Salesforce's. Moved on since: a conflict."""
    for moved_on, rule in ((False, "26"), (True, "13.salesforce_wins")):
        world = linked_world()
        world.trigger = lambda values: {"Phone": "reset"} if values.get("Phone") == "p1" else {}
        post(world, "p1", at=world.now)
        world.write()
        if moved_on:
            post(world, "p2", at=world.now + 1)
        state = world.load()
        state.read_reason = "asked for"
        world.save(state)
        world.now += 5_000
        assert world.write() == "read"
        assert last_audit(world)["rule"] == rule
        assert field(world).value == "reset"


@pytest.mark.parametrize("touched", [False, True])
def test_rule_26_a_first_row_that_shows_our_write_again_may_be_somebodys_edit(touched: bool) -> None:
    """Set to another value and back before the record was read: a conflict where the document has moved on meanwhile. A
    row alone could not tell, but the events have told that somebody was there."""
    world = World(random.Random(1))
    post(world, "p1", at=world.now)
    assert world.write() == "ok"
    world.deliver_change()
    if touched:
        for value in ("s1", "p1"):
            world.now += 100
            world.salesforce_edits("Phone", value)
            world.deliver_change()
    post(world, "p2", at=world.now + 1)
    world.now += 5_000
    assert world.write() == "read"
    assert field(world).value == ("p1" if touched else "p2")
    if touched:
        assert last_audit(world)["rule"] == "13.salesforce_wins"
    world.settle()
    assert world.record is not None
    assert world.record["Phone"] == field(world).value
    assert "touched" not in (world.stored or {})["_sync"]["link"]


def test_rule_26_a_write_that_nobody_answered_is_known_by_its_value_under_anothers_token(world: World) -> None:
    """It lay over an edit; taken for an edit of its own, it would take that one away without a word."""
    world.salesforce_edits("Phone", "s1")
    post(world, "p1", at=world.now)
    world.write("unanswered")
    world.deliver_change()
    assert field(world).value == "s1"
    state = world.load()
    assert_platform(
        state, Assertion("t", world.now, {"total": 5}, frozenset({"total"})), world.kind, world.occasion("t")
    )
    world.save(state)
    world.now += 600
    assert world.write() == "ok"
    read_whole(world)
    world.settle()
    assert world.record is not None
    assert field(world).value == world.record["Phone"] == "s1"


def test_rule_27_values_are_kept_raw_and_null_and_empty_are_equal(world: World) -> None:
    """White space at the ends, and empty text against null, never make a conflict or a write."""
    post(world, " v1 ", at=world.now)
    assert field(world).value == " v1 "
    assert world.settle() == 0
    post(world, "", at=world.now + 1)
    world.settle()
    edit(world, None)
    assert world.settle() == 0
    assert not world.audit


def test_a_pull_only_field_keeps_salesforces_value(world: World) -> None:
    """An edit that the platform names is audited; one in a whole record is a view."""
    edit(world, "gold", "Tier__c")
    state = world.load()
    assert_platform(
        state, Assertion("t", world.now, {"tier": "mine"}, frozenset({"tier"})), world.kind, world.occasion("t")
    )
    world.save(state)
    assert field(world, "Tier__c").value == "gold"
    assert last_audit(world)["rule"] == "13.pull_only"
    assert world.settle() == 0


def test_a_push_only_field_is_written_over_and_audited(world: World) -> None:
    """The platform owns it; a trigger that insists is let be after one try."""
    state = world.load()
    assert_platform(
        state, Assertion("t", world.now, {"total": 5}, frozenset({"total"})), world.kind, world.occasion("t")
    )
    world.save(state)
    world.settle()
    edit(world, 9, "Total__c")
    assert last_audit(world)["rule"] == "13.push_only"
    world.settle()
    assert world.record is not None
    assert world.record["Total__c"] == 5
    world.trigger = lambda values: {"Total__c": 0} if "Total__c" in values else {}
    edit(world, 9, "Total__c")
    assert world.settle() <= 1


def test_a_refused_write_is_not_sent_again_until_a_value_changes(world: World) -> None:
    """Salesforce's own code is kept with the document."""
    post(world, "bad", at=world.now)
    state = world.load()
    write = take(state, {"Phone": "bad"}, now=world.now)
    world.save(state)
    state = world.load()
    refused = RowResult(failure=Failure.REJECTED, code="STRING_TOO_LONG", message="Phone: data value too large")
    answered(state, world.kind, write.number, refused, RetryPolicy(), now=world.now)
    world.save(state)
    assert isinstance(next_step(world.load(), world.kind, TIMING, now=world.now), Nothing)
    assert world.stored is not None
    assert world.stored["salesforce"]["syncError"] == "STRING_TOO_LONG"
    post(world, "good", at=world.now + 1)
    assert isinstance(next_step(world.load(), world.kind, TIMING, now=world.now), Send)


def test_tries_grow_apart_up_to_a_limit_and_then_end() -> None:
    """Three quick tries, growing waits, then it is given up; an org that is away uses no try."""
    policy = RetryPolicy(tries=8, longest=60_000)
    waits = [policy.after(tries, org_wide=False) for tries in range(8)]
    assert waits[:3] == [Wait(500)] * 3
    assert waits[3:7] == [Wait(10_000), Wait(20_000), Wait(40_000), Wait(60_000)]
    assert waits[7] == GiveUp()
    assert policy.after(1_000, org_wide=True) == Wait(policy.org_wait)


def test_the_state_survives_being_stored(world: World) -> None:
    """What is dumped is what is loaded, field by field."""
    post(world, "p1", at=world.now)
    world.write("lost")
    first = world.load()
    world.save(first)
    second = world.load()
    second.revision = first.revision
    second.stored_due_at = first.stored_due_at
    assert second == first
    assert second.fields["Phone"].source is Side.PLATFORM


def test_rule_3_a_late_edit_is_not_stale_by_pages_loaded_before_it() -> None:
    """A whole record made later and heard first repeats an old phone: it says nothing against the new one."""
    run(Setting(), ["post", "edit phone named", "edit title whole", "post 2nd"])
    run(Setting(), ["post", "edit phone whole", "view", "post 2nd"])


def test_rule_3_an_old_page_read_again_is_no_late_edit(world: World) -> None:
    """An unnamed value that the document may have shown and forgotten does not come back."""
    loaded_at = world.now
    post(world, "v1", at=loaded_at, named=False)
    for number in range(9):
        world.now += 5_000
        edit(world, f"s{number}")
        post(world, f"s{number}", at=world.now, named=False)
    post(world, "v1", at=loaded_at + 1, named=False)
    assert field(world).value == "s8"
    assert (last_audit(world)["rule"], last_audit(world)["platform"]["value"]) == ("3", "v1")


def test_rule_9_what_an_event_named_is_settled_and_only_the_rest_is_in_doubt() -> None:
    """A later event of a field says more than the row: what a user made of it is not taken for our write overruled."""
    world = linked_world()
    world.trigger = lambda values: {"Phone": "v1"} if "Phone" in values and "Token__c" in values else {}
    post(world, "p1", at=world.now)
    world.write()
    world.deliver_change()
    assert world.load().writes[-1].state is WriteState.DOUBTFUL
    edit(world, "s1")
    assert world.load().writes[-1].state is WriteState.LANDED
    world.settle()
    assert field(world).value == "s1"


def test_rule_13_the_first_value_of_a_push_only_field_is_audited_over_what_salesforce_held() -> None:
    """Nobody on the platform could see it, and it is written over."""
    schedule = ["post", "write ok", "sales Total__c", "wait 6000", "write ok", "edit total named"]
    world = run(Setting(), schedule)
    assert [row["rule"] for row in world.audit.values()] == ["13.push_only"]


def test_rule_13_a_push_only_value_that_salesforce_had_overruled_is_audited_when_it_is_written_over(
    world: World,
) -> None:
    """It stood in Salesforce by its own right: the platform's next value takes it away."""
    world.trigger = lambda values: {"Total__c": 0} if values.get("Total__c") == 5 else {}
    for value in (5, 6):
        world.now += 1_000
        state = world.load()
        assertion = Assertion(f"total-{value}", world.now, {"total": value}, frozenset({"total"}))
        assert_platform(state, assertion, world.kind, world.occasion(assertion.event_id))
        world.save(state)
        world.settle()
    assert world.record is not None
    assert world.record["Total__c"] == 6
    losers = [(row["rule"], row[row["loser"]]["value"]) for row in world.audit.values()]
    assert losers == [("10", 5), ("13.push_only", 0)]


def test_a_view_of_a_pull_only_field_is_not_heard() -> None:
    """Else the named edit behind it would be stale, and lost without a row."""
    world = run(Setting(), ["post", "edit tier named", "view, own shown", "post 2nd", "post"])
    assert [row["rule"] for row in world.audit.values()] == ["13.pull_only"]


@pytest.mark.parametrize("sent", [None, ""])
def test_rule_18_an_empty_value_that_was_only_sent_along_clears_nothing(sent: str | None) -> None:
    """The record was there before. Its author has named the title; the phone beside it is what his form had."""
    world = World(random.Random(1), policy="latest_wins")
    world.record = {"Phone": "s0"}
    world.modified = world.now - 60_000
    state = world.load()
    along = Assertion("e1", world.now, {"title": "p1", "phone": sent}, frozenset({"title"}))
    assert_platform(state, along, world.kind, world.occasion("e1"))
    world.save(state)
    world.settle()
    assert world.record["Phone"] == field(world).value == "s0"
    assert world.record["Title"] == "p1"
    assert not world.audit


def test_rule_18_a_value_that_was_only_sent_along_counts_as_in_a_whole_record() -> None:
    """It is there to see, of unknown time; what Salesforce has wins by the policy of first contact."""
    world = World(random.Random(1), policy="salesforce_wins")
    world.record = {"Phone": "s0"}
    world.modified = world.now - 60_000
    state = world.load()
    along = Assertion("e1", world.now, {"title": "p1", "phone": "p2"}, frozenset({"title"}))
    assert_platform(state, along, world.kind, world.occasion("e1"))
    world.save(state)
    assert field(world).value == "p2"
    world.settle()
    assert world.record["Phone"] == field(world).value == "s0"
    assert last_audit(world)["rule"] == "18.salesforce_wins"


def test_rule_18_a_field_that_was_cleared_is_a_value_on_first_contact() -> None:
    """A person meant it: what Salesforce holds is a conflict, not a first value."""
    world = run(Setting(exists=True), ["post", "wait 400", "clear phone named", "edit title named"])
    assert {row["rule"] for row in world.audit.values()} >= {"18.salesforce_wins"}


def test_rule_24_what_another_host_has_heard_is_in_no_order_with_a_read_begun_about_then(world: World) -> None:
    """Clocks may differ by two seconds: its event may be of later than the row, though the clocks say otherwise."""
    state = world.load()
    before = state.field("Phone").value
    heard = state.heard_at = world.now
    for apart, outcome in ((CLOCKS_APART, Outcome.DEFERRED), (CLOCKS_APART + 1, Outcome.APPLIED)):
        row = Row(heard + apart, heard + 10_000, {"Phone": before, "Title": "x"}, heard - 10_000)
        assert apply_row(state, row, world.kind, world.occasion("row")).outcome is outcome


def test_rule_24_a_row_older_than_one_taken_in_is_read_again() -> None:
    """Two writers read one record: the slower answer is the older one."""
    slow_answer = ["writer A", "writer A", "read", "sales Tier__c", "wait 1500", "write ok"]
    run(Setting(), ["post", "write ok", "wait 2500", *slow_answer])


def test_rule_25_what_salesforce_made_of_the_field_after_our_write_buried_nothing() -> None:
    """The row names our write but shows a later edit there: its own event, heard afterwards, is no conflict."""
    seen = ["wait 6000", "write unanswered", "edit phone whole, seen"]
    run(Setting(), ["post", "write ok", "sales Phone", *seen])


def test_rule_26_the_token_names_the_last_write_to_land() -> None:
    """An older request that lands late is what the row shows, whatever was acknowledged meanwhile."""
    world = linked_world()
    post(world, "p1", at=world.now)
    world.write("late")
    world.now += 1_000
    post(world, "p2", at=world.now)
    assert world.write() == "ok"
    world.land_late()
    world.stream.clear()
    world.unheard = 0
    world.now += TIMING.event_within
    assert world.write() == "read"
    assert field(world).value == "p2"
    assert not world.audit
    world.settle()
    assert world.record is not None
    assert world.record["Phone"] == "p2"


def test_rule_3_a_view_moves_heard_too(world: World) -> None:
    """What is said after it was made after it: there is nothing to presume (rule 6)."""
    edit(world, "s1")
    world.now += 10_000
    post(world, "v1", at=world.now, named=False)
    post(world, "p1", at=world.now + 1, named=False)
    assert field(world).value == "p1"
    assert not world.audit


def test_rule_4_the_platforms_own_last_value_is_no_change_although_it_lost(world: World) -> None:
    """It was never shown, and the platform's pages still have it."""
    made_at = world.now
    world.now += 10
    edit(world, "s1")
    post(world, "p1", at=made_at)
    assert field(world).value == "s1"
    world.now += 10_000
    post(world, "p1", at=world.now, named=False)
    assert field(world).value == "s1"


def test_rule_4_a_page_without_a_value_clears_none_that_it_could_not_show(world: World) -> None:
    """As of somebody who opts out for the first time; who can have seen the value and sends none takes it out."""

    def says(value: Any, at: int, *, named: bool) -> None:
        state = world.load()
        changed = frozenset({"title"}) if named else None
        assertion = Assertion(f"title-{value}-{at}", at, {"title": value}, changed)
        assert_platform(state, assertion, world.kind, world.occasion(assertion.event_id))
        world.save(state)

    says(None, world.now, named=False)
    first = world.now
    world.now += 10_000
    says("t1", first, named=True)
    says(None, first + 6_000, named=False)
    assert field(world, "Title").value == "t1"
    says(None, first + 7_000, named=True)
    assert field(world, "Title").value is None


def test_rule_4_a_page_that_can_have_shown_the_first_value_and_has_none_clears_it(world: World) -> None:
    """Its author took it out, though the event does not say so."""
    title(world, "t1")
    world.now += 10_000
    state = world.load()
    assertion = Assertion("cleared", world.now, {"title": None}, None)
    assert_platform(state, assertion, world.kind, world.occasion(assertion.event_id))
    world.save(state)
    assert field(world, "Title").value is None


def title(world: World, value: Any) -> None:
    """Deliver one platform event about the title."""
    state = world.load()
    assertion = Assertion(f"title-{value}", world.now, {"title": value}, frozenset({"title"}))
    assert_platform(state, assertion, world.kind, world.occasion(assertion.event_id))
    world.save(state)


def test_rule_9_a_field_that_the_event_named_is_no_longer_expected(world: World) -> None:
    """One field was put back and is in doubt; the other is settled, and a user's edit of it is no overruling."""
    world.trigger = lambda values: {"Phone": "v1"} if "Phone" in values and "Token__c" in values else {}
    post(world, "p1", at=world.now)
    title(world, "t1")
    world.write()
    world.deliver_change()
    world.now += 10_000
    world.salesforce_edits("Title", "s1")
    world.now += 10_000
    assert world.write() == "read"
    assert field(world, "Title").value == "s1"
    assert {row["field"] for row in world.audit.values()} == {"Phone"}


def test_rule_11_what_a_trigger_set_beside_our_write_needs_no_agreement(world: World) -> None:
    """Also where the event that would have confirmed the field has not been heard."""
    title(world, "t1")
    world.write()
    del world.stream[-1]
    world.now += 10
    world.trigger = lambda values: {"Title": "by trigger"} if "Phone" in values else {}
    post(world, "p1", at=world.now)
    world.write()
    world.deliver_change()
    assert field(world, "Title").value == "by trigger"
    assert not world.audit


def test_rule_12_over_a_value_of_salesforce_its_next_one_wins_while_a_request_is_open(world: World) -> None:
    """One conflict, with the platform's value; none between two edits of Salesforce."""
    post(world, "p1", at=world.now)
    world.write("killed")
    edit(world, "s1")
    edit(world, "s2")
    assert field(world).value == "s2"
    assert [row["platform"]["value"] for row in world.audit.values()] == ["p1"]


def test_rule_17_no_agreement_while_a_request_is_open(world: World) -> None:
    """The value that it carries may yet land."""
    post(world, "p1", at=world.now)
    world.write("killed")
    post(world, "v1", at=world.now + 1)
    assert field(world).agreed is None


def test_rule_17_an_agreement_of_values_while_nobody_answered_counts_when_it_is_given_up() -> None:
    """Salesforce's next edit has seen what both sides held."""
    world = linked_world("platform_wins")
    post(world, "p1", at=world.now)
    world.write("killed")
    edit(world, None)
    post(world, None, at=world.now + 1)
    world.now += TIMING.answer_within
    world.write()
    edit(world, "s1")
    assert field(world).value == "s1"


def test_rule_18_the_first_value_in_a_whole_record_is_of_unknown_time(world: World) -> None:
    """However late it was posted, nobody knows when it was made."""
    edit(world, "s1", "Title")
    world.now += 60_000
    state = world.load()
    assert_platform(state, Assertion("whole", world.now, {"title": "p1"}), world.kind, world.occasion("whole"))
    world.save(state)
    assert field(world, "Title").value == "s1"
    assert last_audit(world)["rule"] == "18.salesforce_wins"


def test_rule_22_nothing_is_written_for_a_thing_that_was_deleted(world: World) -> None:
    """Not even what was due before."""
    post(world, "p1", at=world.now)
    state = world.load()
    assert_platform(state, Assertion("gone", world.now + 1, {}, deletes=True), world.kind, world.occasion("gone"))
    world.save(state)
    assert isinstance(next_step(world.load(), world.kind, TIMING, now=world.now), Nothing)


def test_rule_3_a_late_edit_that_others_were_shown_before_it_was_heard_still_counts(world: World) -> None:
    """A whole record with its value was heard first and lost by the clocks; the edit tells what its author had seen."""
    edit(world, "s1")
    revision = world.load().revision
    post(world, "p1", at=world.now + 2, named=False)
    assert last_audit(world)["lost"]["value"] == "p1"
    assert post(world, "p1", at=world.now + 1, seen=revision, id_="the edit").outcome is Outcome.APPLIED
    assert field(world).value == "p1"


def test_rule_3_a_late_edit_that_others_were_shown_is_stale_where_its_author_had_not_seen_the_value(
    world: World,
) -> None:
    """Then it has lost already, and has its row."""
    before = world.load().revision
    edit(world, "s1")
    post(world, "p1", at=world.now + 2, named=False)
    assert post(world, "p1", at=world.now + 1, seen=before, id_="the edit").outcome is Outcome.STALE
    assert field(world).value == "s1"


def test_rule_11_a_trigger_that_saw_an_older_write_of_ours_had_not_seen_the_current_value() -> None:
    """A lost write lands over the current value, and then the trigger runs: what it sets is a conflict."""
    world = linked_world("platform_wins")
    title(world, "t1")
    world.write("late")
    world.now += 10
    title(world, "t2")
    world.now += TIMING.event_within
    assert world.write() == "ok"
    world.land_late()
    world.trigger = lambda values: {"Title": "by trigger"} if "Phone" in values else {}
    post(world, "p1", at=world.now)
    world.write()
    for _ in world.stream:
        world.deliver_change()
    assert last_audit(world)["lost"]["value"] == "by trigger"
    assert field(world, "Title").value == "t2"


def test_rule_11_a_trigger_beside_our_write_had_seen_one_that_is_in_doubt() -> None:
    """The event of our title left it out, for the trigger put it back; the next write's trigger sets it anew."""
    world = linked_world("platform_wins")
    world.trigger = lambda values: {"Title": None} if "Title" in values else {}
    title(world, "t1")
    world.write()
    world.deliver_change()
    assert world.load().writes[-1].state is WriteState.DOUBTFUL
    world.trigger = lambda values: {"Title": "by trigger"} if "Phone" in values else {}
    state = world.load()
    state.read_reason = ""
    world.save(state)
    post(world, "p1", at=world.now)
    world.write()
    world.deliver_change()
    assert field(world, "Title").value == "by trigger"
    assert not world.audit


def test_rule_13_what_our_write_buried_says_nothing_of_what_stands_in_a_push_only_field(world: World) -> None:
    """A row showed another value than ours there: that one is let be until its own event names it a person's edit."""
    totals(world, 5)
    world.salesforce_edits("Total__c", "buried")
    world.write()
    world.salesforce_edits("Total__c", "s1")
    read_whole(world)
    assert field(world, "Total__c").overruled
    world.deliver_change()
    assert last_audit(world)["lost"]["value"] == "buried"
    assert field(world, "Total__c").overruled
    world.deliver_change()
    assert field(world, "Total__c").overruled
    world.deliver_change()
    assert last_audit(world)["lost"]["value"] == "s1"
    assert world.write() == "ok"
    assert world.record is not None
    assert world.record["Total__c"] == 5


def test_rule_25_an_edit_that_our_write_buried_never_comes_back_over_a_later_one(world: World) -> None:
    """The row showed the later one; the platform has gone on from that, and has seen nothing of the buried one."""
    post(world, "p1", at=world.now)
    world.salesforce_edits("Phone", "s1")
    world.write()
    world.salesforce_edits("Phone", "s2")
    read_whole(world)
    world.now += 10_000
    post(world, "p2", at=world.now)
    world.deliver_change()
    assert last_audit(world)["rule"] == "25"
    assert last_audit(world)["lost"]["value"] == "s1"
    assert field(world).value == "p2"


def test_rule_25_what_was_brought_to_light_gives_way_to_the_edits_after_it(world: World) -> None:
    """A user set our own value again after our write, so the row could not tell that there were edits."""
    post(world, "p1", at=world.now)
    world.salesforce_edits("Phone", "s1")
    world.write()
    world.salesforce_edits("Phone", "s2")
    world.salesforce_edits("Phone", "p1")
    read_whole(world)
    world.deliver_change()
    assert field(world).value == "s1"
    world.settle()
    assert world.record is not None
    assert field(world).value == world.record["Phone"] == "p1"


def test_rule_25_what_was_brought_to_light_gives_way_though_it_has_been_put_back(world: World) -> None:
    """It was written, and read there, before the edits that came after it were heard."""
    post(world, "p1", at=world.now)
    world.salesforce_edits("Phone", "s1")
    world.write()
    world.salesforce_edits("Phone", "s2")
    world.salesforce_edits("Phone", "p1")
    read_whole(world)
    world.deliver_change()
    assert world.write() == "ok"
    read_whole(world)
    assert field(world).salesforce.value == "s1"
    world.settle()
    assert world.record is not None
    assert field(world).value == world.record["Phone"] == "p1"


def test_rule_25_an_edit_buried_after_our_write_had_been_seen_wins_outright() -> None:
    """An older request, of the same value, buried it; its author had seen that value from the newer one."""
    world = linked_world("platform_wins")
    post(world, "p1", at=world.now)
    world.write("late")
    world.now += TIMING.event_within
    assert world.write() == "ok"
    world.salesforce_edits("Phone", "s1")
    world.land_late()
    world.now += TIMING.event_within
    assert world.write() == "read"
    for _ in world.stream:
        world.deliver_change()
    assert field(world).value == "s1"
    assert not world.audit


def test_rule_26_a_late_write_that_lies_over_an_acknowledged_one_is_no_edit(world: World) -> None:
    """The row shows its value under the token of a third: what it buried is written again, and nothing is overruled."""
    post(world, "p1", at=world.now)
    world.write("late")
    world.now += 1_000
    edit(world, "s1")
    world.salesforce_edits("Phone", "p0")
    post(world, "p2", at=world.now + 5_000)
    world.now += 5_000
    assert world.write() == "ok"
    world.land_late()
    totals(world, 5)
    assert world.write() == "ok"
    world.now += TIMING.event_within
    rows = len(world.audit)
    assert world.write() == "read"
    assert field(world).value == "p2"
    assert len(world.audit) == rows


def totals(world: World, value: Any) -> None:
    """Deliver one platform event about the total."""
    state = world.load()
    assertion = Assertion(f"total-{value}", world.now, {"total": value}, frozenset({"total"}))
    assert_platform(state, assertion, world.kind, world.occasion(assertion.event_id))
    world.save(state)


def test_rule_3_an_unnamed_late_edit_over_the_platforms_own_value_still_counts(world: World) -> None:
    """However many values were shown: nothing has been since, so the list tells an old page as well as it did then."""
    for number in range(9):
        world.now += 10
        post(world, f"n{number}", at=world.now)
    post(world, "n7", at=world.now + 20, named=False)
    post(world, "late", at=world.now + 10, named=False)
    assert field(world).value == "late"
    assert not world.audit


def test_rule_26_an_edit_lies_over_the_write_that_the_token_names() -> None:
    """Its author saw what an older request had brought late, and not what was acknowledged meanwhile: a conflict."""
    world = linked_world("platform_wins")
    post(world, "p1", at=world.now)
    world.write("late")
    world.now += 1_000
    post(world, "p2", at=world.now)
    assert world.write() == "ok"
    world.land_late()
    world.salesforce_edits("Phone", "s1")
    read_whole(world)
    assert last_audit(world)["rule"] == "13.platform_wins"
    assert field(world).value == "p2"


def test_rule_25_an_event_within_the_row_mark_does_not_replace_a_value_already_heard(world: World) -> None:
    """It went and came back before the row was read: the row showed what was heard, and nothing changes meanwhile."""
    edit(world, "s1")
    world.salesforce_edits("Phone", "s2")
    world.salesforce_edits("Phone", "s1")
    read_whole(world)
    world.deliver_change()
    assert field(world).value == "s1"
    assert not world.audit


def test_rule_25_an_edit_that_a_late_request_buried_under_anothers_token_is_brought_to_light() -> None:
    """The row shows the value of both, and the token of a third: the first is heard of, so the other lies there."""
    world = linked_world("platform_wins")
    post(world, "p1", at=world.now)
    world.write("late")
    world.now += TIMING.event_within
    assert world.write() == "ok"
    world.salesforce_edits("Phone", "s1")
    world.land_late()
    totals(world, 5)
    assert world.write() == "ok"
    read_whole(world)
    for _ in world.stream:
        world.deliver_change()
    assert field(world).value == "s1"
