"""Forgetting a person: what is asked for, the names that a list of erased people is kept by, and the certificate."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

RECORD: Final = "record"
"""What stands for a kind in the name of a Salesforce record."""


class ErasureState(StrEnum):
    """How far an erasure has come."""

    ASKED = "asked"
    """Nothing more is taken in of the person; they have still to be removed."""
    REMOVED = "removed"
    """They were removed, and are looked for once more when nothing can be under way any more."""
    DONE = "done"
    """They were removed, and nothing was found the second time but what `left` names."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """An erasure at work. Times are epoch milliseconds.

    `things` (kind, id) and `records` (kind, Salesforce id) are those found so far: once removed, they name nobody.
    """

    id: str
    kind: str
    document_id: str
    asked_at: int
    state: ErasureState = ErasureState.ASKED
    things: Sequence[tuple[str, str]] = ()
    records: Sequence[tuple[str, str]] = ()
    passes: Sequence[Mapping[str, Any]] = ()


@dataclass(slots=True)
class Removed:
    """What one pass has removed, by where (`mongodb.customers`, `salesforce.Contact`), and what it had to leave."""

    counts: dict[str, int] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)

    def add(self, where: str, count: int) -> None:
        """So many more; places where there was nothing are told too."""
        self.counts[where] = self.counts.get(where, 0) + count


def thing_name(kind: str, document_id: str) -> str:
    """The name of a platform thing, of which the list holds a keyed hash."""
    return f"{kind}:{document_id}"


def record_name(record_id: str) -> str:
    """The name of a Salesforce record, by its id of 18 characters."""
    return f"{RECORD}:{record_id}"


def erased_hash(key: bytes, name: str) -> str:
    """What the list of erased people holds of a name: nobody without the key can tell whose it is."""
    return hmac.new(key, name.encode(), hashlib.sha256).hexdigest()
