"""What `tandem review` shows, from values. No I/O."""

from shlex import quote
from typing import Any, Final

import orjson
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from consumers.rules.state import Side
from ops.reviews import Chosen, Question, Queue
from ops.show_view import moment, text

NOTHING: Final = "(nothing)"
NAMES: Final = {Side.PLATFORM: "the platform", Side.SALESFORCE: "Salesforce"}
_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def queue_view(queue: Queue, now: int) -> RenderableType:
    """The questions as a table, and how many there are."""
    if not queue.count:
        return Text("nothing waits")
    return Group(_table(queue, now), Text(counted(queue)))


def counted(queue: Queue) -> str:
    """How many questions there are, and how many of them are shown."""
    shown = len(queue.questions)
    all_of_them = f"{queue.count} question{'s wait' if queue.count > 1 else ' waits'}"
    return all_of_them if shown == queue.count else f"{all_of_them}; these are the oldest {shown}"


def _table(queue: Queue, now: int) -> Table:
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("kind, id, path", "the platform's", "Salesforce's"):
        shown.add_column(column, overflow="fold")
    shown.add_column("waits for, record", no_wrap=True)
    for question in queue.questions:
        shown.add_row(
            Text(f"{question.kind} {question.id}\n{question.path}"),
            *(Text(_marked(question, side)) for side in Side),
            Text(f"{age(now - question.since)}\n{question.record}"),
        )
    return shown


def _marked(question: Question, side: Side) -> str:
    """A mark instead of a column, so that a terminal of 80 has room for the values."""
    value = said(question.value(side))
    return f"{value}\n(in the document)" if side is question.shown else value


def lines_of_json(queue: Queue) -> str:
    """One JSON object a line; `since` is epoch milliseconds."""
    return "".join(
        orjson.dumps(
            {
                "kind": question.kind,
                "id": question.id,
                "path": question.path,
                "field": question.field,
                "platform": question.platform,
                "salesforce": question.salesforce,
                "shown": str(question.shown),
                "since": question.since,
                "record": question.record,
            },
            default=str,
        ).decode()
        + "\n"
        for question in queue.questions
    )


def question_lines(question: Question, now: int) -> list[str]:
    """One question, as a person is asked."""
    where = f"{question.sobject} {question.record}" if question.record else f"no {question.sobject} linked"
    lines = [f"{question.kind} {question.id}: {question.path} and {question.field} ({where})"]
    for side in Side:
        shown = "   (the document shows it)" if side is question.shown else ""
        lines.append(f"  {side:<10}  {said(question.value(side))}{shown}")
    lines.append(f"  waits for {age(now - question.since)}, since {moment(question.since)} UTC")
    return lines


def prompt(side: Side) -> str:
    """What a person is asked to confirm."""
    other = Side.PLATFORM if side is Side.SALESFORCE else Side.SALESFORCE
    return f"Take what {NAMES[side]} has on both sides? What {NAMES[other]} has stays in the audit alone."


def outcome(chosen: Chosen) -> str:
    """What was done, and when Salesforce will hold it."""
    asked = chosen.question
    done = f"{asked.path} of {asked.kind} {asked.id} is settled: {NAMES[chosen.side]}'s value stands"
    if not chosen.differs:
        return f"{done}. Salesforce holds it already: nothing is written."
    if chosen.due is None:
        show = f"tandem show {asked.kind} {quote(asked.id)}"
        return f"{done}. It is not written to Salesforce as things stand; `{show}` says why."
    if chosen.due > chosen.at:
        return f"{done}. It is written to Salesforce after {moment(chosen.due)} UTC, when what comes before it is done."
    return f"{done}. A running `tandem write` takes it to Salesforce within seconds."


def said(value: Any) -> str:
    """A value, or a word for none."""
    return NOTHING if value is None or value == "" else text(value)


def age(milliseconds: int) -> str:
    """In the largest unit of which there is one: `3 hours`."""
    seconds = max(0, milliseconds // 1000)
    size, unit = next((known for known in _UNITS if seconds >= known[0]), _UNITS[-1])
    count = seconds // size
    return f"{count} {unit}{'' if count == 1 else 's'}"
