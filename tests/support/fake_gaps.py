"""`tandem_gaps` in memory: what events note, and what the repair reads, keeps and closes."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from schemas.gap import GapRow, GapState, Handling, ObjectGap, ObjectProgress
from schemas.gap_change import GapRecord
from schemas.polling import ModifiedRow
from schemas.topics import SALESFORCE_WRITES
from schemas.unavailable import Unavailable


@dataclass
class FakeObjectGaps:
    """Satisfies `consumers.ports.ObjectGaps` and, over the same rows, `consumers.repair.ports.GapRows`."""

    rows: dict[str, GapRow] = field(default_factory=dict)

    async def note(self, gaps: Sequence[ObjectGap]) -> list[ObjectGap]:
        """As the port."""
        new = []
        for gap in gaps:
            row_id = f"{gap.reason}:{gap.entity}:{gap.mark}"
            known = self.rows.get(row_id)
            ids = tuple(sorted({*(known.record_ids if known else ()), *gap.record_ids}))
            if known is None:
                new.append(gap)
                self.rows[row_id] = GapRow(
                    row_id, gap.reason, "", GapState.OPEN, gap.since, gap.until, entity=gap.entity, record_ids=ids
                )
            elif ids != known.record_ids:
                opened = known.opened + 1
                self.rows[row_id] = replace(
                    known, state=GapState.OPEN, record_ids=ids, opened=opened, progress={}, published_to={}, rung_to={}
                )
        return new

    def add(self, gap: GapRow) -> GapRow:
        """As somebody else has recorded it; met again it is open again."""
        known = self.rows.get(gap.id)
        self.rows[gap.id] = replace(gap, opened=known.opened + 1 if known else 1)
        return self.rows[gap.id]

    async def unrepaired(self) -> list[GapRow]:
        """As the port."""
        left = [row for row in self.rows.values() if row.state is not GapState.CLOSED]
        return sorted(left, key=lambda gap: gap.until)

    async def keep_progress(self, gap: GapRow, sobject: str, progress: ObjectProgress) -> bool:
        """As the port."""
        made = {**self.rows[gap.id].progress, sobject: progress}
        return self._update(gap, state=GapState.REPAIRING, progress=made, error="")

    async def keep_published(self, gap: GapRow, published_to: Mapping[int, int]) -> bool:
        """As the port."""
        return self._update(gap, published_to=dict(published_to), error="")

    async def keep_rung(self, gap: GapRow, rung_to: Mapping[int, int]) -> bool:
        """As the port."""
        return self._update(gap, rung_to=dict(rung_to), error="")

    async def start_anew(self, gap: GapRow, why: str, at: int) -> bool:
        """As the port."""
        now = self.rows[gap.id]
        if (now.published_to, now.rung_to) != (gap.published_to, gap.rung_to):
            return False
        forgotten: dict[str, Any] = {"progress": {}, "published_to": {}, "rung_to": {}}
        forgotten |= {"covered_by": "", "covered_note": ""}
        return self._update(gap, state=GapState.OPEN, error=why, tried_at=at, **forgotten)

    async def close(self, gap: GapRow, *, by: str, note: str, at: int) -> bool:
        """As the port."""
        return self._update(gap, state=GapState.CLOSED, closed_by=by, note=note, closed_at=at, error="")

    async def failed(self, gap: GapRow, why: str, at: int) -> None:
        """As the port."""
        self._update(gap, error=why, tried_at=at)

    def _update(self, gap: GapRow, **changed: Any) -> bool:
        now = self.rows[gap.id]
        if now.state is GapState.CLOSED or now.opened != gap.opened:
            return False
        self.rows[gap.id] = replace(now, **changed)
        return True


@dataclass
class FakeLooks:
    """Records by object, in pages of `size`. Fails before page number `away_at`, counted over all looks from 1."""

    records: dict[str, list[ModifiedRow]] = field(default_factory=dict)
    size: int = 2
    away_at: int = 0
    refused: frozenset[str] = frozenset()
    asked: list[tuple[str, int, ModifiedRow | None]] = field(default_factory=list)
    pages: int = 0

    async def changed(
        self, sobject: str, since: int, after: ModifiedRow | None
    ) -> AsyncIterator[Sequence[ModifiedRow]]:
        """As the port."""
        self.asked.append((sobject, since, after))
        if sobject in self.refused:
            raise Unavailable("INVALID_TYPE")
        rows = sorted(self.records.get(sobject, []), key=lambda seen: (seen.modified, seen.record_id))
        wanted = [
            seen
            for seen in rows
            if seen.modified >= since
            and (after is None or (seen.modified, seen.record_id) > (after.modified, after.record_id))
        ]
        for start in range(0, max(1, len(wanted)), self.size):
            self.pages += 1
            if self.pages == self.away_at:
                raise Unavailable("the org is away")
            yield wanted[start : start + self.size]


@dataclass
class FakeChanges:
    """`salesforce.changes`."""

    records: list[GapRecord] = field(default_factory=list)

    async def append(self, records: Sequence[GapRecord]) -> None:
        """As the port."""
        self.records.extend(records)


@dataclass
class FakeBacklog:
    """Satisfies `consumers.repair.ports.Backlog`: topics of one partition, what is in them, and how far their groups
    are. Where that is not said, all is handled."""

    end: int = 0
    handled: int | None = None
    rung: int = 0
    """How many doorbells there are."""
    visited: int | None = None
    """How many of them are handled."""

    async def ends(self, topic: str) -> Mapping[int, int]:
        """As the port."""
        return {0: self.rung if topic == SALESFORCE_WRITES else self.end}

    async def handling(self, topic: str, ends: Mapping[int, int]) -> Handling:
        """As the port."""
        handled, last = (self.visited, self.rung) if topic == SALESFORCE_WRITES else (self.handled, self.end)
        if any(end > last for end in ends.values()):
            return Handling.NOT_IN_LOG
        return Handling.DONE if handled is None or all(handled >= end for end in ends.values()) else Handling.PENDING
