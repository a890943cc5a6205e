"""`tandem sync`: a run asked for by a person: as a plan first, then at work, interrupted, resumed."""

import asyncio
import sys
from datetime import UTC, date, datetime, time
from functools import partial
from pathlib import Path
from typing import Any, Final

import typer
import yaml
from pydantic import TypeAdapter, ValidationError
from rich.console import Console

from adapters.salesforce.lists import ListRefused
from ops.command_end import ask, complain, exit_code, say
from ops.operator_name import operator_name
from ops.processes.parts import wall_ms
from ops.sync.asking import CannotRun, new_run
from ops.sync.opened import OpenedSync, new_id, open_runs, open_sync, pause_unless_worked_at
from ops.sync.planning import make_plan, plan_lines, refuse_unfollowed
from ops.sync.view import Bars, bars, ended_line, run_lines, runs_table
from ops.sync.walk import Advance, TooManyMissing
from schemas.codec import wrong_places
from schemas.record_filter import Condition
from schemas.stream import LeaseLost
from schemas.sync_run import Purpose, Run, RunDirection, RunRequest, RunState, RunStep, Wish
from schemas.unavailable import Unavailable

WATCH_SECONDS: Final = 1.0
_CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)


class Stopped(Exception):
    """Why a command ends without having done what was asked, in one line."""


_exit_code: Final = partial(
    exit_code,
    failures=(Stopped, CannotRun, ListRefused, TooManyMissing),
    interrupted="interrupted; nothing was changed",
)


def run_sync(
    what: str,
    *,
    direction: RunDirection,
    purpose: Purpose,
    since: str,
    created_since: str,
    filter_text: str,
    dry_run: bool,
    sure: bool,
) -> int:
    """Plan, ask, run; the exit code."""

    def work() -> None:
        request = RunRequest(
            id=new_id(what),
            what=what,
            purpose=purpose,
            direction=direction,
            since=read_since(since, now=datetime.now(UTC)),
            created_since=read_since(created_since, now=datetime.now(UTC), option="--created-since"),
            filter=read_filter(filter_text),
            by=operator_name(),
        )
        if not sure and not dry_run and not sys.stdin.isatty():
            raise Stopped("standard input is no terminal, so nobody can be asked: `--yes` runs without a question")
        say(ask(_planned(request, dry_run=dry_run)))
        if dry_run:
            return
        if not sure and not _confirmed("Run it?"):
            raise Stopped("nothing was changed")
        _follow(request.id, ask(_asked_for(request)))

    return _exit_code(work)


def run_list(limit: int) -> int:
    """Show runs; the exit code."""

    def work() -> None:
        found = ask(_newest(limit))
        if found:
            Console().print(runs_table(found))
        else:
            say(["no run was asked for yet"])

    return _exit_code(work)


def run_show(run_id: str) -> int:
    """Show one run; the exit code."""
    return _exit_code(lambda: say(run_lines(ask(_one(run_id)))))


def run_cancel(run_id: str) -> int:
    """End a run; the exit code."""
    return _exit_code(lambda: say([ask(_cancelled(run_id))]))


def run_resume(run_id: str, *, accept_missing: bool) -> int:
    """Go on with a run that was paused, interrupted or failed; the exit code."""

    def work() -> None:
        ask(_planned_again(run_id, accept_missing=accept_missing))
        _follow(run_id, ask(_one(run_id)))

    return _exit_code(work)


def read_since(text: str, *, now: datetime, option: str = "--since") -> datetime | None:
    """A date, a moment, or so long ago: `2026-11-01`, `2026-11-01T08:00:00+02:00`, `36h`, `7d`. UTC without a zone.

    Raises:
        Stopped: it is none of these.
    """
    if not text:
        return None
    number, unit = text[:-1], text[-1:]
    if number.isdecimal() and unit in "hd":
        return datetime.fromtimestamp(now.timestamp() - int(number) * (3_600 if unit == "h" else 86_400), UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Stopped(f"{option} {text}: a date, a moment as 2026-11-01T08:00:00Z, or 36h or 7d ago") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def read_filter(text: str) -> Condition | None:
    """A condition as YAML or JSON, or the name of a file that holds one after `@`.

    Raises:
        Stopped: it is none.
    """
    if not text:
        return None
    try:
        written = Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text
        return _CONDITION.validate_python(_plain(yaml.safe_load(written)))
    except (OSError, UnicodeDecodeError) as error:
        raise Stopped(f"--filter {text}: cannot be read: {type(error).__name__}") from None
    except yaml.YAMLError:
        raise Stopped("--filter: neither YAML nor JSON") from None
    except ValidationError as error:
        raise Stopped(f"--filter: {'; '.join(wrong_places(error))}") from None


def _plain(value: Any) -> Any:
    """YAML reads dates as such; conditions hold them as text."""
    match value:
        case dict():
            return {key: _plain(one) for key, one in value.items()}
        case list():
            return [_plain(one) for one in value]
        case datetime() | date() | time():
            return value.isoformat()
        case _:
            return value


async def _planned(request: RunRequest, *, dry_run: bool) -> list[str]:
    async with open_sync(_refused) as opened:
        run = new_run(request, opened.mapping.current(), now=wall_ms())
        if not dry_run:
            await refuse_unfollowed(opened.parts, run)
        passed: dict[str, RunStep] = {}
        with bars() as shown:

            def began(step: RunStep, total: int) -> None:
                passed[step.name] = step.model_copy(update={"total": total})
                shown.show(passed[step.name])

            def moved(step: RunStep, advance: Advance) -> None:
                before = passed[step.name]
                passed[step.name] = before.model_copy(update={"passed": before.passed + advance.passed})
                shown.show(passed[step.name])

            planned = await make_plan(opened.parts, run, moved, began)
        return list(plan_lines(planned, opened.parts.lists.calls))


async def _asked_for(request: RunRequest) -> Run:
    async with open_sync(_refused) as opened:
        run = new_run(request, opened.mapping.current(), now=wall_ms())
        await opened.runs.add(run)
        return run


def _follow(run_id: str, run: Run) -> None:
    """Work at it, or watch who does. Ctrl-C pauses it."""
    try:
        run = ask(_work(run_id))
    except (KeyboardInterrupt, Unavailable, LeaseLost) as error:
        told = str(error) or "interrupted"
        if isinstance(error, KeyboardInterrupt) and not ask(pause_unless_worked_at(run_id)):
            raise Stopped(f"another process goes on with it; `tandem sync cancel {run_id}` ends it") from None
        raise Stopped(f"{told}; what is done stays done, and `tandem sync resume {run_id}` goes on") from None
    say(run_lines(run))
    if run.state is not RunState.DONE:
        raise Stopped(ended_line(run))


async def _work(run_id: str) -> Run:
    stop = asyncio.Event()
    async with open_sync(_refused) as opened:
        with bars() as shown:
            worker = opened.worker(lambda step, _advance: shown.show(step), shown.say)
            while True:
                if not await worker.work(stop, run_id):
                    shown.say("another process is at work at runs, and takes this one up in its turn")
                run = await _watched(opened, run_id, shown)
                if run.state not in (RunState.PLANNED, RunState.RUNNING):
                    return run
                await asyncio.sleep(WATCH_SECONDS)


async def _watched(opened: OpenedSync, run_id: str, shown: Bars) -> Run:
    run = await opened.runs.get(run_id)
    if run is None:
        raise CannotRun(f"there is no run {run_id}")
    for step in run.steps:
        if step.total is not None:
            shown.show(step)
    if run.waits:
        shown.say(run.waits)
    return run


async def _newest(limit: int) -> list[Run]:
    async with open_runs() as runs:
        return await runs.newest(limit)


async def _one(run_id: str) -> Run:
    async with open_runs() as runs:
        run = await runs.get(run_id)
    if run is None:
        raise Stopped(f"there is no run {run_id}: `tandem sync list` names them")
    return run


async def _cancelled(run_id: str) -> str:
    run = await _one(run_id)
    async with open_runs() as runs:
        waiting = [RunState.PLANNED, RunState.PAUSED, RunState.FAILED]
        if await runs.turn(run_id, waiting, RunState.CANCELLED, ended_at=wall_ms()):
            return f"run {run_id} is cancelled; what is done stays done"
        if await runs.wish(run_id, Wish.CANCEL):
            return f"run {run_id} ends after the part in hand; what is done stays done"
    raise Stopped(f"run {run_id} has ended: {run.state}")


async def _planned_again(run_id: str, *, accept_missing: bool) -> None:
    run = await _one(run_id)
    fields = {"accepts_missing": True} if accept_missing else {}
    async with open_runs() as runs:
        stopped = [RunState.PAUSED, RunState.FAILED, RunState.CANCELLED]
        if await runs.turn(run_id, stopped, RunState.PLANNED, reason="", ended_at=0, **fields):
            return
    if run.state is RunState.DONE:
        raise Stopped(f"run {run_id} is done")


def _refused(document: str, why: str) -> None:
    complain(f"{document}: MongoDB will not store it: {why}")


def _confirmed(question: str) -> bool:
    try:
        return typer.confirm(question)
    except typer.Abort:
        return False
