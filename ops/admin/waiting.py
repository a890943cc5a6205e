"""What is parked: found, looked into, redriven and discarded."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from adapters.mongo.parked import Wanted
from ops.admin.answers import Answer, Asked, CannotDo, Done, Page, Question
from ops.parked import OURS
from ops.parked import CannotDo as CannotPark
from ops.parked_items import Item, without_values
from ops.parked_view import record_lines, write_lines

LIMIT: Final = 100
MOST_AT_ONCE: Final = 500
AGAIN: Final = "it was parked again since it was shown"
MOST_COUNTED: Final = 1_000
"""Of each sort: a page does not look through a backlog. What is more is told as so many or more."""


async def show_all(asked: Asked) -> Answer:
    """Those that wait, by reason, and the oldest of them."""
    wanted, until = _wanted(asked), asked.parts.now() + 1
    found = await asked.parts.parking().find(wanted, LIMIT, MOST_COUNTED)
    shows = {
        "counts": [
            {"reason": reason, "topic": topic, "number": count.number, "oldest": count.oldest, "newest": count.newest}
            for (reason, topic), count in sorted(found.counts.items(), key=lambda one: -one[1].number)
        ],
        "until": str(until),
        "topic": asked.query("topic"),
        "topics": OURS,
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
    chosen = await _chosen(asked)
    if not asked.is_sure:
        lines = [f"{item.id}: {told}" async for item, told in parking.foretell(chosen.items)]
        return _question("Redrive", chosen, lines, "Redrive")
    why = asked.why()
    told = [await parking.redrive(item, asked.parts.publisher, who=asked.user.name, note=why) for item in chosen.items]
    return Done(_counted("redriven", [*told, *chosen.left], ("redriven", "sent again")), "/admin/parked")


async def discard(asked: Asked) -> Answer:
    """Close what was chosen by a person's word."""
    parking = asked.parts.parking()
    chosen = await _chosen(asked)
    if not asked.is_sure:
        lines = [f"{item.id}: {item.reason}" for item in chosen.items]
        return _question("Discard", chosen, lines, "Discard", dangerous=True)
    why = asked.why()
    told = [await parking.discard(item, who=asked.user.name, note=why) for item in chosen.items]
    return Done(_counted("discarded", [*told, *chosen.left], ("discarded",)), "/admin/parked")


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is meant, as it was when it was shown."""

    items: list[Item]
    until: int
    """What was parked from then on, epoch milliseconds, nobody has seen."""
    left: list[str] = field(default_factory=list)
    """Why not, of each that is not as it was."""
    of: str = ""
    """How many there are in all, where there are more."""


def _question(what: str, chosen: Chosen, lines: list[str], button: str, *, dangerous: bool = False) -> Question:
    """Asks about these, and comes back with these: neither those that came meanwhile nor others like them."""
    for_good = " for good" if dangerous else ""
    title = f"{what} {len(chosen.items):,}{chosen.of}{for_good}"
    carried = [("until", str(chosen.until)), *(("id", item.id) for item in chosen.items)]
    return Question(title, lines, button, "/admin/parked", dangerous=dangerous, carried=carried)


async def _chosen(asked: Asked) -> Chosen:
    """Those with these ids, or with `like` the oldest of one reason among what is shown."""
    parking, form = asked.parts.parking(), asked.form
    until = int(form["until"]) if form.get("until", "").isdecimal() else asked.parts.now() + 1
    if like := form.get("like"):
        topic, kind, key = (form.get(name, "") for name in ("topic", "kind", "key"))
        wanted = Wanted(reasons=[like], topic=topic, kind=kind, key=key, until=until)
        found = await parking.find(wanted, MOST_AT_ONCE, MOST_COUNTED)
        if not found.items:
            raise CannotDo("nothing is like that any more")
        or_more = " or more" if found.more else ""
        of = f" of {found.number:,}{or_more}, the oldest" if found.more or found.number > len(found.items) else ""
        return Chosen(found.items, until, of=of)
    ids = [form["only"]] if form.get("only") else asked.chosen
    if not ids:
        raise CannotDo("nothing is chosen: tick what is meant")
    return await _by_ids(asked, ids, until)


async def _by_ids(asked: Asked, ids: Sequence[str], until: int) -> Chosen:
    """These, but for those that are there no more, and those that were parked again since they were shown."""
    parking = asked.parts.parking()
    items: list[Item] = []
    left: list[str] = []
    for each in dict.fromkeys(ids):
        try:
            (item,) = await parking.by_ids([each])
        except CannotPark as reason:
            if not asked.is_sure:
                raise
            left.append(str(reason).removeprefix(f"{each}: "))
            continue
        if item.last_at < until:
            items.append(item)
        else:
            left.append(AGAIN)
    if not items and not asked.is_sure:
        raise CannotDo(f"{AGAIN}: look again")
    return Chosen(sorted(items, key=lambda item: (item.at, item.topic, item.order, item.id)), until, left)


def _counted(done: str, told: list[str], fine: tuple[str, ...]) -> str:
    right = sum(one.startswith(fine) for one in told)
    other = sorted({one for one in told if not one.startswith(fine)})
    return f"{right:,} {done}" + (f"; {len(told) - right:,} not: {'; '.join(other[:3])}" if other else "")


def _wanted(asked: Asked) -> Wanted:
    reason = asked.query("reason")
    return Wanted(
        reasons=[reason] if reason else (),
        topic=asked.query("topic"),
        kind=asked.query("kind"),
        key=asked.query("key"),
        states=[asked.query("state", "parked")],
    )
