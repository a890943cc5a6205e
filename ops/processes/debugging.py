"""What is looked at closely, followed as the mapping in force is; and each decision about it as a log line."""

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol

from ops.processes.frame import Frame
from schemas.debugging import DECISION, NOTHING_DEBUGGED, Debugged, DebugMark
from schemas.unavailable import Unavailable

LOOK_SECONDS: Final = 5.0


class DebugMarks(Protocol):
    """Where the marks are kept."""

    async def lasting(self, now: int) -> list[DebugMark]:
        """Those that last at `now`, epoch milliseconds.

        Raises:
            Unavailable: the store does not answer.
        """


class DebuggedInForce:
    """The marks that last, as they were last read; `follow` keeps them so. Each ends at its time, read or not."""

    def __init__(self, marks: DebugMarks, now: Callable[[], int]) -> None:
        """`now` gives epoch milliseconds."""
        self._marks = marks
        self._now = now
        self._debugged = NOTHING_DEBUGGED

    def current(self) -> Debugged:
        """What is looked at now."""
        return self._debugged

    async def look(self) -> None:
        """Read the marks once.

        Raises:
            Unavailable: the store does not answer; those that were read last hold on.
        """
        marks = await self._marks.lasting(self._now())
        self._debugged = Debugged(marks) if marks else NOTHING_DEBUGGED

    async def follow(self, frame: Frame) -> None:
        """Read them every few seconds; without end."""
        while True:
            try:
                await self.look()
            except Unavailable as error:
                frame.log.warning("unavailable", what="debug", reason=str(error))
            await asyncio.sleep(LOOK_SECONDS)


def decision_told(frame: Frame) -> Callable[[dict[str, Any]], None]:
    """Each decision as a line `decision`, by names that a log line may have; no value is in it."""

    def told(row: dict[str, Any]) -> None:
        frame.log.info(DECISION, **decision_line(row))

    return told


def decision_line(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the log as the fields of its line: what says nothing is left out."""
    line = {
        "step": row["step"],
        "kind": row.get("kind", ""),
        "document_id": row.get("document", ""),
        "record_id": row.get("record", ""),
        "event_id": row.get("event", ""),
        "outcome": row["outcome"],
        "reason": row["reason"],
        "decided": row["fields"],
        "revision": row.get("revision"),
        "due_at": row.get("due_at"),
    }
    return {name: value for name, value in line.items() if value not in ("", None, [])}
