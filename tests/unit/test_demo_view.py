"""What the demo shows: the live tables, the lines without a terminal, and the observer's table with its exit code."""

import dataclasses
import io
from typing import Any

import pytest
from rich.console import Console, RenderableType
from support.witnesses import customers

from ops.demo import report, view
from ops.demo.onlooker import Glance, OrgMirror
from ops.demo.plan import Plan
from ops.demo.view import Room
from schemas.mapping import Mapping
from schemas.presets import preset
from schemas.topics import PLATFORM_EVENTS, SALESFORCE_WRITES
from simulator.observer.backlog import TopicBacklog
from simulator.observer.readers import Pulse
from simulator.observer.verdict import Fault, Finding, Tally, Verdict

CUSTOMERS = customers()
TICKETING = preset("ticketing")
KIND = CUSTOMERS.kinds["customer"]
OURS = {KIND.token: "cust-9:1", KIND.external_id: "cust-9"}
PLAN = Plan(seed=1, customers=30, events=300, seconds=300, conflicts=5)


def shown(what: RenderableType, width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(what)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return str(text)


def glance() -> Glance:
    return Glance(
        posts=12,
        accepted=11,
        topics={PLATFORM_EVENTS: TopicBacklog(10, 3), SALESFORCE_WRITES: TopicBacklog(8, 0)},
        kinds={"customer": Pulse(4, 1_234, 1), "order": Pulse(9, 20, 0)},
        made={"customer": 3, "order": 8},
        commits=9,
        our_commits=6,
        conflicts=[
            {
                "document": "cust-7",
                "path": "phone",
                "platform": {"value": "+40721000111", "at": 1},
                "salesforce": {"value": "+40721000222", "at": 2},
                "winner": "salesforce",
                "rule": "13.latest_wins",
                "note": "",
            }
        ],
        newest=[{"_id": "cust-9", "phone": "0721", "salesforce": {"syncStatus": "pending", "recordId": "003x"}}],
        records={"cust-9": {"Phone": "+40721"}},
    )


def test_the_live_view_shows_counts_conflicts_and_both_sides() -> None:
    """In and out by stage with the lag, each conflict with both values, the last documents beside their records."""
    text = shown(view.tables(glance(), CUSTOMERS, "Both sides edit", Room.of(160, 40)))
    rows = [line.split() for line in text.splitlines()]
    assert next(row[1:4] for row in rows if row[:1] == [PLATFORM_EVENTS]) == ["10", "7", "3"]
    assert "1,254 revisions" in text
    conflict = ["phone", "+40721000111", "\u2713", "+40721000222", "latest_wins"]
    assert next(row for row in rows if row[:1] == ["cust-7"])[1:] == conflict
    assert next(row for row in rows if row[:1] == ["cust-9"])[1:3] == ["MongoDB", "0721"]
    assert next(row for row in rows if row[:1] == ["Salesforce"] and "+40721" in row)


def test_a_view_with_nothing_to_show_yet_is_a_view() -> None:
    """The first look may come before anything is there."""
    assert "Counts in and out" in shown(view.tables(Glance(), CUSTOMERS, "Starting", Room.of(80, 24)))
    assert "webhooks 0/0" in view.line(Glance())


def test_the_live_view_tells_kind_by_kind_where_there_is_room() -> None:
    """Documents, records and what is on its way of each; a small terminal shows the sums alone."""
    rows = [line.split() for line in shown(view.tables(glance(), TICKETING, "", Room.of(140, 40, 6))).splitlines()]
    assert ["customer", "-", "Contact", "4", "3", "1"] in rows
    assert ["order", "-", "Ticket_Order__c", "9", "8", "0"] in rows
    assert "Ticket_Order__c" not in shown(view.tables(glance(), TICKETING, "", Room.of(80, 24, 6)), 80)


@pytest.mark.parametrize("mapping", [CUSTOMERS, TICKETING], ids=["customers", "ticketing"])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (140, 40), (40, 10)])
def test_the_live_view_fits_the_terminal_and_stands_still(width: int, height: int, mapping: Mapping) -> None:
    """A view that is too high scrolls at every look and leaves its pieces behind; one that grows makes all jump."""
    full = dataclasses.replace(
        glance(), posts=1_234_567, conflicts=list(glance().conflicts) * 20, newest=list(glance().newest) * 9
    )
    room = Room.of(width, height, len(mapping.kinds))
    heights = set()
    for look in (Glance(), glance(), full):
        lines = shown(view.tables(look, mapping, "Both sides edit", room), width).splitlines()
        assert max(len(line) for line in lines) <= width
        heights.add(len(lines))
    assert len(heights) == 1
    assert height < 24 or heights.pop() < height


def test_a_long_id_is_told_by_its_own_end() -> None:
    """Within a run all ids of a kind begin the same."""
    row = {**glance().conflicts[0], "document": "cust-f8adc6-1-12"}
    text = shown(view.tables(dataclasses.replace(glance(), conflicts=[row]), CUSTOMERS, "", Room.of(80, 24)), 80)
    assert any(line.startswith("cust\u202612 ") for line in text.splitlines())


def test_one_line_tells_the_same_where_there_is_no_terminal() -> None:
    """Counts and lag."""
    line = view.line(glance())
    assert "webhooks 11/12" in line
    assert f"{PLATFORM_EVENTS}=3" in line


def test_the_mirror_of_the_org_keeps_records_up() -> None:
    """Only changed fields are in the log; our own commits are told by their token."""
    mirror = OrgMirror(CUSTOMERS)
    row: dict[str, Any] = {"entity": "Contact", "record_id": "003x", "type": "CREATE"}
    mirror.take([{**row, "number": 1, "after": {"LastName": "Pop", **OURS}}])
    mirror.take([{**row, "number": 2, "type": "UPDATE", "after": {"Phone": "1"}}])
    assert mirror.record("003x") == {"Id": "003x", "LastName": "Pop", **OURS, "Phone": "1"}
    assert (mirror.commits, mirror.last_commit, mirror.ours, mirror.made) == (2, 2, 1, {"customer": 1})


def test_the_table_shows_every_fault_and_what_was_judged() -> None:
    """Zeros mean something only beside how much there was to find them in."""
    text = shown(report.table(Verdict(conflicts=123, platform_edits=4_567), PLAN, seconds=61.4))
    for fault in Fault:
        assert any(line.split()[:2] == [str(fault), "0"] for line in text.splitlines())
    assert "123" in text
    assert "4,567" in text
    assert "61" in text


def test_the_table_tells_kind_by_kind() -> None:
    """A fault is counted under its kind, and nowhere else."""
    kinds = {"customer": Tally("Contact", 40, 39, 17), "order": Tally("Ticket_Order__c", 60, 60, 0)}
    verdict = Verdict([Finding(Fault.DIFFERENT, "ord-1", "Total__c", "", "unequal", kind="order")], kinds=kinds)
    rows = [line.split() for line in shown(report.table(verdict, PLAN, seconds=1)).splitlines()]
    assert ["customer", "40", "39", "17", "0", "0", "0", "0"] in rows
    assert ["order", "60", "60", "0", "0", "0", "0", "1"] in rows


@pytest.mark.parametrize(
    ("findings", "conflicts", "rested", "expected"),
    [(0, 5, True, True), (0, 4, True, False), (1, 5, True, False), (0, 5, False, False)],
)
def test_the_demo_passes_with_zeros_at_rest_and_enough_conflicts(
    findings: int, conflicts: int, rested: bool, expected: bool
) -> None:
    """Anything else is exit code 1."""
    verdict = Verdict([Finding(Fault.LOST, "cust-1", "Title", "event e1", "gone")] * findings, conflicts=conflicts)
    assert report.passed(verdict, PLAN, rested=rested) is expected


def test_explanations_hold_values_only_when_asked_for() -> None:
    """And do not fill the screen."""
    finding = Finding(Fault.LOST, "cust-1", "Title", "event e1", "gone", {"lost": "Chair"})
    verdict = Verdict([finding] * 30)
    told = report.explanations(verdict, explain=False)
    assert not any("Chair" in line for line in told)
    assert told[-2] == "and 5 more"
    assert "Chair" in report.explanations(verdict, explain=True)[0]
    assert report.explanations(Verdict(), explain=False) == []


def test_what_is_done_in_salesforce_takes_as_long_as_the_platform() -> None:
    """Both sides must edit at the same time, at any size, and within the time allowed."""
    for events, seconds in ((300, 300.0), (3_000, 300.0), (30_000, 100.0)):
        plan = Plan(seed=1, customers=30, events=events, seconds=seconds, conflicts=5)
        assert plan.spread(100) <= seconds
        assert plan.spread(100) * plan.rate(100) == pytest.approx(100 + events)
