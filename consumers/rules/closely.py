"""A document that somebody looks at closely for a while: every decision about it as a row of the log, values masked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from consumers.rules import explain
from consumers.rules.kinds import Kind
from consumers.rules.platform import Assertion
from consumers.rules.state import DocumentState
from schemas.change import Change
from schemas.debugging import DECISION, NOTHING_DEBUGGED, Debugged, DebugMark
from schemas.outcome import Result

Row = dict[str, Any]


class Thing(NamedTuple):
    """What a decision is about; without a record, where there is none."""

    kind: str
    id: str
    record: str


@dataclass(frozen=True, slots=True)
class Look:
    """A document as it was when something came. `now` is epoch milliseconds."""

    mark: DebugMark
    state: DocumentState
    kind: Kind
    was: explain.Before
    now: int

    def event(self, assertion: Assertion, result: Result) -> Row:
        """How a platform event was decided."""
        rulings = explain.of_event(self.state, self.kind, self.was, assertion, result)
        return self._row("event", result, assertion.event_id, explain.told(rulings, self.mark))

    def change(self, change: Change, name: str, result: Result) -> Row:
        """How a change of Salesforce's was decided; `name` is record and commit."""
        rulings = explain.of_change(self.state, self.kind, self.was, change, result)
        return self._row("change", result, name, explain.told(rulings, self.mark))

    def read(self, values: Mapping[str, Any] | None, name: str, result: Result) -> Row:
        """How a record that was read whole was decided."""
        rulings = explain.of_row(self.state, self.kind, self.was, values, result)
        return self._row("read", result, name, explain.told(rulings, self.mark))

    def _row(self, step: str, result: Result, event: str, fields: Sequence[Mapping[str, str]]) -> Row:
        return of_thing(thing_of(self.state), step, event, result, self.now, event=event, fields=fields)


def look(debugged: Debugged, state: DocumentState, kind: Kind, *, now: int) -> Look | None:
    """What the document is now, where somebody looks at it; where nobody looks at anything, at the cost of a test."""
    if debugged is NOTHING_DEBUGGED:
        return None
    mark = marked(debugged, state, now=now)
    return None if mark is None else Look(mark, state, kind, explain.before(state, kind.by_name), now)


def marked(debugged: Debugged, state: DocumentState, *, now: int) -> DebugMark | None:
    """The mark of a document, or of its record."""
    if debugged is NOTHING_DEBUGGED:
        return None
    return debugged.thing(*thing_of(state), now=now)


def thing_of(state: DocumentState) -> Thing:
    """The names of a document."""
    return Thing(state.kind, state.id, state.link.record_id if state.link else "")


def of_thing(
    thing: Thing,
    step: str,
    name: str,
    result: Result | None,
    at: int,
    *,
    event: str = "",
    fields: Sequence[Mapping[str, str]] = (),
) -> Row:
    """One decision as the log keeps it: step and `name` make a repeat the same row.

    `step` says what was decided: `event`, `change`, `read`, `next` (what the writer does next), `answer` (what
    Salesforce's answer means) or `end` (how the doorbell ended). What the writer does next has no outcome yet.
    """
    return {
        "_id": f"{DECISION}:{thing.kind}:{thing.id}:{step}:{name}",
        "type": DECISION,
        "step": step,
        "kind": thing.kind,
        "document": thing.id,
        "record": thing.record,
        "event": event,
        "outcome": "" if result is None else str(result.outcome),
        "reason": "" if result is None else result.reason,
        "fields": list(fields),
        "at": at,
    }


def of_record(record_id: str, step: str, name: str, result: Result, at: int) -> Row:
    """The same of a record that belongs to no document, or by a process that knows records alone.

    Of `received` (the subscriber has a change in Kafka) `name` is record and commit, as the reconciler names it.
    """
    return {
        "_id": f"{DECISION}:{record_id}:{step}:{name}",
        "type": DECISION,
        "step": step,
        "record": record_id,
        "event": name,
        "outcome": str(result.outcome),
        "reason": result.reason,
        "fields": [],
        "at": at,
    }
