"""The observer on long histories: a perfect sync leaves no finding, and one planted fault is found."""

import copy
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.perfect_sync import NAMES, Customer, PerfectSync

from simulator.observer.verdict import Fault

seeds = st.integers(min_value=0, max_value=2**32)


@settings(max_examples=60, deadline=None)
@given(seed=seeds, customers=st.integers(1, 6), steps=st.integers(0, 150))
def test_a_perfect_sync_is_clean(seed: int, customers: int, steps: int) -> None:
    """Conflicts, triggers, stale views, values that come again: none of them is a fault."""
    verdict = PerfectSync(seed, customers, steps).witnesses.verdict()
    assert [finding.tell(explain=True) for finding in verdict.findings] == []


@settings(max_examples=40, deadline=None)
@given(seed=seeds, customers=st.integers(1, 4), steps=st.integers(0, 100))
def test_a_perfect_sync_is_clean_though_records_are_merged(seed: int, customers: int, steps: int) -> None:
    """Whichever of two goes: the thing's history goes on in the one that stays."""
    verdict = PerfectSync(seed, customers, steps, merges=True).witnesses.verdict()
    assert [finding.tell(explain=True) for finding in verdict.findings] == []


@settings(max_examples=40, deadline=None)
@given(seed=seeds, customers=st.integers(1, 4), steps=st.integers(0, 100), merges=st.booleans())
def test_a_perfect_sync_is_clean_though_records_are_deleted(
    seed: int, customers: int, steps: int, merges: bool
) -> None:
    """And undeleted, with edits on both sides before, meanwhile and after."""
    verdict = PerfectSync(seed, customers, steps, merges=merges, deletions=True).witnesses.verdict()
    assert [finding.tell(explain=True) for finding in verdict.findings] == []


@settings(max_examples=8, deadline=None)
@given(seed=seeds)
def test_a_deletion_that_is_lost_is_found(seed: int) -> None:
    """Each document that says something else of its record than the org's log does, and no other."""
    sync = PerfectSync(seed, 12, 150, merges=True, deletions=True)
    wrong = {customer.id for customer in sync.customers if sync.random.random() < 0.5}
    for customer in wrong:
        shown = sync.witnesses.documents[customer]["salesforce"]
        shown["syncStatus"] = "synced" if shown["syncStatus"] == "gone" else "gone"
    findings = sync.witnesses.verdict().findings
    assert {(one.fault, one.document, one.field) for one in findings} == {(Fault.LOST, one, "") for one in wrong}


@settings(max_examples=8, deadline=None)
@given(seed=seeds)
def test_an_edit_that_a_merge_has_lost_is_found(seed: int) -> None:
    """The platform's last edit came before a merge that nobody had told of it, and neither survived nor has a row."""
    sync = PerfectSync(seed, 3, 60, merges=True)
    customer, witnesses = sync.customers[0], sync.witnesses
    held, other = dict(witnesses.records[customer.record]), "003999999999999AAA"
    event = witnesses.sent(sync.now + 10, {"title": "Of no avail"}, changed=["title"], document=customer.id)
    witnesses.user(sync.now + 20, other, **{name: held[name] for name in NAMES.values() if held.get(name)})
    witnesses.merged(sync.now + 30, customer.record, other)
    witnesses.ours(sync.now + 40, document=customer.id, record=other)
    (finding,) = witnesses.verdict().findings
    assert (finding.fault, finding.document, finding.where) == (Fault.LOST, customer.id, f"event {event}")


@pytest.fixture(scope="module")
def history() -> PerfectSync:
    """One large history; a fault is planted in a copy of it. Any seed must do."""
    return PerfectSync(20261122, customers=40, steps=2_500)


def copy_of(history: PerfectSync, choice: int) -> tuple[PerfectSync, Customer]:
    """A copy to plant a fault in, and the customer to plant it on."""
    sync = copy.deepcopy(history)
    return sync, random.Random(choice).choice(sync.customers)


def test_a_large_history_is_clean_and_is_no_idle_one(history: PerfectSync) -> None:
    """There is much to judge in it."""
    verdict = history.witnesses.verdict()
    assert verdict.clean
    assert verdict.conflicts > 150
    assert verdict.platform_edits > 800
    assert verdict.salesforce_edits > 500
    assert verdict.unsure > 20


@settings(max_examples=8, deadline=None)
@given(choice=st.integers(0, 10_000))
def test_an_edit_that_goes_back_unseen_is_found(history: PerfectSync, choice: int) -> None:
    """An older value comes back over the last edit on both sides: equal, quiet, and wrong."""
    sync, customer = copy_of(history, choice)
    before = sync.witnesses.records[customer.record].get("Title")
    both = {"document": customer.id, "record": customer.record}
    event = sync.witnesses.sent(sync.now + 10, {"title": "The last"}, changed=["title"], document=customer.id)
    sync.witnesses.ours(sync.now + 20, **both, Title="The last")
    sync.witnesses.ours(sync.now + 30, **both, Title=before)
    (finding,) = sync.witnesses.verdict().findings
    assert (finding.fault, finding.document, finding.where) == (Fault.LOST, customer.id, f"event {event}")


@settings(max_examples=8, deadline=None)
@given(choice=st.integers(0, 10_000))
def test_a_conflict_that_is_settled_in_silence_is_found(history: PerfectSync, choice: int) -> None:
    """The last edit of a field loses by the policy, and its row is missing."""
    sync, customer = copy_of(history, choice)
    sync.witnesses.sent(sync.now + 10, {"title": "Of no avail"}, changed=["title"], seen=0, document=customer.id)
    verdict = sync.witnesses.verdict()
    assert [(one.fault, one.document, one.field) for one in verdict.findings] == [(Fault.LOST, customer.id, "Title")]
    final = sync.witnesses.documents[customer.id]["title"]
    sync.witnesses.settled(
        "title",
        "Title",
        ("Of no avail", sync.now + 10),
        (final, sync.now),
        winner="salesforce",
        document=customer.id,
    )
    assert sync.witnesses.verdict().clean


@settings(max_examples=8, deadline=None)
@given(choice=st.integers(0, 10_000), path=st.sampled_from(sorted(NAMES)))
def test_a_field_that_is_different_is_found(history: PerfectSync, choice: int, path: str) -> None:
    """One document of forty shows something else than its record."""
    sync, customer = copy_of(history, choice)
    sync.witnesses.documents[customer.id][path] = "Something else"
    different = sync.witnesses.verdict().different
    assert [(one.document, one.field) for one in different] == [(customer.id, NAMES[path])]


@settings(max_examples=8, deadline=None)
@given(choice=st.integers(0, 10_000))
def test_an_echo_is_found(history: PerfectSync, choice: int) -> None:
    """A user's last edit is taken over, and then written back."""
    sync, customer = copy_of(history, choice)
    sync.witnesses.user(sync.now + 10, customer.record, Title="Set by a user")
    sync.witnesses.documents[customer.id]["title"] = "Set by a user"
    assert sync.witnesses.verdict().clean
    commit = sync.witnesses.ours(sync.now + 20, document=customer.id, record=customer.record, Title="Set by a user")
    (finding,) = sync.witnesses.verdict().findings
    assert (finding.fault, finding.field, finding.where) == (Fault.ECHOED, "Title", f"commit {commit}")


@settings(max_examples=8, deadline=None)
@given(choice=st.integers(0, 10_000))
def test_a_doubled_record_is_found(history: PerfectSync, choice: int) -> None:
    """One more Contact than there are customers."""
    sync, customer = copy_of(history, choice)
    double = {**sync.witnesses.records[customer.record], "Id": "003999999999999AAA"}
    sync.witnesses.records["003999999999999AAA"] = double
    (finding,) = sync.witnesses.verdict().findings
    assert (finding.fault, finding.document) == (Fault.DOUBLED, customer.id)
