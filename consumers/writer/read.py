"""Rules 14, 18, 19 and 24: records read whole, and their documents decided again."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from consumers.ports import Records, Unavailable
from consumers.rules.audit import Occasion
from consumers.rules.closely import look
from consumers.rules.kinds import Kind
from consumers.rules.lookups import named_records
from consumers.rules.rows import Row, apply_row
from consumers.rules.writes import wait
from consumers.writer.desk import Desk
from consumers.writer.kept import KeptRecords
from consumers.writer.visit import Visit, by_kind, ids_of_all, parts, put_down
from schemas.outcome import Outcome, Result
from schemas.platform_event import epoch_ms

ROWS_A_READ = 2_000
ANOTHER_ID = Result(Outcome.DEFERRED, "rule 23: the record has another id since it was asked for")


class Reader:
    """Reads records whole, many in a call."""

    def __init__(self, desk: Desk, records: Records) -> None:
        self._desk = desk
        self._records = KeptRecords(records)

    async def read(self, visits: Sequence[Visit]) -> None:
        """Read their records and take the rows in; a row that does not count is read again a little later."""
        for kind, group in by_kind(visits):
            for start in range(0, len(group), ROWS_A_READ):
                await self._read(kind, group[start : start + ROWS_A_READ])

    async def _read(self, kind: Kind, visits: Sequence[Visit]) -> None:
        records = {visit.id: visit.record_id for visit in visits}
        try:
            read = await self._records.read(kind, sorted(set(records.values())))
        except Unavailable as error:
            await self._desk.defer(visits, "UNAVAILABLE", str(error))
            return
        # Salesforce tells its time with the answer: what counts is its time when the read began, at the earliest.
        server_time = read.server_time - (self._desk.now() - read.began_at)
        named = ids_of_all(named_records(kind, row) for row in read.rows.values())
        parents = await self._desk.parents_by_record(named)
        rows = {record_id: parents.incoming(kind, row) for record_id, row in read.rows.items()}
        for some in parts(visits):
            there = await self._desk.look(some)
            decisions: dict[str, dict[str, Any]] = {}
            for visit in there:
                record_id = records[visit.id]
                closely = look(self._desk.debugged(), visit.state, kind, now=self._desk.now())
                self._decide(visit, record_id, rows.get(record_id), Row(read.began_at, server_time, None))
                if closely is not None:
                    name = f"row:{record_id}@{read.began_at}"
                    decisions[visit.id] = closely.read(rows.get(record_id), name, visit.result)
            lost = await self._desk.save(there)
            await self._desk.tell_decisions([row for id_, row in decisions.items() if id_ not in lost])
            for visit in there:
                stored = visit.id not in lost and not visit.refused
                visit.row_taken = stored and visit.result.outcome is Outcome.APPLIED
            put_down(there)

    def _decide(self, visit: Visit, record_id: str, values: Mapping[str, Any] | None, unread: Row) -> None:
        now = self._desk.now()
        timing = self._desk.timing
        link = visit.state.link
        if link is not None and link.record_id != record_id:
            # It has moved since it was looked at, as after a merge: that the old id is not there says nothing.
            visit.result = ANOTHER_ID
            return
        row = replace(unread, values=values, modified=modified_at(values))
        event = f"row:{record_id}@{row.modified}:{visit.state.next_revision}"
        visit.result = apply_row(visit.state, row, visit.kind, Occasion(event, now, now + timing.visible_after))
        if visit.result.outcome is Outcome.DEFERRED:
            wait(visit.state, "READ_AGAIN", until=now + timing.quiet_before_read)


def modified_at(row: Mapping[str, Any] | None) -> int:
    """The row's `SystemModstamp`, epoch milliseconds: `2025-01-02T03:04:05.000+0000`. 0 where there is no row."""
    return 0 if row is None else epoch_ms(datetime.fromisoformat(row["SystemModstamp"]))
