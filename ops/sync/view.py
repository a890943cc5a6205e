"""What `tandem sync` shows: runs in a table, one run in lines, and how far it is."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from schemas.sync_run import Run, RunState, RunStep


def runs_table(runs: Sequence[Run]) -> Table:
    """Runs, the newest first."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("run", overflow="fold")
    table.add_column("of", overflow="fold")
    table.add_column("state", no_wrap=True)
    table.add_column("asked for (UTC)", no_wrap=True)
    table.add_column("by", overflow="fold")
    table.add_column("looked at", justify="right")
    for run in runs:
        passed = sum(step.passed for step in run.steps)
        table.add_row(
            Text(run.id), Text(title(run)), str(run.state), at(run.asked_at), Text(run.request.by), f"{passed:,}"
        )
    return table


def run_lines(run: Run) -> Iterator[str]:
    """One run, and how far each of its steps is."""
    yield f"{run.id}: {title(run)}, {run.state}"
    if run.request.since is not None:
        yield f"  since {run.request.since:%Y-%m-%dT%H:%M:%S%z}"
    if run.request.created_since is not None:
        yield f"  made since {run.request.created_since:%Y-%m-%dT%H:%M:%S%z}"
    if run.request.filter is not None:
        yield f"  filter {run.request.filter.model_dump_json(exclude_none=True)}"
    yield f"  asked for {at(run.asked_at)} UTC by {run.request.by or 'nobody named'}"
    if run.started_at:
        ended = f", ended {at(run.ended_at)}" if run.ended_at else f", last moved {at(run.moved_at)}"
        yield f"  begun {at(run.started_at)}{ended}"
    if run.reason:
        yield f"  {run.reason}"
    if run.waits:
        yield f"  waits: {run.waits}"
    if run.closed_gaps:
        yield f"  gaps made good: {run.closed_gaps}"
    for step in run.steps:
        of = f" of {step.total:,}" if step.total is not None else ""
        yield f"  {step.name}: {step.passed:,}{of}{', done' if step.done else ''}"
        if step.problem:
            yield f"    {step.problem}"
        for word, count in step.counts.items():
            yield f"    {count:>11,}  {word}"


def title(run: Run) -> str:
    """`contacts pull`, `all compare`."""
    request = run.request
    told = str(request.direction) if request.purpose == "sync" else str(request.purpose)
    return f"{request.what} {told}{' (dry run)' if request.dry_run else ''}"


def at(moment: int) -> str:
    """Epoch milliseconds, for people."""
    return f"{datetime.fromtimestamp(moment / 1000, UTC):%Y-%m-%d %H:%M:%S}"


def ended_line(run: Run) -> str:
    """How it stands, in one line."""
    passed = sum(step.passed for step in run.steps)
    told = f"run {run.id}: {run.state}, {passed:,} looked at"
    return f"{told}; {run.reason}" if run.reason and run.state is not RunState.RUNNING else told


class Bars:
    """A progress bar for each step, on a terminal; elsewhere nothing."""

    def __init__(self, shown: Progress) -> None:
        self._shown = shown
        self._tasks: dict[str, TaskID] = {}
        self._waits = shown.add_task("", total=None, visible=False)

    def show(self, step: RunStep) -> None:
        """How far a step is."""
        if step.name not in self._tasks:
            self._tasks[step.name] = self._shown.add_task(step.name, total=step.total)
        self._shown.update(self._tasks[step.name], completed=step.passed, total=step.total)

    def say(self, waits: str) -> None:
        """What is waited for; nothing ends it."""
        self._shown.update(self._waits, description=waits, visible=bool(waits))


@contextmanager
def bars() -> Iterator[Bars]:
    """Bars while the block runs."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        yield Bars(shown)
