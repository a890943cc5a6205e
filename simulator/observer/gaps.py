"""Edits that nobody was told of: made in a gap, and written over by us before it was repaired.

Salesforce keeps no history of them, so nobody can know of them any more, and no promise covers them. Which gaps there
were is what was recorded of them; an edit outside is never excused, nor one that anybody else has written over.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

from simulator.observer.authorship import FieldHistory, SalesforceEdit
from simulator.observer.history import Commit, Row

_WHOLE_STREAM: Final = frozenset({"position_refused", "position_expired"})
_OF_AN_OBJECT: Final = frozenset({"overflow"})
_OF_RECORDS: Final = frozenset({"gap_event"})


@dataclass(frozen=True, slots=True)
class Gap:
    """What was not told between two moments, epoch milliseconds: of all objects, of one, or of some of its records."""

    since: int
    until: int
    entity: str = ""
    record_ids: frozenset[str] = frozenset()

    def covers(self, commit: Commit) -> bool:
        """Whether the event of this commit may have been among what was not told."""
        return (
            self.since <= commit.at <= self.until
            and self.entity in ("", commit.entity)
            and (not self.record_ids or commit.record_id in self.record_ids)
        )


@dataclass(frozen=True, slots=True)
class Gaps:
    """All gaps of a run."""

    gaps: Sequence[Gap] = ()

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Self:
        """From what was recorded; a reason by which nothing of the stream is missed makes no gap here."""
        found = []
        for row in rows:
            since, until, reason = int(row["since"]), int(row["until"]), str(row["reason"])
            if reason in _WHOLE_STREAM:
                found.append(Gap(since, until))
            elif reason in _OF_AN_OBJECT:
                found.append(Gap(since, until, str(row["entity"])))
            elif reason in _OF_RECORDS:
                found.append(Gap(since, until, str(row["entity"]), frozenset(map(str, row["record_ids"]))))
        return cls(found)

    def hid(self, edit: SalesforceEdit, history: FieldHistory) -> bool:
        """Whether nobody can know of the edit: it was made in a gap, and a write of ours was the next over it."""
        if not any(gap.covers(edit.commit) for gap in self.gaps):
            return False
        return any(write.setter is edit and write.key != edit.key for write in history.writes)
