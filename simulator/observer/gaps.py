"""Edits that nobody was told of: made in a gap, and written over by us before we could know that there was one.

Salesforce keeps no history of them, so nobody can know of them any more, and no promise covers them. Which gaps there
were, and since when that could be known, is what was recorded of them; an edit outside is never excused, nor one that
anybody else has written over, nor one that a later write of ours did: we read before we write by then.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

from simulator.observer.authorship import FieldHistory, SalesforceEdit
from simulator.observer.history import Commit, Row

SOON_MS: Final = 2_000
"""How long after a gap was recorded we may write without having read: the writer looks for gaps every second, and what
it sent off just before its look is committed within another one. A call that takes longer than that is not excused: who
writes over somebody's edit so late has lost it, and calls stall in few of the moments in which there are gaps."""

_WHOLE_STREAM: Final = frozenset({"position_refused", "position_expired"})
_OF_AN_OBJECT: Final = frozenset({"overflow"})
_OF_RECORDS: Final = frozenset({"gap_event"})


@dataclass(frozen=True, slots=True)
class Gap:
    """What was not told between two moments, epoch milliseconds: of all objects, of one, or of some of its records.

    `noticed_at` is when that was first recorded, `met_at` when it was recorded last: it may have been repaired between,
    and reach further since.
    """

    since: int
    until: int
    noticed_at: int
    met_at: int
    entity: str = ""
    record_ids: frozenset[str] = frozenset()

    def covers(self, commit: Commit) -> bool:
        """Whether the event of this commit may have been among what was not told."""
        return (
            self.since <= commit.at <= self.until
            and self.entity in ("", commit.entity)
            and (not self.record_ids or commit.record_id in self.record_ids)
        )

    def hid(self, edit: Commit, write: Commit) -> bool:
        """Whether what this write buried may have been unknown to whoever wrote.

        What was there when the gap was first recorded was known of from then on, however often it was met again.
        """
        known_at = self.noticed_at if edit.at <= self.noticed_at else self.met_at
        return self.covers(edit) and write.at <= known_at + SOON_MS


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
            noticed_at = int(row.get("noticed_at", until))  # rows of an earlier release do not say it
            met_at = int(row.get("met_at", noticed_at))
            if reason in _WHOLE_STREAM:
                found.append(Gap(since, until, noticed_at, met_at))
            elif reason in _OF_AN_OBJECT:
                found.append(Gap(since, until, noticed_at, met_at, str(row["entity"])))
            elif reason in _OF_RECORDS:
                # Which of its records were named by which of several batches is not kept: the last one counts for all.
                named = frozenset(map(str, row["record_ids"]))
                found.append(Gap(since, until, met_at, met_at, str(row["entity"]), named))
        return cls(found)

    def hid(self, edit: SalesforceEdit, history: FieldHistory) -> bool:
        """Whether nobody can know of the edit: it was made in a gap, and the next over it was a write of ours, made
        before we could know of the gap."""
        over = [write.commit for write in history.writes if write.setter is edit and write.key != edit.key]
        return any(gap.hid(edit.commit, write) for gap in self.gaps for write in over)
