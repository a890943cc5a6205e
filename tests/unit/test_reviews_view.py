"""What `tandem review` shows."""

import io
from dataclasses import replace

import orjson
import pytest
from rich.console import Console

from consumers.rules.state import Side
from ops.reviews import Chosen, Question, Queue
from ops.reviews_view import age, lines_of_json, outcome, prompt, question_lines, queue_view

NOON = 1_795_348_800_000
HOUR = 3_600_000
QUESTION = Question(
    kind="customer",
    id="cust-42",
    path="phone",
    field="Phone",
    sobject="Contact",
    record="0035g0000000002AAA",
    platform="+40 712 000 111",
    salesforce=None,
    shown=Side.PLATFORM,
    since=NOON,
)


def printed(queue: Queue, width: int = 80) -> str:
    """As a terminal of this width shows it, three hours after noon."""
    output = io.StringIO()
    Console(width=width, file=output).print(queue_view(queue, NOON + 3 * HOUR))
    return output.getvalue()


def test_an_empty_queue_is_said() -> None:
    """In words, and in no lines of JSON."""
    assert printed(Queue([], 0)) == "nothing waits\n"
    assert lines_of_json(Queue([], 0)) == ""


def test_a_terminal_of_80_shows_both_values_age_and_record_whole() -> None:
    """What is to be copied into the next command stands in one line each."""
    told = printed(Queue([QUESTION], 1))
    for part in (
        "customer cust-42",
        "phone",
        "+40 712 000 111",
        "(nothing)",
        "(in the document)",
        "3 hours",
        "0035g0000000002AAA",
    ):
        assert part in told
    assert told.endswith("1 question waits\n")
    assert max(map(len, told.splitlines())) <= 80


def test_all_are_counted_though_not_all_are_shown() -> None:
    """So that nobody takes the first fifty for all."""
    assert printed(Queue([QUESTION], 7)).endswith("7 questions wait; these are the oldest 1\n")
    assert printed(Queue([QUESTION, QUESTION], 2)).endswith("2 questions wait\n")


def test_scripts_get_one_object_a_line() -> None:
    """Values as they are stored, and nothing else."""
    first, second = lines_of_json(Queue([QUESTION, replace(QUESTION, platform=["a\nb"])], 2)).splitlines()
    assert orjson.loads(first) == {
        "kind": "customer",
        "id": "cust-42",
        "path": "phone",
        "field": "Phone",
        "platform": "+40 712 000 111",
        "salesforce": None,
        "shown": "platform",
        "since": NOON,
        "record": "0035g0000000002AAA",
    }
    assert orjson.loads(second)["platform"] == ["a\nb"]


def test_a_question_as_it_is_asked() -> None:
    """Both values, which is shown, and since when."""
    assert question_lines(QUESTION, NOON + 60_000) == [
        "customer cust-42: phone and Phone (Contact 0035g0000000002AAA)",
        "  platform    +40 712 000 111   (the document shows it)",
        "  salesforce  (nothing)",
        "  waits for 1 minute, since 2026-11-22 12:00:00.000 UTC",
    ]
    assert question_lines(replace(QUESTION, record=""), NOON)[0].endswith("(no Contact linked)")
    assert prompt(Side.SALESFORCE).startswith("Take what Salesforce has on both sides? What the platform has stays")


@pytest.mark.parametrize(
    ("differs", "due", "told"),
    [
        (False, None, "Salesforce holds it already: nothing is written."),
        (False, NOON, "Salesforce holds it already: nothing is written."),
        (True, NOON, "A running `tandem write` takes it to Salesforce within seconds."),
        (True, NOON + 1000, "It is written to Salesforce after 2026-11-22 12:00:01.000 UTC, when what comes before it"),
        (True, None, "It is not written to Salesforce as things stand; `tandem show customer cust-42` says why."),
    ],
)
def test_when_salesforce_will_hold_it_is_told(differs: bool, due: int | None, told: str) -> None:
    """Of each case what the person may expect."""
    said = outcome(Chosen(QUESTION, Side.PLATFORM, differs, due, NOON))
    assert said.startswith("phone of customer cust-42 is settled: the platform's value stands. ")
    assert told in said


@pytest.mark.parametrize(
    ("milliseconds", "told"),
    [
        (-5, "0 seconds"),
        (999, "0 seconds"),
        (1_000, "1 second"),
        (59_999, "59 seconds"),
        (60_000, "1 minute"),
        (HOUR, "1 hour"),
        (24 * HOUR - 1, "23 hours"),
        (400 * 24 * HOUR, "400 days"),
    ],
)
def test_an_age_is_told_in_its_largest_unit(milliseconds: int, told: str) -> None:
    """A clock that is a little behind makes no age below nothing."""
    assert age(milliseconds) == told
