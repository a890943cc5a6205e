"""Rules 14, 18, 19 and 24: records read whole, and their documents decided again."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from consumers.ports import RecordRead, Records, Unavailable
from consumers.rules.audit import Occasion
from consumers.rules.kinds import Kind
from consumers.rules.rows import Row, apply_row
from consumers.rules.writes import wait
from consumers.writer.visit import Desk, Visit, by_kind
from schemas.outcome import Outcome
from schemas.platform_event import epoch_ms

ROWS_A_READ = 2_000


class Reader:
    """Reads records whole, many in a call."""

    def __init__(self, desk: Desk, records: Records) -> None:
        self._desk = desk
        self._records = records

    async def read(self, visits: Sequence[Visit]) -> None:
        """Read their records and take the rows in; a row that does not count is read again a little later."""
        for kind, group in by_kind(visits):
            for start in range(0, len(group), ROWS_A_READ):
                await self._read(kind, group[start : start + ROWS_A_READ])

    async def _read(self, kind: Kind, visits: Sequence[Visit]) -> None:
        records = {visit.id: visit.record_id for visit in visits}
        try:
            read = await self._records.read(kind.sobject, sorted(set(records.values())), kind.read_fields())
        except Unavailable as error:
            await self._desk.defer(visits, "UNAVAILABLE", str(error))
            return
        # Salesforce tells its time with the answer: what counts is its time when the read began, at the earliest.
        server_time = read.server_time - (self._desk.now() - read.began_at)
        there = await self._desk.look(visits)
        for visit in there:
            self._decide(visit, records[visit.id], read, server_time)
        await self._desk.save(there)

    def _decide(self, visit: Visit, record_id: str, read: RecordRead, server_time: int) -> None:
        now = self._desk.now()
        timing = self._desk.timing
        values = read.rows.get(record_id)
        row = Row(read.began_at, server_time, values, modified_at(values))
        event = f"row:{record_id}@{row.modified}:{visit.state.next_revision}"
        visit.result = apply_row(visit.state, row, visit.kind, Occasion(event, now, now + timing.visible_after))
        if visit.result.outcome is Outcome.DEFERRED:
            wait(visit.state, "READ_AGAIN", until=now + timing.quiet_before_read)


def modified_at(row: Mapping[str, Any] | None) -> int:
    """The row's `SystemModstamp`, epoch milliseconds: `2025-01-02T03:04:05.000+0000`. 0 where there is no row."""
    return 0 if row is None else epoch_ms(datetime.fromisoformat(row["SystemModstamp"]))
