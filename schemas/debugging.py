"""Looking closely at one thing for a while: what is looked at, and how its values are told without being told."""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

DECISION: Final = "decision"
"""The type of a row of the log that tells of a decision, and the name of the log line that tells the same."""
HOUR_MS: Final = 3_600_000
LONGEST_MS: Final = 24 * HOUR_MS
HIDDEN: Final = "•••"
"""In place of a value of a field that the mapping marks as sensitive: not even its length is told."""
NOTHING: Final = "nothing"
_LETTERS: Final = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
_HASH_LETTERS: Final = 8


@dataclass(frozen=True, slots=True)
class DebugMark:
    """A platform thing (kind and id), or a Salesforce record alone, that is looked at until `until`.

    Times are epoch milliseconds. A thing has the record that it had when it was marked, so that those who know only
    records know it too. `key` is made with the mark and goes with it: afterwards nobody can try values on its hashes.
    """

    kind: str
    document_id: str
    record_id: str
    until: int
    by: str
    why: str
    at: int
    key: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """Names what is looked at: `customer:cust-42`, or the record's id."""
        return mark_name(self.kind, self.document_id, self.record_id)


class Debugged:
    """The marks in force. It is asked of every record: where nothing is marked that costs one look."""

    def __init__(self, marks: Iterable[DebugMark] = ()) -> None:
        self._marks: dict[tuple[str, str], DebugMark] = {}
        for mark in marks:
            if mark.record_id:
                self._marks["", mark.record_id] = mark
            if mark.kind:
                self._marks[mark.kind, mark.document_id] = mark

    def __bool__(self) -> bool:
        return bool(self._marks)

    def thing(self, kind: str, document_id: str, record_id: str, *, now: int) -> DebugMark | None:
        """The mark of a thing, or of the record that it has, while it lasts."""
        if not self._marks:
            return None
        return self._lasting((kind, document_id), now) or self.record(record_id, now=now)

    def record(self, record_id: str, *, now: int) -> DebugMark | None:
        """The mark of a record, while it lasts."""
        return self._lasting(("", record_id), now) if self._marks and record_id else None

    def _lasting(self, key: tuple[str, str], now: int) -> DebugMark | None:
        mark = self._marks.get(key)
        return mark if mark is not None and mark.until > now else None


NOTHING_DEBUGGED: Final = Debugged()
"""By far the most usual: whoever is in the middle of much work asks first whether it is this one."""


def mark_name(kind: str, document_id: str, record_id: str) -> str:
    """What a mark is kept under."""
    return f"{kind}:{document_id}" if kind else record_id


def masked(value: Any, comparable: Any, key: bytes, *, sensitive: bool = False) -> str:
    """A value's length and eight letters of a keyed hash: `11 characters, kdpfaoge`.

    Values that the mapping takes for the same (`comparable`, the form they are compared in) have the same letters.
    Letters, not digits: eight of those could look like something that a log line refuses.
    """
    if value is None:
        return NOTHING
    if sensitive:
        return HIDDEN
    digest = hmac.new(key, repr(comparable).encode(), hashlib.sha256).hexdigest()[:_HASH_LETTERS]
    length = len(value) if isinstance(value, str) else len(repr(value))
    return f"{length} character{'' if length == 1 else 's'}, {digest.translate(_LETTERS)}"
