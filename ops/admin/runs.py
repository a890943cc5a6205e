"""Runs over whole objects: planned first, begun, watched, paused, ended."""

import uuid
from datetime import UTC, datetime
from typing import Final

from ops.admin.answers import Answer, Asked, CannotDo, Done, Page, Question
from ops.sync import asking
from ops.sync.view import run_lines
from schemas.sync_run import Purpose, Run, RunDirection, RunRequest, RunState, Wish

LIMIT: Final = 50
WAITS: Final = [RunState.PLANNED, RunState.PAUSED]
AT_WORK: Final = (RunState.PLANNED, RunState.RUNNING)
ENDED: Final = [RunState.PAUSED, RunState.FAILED, RunState.CANCELLED]


async def show_all(asked: Asked) -> Answer:
    """The newest, and the form for another."""
    shows = {
        "runs": [shown(run) for run in await asked.parts.runs.newest(LIMIT)],
        "whats": [asking.ALL, *asked.parts.catalog().kinds],
        "directions": list(RunDirection),
    }
    return Page("runs.html", "Runs", shows)


async def show_one(asked: Asked) -> Answer:
    """How far it is, and what it has found."""
    run = await _one(asked)
    return Page("run.html", f"Run {run.id}", {**shown(run), "lines": list(run_lines(run))})


async def plan(asked: Asked) -> Answer:
    """Count what a run would do: it is a run of its own, that changes nothing."""
    since = asked.form.get("since", "")
    try:
        request = RunRequest(
            id=f"admin:{uuid.uuid4().hex[:12]}",
            what=asked.form.get("what") or asking.ALL,
            direction=RunDirection(asked.form.get("direction") or RunDirection.BOTH),
            since=datetime.fromisoformat(since).replace(tzinfo=UTC) if since else None,
            dry_run=True,
            by=asked.user.name,
        )
    except ValueError:
        raise CannotDo("a run is of something known, push, pull or both, and since a day") from None
    run = await _ask(asked, request)
    return Done("planning: what it would do is counted below", f"/admin/runs/{run.id}")


async def begin(asked: Asked) -> Answer:
    """Do what was planned."""
    planned = await _one(asked)
    if not planned.request.dry_run:
        raise CannotDo("this one is no plan: plan another")
    if not asked.is_sure:
        return Question(f"Run {planned.request.what}", list(run_lines(planned)), "Run", f"/admin/runs/{planned.id}")
    why = asked.why()
    run_id = f"{planned.id}:run"  # of one plan there is one run, however often the button is pressed
    request = planned.request.model_copy(update={"id": run_id, "dry_run": False, "by": asked.user.name})
    async with asked.noted("run", f"{request.what} ({run_id})", why, "asked for"):
        run = await _ask(asked, request)
    return Done(f"run {run.id} is asked for", f"/admin/runs/{run.id}")


async def turn(asked: Asked) -> Answer:
    """Pause it, let it go on, or end it."""
    run, what = await _one(asked), asked.form.get("what", "")
    if what not in ("pause", "resume", "cancel"):
        raise CannotDo("say pause, resume or cancel")
    if not asked.is_sure:
        return Question(
            f"{what.capitalize()} {run.id}", list(run_lines(run)), what.capitalize(), f"/admin/runs/{run.id}"
        )
    runs = asked.parts.runs
    async with asked.noted(what, f"{run.request.what} ({run.id})", asked.why(), "asked for"):
        if what == "resume":
            done = await runs.turn(run.id, ENDED, RunState.PLANNED, reason="", ended_at=0)
        else:
            into, ended = (RunState.PAUSED, 0) if what == "pause" else (RunState.CANCELLED, asked.parts.now())
            done = await runs.wish(run.id, Wish(what)) or await runs.turn(run.id, WAITS, into, ended_at=ended)
        if not done:
            raise CannotDo(f"it is {run.state}: there is nothing to {what}")
    return Done(f"run {run.id}: {what}", f"/admin/runs/{run.id}")


def shown(run: Run) -> dict[str, object]:
    """As the list and the page of one show it."""
    known = [step.total for step in run.steps if step.total is not None]
    return {
        "id": run.id,
        "what": run.request.what,
        "purpose": run.request.purpose,
        "direction": run.request.direction if run.request.purpose is Purpose.SYNC else "",
        "by": run.request.by,
        "plan": run.request.dry_run,
        "state": run.state,
        "waits": run.waits or run.reason or run.problems,
        "asked_at": run.asked_at,
        "ended_at": run.ended_at,
        "passed": sum(step.passed for step in run.steps),
        "total": sum(known) if known else None,
        "ended": run.state.ended,
    }


async def _one(asked: Asked) -> Run:
    run = await asked.parts.runs.get(asked.request.match_info["run"])
    if run is None:
        raise CannotDo("there is no such run")
    return run


async def _ask(asked: Asked, request: RunRequest) -> Run:
    try:
        run = asking.new_run(request, asked.parts.catalog(), now=asked.parts.now())
    except asking.CannotRun as reason:
        raise CannotDo(str(reason)) from None
    await asked.parts.runs.add(run)
    return run
