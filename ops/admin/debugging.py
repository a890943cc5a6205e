"""Debugging of one thing, switched on and off by a button on its page."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from adapters.mongo.debug_marks import MongoDebugMarks
from ops.admin.answers import Answer, Asked, CannotDo, Done, Question
from ops.debugging import CannotDebug, Switch
from ops.moments import shown_moment
from schemas.debugging import mark_name
from schemas.mapping import KindMapping

MINUTE_MS: Final = 60_000
HOUR: Final = "60"


@dataclass(frozen=True, slots=True)
class Debugged:
    """Until when a thing is looked at closely, epoch milliseconds, who wanted it, and why."""

    until: int
    by: str
    why: str


async def debugged(asked: Asked, kind: str, document_id: str) -> Debugged | None:
    """What its page says of it; None where nobody looks at it."""
    marks = MongoDebugMarks(asked.parts.database)
    mark = await marks.of(mark_name(kind, document_id, ""), asked.parts.now())
    return None if mark is None else Debugged(mark.until, mark.by, "" if asked.masked else mark.why)


async def turn(asked: Asked, kind: str, mapped: KindMapping, document_id: str) -> Answer:
    """Switch it on (`minutes`), or off (`off`); asks first, and keeps who did it and why."""
    parts, by = asked.parts, asked.user.name
    to = f"/admin/{quote(kind, safe='')}/{quote(document_id, safe='')}"
    switch = Switch(MongoDebugMarks(parts.database), parts.operations, parts.documents, parts.now)
    off, name = "off" in asked.form, f"{kind} {document_id}"
    if not asked.is_sure:
        told = [f"{name}: no more decisions are told."] if off else _foretold(name, _minutes(asked))
        return Question(f"Stop debugging {name}" if off else f"Debug {name}", told, "Stop" if off else "Debug", to)
    why = asked.why()
    if off:
        gone = await switch.off(kind, document_id, by=by, why=why)
        return Done("it is debugged no more" if gone else "nobody debugged it any more", to)
    lasts = _minutes(asked) * MINUTE_MS
    try:
        mark = await switch.on(mapped.collection, kind, document_id, by=by, why=why, lasts_ms=lasts)
    except CannotDebug as reason:
        raise CannotDo(str(reason)) from None
    return Done(f"every decision about it is told until {shown_moment(mark.until)} UTC", to)


def _minutes(asked: Asked) -> int:
    try:
        return int(asked.form.get("minutes", HOUR))
    except ValueError:
        raise CannotDo("the time is a number of minutes") from None


def _foretold(name: str, minutes: int) -> list[str]:
    return [
        f"{name}: for {minutes} minutes every process tells each decision about it, in its log and in the story here.",
        "Of values their length is told, and letters by which equal ones are known.",
    ]
