"""Planted faults of OAuth and REST, seeded: what goes wrong, where, how often. The stream has its own (`cometd`)."""

import random
import re
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints


class FaultKind(StrEnum):
    """What can go wrong."""

    DELAY = "delay"
    """The call waits `delay_ms` before it runs."""
    UNAUTHORIZED = "unauthorized"
    """401 INVALID_SESSION_ID; the call does not run. With `revoke`, the token is dead afterwards."""
    LIMIT = "limit"
    """403 REQUEST_LIMIT_EXCEEDED; the call does not run."""
    SERVER_ERROR = "server_error"
    """`status` with `body`; the call runs first if `runs`."""
    LOCK_ROW = "lock_row"
    """A row of a write fails with UNABLE_TO_LOCK_ROW; its scope counts rows, not calls."""
    REFUSE_ROW = "refuse_row"
    """A row of a write fails with `code`, `message` and `fields`; its scope counts rows, not calls."""
    REFUSE_CALL = "refuse_call"
    """The call fails with `status`, `code` and `message`, and does not run."""
    GAP_EVENT = "gap_event"
    """A record's change is told by a GAP event; `path` is searched for in the object's name."""
    OVERFLOW_EVENT = "overflow_event"
    """All that a transaction did to an object is told by one overflow event; `path` as for `gap_event`."""
    JOB_DELAY = "job_delay"
    """A Bulk job waits `delay_ms` before its next 200 rows; `path` is searched for in the object's name."""
    JOB_FAILED = "job_failed"
    """A Bulk job ends as Failed before its next 200 rows; `path` as for `job_delay`."""
    REQUEST_LOST = "request_lost"
    """The connection is closed before the call runs."""
    REPLY_LOST = "reply_lost"
    """The call runs, then the connection is closed."""


class Fault(BaseModel):
    """One planted fault."""

    model_config = ConfigDict(extra="forbid")

    id: int = 0
    kind: FaultKind
    path: Annotated[str, StringConstraints(max_length=500)] = ""
    """A regular expression searched for in the call's path; empty: any."""
    verb: str = ""
    """An HTTP verb; empty: any."""
    probability: float = Field(default=1.0, ge=0, le=1)
    count: int | None = Field(default=None, ge=1)
    """How many times more; none: without end."""
    skip: int = Field(default=0, ge=0)
    """How many matching calls go well first."""
    delay_ms: int = Field(default=0, ge=0)
    status: int = Field(default=503, ge=300, le=599)
    code: str = ""
    message: str = ""
    fields: tuple[str, ...] = ()
    body: Literal["salesforce", "gateway"] = "salesforce"
    """Salesforce's own JSON error, or a gateway's HTML page."""
    runs: bool = False
    revoke: bool = False
    taken: int = 0
    """How many times it has struck."""


class FaultRegistry:
    """The planted faults, oldest first."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._faults: list[Fault] = []
        self._next_id = 1

    def plant(self, fault: Fault) -> Fault:
        """Add a fault; the one returned has its id.

        Raises:
            re.error: its path is not a regular expression.
        """
        re.compile(fault.path)
        planted = fault.model_copy(update={"id": self._next_id, "taken": 0})
        self._next_id += 1
        self._faults.append(planted)
        return planted

    def remove(self, fault_id: int | None = None) -> int:
        """Take one fault out, or all; how many went."""
        before = len(self._faults)
        self._faults = [] if fault_id is None else [one for one in self._faults if one.id != fault_id]
        return before - len(self._faults)

    def planted(self) -> list[Fault]:
        """Every fault that can still strike."""
        return list(self._faults)

    def take(self, kind: FaultKind | str, path: str = "", verb: str = "") -> Fault | None:
        """The first fault of this kind that strikes this call, counted as having struck."""
        if not self._faults:
            return None
        for fault in self._faults:
            if fault.kind != kind or (fault.verb and fault.verb.upper() != verb):
                continue
            if fault.path and not re.search(fault.path, path):
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            if fault.probability < 1 and self._random.random() >= fault.probability:
                continue
            self._strike(fault)
            return fault
        return None

    def _strike(self, fault: Fault) -> None:
        fault.taken += 1
        if fault.count is not None:
            fault.count -= 1
            if fault.count == 0:
                self._faults.remove(fault)
