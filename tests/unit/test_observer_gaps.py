"""What was made in a gap and written over before its repair nobody can know of; and nothing else is excused."""

from typing import Any

import pytest
from support.witnesses import RECORD, Witnesses, synced

from simulator.observer.verdict import Fault

REFUSED = {"reason": "position_refused", "since": 250, "until": 350}


def buried(*gaps: dict[str, Any]) -> Witnesses:
    """A user's edit at 300, written over by us at 400, of which the audit tells nothing."""
    witnesses = synced()
    witnesses.gaps = list(gaps)
    witnesses.user(300, Title="Chair")
    witnesses.sent(310, {"title": "Guest"}, changed=["title"])
    witnesses.ours(400, Title="Guest")
    witnesses.shows(4, last_name="Ionescu", title="Guest")
    return witnesses


@pytest.mark.parametrize(
    "gap",
    [
        REFUSED,
        {**REFUSED, "reason": "position_expired"},
        {"reason": "overflow", "entity": "Contact", "since": 300, "until": 300},
        {"reason": "gap_event", "entity": "Contact", "since": 300, "until": 300, "record_ids": [RECORD]},
    ],
)
def test_what_a_gap_hid_and_our_write_buried_is_counted_and_no_loss(gap: dict[str, Any]) -> None:
    """However the gap came about."""
    verdict = buried(gap).verdict()
    assert verdict.clean
    assert verdict.unheard == 1


@pytest.mark.parametrize(
    "gap",
    [
        {**REFUSED, "since": 301},
        {**REFUSED, "until": 299},
        {"reason": "overflow", "entity": "Account", "since": 300, "until": 300},
        {"reason": "gap_event", "entity": "Contact", "since": 300, "until": 300, "record_ids": ["003000000000009AAA"]},
        {"reason": "offset_out_of_range", "since": 0, "until": 1_000},
    ],
)
def test_an_edit_outside_a_gap_is_lost(gap: dict[str, Any]) -> None:
    """Another time, another object, another record, another log."""
    verdict = buried(gap).verdict()
    assert [finding.fault for finding in verdict.findings] == [Fault.LOST]
    assert verdict.unheard == 0


def test_an_edit_in_a_gap_that_the_record_still_holds_must_come_over() -> None:
    """Its repair reads the record."""
    witnesses = synced()
    witnesses.gaps = [REFUSED]
    witnesses.user(300, Title="Chair")
    assert {finding.fault for finding in witnesses.verdict().findings} == {Fault.LOST, Fault.DIFFERENT}


def test_an_edit_of_the_platform_is_never_excused_by_a_gap() -> None:
    """The webhook has no gaps."""
    witnesses = synced()
    witnesses.gaps = [REFUSED]
    witnesses.sent(300, {"title": "Chair"}, changed=["title"])
    assert [finding.fault for finding in witnesses.verdict().findings] == [Fault.LOST]
