"""What is asked of the store: a guarded update of a document, and a record that is parked."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class DocumentWrite:
    """A guarded update of one document.

    Takes effect only if the document still has `revision` (None: it has none of ours yet; it is made if missing).
    `set` and `unset` are MongoDB paths; `decision` names this very update so that a loser can be told from a winner.
    """

    id: str
    revision: int | None
    decision: str
    set: Mapping[str, Any]
    unset: Sequence[str] = ()


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
