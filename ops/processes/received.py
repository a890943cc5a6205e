"""The subscriber's own word about what is debugged: a change of the record is in Kafka for good."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from consumers.ports import SyncLog
from consumers.reconciler.batch import commit_name
from consumers.rules.closely import of_record
from listener.changes.ports import ChangeRecord
from schemas.change import Change
from schemas.codec import Undecodable, decode
from schemas.debugging import Debugged, DebugMark
from schemas.outcome import Outcome, Result

IN_KAFKA: Final = Result(Outcome.APPLIED, "it is in salesforce.changes")
UNREADABLE: Final = "unreadable"


class ReceivedClosely:
    """Satisfies `listener.changes.ports.Closely`. `now` gives epoch milliseconds."""

    def __init__(
        self,
        debugged: Callable[[], Debugged],
        log: SyncLog,
        on_decision: Callable[[dict[str, Any]], None],
        now: Callable[[], int],
    ) -> None:
        self._debugged = debugged
        self._log = log
        self._on_decision = on_decision
        self._now = now

    async def received(self, records: Sequence[ChangeRecord]) -> None:
        """Tell of those whose record somebody looks at; of the others at the cost of one look."""
        debugged = self._debugged()
        if not debugged:
            return
        now = self._now()
        marked = [(record, debugged.record(record.key.decode("utf-8", "replace"), now=now)) for record in records]
        rows = [_row(record, mark, now) for record, mark in marked if mark is not None]
        if rows:
            for row in await self._log.append(rows):
                self._on_decision(row)


def _row(record: ChangeRecord, mark: DebugMark, now: int) -> dict[str, Any]:
    try:
        name = commit_name(decode(Change, record.value))
    except Undecodable:
        name = UNREADABLE
    row = of_record(mark.record_id, "received", name, IN_KAFKA, now)
    return row | {"kind": mark.kind, "document": mark.document_id} if mark.kind else row
