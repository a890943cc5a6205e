"""What a run is judged by, and how it is told."""

from dataclasses import replace
from pathlib import Path

import pytest

from ops.chaos import page
from ops.chaos.outcome import MEANING, Outcome, Trouble, counts, zeros
from ops.demo.plan import Plan
from simulator.observer.acts import PlatformActs, SalesforceActs
from simulator.observer.gaps import SOON_MS
from simulator.observer.verdict import Fault, Finding, Verdict

TROUBLE = Trouble("write is killed", 10.0, 11.5, 20, 480, 3.5, 30.0, 0.0, 6.5)
GOOD = Outcome(
    seed=3,
    preset="ticketing",
    at="2026-11-30 05:00 UTC",
    machine="2 cores",
    command="tandem chaos --seed 3",
    load_seconds=300.0,
    rest_seconds=20.0,
    unrest="",
    found=dict.fromkeys(MEANING, 0),
    counts={"platform events": 60_000, "change events": 50_000},
    troubles=[TROUBLE],
    ended={},
    proxied=True,
    samples=[(0.0, 10, 0), (1.0, None, 0), (2.0, 480, 5), (3.0, 10, 0)],
)


def finding(fault: Fault, field: str = "Phone") -> Finding:
    return Finding(fault, "cust-1", field, "commit 1", "as planted")


@pytest.mark.parametrize(
    ("findings", "name"),
    [
        (finding(Fault.LOST, field=""), "lost"),
        (finding(Fault.LOST), "edits lost without an audit row"),
        (finding(Fault.DOUBLED), "doubled"),
        (finding(Fault.ECHOED), "echoed"),
        (finding(Fault.DIFFERENT), "different"),
    ],
)
def test_whatever_the_observer_finds_is_counted(findings: Finding, name: str) -> None:
    """Under its own name and no other; and the run is no good one."""
    found = zeros([findings], [], [], [])
    assert found == dict.fromkeys(MEANING, 0) | {name: 1}
    assert not replace(GOOD, found=found).clean


def test_every_fault_has_a_name() -> None:
    """None can be found and not be counted."""
    assert sum(zeros([finding(fault) for fault in Fault], [], [], []).values()) == len(Fault)


def test_a_gap_that_is_not_closed_is_counted() -> None:
    """Whatever else its state is."""
    gaps = [{"state": "closed"}, {"state": "open"}, {"state": "repairing"}, {}]
    assert zeros([], gaps, [], [])["gaps left open"] == 3
    assert zeros([], [], [{"_id": 1}], [])["parked"] == 1


def test_what_the_platform_was_not_told_is_counted() -> None:
    """It is told of Salesforce's changes while everything goes wrong, too."""
    assert zeros([], [], [], ["customer cust-1: phone since revision 3"])["not told to the platform"] == 1


def test_a_run_kept_before_something_was_looked_for_is_told_without_it() -> None:
    """And no number is made up."""
    before = replace(GOOD, found={name: 0 for name in MEANING if name != "not told to the platform"})
    unseen = Trouble("write is killed", 10.0, 11.5, 20, 480, 3.5, 30.0)
    told = page.told([replace(before, troubles=[unseen]), GOOD])
    assert "| write is killed | 20 | 480 | 3.5 s |  |  |" in told
    assert "| not told to the platform |  | **0** |" in told


def test_everything_that_was_counted_is_told() -> None:
    """What people did on each side, and how many change events only answer us; nothing of a run in which nobody counted
    it yet."""
    told = counts(
        Verdict(platform_events=9, writes=50_321),
        PlatformActs(created=3, updated=4, deleted=2, orders=1, refunds=5),
        SalesforceActs(created=7, updated=8, deleted=6, undeleted=10, converted=11, merged=12),
        commits=60_000,
        strikes=1,
        closed_gaps=2,
        told=3,
    )
    page_of_both = page.told([GOOD, replace(GOOD, counts=told)])
    assert "| our writes |  | 50,321 |" in page_of_both
    assert "| by people on the platform |  | 9 |" in page_of_both
    assert "| by people in Salesforce |  | 54 |" in page_of_both
    for words in ("deleted on the platform 2", "refunds 5", "deleted by people in Salesforce 6", "merged 12"):
        assert page_of_both.count(words) == 1


def test_the_load_grows_in_all_that_people_do() -> None:
    """Conversions and merges are not a handful among a hundred thousand events; a short run has some too."""
    small, full = (Plan(1, 1, events, 1.0, 0) for events in (600, 36_000))
    assert (small.deletions, small.conversions, small.merges) == (3, 4, 2)
    assert (full.deletions, full.conversions, full.merges) == (43, 43, 22)


def test_the_page_says_how_long_a_gap_excuses() -> None:
    """Whoever reads that nothing was lost has to know what is not counted as lost."""
    assert f"at most {SOON_MS / 1_000:g} seconds after the gap was recorded" in " ".join(page.told([GOOD]).split())


def test_a_run_that_does_not_come_to_rest_is_no_good_one() -> None:
    """Zeros are worth nothing while something is under way."""
    assert GOOD.clean
    assert not replace(GOOD, unrest="3 documents pending").clean


def test_a_slow_recovery_is_late() -> None:
    """And one that never came."""
    slow, never = replace(TROUBLE, seconds=30.5), replace(TROUBLE, seconds=None)
    assert replace(GOOD, troubles=[TROUBLE, slow, never]).late == [slow, never]


@pytest.mark.parametrize(
    ("trouble", "late"),
    [
        (replace(TROUBLE, gaps=30.0, documents=30.0), False),
        (replace(TROUBLE, gaps=30.5), True),
        (replace(TROUBLE, gaps=None), True),
        (replace(TROUBLE, documents=30.5), True),
        (replace(TROUBLE, documents=None), True),
    ],
)
def test_gaps_and_documents_are_judged_too(trouble: Trouble, late: bool) -> None:
    """All three have as long."""
    assert bool(replace(GOOD, troubles=[trouble]).late) is late
    told = page.told([replace(GOOD, troubles=[trouble])])
    assert ("**never**" in told) is (None in trouble.times)
    for name, seconds in zip(("lag back", "gaps closed", "documents in step"), trouble.times, strict=True):
        assert f"| slowest: {name} | {'never' if seconds is None else f'{seconds:g} s'} |" in told


def test_what_is_kept_is_what_was(tmp_path: Path) -> None:
    """A page is made of runs of other days."""
    assert Outcome.load(GOOD.save(tmp_path)) == GOOD


def test_the_page_tells_every_run_kept_beside_it(tmp_path: Path) -> None:
    """In the order of their seeds, each with its plot and its troubles; a run of the same seed takes the place of the
    last."""
    for outcome in (GOOD, replace(GOOD, seed=2, troubles=[replace(TROUBLE, seconds=31.0)]), replace(GOOD, seed=2)):
        assert page.keep(outcome, tmp_path)
    told = (tmp_path / "chaos.md").read_text(encoding="utf-8")
    assert told.index("## Seed 2") < told.index("## Seed 3")
    assert "| | seed 2 | seed 3 | what it means |" in told.replace("|  |", "| |")
    assert "110,000" in told
    assert "31 s" not in told
    assert told.count("| 1 | 10 s | 1.5 s | write is killed | 20 | 480 | 3.5 s | 0 s | 6.5 s |") == 2
    assert sorted(path.name for path in (tmp_path / "chaos").iterdir()) == [
        "seed-2.json",
        "seed-2.svg",
        "seed-3.json",
        "seed-3.svg",
    ]


def test_a_plot_of_the_same_run_is_the_same_file(tmp_path: Path) -> None:
    """So that a page written again shows no change."""
    page.keep(GOOD, tmp_path)
    first = (tmp_path / "chaos" / "seed-3.svg").read_bytes()
    page.keep(GOOD, tmp_path)
    assert (tmp_path / "chaos" / "seed-3.svg").read_bytes() == first


def test_a_page_says_what_is_wrong(tmp_path: Path) -> None:
    """What was found, unrest, a recovery that never came, processes that ended, a small run, and one without wires."""
    bad = replace(
        GOOD,
        found={**GOOD.found, "lost": 7},
        unrest="3 documents pending",
        troubles=[replace(TROUBLE, seconds=None)],
        ended={"write, exit code 1": 2},
        proxied=False,
        counts={"platform events": 5, "change events": 5},
    )
    page.keep(bad, tmp_path)
    told = (tmp_path / "chaos.md").read_text(encoding="utf-8")
    for words in (
        "**7**",
        "3 documents pending",
        "**never**",
        "write, exit code 1: 2",
        "A small run",
        "Without toxiproxy",
    ):
        assert words in told, words
