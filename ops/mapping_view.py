"""What `tandem mapping` shows: a plan, the versions, and how far it is."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ops.mapping_change import Change, History
from ops.mapping_walk import Passed


def plan_lines(change: Change) -> Iterator[str]:
    """The plan: what differs in the mapping, and what follows for the documents."""
    if change.before is None:
        yield "nothing is published yet: this is version 1, and there is no document to decide again"
        return
    if not change.differences:
        yield f"nothing differs from version {change.before.version}, which is in force"
        return
    yield f"version {change.after.version}, after version {change.before.version}:"
    yield from (f"  {line}" for line in change.differences)
    yield ""
    yield from change.plan.lines()


def versions_table(found: History) -> Table:
    """The versions, the newest first."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("version", justify="right")
    for column in ("published (UTC)", "by", "note"):
        table.add_column(column, overflow="fold")
    table.add_column("still to be decided", justify="right")
    for place, published in enumerate(found.publications):
        older = f"{found.older:,}" if place == 0 else ""
        at = f"{published.at:%Y-%m-%d %H:%M}"
        table.add_row(str(published.version), at, Text(published.by), Text(published.note), older)
    return table


@contextmanager
def progress_bar(doing: str, total: int) -> Iterator[Passed]:
    """A progress bar on a terminal; elsewhere nothing."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task(doing, total=total or None)
        yield lambda count: shown.advance(task, count)
