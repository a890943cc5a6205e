"""What is asked of the store: a guarded update of a document, and a record that is parked."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from schemas.marks import Redriven
from schemas.outcome import Outcome


@dataclass(frozen=True, slots=True)
class DocumentWrite:
    """A guarded update of one document.

    Takes effect only if the document still has `revision` (None: it has none of ours yet; it is made if missing).
    `set` and `unset` are MongoDB paths; `decision` names this very update so that a loser can be told from a winner.
    With `fresh_until`, seconds of this process's monotonic clock, it takes no effect later than that: what it shows was
    to be seen by then.
    """

    id: str
    revision: int | None
    decision: str
    set: Mapping[str, Any]
    unset: Sequence[str] = ()
    fresh_until: float | None = None


class DocumentsRefused(Exception):
    """The store answered, and will never make some of the updates; the others were made, but for those that lost.

    `refused` has a stable word for each document: the store's own name for its reason, never a value.
    """

    def __init__(self, refused: Mapping[str, str], lost: Set[str]) -> None:
        super().__init__(f"{len(refused)} updates refused: {', '.join(sorted(set(refused.values())))}")
        self.refused = dict(refused)
        self.lost = frozenset(lost)


@dataclass(frozen=True, slots=True)
class Parked:
    """A record that cannot be handled: its bytes, where it came from, and why."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    reason: str
    """A stable word: `undecodable`, `unknown_kind`, or Salesforce's own error code."""
    detail: str
    at: int
    kind: str = ""
    document_id: str = ""
    timestamp: int = 0
    """When the record came into its topic, epoch milliseconds."""
    redriven: Redriven | None = None
    """It was parked before, under another offset: that row is parked again."""


@dataclass(frozen=True, slots=True)
class Concluded:
    """A redriven record that was not parked again: how it ended, and when (epoch milliseconds)."""

    redriven: Redriven
    outcome: Outcome
    reason: str
    at: int
