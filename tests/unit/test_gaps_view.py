"""What `tandem gaps` and `tandem verify` say, and what a process says of gaps once."""

import asyncio
import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from support.running import Notes
from typer.testing import CliRunner

from adapters.telemetry.metrics import Metrics
from consumers.repair.repairer import Closed, NeedsPerson, Published, Waits
from consumers.rules.repair import MappedObjects
from consumers.rules.verify_reasons import Difference, Why
from ops.cli import app
from ops.gaps_told import told_in
from ops.gaps_view import ended, handle, lines, lines_of_json, list_view, named
from ops.processes.frame import Frame
from ops.verify_findings import Report
from ops.verify_view import report_view
from schemas import topics
from schemas.gap import Found, GapReason, GapRow, GapState, ObjectProgress
from schemas.unavailable import Unavailable

AT = 1_700_000_000_000
HOUR = 3_600_000
REFUSED = GapRow(
    "org:/data/ChangeEvents:position_refused:1:17",
    GapReason.POSITION_REFUSED,
    "/data/ChangeEvents",
    GapState.REPAIRING,
    since=AT,
    until=AT + HOUR,
    opened=2,
    refused_replay_id=17,
    progress={"Contact": ObjectProgress(Found(1_200, 1_200, 3))},
    error="the org is away",
    tried_at=AT + 2 * HOUR,
)
REMOVED = GapRow(
    "tandem.reconciler:platform.events:3",
    GapReason.OFFSET_OUT_OF_RANGE,
    topics.PLATFORM_EVENTS,
    GapState.OPEN,
    since=0,
    until=AT,
    group="tandem.reconciler",
    partition=3,
    wanted=17,
    first=40,
    end=50,
)
CLOSED = GapRow(
    "overflow:Contact:t1",
    GapReason.OVERFLOW,
    "",
    GapState.CLOSED,
    since=AT,
    until=AT,
    entity="Contact",
    progress={"Contact": ObjectProgress(Found(5, 5), done=True)},
    closed_at=AT + HOUR,
    closed_by="repair",
    note="every record changed since: Contact",
)


COVERED = replace(REFUSED, error="", published_to={0: 7}, covered_by="compare-20261201-030000", covered_note="12")


def printed(view: Any) -> str:
    """As on a wide terminal."""
    out = StringIO()
    Console(file=out, width=200).print(view)
    return out.getvalue()


def test_the_list_says_what_is_open_since_when_and_what_was_found() -> None:
    """With a name that a person can type."""
    told = printed(list_view([REFUSED, REMOVED, CLOSED], AT + 3 * HOUR, closed_too=True))
    for part in (handle(REFUSED.id), "position_refused", "/data/ChangeEvents", "2023-11-14 22:13", "2 hours ago"):
        assert part in told
    assert "failed: the org is away" in told
    assert "platform.events[3] for tandem.reconciler" in told
    assert "5 records looked at, 5 to be read again" in told
    assert "2 not closed" in told
    assert printed(list_view([], AT, closed_too=False)) == "no gap is open\n"


def test_a_gap_is_meant_by_the_first_characters_of_its_name() -> None:
    """Or by its whole row; what is meant by nothing, or by two, is said."""
    rows = [REFUSED, REMOVED]
    assert named(rows, handle(REFUSED.id)[:5].upper()) == [REFUSED]
    assert named(rows, REMOVED.id) == [REMOVED]
    assert named(rows, "") == named(rows, "zzz") == []


def test_one_gap_says_by_what_means_it_is_repaired_and_how_far_it_is() -> None:
    """With an overlap of a quarter of an hour; what a person has to do is there too."""
    told = "\n".join(lines(REFUSED, MappedObjects(("Contact", "Lead")), 900_000))
    assert "every record changed since 2023-11-14 21:58:20 of Contact, Lead is read again, deleted ones too" in told
    assert "1,200 records looked at, 1,200 to be read again, 3 of them deleted, not through yet" in told
    assert "17 was refused" in told
    assert "2 times in all" in told
    assert "the org is away" in told
    covered = "\n".join(lines(COVERED, MappedObjects(("Contact",)), 0))
    assert "waits     the comparison compare-20261201-030000 has looked for everything; it is closed once" in covered
    removed = "\n".join(lines(REMOVED, MappedObjects(("Contact",)), 0))
    assert "17 was to be next; the log held 40 to 50" in removed
    assert "post again" in removed
    assert "closed    2023-11-14 23:13:20.000 by repair" in "\n".join(lines(CLOSED, MappedObjects(()), 0))
    nothing = "\n".join(
        lines(GapRow("x", GapReason.WILDCARD, "", GapState.OPEN, 1, 1, entity="Lead"), MappedObjects(("Contact",)), 0)
    )
    assert "nothing: no kind of the mapping is kept there" in nothing


def test_scripts_get_a_line_of_json_for_each() -> None:
    """Times are epoch milliseconds."""
    first, second, _third = map(json.loads, lines_of_json([REFUSED, REMOVED, CLOSED]).splitlines())
    assert (first["gap"], first["since"], first["looked_at"], first["error"]) == (
        handle(REFUSED.id),
        AT,
        1_200,
        "the org is away",
    )
    assert (first["until"], first["noticed_at"]) == (AT + HOUR, AT + HOUR)
    (late,) = map(json.loads, lines_of_json([replace(CLOSED, noticed_at=AT + HOUR)]).splitlines())
    assert (late["until"], late["noticed_at"]) == (AT, AT + HOUR)
    assert second["of"] == "platform.events[3] for tandem.reconciler"


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (Closed(Found(2, 2), "every record: Contact"), "closed. 2 records looked at"),
        (Published(Found(2, 2)), "still open. 2 records looked at, 2 to be read again; it is closed once `tandem"),
        (Waits("1 of 2 documents have still to read their record"), "still open. 1 of 2"),
        (NeedsPerson("ask the platform"), "still open. ask the platform"),
        (Unavailable("the org is away"), "goes on from here the next time. the org is away"),
    ],
)
def test_each_end_of_a_try_is_a_line(outcome: Any, told: str) -> None:
    """With the gap's name in front."""
    assert ended(REFUSED, outcome).startswith(handle(REFUSED.id))
    assert told in ended(REFUSED, outcome)


def test_a_process_says_what_is_new_once() -> None:
    """A person is called once for a gap, a failure is told once until it is another, and a closing is counted."""
    notes = Notes()
    frame = Frame(stage="repair", log=notes, metrics=Metrics(), stop=asyncio.Event())
    told = told_in(frame)
    for outcome in (
        NeedsPerson("ask the platform"),
        NeedsPerson("ask the platform"),
        Unavailable("away"),
        Unavailable("away"),
        Unavailable("refused"),
        Waits("not read yet"),
        Published(Found(4, 4, 1)),
        Published(Found(4, 4, 1)),
        Closed(Found(4, 4, 1), "every record: Contact"),
    ):
        told(REFUSED, outcome)
    assert [(level, event) for level, event, _details in notes.rows] == [
        ("critical", "gap_needs_a_person"),
        ("warning", "gap_not_repaired"),
        ("warning", "gap_not_repaired"),
        ("info", "gap_waits"),
        ("info", "gap_published"),
        ("info", "gap_closed"),
    ]
    frame.metrics.gaps_seen({"overflow": 2})
    rendered = frame.metrics.render().decode()
    for line in (
        'tandem_gaps_closed_total{reason="position_refused"} 1.0',
        'tandem_gap_records_total{what="deleted"} 1.0',
        'tandem_open_gaps{reason="overflow"} 2.0',
        'tandem_open_gaps{reason="position_refused"} 0.0',
    ):
        assert line in rendered


def test_the_report_explains_and_names_no_value() -> None:
    """A table of kinds, the reasons with the worst first, the documents that are named, and what it comes to."""
    report = Report(keep=1)
    report.add("customer", "c-1", "003000000000001AAA", [])
    report.add("customer", "c-2", "003000000000002AAA", [Difference(Why.PARKED, "email", code="INVALID_EMAIL_ADDRESS")])
    for number in (3, 4):
        found = [Difference(Why.DIFFERENT, "title", "Engineer", "Countess")]
        report.add("customer", f"c-{number}", "003000000000003AAA", found)
    told = printed(report_view(report, values=False, repaired=False))
    assert "customer           4      1           1                 2" in told
    assert told.index("(truly different)") < told.index("parked: INVALID_EMAIL_ADDRESS")
    assert "customer c-3 003000000000003AAA title: Salesforce holds a value that was never heard of" in told
    assert "… and 1 more;" in told
    assert "2 documents truly different" in told
    assert "Countess" not in told
    assert "the record Countess" in printed(report_view(report, values=True, repaired=False))
    report.asked_again, report.by_hand = 1, 1
    repaired = printed(report_view(report, values=False, repaired=True))
    assert "1 of them looked at again by the ordinary rules" in repaired
    assert "1 of them for a person" in repaired
    assert "nothing is truly different" in printed(report_view(Report(), values=False, repaired=False))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["verify", "--since", "yesterday"], "neither a date nor a moment"),
        (["verify", "--since", "2026-11-22", "--sample", "5"], "goes with no --since"),
        (["gaps", "close", "3f9a"], "--note"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_opened(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With exit code 2, as every wrong use."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert told in result.output


@pytest.mark.parametrize("arguments", [["verify"], ["gaps", "list"], ["gaps", "repair"]])
def test_wrong_settings_are_told_before_anything_is_opened(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each by its variable."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MONGODB_URI", raising=False)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "MONGODB_URI" in result.output
