"""The observer on long histories: a perfect sync leaves no finding, and one planted fault is found."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.perfect_sync import NAMES, PerfectSync

from simulator.observer.verdict import Fault

seeds = st.integers(min_value=0, max_value=2**32)


@settings(max_examples=60, deadline=None)
@given(seed=seeds, customers=st.integers(1, 6), steps=st.integers(0, 150))
def test_a_perfect_sync_is_clean(seed: int, customers: int, steps: int) -> None:
    """Conflicts, triggers, stale views, values that come again: none of them is a fault."""
    verdict = PerfectSync(seed, customers, steps).witnesses.verdict()
    assert [finding.tell(explain=True) for finding in verdict.findings] == []


@pytest.fixture(scope="module")
def seed() -> int:
    """One large history for each planted fault; any seed must do."""
    return 20261122


def large(seed: int) -> PerfectSync:
    return PerfectSync(seed, customers=60, steps=4_000)


def test_a_large_history_is_clean_and_is_no_idle_one(seed: int) -> None:
    """There is much to judge in it."""
    verdict = large(seed).witnesses.verdict()
    assert verdict.clean
    assert verdict.conflicts > 200
    assert verdict.platform_edits > 1_000
    assert verdict.salesforce_edits > 1_000
    assert verdict.unsure > 20


@settings(max_examples=8, deadline=None)
@given(choice=st.integers(0, 10_000))
def test_an_edit_that_goes_back_unseen_is_found(seed: int, choice: int) -> None:
    """Both sides are set back to what they held before the last edit: equal, quiet, and wrong."""
    sync = large(seed)
    customer = random.Random(choice).choice(sync.customers)
    held = sync.witnesses.records[customer.record]
    held["Title"] = "What was before"
    sync.witnesses.documents[customer.id]["title"] = "What was before"
    findings = sync.witnesses.verdict().findings
    assert {(finding.fault, finding.document, finding.field) for finding in findings} == {
        (Fault.LOST, customer.id, "Title")
    }


@settings(max_examples=8, deadline=None)
@given(choice=st.integers(0, 10_000))
def test_a_conflict_that_is_settled_in_silence_is_found(seed: int, choice: int) -> None:
    """The last edit of a field loses by the policy, and its row is missing."""
    sync = large(seed)
    customer = random.Random(choice).choice(sync.customers)
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
def test_a_field_that_is_different_is_found(seed: int, choice: int, path: str) -> None:
    """One document of sixty shows something else than its record."""
    sync = large(seed)
    customer = random.Random(choice).choice(sync.customers)
    sync.witnesses.documents[customer.id][path] = "Something else"
    different = sync.witnesses.verdict().different
    assert [(one.document, one.field) for one in different] == [(customer.id, NAMES[path])]


@settings(max_examples=8, deadline=None)
@given(choice=st.integers(0, 10_000))
def test_an_echo_is_found(seed: int, choice: int) -> None:
    """A user's last edit is taken over, and then written back."""
    sync = large(seed)
    customer = random.Random(choice).choice(sync.customers)
    sync.witnesses.user(sync.now + 10, customer.record, Title="Set by a user")
    sync.witnesses.documents[customer.id]["title"] = "Set by a user"
    assert sync.witnesses.verdict().clean
    commit = sync.witnesses.ours(sync.now + 20, document=customer.id, record=customer.record, Title="Set by a user")
    (finding,) = sync.witnesses.verdict().findings
    assert (finding.fault, finding.field, finding.where) == (Fault.ECHOED, "Title", f"commit {commit}")


@settings(max_examples=8, deadline=None)
@given(choice=st.integers(0, 10_000))
def test_a_doubled_record_is_found(seed: int, choice: int) -> None:
    """One more Contact than there are customers."""
    sync = large(seed)
    customer = random.Random(choice).choice(sync.customers)
    copy = {**sync.witnesses.records[customer.record], "Id": "003999999999999AAA"}
    sync.witnesses.records["003999999999999AAA"] = copy
    (finding,) = sync.witnesses.verdict().findings
    assert (finding.fault, finding.document) == (Fault.DOUBLED, customer.id)
