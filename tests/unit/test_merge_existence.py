"""Records that are deleted, come back, or become another record; and what follows by the mapping."""

import random
from typing import Any

import pytest
from support.merge_world import RECORD, TIMING, World

from consumers.rules.answers import answered
from consumers.rules.existence import (
    MERGED_INTO_ANOTHERS,
    counts_as_deleted,
    deletion_answered,
    deletion_asked,
    moved,
    stays_gone,
)
from consumers.rules.platform import Assertion, assert_platform
from consumers.rules.retry import RetryPolicy
from consumers.rules.rows import Row, apply_row
from consumers.rules.state import DocumentState, Link, Refusal, SalesforceRegister
from consumers.rules.writes import Delete, Find, Follow, Nothing, next_step, take
from schemas.change import Change, ChangeType
from schemas.outcome import Outcome
from schemas.position import CommitPosition
from schemas.records import Converted, Failure, RowResult


def linked(**on_delete: str) -> World:
    """Both sides agree on `v1`, a minute ago."""
    world = World(random.Random(1), on_delete=on_delete)
    world.platform_edits("phone", named=False)
    world.deliver_post()
    world.settle()
    world.now += 60_000
    return world


def post(world: World, value: str) -> None:
    """The platform names a new phone."""
    said(world, Assertion(f"event-{value}", world.now, {"phone": value}, frozenset({"phone"})))


def platform_deletes(world: World) -> None:
    """The platform deletes the thing."""
    said(world, Assertion(f"deletion-{world.now}", world.now, {}, deletes=True))


def said(world: World, assertion: Assertion) -> None:
    """A platform event is taken in."""
    state = world.load()
    assert_platform(state, assertion, world.kind, world.occasion(assertion.event_id))
    world.save(state)


def link(world: World) -> Link:
    """The document's link."""
    found = world.load().link
    assert found is not None
    return found


def step(world: World) -> Any:
    """What the writer would do now."""
    return next_step(world.load(), world.kind, TIMING, now=world.now)


def status(world: World) -> str:
    """What the platform reads."""
    assert world.stored is not None
    return str(world.stored["salesforce"]["syncStatus"])


def test_rule_22_on_delete_salesforce_unlink_leaves_the_document_alone() -> None:
    """The default: nobody is asked to make a record again, and the document stays as it was."""
    world = linked()
    world.delete()
    world.settle()
    assert (status(world), world.record) == ("gone", None)
    post(world, "p1")
    world.settle()
    assert world.record is None


def test_rule_22_on_delete_salesforce_recreate_makes_a_new_record_of_what_is_shown() -> None:
    """The new record has all that is pushed; the former id stays known."""
    world = linked(salesforce="recreate")
    world.delete()
    world.settle()
    assert world.record is not None
    assert (world.record["Phone"], world.record["Ext__c"]) == ("v1", "c-1")
    assert link(world).record_id == world.record_id != RECORD
    assert link(world).former == (RECORD,)
    world.salesforce_edits("Phone", "s1")
    world.settle()
    assert world.load().fields["Phone"].value == "s1"


def test_rule_22_on_delete_salesforce_recreate_makes_one_record_for_each_deletion() -> None:
    """Looked for by external id first, and found where an earlier answer was lost."""
    world = linked(salesforce="recreate")
    world.delete()
    world.deliver_change()
    assert world.write() == "followed"
    assert world.write("unanswered") == "unanswered"
    calls = world.calls
    assert world.settle() == 0
    assert world.calls == calls
    assert link(world).record_id == world.record_id


def test_rule_22_on_delete_salesforce_delete_counts_the_thing_as_deleted() -> None:
    """Until somebody brings the record back."""
    world = linked(salesforce="delete")
    world.delete()
    world.settle()
    assert status(world) == "deleted"
    assert counts_as_deleted(world.load(), world.kind)
    world.undelete()
    world.settle()
    assert status(world) == "synced"


def test_rule_22_on_delete_platform_unlink_leaves_the_record_alone() -> None:
    """The default: what sales have stays theirs."""
    world = linked()
    platform_deletes(world)
    assert isinstance(step(world), Nothing)
    assert (status(world), world.settle()) == ("deleted", 0)
    assert world.record is not None


def test_rule_22_on_delete_platform_delete_deletes_the_record() -> None:
    """Into the recycle bin, and our own deletion is not taken for a user's."""
    world = linked(platform="delete", salesforce="recreate")
    platform_deletes(world)
    assert isinstance(step(world), Delete)
    world.settle()
    assert world.record is None
    assert list(world.bin) == [RECORD]
    assert isinstance(step(world), Nothing)


def test_rule_22_a_record_deleted_for_the_platform_may_be_brought_back_by_a_person() -> None:
    """Each deletion is followed once: it is not deleted again, and not written either."""
    world = linked(platform="delete")
    platform_deletes(world)
    world.settle()
    world.undelete()
    world.settle()
    assert world.record is not None
    world.now += 1_000
    platform_deletes(world)
    world.settle()
    assert world.record is None


def test_rule_22_a_platform_deletion_taken_back_makes_the_record_anew() -> None:
    """We deleted it, so we make it again; a user's deletion stays one."""
    world = linked(platform="delete")
    platform_deletes(world)
    world.settle()
    world.now += 60_000
    post(world, "p1")
    world.settle()
    assert world.record is not None
    assert world.record["Phone"] == "p1"
    world.delete()
    world.settle()
    assert world.record is None


@pytest.mark.parametrize("heard", ["before", "after"])
def test_rule_22_a_deletion_without_an_answer_that_is_taken_back_makes_the_record_anew(heard: str) -> None:
    """It was we who deleted it, though nobody was left to say so: that it was asked for was stored before the call."""
    world = linked(platform="delete")
    platform_deletes(world)
    assert world.write("killed_after") == "killed_after"
    if heard == "before":
        world.deliver_change()
    world.now += 1_000
    post(world, "p1")
    world.settle()
    assert world.record is not None
    assert (world.record["Phone"], status(world)) == ("p1", "synced")
    world.delete()
    world.settle()
    assert world.record is None, "a user's deletion stays one"


def test_rule_22_a_deletion_without_an_answer_is_followed_once() -> None:
    """Its event came before it could be asked for again: a person may bring the record back all the same."""
    world = linked(platform="delete")
    platform_deletes(world)
    assert world.write("killed_after") == "killed_after"
    world.settle()
    world.undelete()
    world.settle()
    assert world.record is not None


def test_rule_22_a_deletion_that_never_ran_and_was_taken_back_leaves_the_record() -> None:
    """And a user who deletes it a day later has it deleted."""
    world = linked(platform="delete")
    platform_deletes(world)
    assert world.write("killed") == "killed"
    world.now += 1_000
    post(world, "p1")
    world.settle()
    assert world.record_id == RECORD
    world.now += 86_400_000
    world.delete()
    world.settle()
    assert world.record is None


def test_rule_22_a_deletion_that_was_refused_is_none_of_ours() -> None:
    """The platform takes its deletion back, and a user deletes the record a minute later: it stays deleted."""
    world = linked(platform="delete")
    platform_deletes(world)
    state = world.load()
    deletion_asked(state, now=world.now)
    refused = RowResult(failure=Failure.REJECTED, code="DELETE_FAILED", message="it has cases")
    assert deletion_answered(state, world.kind, refused, RetryPolicy(), now=world.now) is Outcome.PARKED
    assert state.link is not None
    assert not state.link.deleting
    world.save(state)
    world.now += 1_000
    post(world, "p1")
    world.settle()
    world.delete()
    world.settle()
    assert world.record is None


def test_rule_22_a_record_merged_before_it_could_be_deleted_is_followed_if_the_deletion_is_taken_back() -> None:
    """Else a second record of the same person would be made, and the one that the merge kept would be nobody's."""
    world = linked(platform="delete")
    platform_deletes(world)
    world.merge({"Phone": "s1"})
    assert world.write() == "deleted"
    world.settle()
    assert world.record is not None
    world.now += 60_000
    post(world, "p1")
    assert isinstance(step(world), Follow)
    world.settle()
    assert link(world).record_id == world.record_id
    assert link(world).former == (RECORD,)
    assert (world.record["Ext__c"], list(world.bin)) == ("c-1", [RECORD])


def test_rule_22_a_first_write_nobody_answered_is_found_and_deleted_too() -> None:
    """The record was made all the same."""
    world = World(random.Random(1), on_delete={"platform": "delete"})
    world.platform_edits("phone", named=False)
    world.deliver_post()
    assert world.write("unanswered") == "unanswered"
    world.now += 10
    platform_deletes(world)
    world.now += 1_000
    assert isinstance(step(world), Find)
    world.settle()
    assert world.record is None
    assert len(world.bin) == 1


@pytest.mark.parametrize("deleted", [True, False])
def test_rule_20_a_first_write_nobody_answered_is_looked_for_however_late_the_writer_comes(deleted: bool) -> None:
    """Every writer was away until long after it could land: by the clock it is over, and nobody has looked."""
    world = World(random.Random(1), on_delete={"platform": "delete"})
    world.platform_edits("phone", named=False)
    world.deliver_post()
    assert world.write("unanswered") == "unanswered"
    world.now += 10
    if deleted:
        platform_deletes(world)
    world.now += 24 * 60 * 60 * 1000
    assert isinstance(step(world), Find)
    world.settle()
    assert (world.record is None) is deleted
    assert len(world.bin) == int(deleted)


def test_rule_20_a_first_write_that_never_landed_is_looked_for_once_more() -> None:
    """After that it is known to have made nothing, and nothing is asked again."""
    world = World(random.Random(1), on_delete={"platform": "delete"})
    world.platform_edits("phone", named=False)
    world.deliver_post()
    assert world.write("lost") == "lost"
    platform_deletes(world)
    world.now += 24 * 60 * 60 * 1000
    assert isinstance(step(world), Find)
    world.write()
    assert isinstance(step(world), Nothing)
    assert world.record is None


def test_rule_22_a_refused_deletion_is_not_repeated() -> None:
    """It waits for a person, as a refused write does."""
    world = linked(platform="delete")
    platform_deletes(world)
    state = world.load()
    state.refusal = Refusal({}, "DELETE_FAILED", "has cases", world.now, deletion=True)
    world.save(state)
    assert isinstance(step(world), Nothing)


def test_rule_22_a_row_not_found_asks_what_took_its_place() -> None:
    """Before anything else follows."""
    world = linked(salesforce="recreate")
    state = world.load()
    world.record = None
    apply_row(state, Row(world.now, world.now, None), world.kind, world.occasion("row"))
    world.save(state)
    assert isinstance(step(world), Follow)


def test_rule_23_a_merged_record_is_followed_with_its_registers() -> None:
    """Not first contact: what was agreed before gives way to what the person who merged has left standing."""
    world = linked()
    world.now += 1_000
    world.merge({"Phone": "v1", "Title": "Head"})
    world.settle()
    assert link(world).record_id == world.record_id != RECORD
    assert link(world).former == (RECORD,)
    assert world.load().fields["Title"].value == "Head"
    assert not world.audit
    assert world.record is not None
    assert world.record["Ext__c"] == "c-1"


def test_rule_23_nothing_is_written_to_the_new_id_before_it_is_read_whole() -> None:
    """An edit made meanwhile meets the row like any other conflict."""
    world = linked()
    post(world, "p1")
    world.merge({"Phone": "s1"})
    world.deliver_change()
    calls = world.calls
    assert world.write() == "followed"
    assert not link(world).read
    world.now += 5_000
    assert world.write() == "read"
    assert world.calls == calls
    assert [row["rule"] for row in world.audit.values()] == ["13.salesforce_wins"]
    world.settle()
    assert world.record is not None
    assert world.record["Phone"] == "s1"


def test_rule_23_what_was_due_is_still_due_under_the_new_id() -> None:
    """The registers stay: an edit that had not been written yet is written to the record that took the place."""
    world = linked()
    post(world, "p1")
    world.merge({"Phone": "v1"})
    world.settle()
    assert world.record is not None
    assert world.record["Phone"] == "p1"
    assert not world.audit


def test_rule_22_what_landed_in_the_record_that_is_gone_is_over() -> None:
    """Once a new one is made nobody waits for its event, and nothing of it is expected there."""
    world = linked(salesforce="recreate")
    post(world, "p1")
    assert world.write() == "ok"
    state = world.load()
    assert [write.number for write in state.acknowledged()] == [state.last_number]
    assert state.link is not None
    state.link.gone = state.link.searched = True
    take(state, {"Phone": "p1"}, now=world.now)
    assert not list(state.acknowledged())


@pytest.mark.parametrize("moved_on", [False, True])
def test_rule_23_what_was_set_in_a_record_that_is_gone_unread_still_counts(moved_on: bool) -> None:
    """No whole read will show it. It wins outright over what we made the record with, and is a conflict with what the
    platform has said since."""
    world = World(random.Random(1), on_delete={"salesforce": "recreate"})
    post(world, "p1")
    assert world.write() == "ok"
    world.deliver_change()
    world.now += 100
    world.salesforce_edits("Phone", "s1")
    world.deliver_change()
    assert not link(world).read
    if moved_on:
        world.now += 100
        post(world, "p2")
    world.delete()
    world.settle()
    assert world.record is not None
    assert world.record["Phone"] == world.load().fields["Phone"].value == "s1"
    assert [row["lost"]["value"] for row in world.audit.values()] == (["p2"] if moved_on else [])
    assert link(world).edits == {}


def test_rule_23_what_a_lead_has_still_to_tell_counts_where_its_contact_did_not_show_it() -> None:
    """The contact was read since, so that it would be covered by the row; a conversion need not carry a field along."""
    world = linked()
    world.salesforce_edits("Phone", "s1")
    world.now += 1_000
    world.merge({})
    state = world.load()
    moved(state, world.record_id, now=world.now, claimed=False, conversion=Converted(world.record_id))
    assert state.link is not None
    state.link.read, state.link.left = True, frozenset({"Phone"})
    state.row_mark = world.now + 999
    state.field("Phone").salesforce = SalesforceRegister(None, CommitPosition(state.row_mark, 1, 1))
    world.save(state)
    assert link(world).left == {"Phone"}
    world.deliver_change()
    state = world.load()
    assert state.fields["Phone"].value == "s1"
    assert state.fields["Phone"].salesforce is not None
    assert state.fields["Phone"].salesforce.value is None, "the contact does not hold it"
    assert [row["lost"]["value"] for row in world.audit.values()] == ["v1"]


def went_on_unheard(path: str, name: str, left: Any, policy: str = "salesforce_wins") -> World:
    """A write landed in a record that was merged before its event came; the new one, which holds `left`, is read."""
    world = World(random.Random(1), policy=policy)
    world.platform_edits("phone", named=False)
    world.deliver_post()
    world.settle()
    world.now += 60_000
    said(world, Assertion("event-p1", world.now, {path: "p1"}, frozenset({path})))
    assert world.write() == "ok"
    world.merge({name: left})
    state = world.load()
    assert [write.number for write in state.acknowledged()] == [state.last_number]
    moved(state, world.record_id, now=world.now, claimed=False)
    world.save(state)
    world.now += 5_000
    assert world.write() == "read"
    assert not list(world.load().acknowledged())
    return world


@pytest.mark.parametrize("policy", ["salesforce_wins", "platform_wins", "latest_wins", "review"])
def test_rule_23_who_replaces_a_write_to_the_former_id_had_it_in_view(policy: str) -> None:
    """Its event has not come yet: which is heard first must not decide who wins. A row names what is lost."""
    world = went_on_unheard("phone", "Phone", "m1", policy)
    assert world.load().field("Phone").value == "m1"
    (row,) = world.audit.values()
    assert (row["rule"], row["winner"], row["lost"]["value"]) == ("26", "salesforce", "p1")
    world.settle()
    assert world.record is not None
    assert world.record["Phone"] == "m1"


def test_rule_23_a_pushed_write_to_the_former_id_tells_nothing_of_the_new_one() -> None:
    """What the new record holds instead is no trigger's doing: it is written again, where it would be held back."""
    world = went_on_unheard("total", "Total__c", None)
    assert not world.load().field("Total__c").overruled
    world.settle()
    assert world.record is not None
    assert world.record["Total__c"] == "p1"


def test_rule_23_what_the_new_record_has_of_our_write_is_no_edit() -> None:
    """It was carried over: the platform's next word, heard before the new record was read, stands over it."""
    world = linked()
    post(world, "p1")
    assert world.write() == "ok"
    world.merge({"Phone": "p1"})
    state = world.load()
    moved(state, world.record_id, now=world.now, claimed=False)
    world.save(state)
    world.now += 5_000
    post(world, "p2")
    world.now += 5_000
    assert world.write() == "read"
    assert world.load().field("Phone").value == "p2"
    assert not world.audit


def test_rule_23_changes_of_the_former_id_still_count_by_their_commit() -> None:
    """One committed later than what was heard is taken in; one committed before is not; its deletion says nothing."""
    world = linked()
    world.merge({"Phone": "v1"})
    world.settle()
    position = world.load().position
    later = former(ChangeType.UPDATE, position._replace(timestamp=position.timestamp + 100_000), {"Phone": "s2"})
    last = link(world).positions[RECORD]
    before = former(ChangeType.UPDATE, last._replace(timestamp=last.timestamp - 1), {"Phone": "s3"})
    gone = former(ChangeType.DELETE, position._replace(timestamp=position.timestamp + 200_000), {})
    assert [taken(world, change) for change in (before, later, gone)] == [
        Outcome.DUPLICATE,
        Outcome.APPLIED,
        Outcome.APPLIED,
    ]
    assert world.load().fields["Phone"].value == "s2"
    assert not link(world).gone


def former(change_type: ChangeType, position: CommitPosition, fields: dict[str, Any]) -> Change:
    """A change of the record's former id."""
    return Change(
        entity="Contact", record_id=RECORD, type=change_type, position=position, transaction_key="t", fields=fields
    )


def taken(world: World, change: Change) -> Outcome:
    """How a change ends."""
    world.stream.append(change)
    world.unheard = len(world.stream) - 1
    result = world.deliver_change()
    assert result is not None
    return result.outcome


def test_rule_23_a_former_id_that_is_undeleted_is_another_record() -> None:
    """A merge taken back: what is edited there from then on is not the document's."""
    world = linked()
    world.merge({"Phone": "v1"})
    world.settle()
    position = world.load().position
    back = former(ChangeType.UNDELETE, position._replace(timestamp=position.timestamp + 100), {})
    edit = former(ChangeType.UPDATE, position._replace(timestamp=position.timestamp + 200), {"Phone": "s2"})
    assert [taken(world, change) for change in (back, edit)] == [Outcome.APPLIED, Outcome.IGNORED]
    assert world.load().fields["Phone"].value == "v1"
    assert link(world).former == ()


def test_rule_23_an_answer_for_the_former_id_does_not_claim_the_new_one() -> None:
    """It came too late: the record that took the place has still to be given our external id."""
    world = linked()
    post(world, "p1")
    assert world.write("killed") == "killed"
    number = world.load().last_number
    world.merge({"Phone": "v1"})
    world.deliver_change()
    world.now += TIMING.answer_within
    assert world.write() == "followed"
    state = world.load()
    answered(state, world.kind, number, RowResult(RECORD), RetryPolicy(), now=world.now)
    world.save(state)
    assert not link(world).claimed
    world.settle()
    assert world.record is not None
    assert world.record["Ext__c"] == "c-1"


def test_rule_23_a_record_merged_into_anothers_is_not_made_anew() -> None:
    """Whatever is edited since: there would be a second record of one person. An undelete ends it."""
    world = linked(salesforce="recreate")
    world.delete()
    world.deliver_change()
    state = world.load()
    stays_gone(state)
    state.refusal = Refusal({}, MERGED_INTO_ANOTHERS, "", world.now)
    world.save(state)
    post(world, "p1")
    assert isinstance(step(world), Nothing)
    world.undelete()
    world.settle()
    assert world.record is not None
    assert (world.record["Phone"], status(world)) == ("p1", "synced")


def taken_over_unanswered() -> World:
    """A record that took the place of another has been given our external id by a write that nobody has answered."""
    world = linked()
    world.merge({"Phone": "v1"})
    while world.record is None or world.record.get("Ext__c") != "c-1":
        world.deliver_change()
        world.now += TIMING.quiet_before_read
        world.write("unanswered")
    assert not link(world).claimed
    return world


def test_rule_23_the_event_of_a_write_says_that_it_has_given_our_external_id() -> None:
    """As of a Bulk job whose event is quicker than whoever asks after it: nothing is written again."""
    world = taken_over_unanswered()
    assert world.settle() == 0
    assert link(world).claimed


def test_rule_23_the_row_that_shows_a_write_says_that_it_has_given_our_external_id() -> None:
    """Where no event of it is heard."""
    world = taken_over_unanswered()
    world.unheard = len(world.stream)
    state = world.load()
    state.read_reason = "somebody looks"
    world.save(state)
    assert world.settle() == 0
    assert link(world).claimed


def test_rule_23_a_record_taken_over_is_given_our_external_id_once() -> None:
    """By a write of its own where nothing else is due; refused, it is not asked for again."""
    world = linked()
    world.merge({"Phone": "v1"})
    assert world.settle() == 1
    assert link(world).claimed
    state: DocumentState = world.load()
    assert state.link is not None
    state.link.claimed = False
    state.refusal = Refusal({}, "DUPLICATE_VALUE", "taken", world.now)
    world.save(state)
    assert isinstance(step(world), Nothing)
