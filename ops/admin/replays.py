"""A part of a topic handled again: planned first, published, watched, paused, ended."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from adapters.mongo.operations import Row
from ops.admin.answers import Answer, Asked, CannotDo, Done, Page, Question
from ops.errands import replays as errands
from ops.errands.keeper import FAILED
from ops.moments import NoMoment
from ops.replay import CannotReplay, Run, check_kinds, new_run_id
from ops.replay_plan import Edge, Window, edge_of
from schemas import topics

LIMIT: Final = 50
TO: Final = "/admin/replays"
FACTS: Final = (topics.PLATFORM_EVENTS, topics.SALESFORCE_CHANGES)
EVENING, MORNING = 18, 6
"""Hours (UTC) between which it is night: what the form proposes."""
WHATS: Final[Mapping[str, tuple[tuple[str, ...], dict[str, Any]]]] = {
    "pause": (("begun",), {"state": "paused", "work": None}),
    "resume": (("paused", FAILED), {"state": "begun", "work": errands.PUBLISH, "reason": ""}),
    "cancel": (("planning", "planned", "begun", "paused", FAILED), {"state": "cancelled", "work": None}),
}
"""By what is wanted: of which states, and what the row is then."""


async def show_all(asked: Asked) -> Answer:
    """The newest, and the form for another, which proposes last night."""
    start, stop = last_night(asked.parts.now())
    shows = {
        "replays": [
            shown(row, notes=not asked.masked) for row in await asked.parts.operations.of_sort("replay", LIMIT)
        ],
        "topics": list(FACTS),
        "kinds": list(asked.parts.catalog().kinds),
        "from": f"{start:%Y-%m-%dT%H:%M}",
        "to": f"{stop:%Y-%m-%dT%H:%M}",
    }
    return Page("replays.html", "Replays", shows)


async def show_one(asked: Asked) -> Answer:
    """Its plan, and how far it is."""
    row = await _one(asked)
    return Page("replay.html", f"Replay {row['_id']}", shown(row, notes=not asked.masked))


async def plan(asked: Asked) -> Answer:
    """Have it found out what a replay would do: nothing is published."""
    now, form = asked.parts.now(), asked.form
    topic, kind = form.get("topic", ""), form.get("kind", "")
    kinds = [kind] if kind else []
    if topic not in FACTS:
        raise CannotDo(f"replayed is one of {' and '.join(FACTS)}")
    try:
        start, stop = _edges(form.get("from", ""), form.get("to", ""), now=now)
        check_kinds(asked.parts.catalog(), kinds)
    except (NoMoment, CannotReplay) as reason:
        raise CannotDo(str(reason)) from None
    run = Run(new_run_id(), topic, Window({}), kinds, form.get("key", "").strip())
    await asked.parts.operations.add([errands.asked_row(run, start, stop, by=asked.user.name, at=now)])
    return Done("planning: what it would do is told below", f"{TO}/{run.id}")


async def publish(asked: Asked) -> Answer:
    """Do what was planned."""
    row = await _one(asked)
    if row["state"] != "planned":
        raise CannotDo(f"it is {row['state']}: only what is planned can be published")
    if not row["to_publish"]:
        raise CannotDo("nothing would change, so nothing is published")
    to = f"{TO}/{row['_id']}"
    if not asked.is_sure:
        told = "Live records go before; each is decided once more when its turn comes, and twice changes nothing."
        return Question(f"Publish {row['to_publish']:,} records again", [*row["plan"], told], "Publish", to)
    begun = {"state": "begun", "work": errands.PUBLISH, "by": asked.user.name, "note": asked.why(), "passed": 0}
    if not await asked.parts.operations.turn(row["_id"], ["planned"], {**begun, "begun_at": asked.parts.now()}):
        raise CannotDo("somebody was faster: look again")
    return Done(f"{row['to_publish']:,} records are published again, behind the live ones", to)


async def turn(asked: Asked) -> Answer:
    """Pause it, let it go on, or end it."""
    row, what = await _one(asked), asked.form.get("what", "")
    if what not in WHATS:
        raise CannotDo("say pause, resume or cancel")
    states, told = WHATS[what]
    if row["state"] not in states or not _may(what, row):
        raise CannotDo(f"it is {row['state']}: there is nothing to {what}")
    to = f"{TO}/{row['_id']}"
    if not asked.is_sure:
        lines = [f"{row['topic']}: {row['published']:,} published so far; what is published stays published"]
        return Question(f"{what.capitalize()} {row['_id']}", lines, what.capitalize(), to)
    async with asked.noted(f"{what} replay", f"{row['topic']} ({row['_id']})", asked.why()):
        if not await asked.parts.operations.turn(row["_id"], [row["state"]], told):
            raise CannotDo("it has moved on in this moment: look again")
    return Done(f"replay {row['_id']}: {what}", to)


def last_night(now: int) -> tuple[datetime, datetime]:
    """From the evening before this day to its morning, UTC; `now` is epoch milliseconds."""
    today = datetime.fromtimestamp(now / 1000, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(hours=24 - EVENING), today + timedelta(hours=MORNING)


def shown(row: Row, *, notes: bool) -> dict[str, Any]:
    """As the list and the page of one show it; why, only with `notes`. One begun by command has no plan here."""
    state = row["state"]
    return {
        "id": row["_id"],
        "topic": row["topic"],
        "kinds": list(row["kinds"]),
        "key": row["key"],
        "by": row["by"],
        "note": row["note"] if notes else "",
        "at": row["at"],
        "from": row.get("from"),
        "to": row.get("to"),
        "state": state,
        "reason": row.get("reason", ""),
        "waits": row.get("waits", ""),
        "plan": list(row.get("plan", ())),
        "to_publish": row.get("to_publish"),
        "published": row["published"],
        "read": row["read"],
        "passed": row.get("passed", row["read"]),
        "of": row.get("of", 0),
        "moves": bool(row.get("work")),
        "may": [what for what, (states, _told) in WHATS.items() if state in states and _may(what, row)],
        "ended_at": row.get("ended_at", 0),
    }


def _may(what: str, row: Row) -> bool:
    """One that was begun by command is at work elsewhere, or was stopped there: it is taken over once it is ended."""
    by_page = bool(row.get("begun_at"))
    return by_page if what in ("pause", "resume") else by_page or row["state"] in ("planning", "planned", FAILED)


def _edges(start: str, stop: str, *, now: int) -> tuple[Edge, Edge | None]:
    if not start.strip():
        raise NoMoment("say from where: a time, UTC")
    first, last = edge_of(start, now=now), edge_of(stop, now=now) if stop.strip() else None
    if isinstance(first, int) and isinstance(last, int) and last <= first:
        raise NoMoment("it ends before it begins")
    return first, last


async def _one(asked: Asked) -> Row:
    row = await asked.parts.operations.get(asked.request.match_info["replay"])
    if row is None or row.get("what") != "replay":
        raise CannotDo("there is no such replay")
    return row
