"""What was made in a gap and written over before the gap was known nobody can know of; and nothing else is excused."""

from typing import Any

import pytest
from support.witnesses import RECORD, Witnesses, synced

from ops.processes.polled import UNTOLD_SECONDS
from simulator.observer.gaps import SOON_MS
from simulator.observer.verdict import Fault

REFUSED = {"reason": "position_refused", "since": 250, "until": 350}


OVERFLOW = {"reason": "overflow", "entity": "Contact", "since": 300, "until": 300}
NAMED = {"reason": "gap_event", "entity": "Contact", "since": 300, "until": 300, "record_ids": [RECORD]}
MINUTE = 60_000


def buried(*gaps: dict[str, Any], at: int = 400) -> Witnesses:
    """A user's edit at 300, written over by us, of which the audit tells nothing."""
    witnesses = synced()
    witnesses.gaps = list(gaps)
    witnesses.user(300, Title="Chair")
    witnesses.sent(310, {"title": "Guest"}, changed=["title"])
    witnesses.ours(at, Title="Guest")
    witnesses.shows(4, last_name="Ionescu", title="Guest")
    return witnesses


@pytest.mark.parametrize(
    "gap",
    [
        REFUSED,
        {**REFUSED, "reason": "position_expired"},
        OVERFLOW,
        NAMED,
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
        {**OVERFLOW, "entity": "Account"},
        {**NAMED, "record_ids": ["003000000000009AAA"]},
        {"reason": "offset_out_of_range", "since": 0, "until": 1_000},
    ],
)
def test_an_edit_outside_a_gap_is_lost(gap: dict[str, Any]) -> None:
    """Another time, another object, another record, another log."""
    verdict = buried(gap).verdict()
    assert [finding.fault for finding in verdict.findings] == [Fault.LOST]
    assert verdict.unheard == 0


@pytest.mark.parametrize("gap", [REFUSED, OVERFLOW, NAMED])
def test_an_edit_in_a_gap_that_we_wrote_over_once_we_could_know_of_it_is_lost(gap: dict[str, Any]) -> None:
    """A second after the gap was recorded nobody need know of it; a minute after it everybody does."""
    recorded = {**gap, "noticed_at": 5_000, "met_at": 5_000}
    soon = buried(recorded, at=5_000 + round(UNTOLD_SECONDS * 1_000)).verdict()
    assert (soon.clean, soon.unheard) == (True, 1)
    last = buried(recorded, at=5_000 + SOON_MS).verdict()
    assert (last.clean, last.unheard) == (True, 1)
    for at in (5_000 + SOON_MS + 1, 5_000 + MINUTE):
        late = buried(recorded, at=at).verdict()
        assert [finding.fault for finding in late.findings] == [Fault.LOST]
        assert late.unheard == 0


def test_an_edit_is_not_excused_for_longer_because_its_gap_was_met_again() -> None:
    """It was in the gap already when that was first recorded, and was to be read from then on."""
    verdict = buried({**REFUSED, "until": MINUTE, "noticed_at": 350, "met_at": MINUTE}, at=MINUTE).verdict()
    assert [finding.fault for finding in verdict.findings] == [Fault.LOST]


@pytest.mark.parametrize("gap", [{**REFUSED, "noticed_at": 299}, {**NAMED, "noticed_at": 400}])
def test_what_only_the_gap_as_it_was_met_again_tells_of_is_excused_from_then(gap: dict[str, Any]) -> None:
    """An edit made after the gap was first recorded; a record that only a later batch has named."""
    verdict = buried({**gap, "met_at": MINUTE}, at=MINUTE + 500).verdict()
    assert (verdict.clean, verdict.unheard) == (True, 1)


@pytest.mark.parametrize("gap", [REFUSED, OVERFLOW, NAMED])
def test_a_gap_of_which_is_not_said_when_it_was_noticed_was_noticed_at_its_end(gap: dict[str, Any]) -> None:
    """Rows of an earlier release."""
    assert buried(gap, at=gap["until"] + SOON_MS).verdict().unheard == 1
    assert buried(gap, at=gap["until"] + SOON_MS + 1).verdict().lost


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
