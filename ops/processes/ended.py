"""One log line for whatever did not end as plainly applied: what became of it, why, and where it is found. No value."""

import re
from collections.abc import Mapping, Sequence
from typing import Final, assert_never

from consumers.deliver import keeper
from consumers.reconciler import forget
from ops.processes.frame import Frame
from schemas import topics
from schemas.codec import Undecodable, decode
from schemas.delivery import Answer, Delivery
from schemas.doorbell import Doorbell
from schemas.log_record import Record
from schemas.outcome import Outcome, Result
from schemas.platform_event import ID_LENGTH
from schemas.record_id import is_id

OUTCOME: Final = "outcome"
"""The `event` of every such line."""
REFUSED: Final = "refused"
"""Of a webhook that was answered 4xx or 5xx: it came into no topic."""
REASON_LENGTH: Final = 200
DELIVERED: Final = "delivered"

_OF_THE_ERASED: Final = frozenset({forget.ASKED_BEFORE, forget.FORGOTTEN, keeper.FORGOTTEN})
"""Their lines name nobody: whoever was erased is not to be found in a log either."""
_DOCUMENT: Final = re.compile(rf"([a-z][a-z0-9_]{{0,99}}):([^\s:]{{1,{ID_LENGTH}}})")


class Ends:
    """Told how things ended, writes a line `outcome` to the log of the process.

    `parked`, `given_up` and `unwanted` need a person and are warnings. An `echo` comes of each write of ours, so its
    line is of level `debug`. All else is `info`.
    """

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def records(self, records: Sequence[Record], results: Sequence[Result]) -> None:
        """Records of a topic and how each ended, in the same order."""
        for record, result in zip(records, results, strict=True):
            if (level := level_of(result.outcome)) is not None:
                self._write(level, of_record(record, result))

    def webhook(self, source: str, status: int, code: str) -> None:
        """A webhook that was refused; `source` is one that is set up, or `unknown`; `code` the word of the answer."""
        line = {"outcome": REFUSED, "reason": code, "topic": topics.PLATFORM_EVENTS}
        self._write("info", line | {"source": source, "status": status})

    def delivery(self, outcome: str, delivery: Delivery, answer: Answer) -> None:
        """A post to the platform's URL: `again`, `given_up`, `unwanted`; of `delivered` there is no line."""
        if outcome == DELIVERED:
            return
        line = {
            "outcome": outcome,
            "reason": answer.why[:REASON_LENGTH],
            "status": answer.status,
            "kind": delivery.kind,
            "document_id": delivery.document_id,
            "event_id": delivery.id,
            "tries": delivery.tries + 1,
        }
        self._write("info" if outcome == "again" else "warning", line)

    def _write(self, level: str, line: Mapping[str, object]) -> None:
        getattr(self._frame.log, level)(OUTCOME, **line)


def level_of(outcome: Outcome) -> str | None:
    """How severe the line of a record is; None where there is none."""
    match outcome:
        case Outcome.APPLIED:
            return None
        case Outcome.PARKED:
            return "warning"
        case Outcome.DEFERRED | Outcome.STALE | Outcome.DUPLICATE | Outcome.IGNORED:
            return "info"
        case Outcome.ECHO:
            return "debug"
        case _:
            assert_never(outcome)


def of_record(record: Record, result: Result) -> dict[str, object]:
    """The fields of a record's line."""
    line: dict[str, object] = {"outcome": str(result.outcome), "reason": result.reason[:REASON_LENGTH]}
    if result not in _OF_THE_ERASED:
        line |= named(record)
    return line | {"topic": record.topic, "partition": record.partition, "offset": record.offset}


def named(record: Record) -> dict[str, str]:
    """Whom a record is about: `kind` and `document_id`, or `record_id` where Salesforce's id is all it has.

    A key that has neither form is not repeated: nobody knows what somebody else wrote there.
    """
    key = (record.key or b"").decode("utf-8", "replace")
    if (document := _DOCUMENT.fullmatch(key)) is not None:
        return {"kind": document[1], "document_id": document[2]}
    if not is_id(key):
        return {}
    if record.topic != topics.SALESFORCE_WRITES:
        return {"record_id": key}
    try:
        bell = decode(Doorbell, record.value)
    except Undecodable:
        return {"record_id": key}
    known = _DOCUMENT.fullmatch(f"{bell.kind}:{bell.id}")
    return {"record_id": key} | ({"kind": known[1], "document_id": known[2]} if known is not None else {})
