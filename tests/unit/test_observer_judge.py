"""The observer finds each sort of fault in a small history written by hand, and nothing in those without."""

from typing import Any

import pytest
from support.witnesses import CUSTOMER, RECORD, Witnesses, synced

from schemas.mapping import Creation, OnDelete, OnMerge, SalesforceDeletion
from simulator.observer.verdict import Fault


def faults(witnesses: Witnesses, **named: int) -> list[tuple[str, str]]:
    return [(str(finding.fault), finding.field) for finding in witnesses.verdict(**named).findings]


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    """A customer created, written and at rest."""
    witnesses = synced()
    verdict = witnesses.verdict()
    assert verdict.clean
    assert (verdict.platform_edits, verdict.salesforce_edits, verdict.writes) == (2, 0, 1)


# --- lost ---


def test_a_platform_edit_that_no_side_holds_is_lost() -> None:
    """Acknowledged, and gone: the document and the record still hold what was before."""
    witnesses = synced()
    event = witnesses.sent(300, {"title": "Chair"}, changed=["title"])
    (finding,) = witnesses.verdict().findings
    assert (finding.fault, finding.document, finding.field) == (Fault.LOST, CUSTOMER, "Title")
    assert finding.where == f"event {event}"
    assert finding.values["lost"] == "Chair"


def test_a_platform_edit_that_was_never_acknowledged_may_vanish() -> None:
    """Only what was answered 2xx is promised."""
    witnesses = synced()
    witnesses.sent(300, {"title": "Chair"}, changed=["title"], statuses=(503, 500))
    assert faults(witnesses) == []


def test_one_answer_of_2xx_among_several_posts_is_an_acknowledgement() -> None:
    """A post that is repeated until it is taken is one event."""
    witnesses = synced()
    witnesses.sent(300, {"title": "Chair"}, changed=["title"], statuses=(503, 202))
    assert faults(witnesses) == [("lost", "Title")]


def test_a_salesforce_edit_that_no_side_holds_is_lost() -> None:
    """The user's value was overwritten by our write, whose author had never seen it."""
    witnesses = synced()
    witnesses.user(300, Title="Chair")
    witnesses.sent(310, {"title": "Guest"}, changed=["title"])
    witnesses.ours(400, Title="Guest")
    witnesses.shows(4, last_name="Ionescu", title="Guest")
    (finding,) = witnesses.verdict().findings
    assert (finding.fault, finding.field, finding.where) == (Fault.LOST, "Title", "commit 2")


def test_an_edit_overwritten_by_an_author_who_had_seen_it_is_not_lost() -> None:
    """The platform looked, saw the user's value, and set another."""
    witnesses = synced()
    witnesses.user(300, Title="Chair")
    witnesses.looked(350, 4, {"title": "Chair"})
    witnesses.sent(360, {"title": "Guest"}, changed=["title"])
    witnesses.ours(400, Title="Guest")
    witnesses.shows(5, last_name="Ionescu", title="Guest")
    assert faults(witnesses) == []


def test_a_look_at_a_later_revision_than_the_one_named_does_not_count() -> None:
    """`seen` says which look the author worked from, however late the edit was sent."""
    witnesses = synced()
    witnesses.user(300, Title="Chair")
    witnesses.looked(350, 4, {"title": "Chair"})
    witnesses.sent(360, {"title": "Guest"}, changed=["title"], seen=3)
    witnesses.ours(400, Title="Guest")
    witnesses.shows(5, last_name="Ionescu", title="Guest")
    assert faults(witnesses) == [("lost", "Title")]


def test_a_user_who_overwrites_what_the_record_held_supersedes_it() -> None:
    """The platform's value was in the record when the user changed it."""
    witnesses = synced()
    witnesses.user(300, Title="Chair")
    witnesses.shows(4, last_name="Ionescu", title="Chair")
    assert faults(witnesses) == []


def test_a_user_who_overwrites_another_value_supersedes_nothing() -> None:
    """The platform's later edit had not reached the record, so the user cannot have seen it."""
    witnesses = synced()
    witnesses.sent(290, {"title": "Guest"}, changed=["title"])
    witnesses.user(300, Title="Chair")
    witnesses.shows(4, last_name="Ionescu", title="Chair")
    assert faults(witnesses) == [("lost", "Title")]


def test_salesforce_people_could_have_seen_only_what_stood_in_the_record() -> None:
    """One user's value, our write over it, and another user's over that: the later user never saw the first value."""
    witnesses = synced()
    witnesses.user(300, Title="Chair")
    witnesses.sent(310, {"title": "Guest"}, changed=["title"])
    witnesses.ours(400, Title="Guest")
    witnesses.user(450, Title="Host of hosts")
    witnesses.shows(4, last_name="Ionescu", title="Host of hosts")
    assert faults(witnesses) == [("lost", "Title")]
    witnesses.settled("title", "Title", ("Chair", 300), ("Host of hosts", 450), winner="salesforce", rule="12")
    witnesses.audit[-1]["lost"]["side"] = "salesforce"
    assert faults(witnesses) == []


def test_the_audit_accounts_for_the_loser_it_names() -> None:
    """The same history, with the row that a settled conflict leaves."""
    witnesses = synced()
    event = witnesses.sent(290, {"title": "Guest"}, changed=["title"])
    witnesses.user(300, Title="Chair")
    witnesses.shows(4, last_name="Ionescu", title="Chair")
    witnesses.settled("title", "Title", ("Guest", 290), ("Chair", 300), winner="salesforce", event=event)
    verdict = witnesses.verdict()
    assert verdict.clean
    assert verdict.conflicts == 1


def test_a_value_that_is_said_again_in_view_of_itself_is_one_edit() -> None:
    """Named as changed, while the document shows it already: the row dates it by the first time."""
    witnesses = synced()
    witnesses.sent(290, {"title": "Guest"}, changed=["title"])
    witnesses.user(300, Title="Chair")
    witnesses.looked(310, 4, {"title": "Guest"})
    witnesses.sent(320, {"title": "Guest"}, changed=["title"])
    witnesses.settled("title", "Title", ("Guest", 290), ("Chair", 300), winner="salesforce")
    witnesses.shows(5, last_name="Ionescu", title="Chair")
    assert faults(witnesses) == []


def test_an_audit_row_of_another_edit_with_the_same_value_does_not_account_for_it() -> None:
    """The same value lost twice needs two rows."""
    witnesses = synced()
    witnesses.sent(290, {"title": "Guest"}, changed=["title"])
    witnesses.user(300, Title="Chair")
    witnesses.settled("title", "Title", ("Guest", 290), ("Chair", 300), winner="salesforce")
    witnesses.looked(320, 4, {"title": "Chair"})
    witnesses.sent(330, {"title": "Guest"}, changed=["title"])
    witnesses.shows(4, last_name="Ionescu", title="Chair")
    assert faults(witnesses) == [("lost", "Title")]


def test_an_audit_row_that_names_it_the_winner_does_not_account_for_an_edit() -> None:
    """Only the loser has a reason to be gone."""
    witnesses = synced()
    witnesses.sent(290, {"title": "Guest"}, changed=["title"])
    witnesses.user(300, Title="Chair")
    witnesses.shows(4, last_name="Ionescu", title="Chair")
    witnesses.settled("title", "Title", ("Guest", 290), ("Chair", 300), winner="platform")
    assert faults(witnesses) == [("lost", "Title")]


def test_unchanged_values_of_a_whole_record_are_no_edits() -> None:
    """A name change that posts the old title along does not set the title."""
    witnesses = synced()
    witnesses.user(300, Title="Chair")
    witnesses.sent(350, {"title": "Host", "last_name": "Popescu"}, edits=["last_name"])
    witnesses.ours(400, LastName="Popescu")
    witnesses.shows(5, last_name="Popescu", title="Chair")
    assert faults(witnesses) == []


def test_a_new_value_in_a_whole_record_is_an_edit() -> None:
    """Its author changed it, and it was never a value of the field."""
    witnesses = synced()
    witnesses.sent(300, {"title": "Guest", "last_name": "Ionescu"}, edits=["title"])
    assert faults(witnesses) == [("lost", "Title")]


def test_an_old_value_in_a_whole_record_is_not_sure_to_be_an_edit() -> None:
    """Only its author can tell it from a stale view; it is counted, and not called lost."""
    witnesses = synced()
    witnesses.sent(300, {"title": "Guest"}, changed=["title"])
    witnesses.ours(320, Title="Guest")
    witnesses.looked(330, 4, {"title": "Guest"})
    witnesses.sent(400, {"title": "Host", "last_name": "Ionescu"}, edits=["title"])
    witnesses.shows(4, last_name="Ionescu", title="Guest")
    verdict = witnesses.verdict()
    assert verdict.clean
    assert verdict.unsure == 1


def test_a_named_return_to_an_old_value_is_an_edit() -> None:
    """Named as changed, it must be accounted for whatever it was before."""
    witnesses = synced()
    witnesses.sent(300, {"title": "Guest"}, changed=["title"])
    witnesses.ours(320, Title="Guest")
    witnesses.sent(400, {"title": "Host"}, changed=["title"])
    witnesses.shows(4, last_name="Ionescu", title="Guest")
    assert faults(witnesses) == [("lost", "Title")]


def test_a_whole_record_that_puts_a_value_back_unseen_is_a_loss() -> None:
    """A name change made from a stale view must not undo the title that the platform set meanwhile."""
    witnesses = synced()
    witnesses.sent(300, {"title": "Guest"}, changed=["title"])
    witnesses.ours(310, Title="Guest")
    witnesses.sent(350, {"title": "Host", "last_name": "Popescu"}, edits=["last_name"])
    witnesses.ours(400, LastName="Popescu", Title="Host")
    witnesses.shows(5, last_name="Popescu", title="Host")
    assert faults(witnesses) == [("lost", "Title")]


def test_naming_what_was_not_changed_is_no_edit() -> None:
    """A save without a change asks for nothing, so nothing is lost when a user's value stays."""
    witnesses = synced()
    witnesses.sent(300, {"title": "Host"}, edits=[], changed=["title"])
    witnesses.user(310, Title="Chair")
    witnesses.shows(4, last_name="Ionescu", title="Chair")
    assert faults(witnesses) == []


def test_platform_edits_of_one_millisecond_may_stand_in_any_order() -> None:
    """Ties go by arrival, which the platform cannot tell."""
    witnesses = synced()
    witnesses.sent(300, {"title": "Guest"}, changed=["title"])
    witnesses.sent(300, {"title": "Chair"}, changed=["title"])
    witnesses.ours(400, Title="Guest")
    witnesses.shows(4, last_name="Ionescu", title="Guest")
    assert faults(witnesses) == []


def test_a_cleared_field_is_an_edit_like_any_other() -> None:
    """Null that came back to life is a loss."""
    witnesses = synced()
    witnesses.sent(300, {"title": None}, changed=["title"])
    assert faults(witnesses) == [("lost", "Title")]


def test_what_a_trigger_makes_of_our_write_supersedes_it() -> None:
    """The trigger ran on the very value that we asked for."""
    witnesses = synced()
    witnesses.sent(300, {"title": "chair"}, changed=["title"])
    witnesses.ours(400, Title="chair", triggers={"Title": "CHAIR"})
    witnesses.shows(5, last_name="Ionescu", title="CHAIR")
    assert faults(witnesses) == []


def test_a_trigger_that_puts_the_old_value_back_supersedes_our_write() -> None:
    """The commit shows no difference; what was asked for shows that the trigger decided."""
    witnesses = synced()
    witnesses.sent(300, {"title": "chair"}, changed=["title"])
    witnesses.ours(400, Title="chair", triggers={"Title": "Host"})
    witnesses.shows(5, last_name="Ionescu", title="Host")
    assert faults(witnesses) == []


def test_what_a_trigger_sets_beside_our_write_must_not_be_lost() -> None:
    """A trigger's edit is an edit: the platform's older value came back over it."""
    witnesses = synced()
    witnesses.sent(300, {"last_name": "Popescu"}, changed=["last_name"])
    witnesses.ours(400, LastName="Popescu", triggers={"Title": "VIP"})
    witnesses.ours(500, Title="Host")
    witnesses.shows(5, last_name="Popescu", title="Host")
    assert faults(witnesses) == [("lost", "Title")]


def test_values_are_compared_as_the_mapping_compares_them() -> None:
    """A phone number written in two ways is one value."""
    witnesses = synced(phone="0721 234 567")
    witnesses.records[RECORD]["Phone"] = "+40721234567"
    witnesses.shows(4, last_name="Ionescu", title="Host", phone="+40 721 234 567")
    assert faults(witnesses) == []


def test_an_acknowledged_customer_without_a_document_is_lost() -> None:
    """The whole creation vanished."""
    witnesses = synced()
    witnesses.sent(300, {"last_name": "Pop"}, type="customer.created", document="cust-2")
    (finding,) = witnesses.verdict().findings
    assert (finding.fault, finding.document) == (Fault.LOST, "cust-2")


# --- doubled ---


def test_two_records_with_one_external_id_are_doubled() -> None:
    """An upsert that was repeated as a create."""
    witnesses = synced()
    witnesses.ours(210, record="003000000000002AAA", LastName="Ionescu", Title="Host")
    assert faults(witnesses) == [("doubled", "")]


def test_a_record_of_ours_that_belongs_to_nothing_is_doubled() -> None:
    """A Contact more than there are customers, made by us and without an external id."""
    witnesses = synced()
    witnesses.commit(
        210,
        {"LastName": "Ionescu"},
        "api",
        record="003000000000002AAA",
        written={"LastName": "Ionescu"},
        client="tandem/1",
    )
    assert faults(witnesses) == [("doubled", "")]


def test_a_record_that_a_user_made_is_not_ours_to_judge() -> None:
    """Salesforce people have Contacts of their own."""
    witnesses = synced()
    witnesses.user(210, record="003000000000002AAA", LastName="Ionescu")
    assert faults(witnesses) == []


def test_two_documents_linked_to_one_record_are_doubled() -> None:
    """Both would write to it."""
    witnesses = synced()
    witnesses.sent(300, {"last_name": "Pop"}, type="customer.created", document="cust-2")
    witnesses.ours(310, document="cust-2", record="003000000000002AAA", LastName="Pop")
    witnesses.shows(3, document="cust-2", last_name="Pop")
    assert faults(witnesses) == [("doubled", "")]


def test_a_document_that_no_event_named_is_doubled() -> None:
    """One thing under a second id."""
    witnesses = synced()
    witnesses.shows(1, document="customer-1", record="", last_name="Ionescu")
    assert faults(witnesses) == [("doubled", "")]


# --- echoed ---


def test_a_write_that_carries_a_users_value_back_is_an_echo() -> None:
    """It changes nothing in the record, so that only the request shows it."""
    witnesses = synced()
    witnesses.user(300, Title="Chair")
    witnesses.ours(400, Title="Chair")
    witnesses.shows(4, last_name="Ionescu", title="Chair")
    (finding,) = witnesses.verdict().findings
    assert (finding.fault, finding.field, finding.where) == (Fault.ECHOED, "Title", "commit 3")


def test_a_write_that_carries_a_triggers_value_back_is_an_echo() -> None:
    """What the trigger set beside our write is Salesforce's own."""
    witnesses = synced()
    witnesses.sent(300, {"last_name": "Popescu"}, changed=["last_name"])
    witnesses.ours(400, LastName="Popescu", triggers={"Title": "VIP"})
    witnesses.ours(500, Title="VIP")
    witnesses.shows(5, last_name="Popescu", title="VIP")
    assert faults(witnesses) == [("echoed", "Title")]


def test_a_write_whose_mark_and_token_were_forgotten_is_still_ours() -> None:
    """The same integration user wrote before: an echo without a token is an echo."""
    witnesses = synced()
    witnesses.user(300, Title="Chair")
    witnesses.commit(400, {"Title": "Chair"}, "api", written={"Title": "Chair"})
    witnesses.shows(4, last_name="Ionescu", title="Chair")
    assert faults(witnesses) == [("echoed", "Title")]


def test_a_write_that_the_platform_asked_for_is_no_echo() -> None:
    """Both people chose the same value, each without the other."""
    witnesses = synced()
    witnesses.user(300, Title="Chair")
    witnesses.sent(310, {"title": "Chair"}, changed=["title"])
    witnesses.ours(400, Title="Chair")
    witnesses.shows(4, last_name="Ionescu", title="Chair")
    assert faults(witnesses) == []


def test_an_old_wish_of_the_platforms_does_not_excuse_an_echo() -> None:
    """Salesforce had moved on from it before a user set that value again."""
    witnesses = synced()
    witnesses.user(300, Title="Chair")
    witnesses.user(310, Title="Host")
    witnesses.ours(400, Title="Host")
    assert faults(witnesses) == [("echoed", "Title")]


def test_putting_back_what_our_own_write_had_buried_is_no_echo() -> None:
    """Salesforce wins the conflict after our write has landed over it: the record needs its value back."""
    witnesses = synced()
    witnesses.user(300, Title="Chair")
    event = witnesses.sent(305, {"title": "Guest"}, changed=["title"])
    witnesses.ours(310, Title="Guest")
    witnesses.ours(400, Title="Chair")
    witnesses.shows(5, last_name="Ionescu", title="Chair")
    witnesses.settled("title", "Title", ("Guest", 305), ("Chair", 300), winner="salesforce", event=event)
    assert faults(witnesses) == []


def test_writing_that_goes_on_at_rest_is_an_echo() -> None:
    """Two sides that answer each other for ever."""
    witnesses = synced()
    resting_since = len(witnesses.commits)
    assert faults(witnesses, resting_since=resting_since) == []
    witnesses.ours(900, Title="Host")
    assert faults(witnesses, resting_since=resting_since) == [("echoed", "")]


# --- different ---


def test_a_field_unequal_at_rest_is_different() -> None:
    """A user's edit that never came to the document: unequal, and thereby lost too."""
    witnesses = synced()
    witnesses.user(300, Title="Chair")
    assert sorted(faults(witnesses)) == [("different", "Title"), ("lost", "Title")]


def test_only_two_way_fields_must_be_equal() -> None:
    """A push-only field that a user changed stands apart; the platform's edit of it is superseded."""
    witnesses = synced()
    witnesses.sent(300, {"total_tickets": 3}, changed=["total_tickets"])
    witnesses.ours(310, Total_Tickets__c=3)
    witnesses.user(320, Total_Tickets__c=4)
    witnesses.shows(4, last_name="Ionescu", title="Host", total_tickets=3)
    assert faults(witnesses) == []


def test_a_document_without_a_record_is_different() -> None:
    """The customer never reached Salesforce."""
    witnesses = synced()
    witnesses.sent(300, {"last_name": "Pop"}, type="customer.created", document="cust-2")
    witnesses.shows(1, document="cust-2", record="", last_name="Pop")
    assert faults(witnesses) == [("different", "")]


@pytest.mark.parametrize(("deleted_by", "status"), [("platform", "deleted"), ("salesforce", "gone")])
def test_what_one_side_deleted_is_not_compared(deleted_by: str, status: str) -> None:
    """Nothing is written through a deletion, so the fields may stay as they were."""
    witnesses = synced()
    if deleted_by == "platform":
        witnesses.sent(300, {}, type="customer.deleted")
    else:
        witnesses.ended(300, RECORD, "DELETE", IsDeleted=True)
    witnesses.shows(4, sync_status=status, last_name="Ionescu", title="Unwritten")
    verdict = witnesses.verdict()
    assert verdict.clean
    assert verdict.apart == 1


# --- deletions ---


def with_deletion(after: str, **more: Any) -> Witnesses:
    """The customer, whose record a user deletes at 300: commit 2. `after` is what the mapping says that follows."""
    witnesses = synced()
    kind = witnesses.mapping.kinds["customer"]
    changed = kind.model_copy(update={"on_delete": OnDelete(salesforce=SalesforceDeletion(after)), **more})
    witnesses.mapping = witnesses.mapping.model_copy(update={"kinds": {"customer": changed}})
    witnesses.ended(300, RECORD, "DELETE", IsDeleted=True)
    return witnesses


def shown_as(witnesses: Witnesses, status: str) -> list[tuple[str, str]]:
    """What is found where the document says this of its record."""
    witnesses.shows(4, sync_status=status, last_name="Ionescu", title="Host")
    return [(str(one.fault), one.where) for one in witnesses.verdict().findings]


@pytest.mark.parametrize(("after", "told"), [("unlink", "gone"), ("delete", "deleted")])
def test_a_deletion_in_salesforce_that_the_document_does_not_know_of_is_lost(after: str, told: str) -> None:
    """It is still linked and untouched, or says another thing than follows by the mapping."""
    witnesses = with_deletion(after)
    for status in ("synced", "pending", "error", "gone", "deleted", "merged"):
        assert shown_as(witnesses, status) == ([] if status == told else [("lost", "commit 2")])


def test_a_deleted_record_that_is_to_be_made_anew_is_missed() -> None:
    """Whatever the document says; unless the mapping makes no records of such things."""
    witnesses = with_deletion("recreate")
    assert shown_as(witnesses, "synced") == shown_as(witnesses, "gone") == [("different", "commit 2")]
    assert shown_as(with_deletion("recreate", create=Creation.NONE), "gone") == []
    assert shown_as(with_deletion("recreate", create=Creation.NONE), "synced") == [("lost", "commit 2")]
    witnesses.ours(400, record="003000000000002AAA", LastName="Ionescu", Title="Host")
    witnesses.shows(5, record="003000000000002AAA", last_name="Ionescu", title="Host")
    assert witnesses.verdict().clean


def test_a_child_that_went_with_its_parents_merge_may_belong_to_another_document() -> None:
    """Where the mapping keeps the master."""
    assert shown_as(with_deletion("unlink", on_merge=OnMerge.KEEP_MASTER), "merged") == []


def test_an_undeletion_that_the_document_does_not_know_of_is_lost() -> None:
    """The record is there again, and the document says that it is gone."""
    witnesses = with_deletion("unlink")
    witnesses.undeleted(400, RECORD)
    assert shown_as(witnesses, "gone") == [("lost", "commit 3")]
    assert shown_as(witnesses, "deleted") == [("lost", "commit 3")]
    assert shown_as(witnesses, "synced") == []


def test_a_record_deleted_again_is_judged_by_the_last_deletion() -> None:
    """It had come back in between."""
    witnesses = with_deletion("unlink")
    witnesses.undeleted(400, RECORD)
    witnesses.ended(500, RECORD, "DELETE", IsDeleted=True)
    assert shown_as(witnesses, "synced") == [("lost", "commit 4")]
    assert shown_as(witnesses, "gone") == []


def test_the_deletion_of_what_a_record_was_merged_into_counts() -> None:
    """The master had not been given the external id yet."""
    witnesses = synced()
    witnesses.user(290, "003000000000002AAA", LastName="Ionescu", Title="Host")
    witnesses.merged(300, RECORD, "003000000000002AAA")
    witnesses.ended(310, "003000000000002AAA", "DELETE", IsDeleted=True)
    assert shown_as(witnesses, "synced") == [("lost", "commit 4")]
    assert shown_as(witnesses, "gone") == []


def test_a_deletion_past_the_recycle_bin_is_told_by_nobody() -> None:
    """No change event tells of it; taking a deleted record out of the bin changes nothing."""
    past = synced()
    past.ended(300, RECORD, "DELETE", IsDeleted=True)
    past.commits[-1]["type"] = "HARD_DELETE"
    assert shown_as(past, "synced") == shown_as(past, "gone") == []
    emptied = with_deletion("unlink")
    emptied.commits.append({**emptied.commits[-1], "number": 3, "type": "HARD_DELETE"})
    assert shown_as(emptied, "synced") == [("lost", "commit 2")]


def test_a_record_that_we_deleted_is_missed_where_the_platform_took_its_deletion_back() -> None:
    """It is made anew, whatever follows a user's deletion."""
    witnesses = with_deletion("unlink")
    witnesses.commits[-1] |= {"by": {"IsDeleted": "api"}, "client": "tandem/1", "user": "005000000000001AAA"}
    assert shown_as(witnesses, "gone") == [("different", "commit 2")]


def test_a_platform_deletion_that_the_document_does_not_know_of_is_lost() -> None:
    """Unless it was never acknowledged."""
    witnesses = synced()
    event = witnesses.sent(300, {}, type="customer.deleted")
    assert shown_as(witnesses, "synced") == [("lost", f"event {event}")]
    refused = synced()
    refused.sent(300, {}, type="customer.deleted", statuses=(503,))
    assert shown_as(refused, "synced") == []


# --- telling ---


def test_values_are_told_only_on_request() -> None:
    """A finding names the document, the field and the event; personal data stays out of it."""
    witnesses = synced()
    witnesses.sent(300, {"title": "Chair"}, changed=["title"])
    (finding,) = witnesses.verdict().findings
    assert "Chair" not in finding.tell()
    assert "Chair" not in repr(finding)
    assert "Chair" in finding.tell(explain=True)
