"""`/sync`: runs over whole objects, asked for and followed. What works at them is `tandem schedule`."""

import hashlib
import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Final, Literal, Protocol
from urllib.parse import quote

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from listener.api import problem
from listener.api.paths import PREFIX
from listener.api.problem import Problem, ProblemType
from listener.api.routes import GET, POST, Answer, Call, Group, Route
from schemas.api_key import Scope
from schemas.record_filter import Condition
from schemas.sync_run import Purpose, Run, RunDirection, RunId, RunRequest, RunState

CANNOT_RUN: Final = ProblemType("cannot_run", 422, "There can be no such run")
ENDED: Final = ProblemType("ended", 409, "The run has ended")

What = Annotated[str, StringConstraints(min_length=1, max_length=80)]


class CannotRun(Exception):
    """Why there will be no such run, in one line."""


class Runs(Protocol):
    """Runs. Every method raises `Unavailable` while the store does not answer."""

    async def ask(self, request: RunRequest, now: int) -> Run:
        """Keep the run that is asked for; one of this id that is there already stays as it is.

        Raises:
            CannotRun: there is nothing that it could do.
        """

    async def get(self, run_id: str) -> Run | None:
        """One run."""

    async def newest(self, limit: int, behind: Run | None) -> Sequence[Run]:
        """The last to be asked for, the newest first; those that follow `behind` in this order, if it is given."""

    async def cancel(self, run_id: str) -> bool:
        """End it, or ask whoever works at it to; False where it has ended."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class RunFilter(_Strict):
    """Which records or documents."""

    created_after: AwareDatetime | date | None = None
    """Those that were made since: a date is its first second in UTC."""
    changed_after: AwareDatetime | date | None = None
    """Those that were changed since, whenever they were made."""
    where: Condition | None = None
    """Those of which this holds, by the platform's paths, as filters of the mapping have it."""


class RunWanted(_Strict):
    """Which run."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"direction": "push", "filter": {"created_after": "2025-01-01"}}]}
    )

    direction: Literal["push", "pull", "both"] = "both"
    """`push` looks at documents, `pull` at Salesforce's records."""
    filter: RunFilter | None = None
    dry_run: bool = False
    """Only count what would be done."""


class WhatPath(BaseModel):
    """Of what."""

    what: What = Field(description="contacts, leads, accounts, opportunities, campaigns, all, a kind, or an object.")


class RunPath(BaseModel):
    """Which."""

    id: RunId = Field(description="As the answer to the request named it.")


class Newest(BaseModel):
    """How many."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=20, ge=1, le=100, description="How many, of the newest.")
    behind: RunId | None = Field(default=None, description="The last run of the page before.")


class StepShown(BaseModel):
    """One kind in one direction."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    kind: str
    task: str
    total: int | None
    """About how many there are, once that is known."""
    passed: int
    """How many were looked at."""
    done: bool
    problem: str
    """Why it could not go on."""
    counts: dict[str, int]
    """What was found, by verdict."""


class RunShown(BaseModel):
    """A run, and how far it is."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    what: str
    purpose: str
    direction: str
    state: str
    """`planned`, `running`, `paused`, `done`, `failed` or `cancelled`."""
    dry_run: bool
    asked_by: str
    asked_at: AwareDatetime
    started_at: AwareDatetime | None
    moved_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    reason: str
    """Why it failed or was paused."""
    waits: str
    """What it waits for now."""
    steps: tuple[StepShown, ...]


class RunList(BaseModel):
    """Runs, the newest first."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    runs: tuple[RunShown, ...]
    next: str | None
    """The address of the next page."""


class SyncRuns:
    """The handlers."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    def group(self) -> Group:
        """Their routes."""
        missing = (problem.NOT_FOUND,)
        return Group(
            "Runs",
            PREFIX,
            (
                Route(
                    POST,
                    "/sync/{what}",
                    self.ask,
                    Scope.SYNC,
                    "Ask for a run",
                    {202: RunShown},
                    "Both sides, or one, are looked at; what differs goes the ordinary way, by the ordinary rules.",
                    body=RunWanted,
                    path=WhatPath,
                    problems=(CANNOT_RUN,),
                    idempotent=True,
                ),
                Route(
                    GET,
                    "/sync/runs",
                    self.newest,
                    Scope.READ,
                    "The newest runs",
                    {200: RunList},
                    query=Newest,
                    problems=missing,
                ),
                Route(
                    GET,
                    "/sync/runs/{id}",
                    self.show,
                    Scope.READ,
                    "One run",
                    {200: RunShown},
                    path=RunPath,
                    problems=missing,
                ),
                Route(
                    POST,
                    "/sync/runs/{id}/cancel",
                    self.cancel,
                    Scope.SYNC,
                    "End a run",
                    {202: RunShown},
                    "What was done stays done.",
                    path=RunPath,
                    problems=(*missing, ENDED),
                ),
            ),
            "Looks at whole objects.",
        )

    async def ask(self, call: Call) -> Answer:
        """One more."""
        wanted, what = call.body(RunWanted), call.path(WhatPath).what
        request = RunRequest(
            id=_run_id(call, what),
            what=what,
            purpose=Purpose.SYNC,
            direction=RunDirection(wanted.direction),
            since=None if wanted.filter is None else _moment(wanted.filter.changed_after),
            created_since=None if wanted.filter is None else _moment(wanted.filter.created_after),
            filter=None if wanted.filter is None else wanted.filter.where,
            dry_run=wanted.dry_run,
            by="" if call.key is None else f"api key {call.key.id} ({call.key.name})"[:200],
        )
        try:
            run = await self._runs.ask(request, call.now)
        except CannotRun as reason:
            raise Problem(CANNOT_RUN, str(reason)) from None
        return Answer(shown_run(run), 202, {"Location": f"{PREFIX}/sync/runs/{quote(run.id, safe='')}"})

    async def newest(self, call: Call) -> Answer:
        """The last ones."""
        asked = call.query(Newest)
        behind = None if asked.behind is None else await self._known(asked.behind)
        # One more than are shown tells whether there is another page.
        found = await self._runs.newest(asked.limit + 1, behind)
        runs = found[: asked.limit]
        following = f"?limit={asked.limit}&behind={quote(runs[-1].id, safe='')}" if len(found) > asked.limit else None
        return Answer(
            RunList(
                runs=tuple(map(shown_run, runs)),
                next=None if following is None else f"{PREFIX}/sync/runs{following}",
            )
        )

    async def show(self, call: Call) -> Answer:
        """One."""
        return Answer(shown_run(await self._one(call)))

    async def cancel(self, call: Call) -> Answer:
        """No more of it."""
        run = await self._one(call)
        if not await self._runs.cancel(run.id) and run.state.ended:
            raise Problem(ENDED, f"it is {run.state}")
        return Answer(shown_run(await self._one(call)), 202)

    async def _one(self, call: Call) -> Run:
        return await self._known(call.path(RunPath).id)

    async def _known(self, run_id: str) -> Run:
        run = await self._runs.get(run_id)
        if run is None:
            raise Problem(problem.NOT_FOUND, "there is no such run")
        return run


def _moment(given: date | None) -> datetime | None:
    if given is None:
        return None
    return given.astimezone(UTC) if isinstance(given, datetime) else datetime.combine(given, time(), UTC)


def _run_id(call: Call, what: str) -> str:
    """The same request is the same run."""
    name = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in what)
    if call.idempotency_key is not None and call.key is not None:
        mark = hashlib.sha256(f"{call.key.id}:{call.idempotency_key}".encode()).hexdigest()[:16]
    else:
        mark = f"{datetime.fromtimestamp(call.now / 1000, UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"
    return f"api-{name}-{mark}"


def shown_run(run: Run) -> RunShown:
    """A run as it is shown."""
    request = run.request
    moments: dict[str, Any] = {
        name: datetime.fromtimestamp(at / 1000, UTC) if (at := getattr(run, name)) else None
        for name in ("asked_at", "started_at", "moved_at", "ended_at")
    }
    return RunShown(
        id=run.id,
        what=request.what,
        purpose=str(request.purpose),
        direction=str(request.direction),
        state=str(RunState(run.state)),
        dry_run=request.dry_run,
        asked_by=request.by,
        reason=run.reason,
        waits=run.waits,
        steps=tuple(
            StepShown(
                kind=step.kind,
                task=str(step.task),
                total=step.total,
                passed=step.passed,
                done=step.done,
                problem=step.problem,
                counts=dict(step.counts),
            )
            for step in run.steps
        ),
        **moments,
    )
