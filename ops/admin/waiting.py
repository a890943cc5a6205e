"""What is parked: found, looked into, redriven and discarded."""

from collections.abc import Sequence
from typing import Final

from adapters.mongo.parked import Wanted
from ops.admin.answers import Answer, Asked, CannotDo, Done, Page, Question
from ops.parked import CannotDo as CannotPark
from ops.parked_items import Item, without_values
from ops.parked_view import record_lines, write_lines

LIMIT: Final = 100
MOST_AT_ONCE: Final = 500
MOST_COUNTED: Final = 1_000
"""Of each sort: a page does not look through a backlog. What is more is told as so many or more."""


async def show_all(asked: Asked) -> Answer:
    """Those that wait, by reason, and the oldest of them."""
    wanted = _wanted(asked)
    found = await asked.parts.parking().find(wanted, LIMIT, MOST_COUNTED)
    shows = {
        "counts": [
            {"reason": reason, "topic": topic, "number": count.number, "oldest": count.oldest, "newest": count.newest}
            for (reason, topic), count in sorted(found.counts.items(), key=lambda one: -one[1].number)
        ],
        "items": seen(asked, found.items),
        "number": found.number,
        "more": found.more,
        "reason": asked.query("reason"),
        "kind": asked.query("kind"),
        "key": asked.query("key"),
        "state": asked.query("state", "parked"),
        "kinds": list(asked.parts.catalog().kinds),
    }
    return Page("parked.html", "Parked", shows)


async def show_one(asked: Asked) -> Answer:
    """Everything that is kept of one; what it holds only for those who may see personal data."""
    parking = asked.parts.parking()
    try:
        (item,) = await parking.by_ids([asked.query("id")])
    except CannotPark as error:
        return Page("problem_within.html", "Parked", {"detail": str(error)}, 404)
    row = await parking.row(item)
    values = not asked.masked
    (shown,) = seen(asked, [item])
    told = write_lines if item.is_write else record_lines
    lines = list(told(shown, row, values=values, notes=values))
    return Page("parked_one.html", f"Parked: {item.reason}", {"item": shown, "lines": lines})


def seen(asked: Asked, items: Sequence[Item]) -> list[Item]:
    """These as this user may see them."""
    return [without_values(item) for item in items] if asked.masked else list(items)


async def redrive(asked: Asked) -> Answer:
    """Publish again what was chosen, by the ordinary way; first say what would come of it."""
    parking = asked.parts.parking()
    items = await _chosen(asked)
    if not asked.is_sure:
        lines = [f"{item.id}: {told}" async for item, told in parking.foretell(items)]
        return Question(f"Redrive {len(items)}", lines, "Redrive", "/admin/parked")
    why = asked.why()
    told = [await parking.redrive(item, asked.parts.publisher, who=asked.user.name, note=why) for item in items]
    return Done(_counted("redriven", told, ("redriven", "sent again")), "/admin/parked")


async def discard(asked: Asked) -> Answer:
    """Close what was chosen by a person's word."""
    parking = asked.parts.parking()
    items = await _chosen(asked)
    if not asked.is_sure:
        lines = [f"{item.id}: {item.reason}" for item in items]
        return Question(f"Discard {len(items)} for good", lines, "Discard", "/admin/parked", dangerous=True)
    why = asked.why()
    told = [await parking.discard(item, who=asked.user.name, note=why) for item in items]
    return Done(_counted("discarded", told, ("discarded",)), "/admin/parked")


async def _chosen(asked: Asked) -> list[Item]:
    """Those with these ids, or with `like` all of one reason."""
    parking = asked.parts.parking()
    if like := asked.form.get("like"):
        wanted = Wanted(reasons=[like], kind=asked.form.get("kind", ""))
        return (await parking.find(wanted, MOST_AT_ONCE, MOST_AT_ONCE)).items
    if not asked.chosen:
        raise CannotDo("nothing is chosen: tick what is meant")
    return await parking.by_ids(asked.chosen)


def _counted(done: str, told: list[str], fine: tuple[str, ...]) -> str:
    right = sum(one.startswith(fine) for one in told)
    other = sorted({one for one in told if not one.startswith(fine)})
    return f"{right:,} {done}" + (f"; {len(told) - right:,} not: {'; '.join(other[:3])}" if other else "")


def _wanted(asked: Asked) -> Wanted:
    reason = asked.query("reason")
    return Wanted(
        reasons=[reason] if reason else (),
        kind=asked.query("kind"),
        key=asked.query("key"),
        states=[asked.query("state", "parked")],
    )
