"""What the writer decides about a document that somebody looks at closely: its next step, how its doorbell ended."""

from collections.abc import Sequence
from typing import Any, assert_never

from consumers.ports import Record
from consumers.rules.closely import Thing, of_thing, thing_of
from consumers.rules.explain import told_values
from consumers.rules.writes import Ask, Delete, Find, Follow, Nothing, Read, Send, Step, Until
from consumers.writer.visit import Visit
from schemas.debugging import Debugged, DebugMark

Row = dict[str, Any]


def next_row(visit: Visit, step: Step, mark: DebugMark, *, now: int) -> Row:
    """What is done next, and with which fields; their values masked."""
    fields = told_values(visit.kind, step.values, mark) if isinstance(step, Send) else ()
    name = f"{visit.state.revision}:{type(step).__name__.lower()}:{now}"
    row = of_thing(thing_of(visit.state), "next", name, None, now, fields=fields)
    due = {"due_at": step.at} if isinstance(step, Until) else {}
    return row | {"reason": next_told(step)} | due


def next_told(step: Step) -> str:
    """A step in words."""
    match step:
        case Find():
            return "looks the record up by external id"
        case Follow():
            return "asks whether another record has taken the place of the one that is gone"
        case Delete():
            return "deletes the record"
        case Read(reason):
            return f"reads the record whole: {reason}" if reason else "reads the record whole"
        case Send():
            return "writes"
        case Ask(job):
            return f"asks after job {job}"
        case Until():
            return "waits"
        case Nothing():
            return "has nothing to do"
        case _:
            assert_never(step)


def ended(visits: Sequence[Visit], records: Sequence[Record], debugged: Debugged, *, now: int) -> list[Row]:
    """How the doorbells of these ended, where somebody looks at the document."""
    if not debugged:
        return []
    rows: list[Row] = []
    for visit in visits:
        record_id = visit.kept.record_id if visit.kept is not None else ""
        thing = Thing(visit.kind.name, visit.id, record_id) if visit.found is None else thing_of(visit.found)
        if debugged.thing(*thing, now=now) is not None:
            bell = records[visit.bells[-1]]
            rows.append(of_thing(thing, "end", f"{bell.topic}:{bell.partition}:{bell.offset}", visit.result, now))
    return rows
