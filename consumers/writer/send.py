"""Rules 14 to 16: each write is numbered and stored, then called, then its own answer is taken back."""

from collections.abc import Sequence
from typing import Final

from consumers.ports import Records
from consumers.rules.parents import IN_USE, ROW_LOCK, Row, by_parent, calls, parents_of
from consumers.rules.writes import take
from consumers.writer.answers import Answers, Sent
from consumers.writer.desk import Desk
from consumers.writer.job import NOT_FOR_BULK, JobWriter
from consumers.writer.prepare import Preparer
from consumers.writer.sending import Ready, Sending, update_of
from consumers.writer.turns import Turns
from consumers.writer.visit import Visit, parts, put_down
from schemas.bulk import UNPROCESSED
from schemas.place import Place

NEXT_TURN: Final = 1_000
"""Rows that did not get their turn are looked at again after this, milliseconds."""
_BY_CALL: Final = frozenset({UNPROCESSED, NOT_FOR_BULK, ROW_LOCK})
ANOTHER_CALL: Final = "another call is writing children of a record that it names"


class Sender:
    """Writes records, many in a call."""

    def __init__(
        self,
        desk: Desk,
        records: Records,
        answers: Answers,
        turns: Turns,
        preparer: Preparer,
        jobs: JobWriter | None = None,
    ) -> None:
        self._desk = desk
        self._records = records
        self._answers = answers
        self._turns = turns
        self._preparer = preparer
        self._jobs = jobs

    async def send(self, sendings: Sequence[Sending]) -> None:
        """Make the calls, one after the other: parents before those that name them."""
        groups: dict[tuple[str, str, bool], list[Sending]] = {}
        for sending in sendings:
            visit = sending.visit
            groups.setdefault((visit.kind.name, visit.place.sobject, visit.first), []).append(sending)
        ordered = sorted(groups.items(), key=lambda found: self._desk.depth(found[1][0].visit.kind))
        for (_kind, _object, first), group in ordered:
            rows: list[Row[Sending | Ready]] = []
            for some in parts(group):
                rows += self._rows(await self._preparer.ready(some, first=first))
            rows = by_parent(rows)
            if self._jobs is not None:
                rows = await self._jobs.send(rows, first=first)
            await self._in_turn(rows, first=first)

    def _rows(self, ready: Sequence[Ready]) -> list[Row[Sending | Ready]]:
        named, hot = self._desk.parent_kinds(), self._turns.hot()
        rows: list[Row[Sending | Ready]] = []
        for one in ready:
            visit = one.visit
            parents = parents_of(visit.state, visit.kind, one.values, named)
            # A job that ended before its rows' turn may end so again, and only a call says what is wrong with each.
            # What a job had to leave out the next one would leave out too. What could not be locked waits for its turn,
            # which a job does not keep.
            code = visit.state.retry.code if visit.state.retry is not None else ""
            by_call = code in _BY_CALL or bool(parents & hot)
            rows.append(Row(Sending(visit) if visit.one_of_many else one, _record(visit), parents, by_call))
        put_down(one.visit for one in ready)
        return rows

    async def _in_turn(self, rows: Sequence[Row[Sending | Ready]], *, first: bool) -> None:
        """Make the calls; rows whose parents another call is at are put behind the others, and at last deferred."""
        waiting = await self._round(rows, first=first)
        if not waiting:
            return
        async for _moment in self._turns.patience():
            waiting = await self._round(waiting, first=first)
            if not waiting:
                return
        until = self._desk.now() + NEXT_TURN
        await self._desk.put_off([row.item.visit for row in waiting], IN_USE, until=until, why=ANOTHER_CALL)

    async def _round(self, rows: Sequence[Row[Sending | Ready]], *, first: bool) -> list[Row[Sending | Ready]]:
        """One call after the other, each with the rows whose turn it is; the others."""
        waiting: list[Row[Sending | Ready]] = []
        for call in calls(rows, self._turns.hot()):
            async with self._turns.at(frozenset().union(*(row.parents for row in call))) as ours:
                turn = [row for row in call if row.parents <= ours]
                waiting += [row for row in call if not row.parents <= ours]
                if turn:
                    await self._call(turn[0].item.visit.place, turn, first=first)
                    put_down(row.item.visit for row in turn)
        return waiting

    async def _call(self, place: Place, rows: Sequence[Row[Sending | Ready]], *, first: bool) -> None:
        call = await self._preparer.ready([row.item for row in rows], first=first)
        now = self._desk.now()
        stored = {one.visit.id: take(one.visit.state, one.values, now=now) for one in call}
        lost = await self._desk.save([one.visit for one in call])
        kept = [one for one in call if one.visit.id not in lost]
        if not kept:
            return
        updates = [update_of(one, stored[one.visit.id], first=first) for one in kept]
        if first:
            answers = await self._records.upsert(place.sobject, place.external_id, updates)
        else:
            answers = await self._records.update(place.sobject, updates)
        named = {row.item.visit.id: row.parents for row in rows}
        for one, answer in zip(kept, answers, strict=True):
            if answer.code == ROW_LOCK:
                self._turns.heat(named[one.visit.id])
        await self._answers.take_back(
            [Sent(one.visit, stored[one.visit.id], answer) for one, answer in zip(kept, answers, strict=True)]
        )


def _record(visit: Visit) -> str:
    """Two documents may share one record."""
    return f"{visit.kind.name}:{visit.id}" if visit.first else visit.record_id
