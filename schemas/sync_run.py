"""Runs: a load of an object, a comparison of both sides, a refresh of what Salesforce calculates. Asked for, resumable.

A run is a document of `tandem_runs`. It walks in steps, one for each kind and task, from a cursor that is stored with
what was counted until there: a run that is killed goes on from it, and what is done twice is as if it was done once.
"""

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from schemas.record_filter import Condition

RunId = Annotated[str, StringConstraints(min_length=1, max_length=120, pattern=r"^[A-Za-z0-9][A-Za-z0-9:._-]*$")]


class Purpose(StrEnum):
    """What a run is for."""

    SYNC = "sync"
    """Somebody wants both sides, or one of them, to have what the other has."""
    COMPARE = "compare"
    """Whatever no event told of is found: edits, and records that are there no more."""
    REFRESH = "refresh"
    """Fields that Salesforce calculates, of which no event tells, are looked at."""


class RunDirection(StrEnum):
    """Which way a `sync` looks."""

    PUSH = "push"
    PULL = "pull"
    BOTH = "both"


class Task(StrEnum):
    """What one step of a run does with one kind."""

    PUSH = "push"
    PULL = "pull"
    COMPARE = "compare"
    REFRESH = "refresh"


class RunState(StrEnum):
    """How a run stands."""

    PLANNED = "planned"
    """Nobody works at it yet, or it is to go on."""
    RUNNING = "running"
    PAUSED = "paused"
    """It goes on when somebody says so."""
    DONE = "done"
    FAILED = "failed"
    """It cannot go on as it is; `reason` says why."""
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Nobody works at it any more unless somebody resumes it."""
        return self in (RunState.DONE, RunState.FAILED, RunState.CANCELLED)


class Wish(StrEnum):
    """What somebody wants of a run that another process works at."""

    PAUSE = "pause"
    CANCEL = "cancel"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RunRequest(_Model):
    """What is asked for: what `tandem sync` makes of its options, and a record of `tandem.commands` holds."""

    id: RunId
    """The same request twice is one run."""
    what: Annotated[str, StringConstraints(min_length=1, max_length=80)] = "all"
    """`contacts`, `leads`, `accounts`, `opportunities`, `campaigns`, `all`, a kind of the mapping or an object."""
    purpose: Purpose = Purpose.SYNC
    direction: RunDirection = RunDirection.BOTH
    """Of a `sync`; a comparison and a refresh only look at Salesforce."""
    since: AwareDatetime | None = None
    """Only what was changed since."""
    created_since: AwareDatetime | None = None
    """Only what was made since."""
    filter: Condition | None = None
    """Only what this holds of, by the platform's paths."""
    dry_run: bool = False
    """Only count."""
    by: Annotated[str, StringConstraints(max_length=200)] = ""
    """Who asks."""


class RunCommand(RunRequest):
    """The same as a record of `tandem.commands`."""

    format: int = Field(default=1, ge=1)
    """Of this very record (`schemas.versions`)."""

    @property
    def request(self) -> RunRequest:
        """What is asked for."""
        return RunRequest.model_validate({name: getattr(self, name) for name in RunRequest.model_fields})


class RunStep(_Model):
    """One kind and task. `counts` are by verdict (`consumers.rules.sync_verdict`), in its stable words."""

    kind: str
    task: Task
    total: int | None = None
    """About how many there are, once that is known."""
    passed: int = 0
    cursor: str = ""
    """The last id that was looked at: of a document for `push`, else of a record."""
    done: bool = False
    """Nothing is left of it, or it cannot go on as it is."""
    problem: str = ""
    """Why it could not go on; it does where its cursor is when the run is resumed."""
    asks: bool = False
    """It could, if a person says that it may."""
    counts: dict[str, int] = Field(default_factory=dict)

    @property
    def name(self) -> str:
        """`pull customer`."""
        return f"{self.task} {self.kind}"

    @property
    def found(self) -> str:
        """What it has counted: `1,203 looked at: 1,200 up_to_date, 3 missing`."""
        return _found(self.passed, self.counts)


class Run(_Model):
    """A run as it is stored; times are epoch milliseconds."""

    id: RunId
    request: RunRequest
    state: RunState = RunState.PLANNED
    reason: str = ""
    """Why it failed or was paused."""
    waits: str = ""
    """What a run that is running waits for."""
    steps: tuple[RunStep, ...] = ()
    asked_at: int
    started_at: int = 0
    moved_at: int = 0
    ended_at: int = 0
    closed_gaps: int = 0
    """Gaps that a comparison of everything has made good."""
    accepts_missing: bool = False
    """Somebody has said that so many records may be gone."""

    @property
    def problems(self) -> str:
        """What hinders its steps, each by its name."""
        return "; ".join(f"{step.name}: {step.problem}" for step in self.steps if step.problem)

    @property
    def found(self) -> str:
        """What its steps have counted, all together, in the same words."""
        counts = sum((Counter(step.counts) for step in self.steps), Counter[str]())
        return _found(sum(step.passed for step in self.steps), counts)

    @property
    def step(self) -> int | None:
        """The place of the step to go on with; nothing where all are done."""
        return next((place for place, step in enumerate(self.steps) if not step.done), None)


def _found(passed: int, counts: Mapping[str, int]) -> str:
    words = ", ".join(f"{count:,} {word}" for word, count in Counter(counts).most_common())
    return f"{passed:,} looked at{': ' if words else ''}{words}"
