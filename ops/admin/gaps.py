"""Gaps: what may have been missed, and how far its repair is."""

from typing import Final

from consumers.repair.repairer import BY_ITSELF
from consumers.rules.repair import ByHand, means_for
from ops.admin.answers import Answer, Asked, CannotDo, Done, Page, Question
from ops.gaps_view import about, counted, handle, lines, named, named_fully, noticed_at
from schemas.gap import GapRow, GapState

LIMIT: Final = 200
MOVED: Final = "it was met again, or closed, in this moment; look again"
OPEN: Final = (GapState.OPEN, GapState.REPAIRING)


async def show_all(asked: Asked) -> Answer:
    """Those that are not closed, or the latest of all."""
    everything = asked.query("all") == "yes"
    rows = await asked.parts.gaps.rows(states=tuple(GapState) if everything else OPEN, limit=LIMIT)
    shows = {
        "all": everything,
        "gaps": [
            {
                "gap": handle(row.id),
                "reason": row.reason,
                "of": about(row),
                "since": row.since,
                "noticed_at": noticed_at(row),
                "state": row.state,
                "found": counted(row.found) if row.progress else "",
                "error": row.error,
                "closed_by": row.closed_by,
                "note": row.note if row.closed_by == BY_ITSELF or not asked.masked else "",
            }
            for row in rows
        ],
    }
    return Page("gaps.html", "Gaps", shows)


async def show_one(asked: Asked) -> Answer:
    """All that is known of one, and by what means it is repaired."""
    row = await _one(asked, asked.request.match_info["gap"], tuple(GapState))
    told = list(lines(row, asked.parts.catalog().mapped_objects(), asked.parts.repair_overlap, notes=not asked.masked))
    means = means_for(row, asked.parts.catalog().mapped_objects(), overlap=asked.parts.repair_overlap)
    shows = {
        "gap": handle(row.id),
        "open": row.state is not GapState.CLOSED,
        "by_hand": isinstance(means, ByHand),
        "asked_at": row.asked_at,
        "lines": told,
    }
    return Page("gap.html", f"Gap {handle(row.id)}", shows)


async def repair(asked: Asked) -> Answer:
    """Have `tandem repair` try one now, and not when its turn comes."""
    row = await _one(asked, asked.request.match_info["gap"], OPEN)
    parts, name = asked.parts, handle(row.id)
    means = means_for(row, parts.catalog().mapped_objects(), overlap=parts.repair_overlap)
    if isinstance(means, ByHand):
        raise CannotDo(f"no process repairs it: {means.why}")
    if not asked.is_sure:
        told = "Its wait after tries that failed is over with it; it goes on from where the last one ended."
        shown = [*lines(row, parts.catalog().mapped_objects(), parts.repair_overlap), told]
        return Question(f"Repair gap {name} now", shown, "Repair now", f"/admin/gaps/{name}")
    async with asked.noted("repair gap", named_fully(row), asked.why(), "asked for"):
        if not await parts.gaps.ask(row, by=asked.user.name, at=parts.now()):
            raise CannotDo(MOVED)
    return Done(f"gap {name} is tried at the next look of tandem repair, within seconds", f"/admin/gaps/{name}")


async def close(asked: Asked) -> Answer:
    """Close one by hand."""
    row = await _one(asked, asked.request.match_info["gap"], OPEN)
    if not asked.is_sure:
        warning = "It is not repaired: what was changed there meanwhile is found by the nightly comparison, if at all."
        told = [*lines(row, asked.parts.catalog().mapped_objects(), asked.parts.repair_overlap), warning]
        return Question(f"Close gap {handle(row.id)} by hand", told, "Close", "/admin/gaps", dangerous=True)
    why, now = asked.why(), asked.parts.now()
    async with asked.noted("close gap", named_fully(row), why):
        if not await asked.parts.gaps.close(row, by=asked.user.name, note=why, at=now):
            raise CannotDo(MOVED)
    return Done(f"gap {handle(row.id)} is closed", "/admin/gaps")


async def _one(asked: Asked, name: str, states: tuple[GapState, ...]) -> GapRow:
    found = named(await asked.parts.gaps.rows(states=states), name)
    if len(found) != 1:
        raise CannotDo(f"{name}: {'more than one gap begins with it' if found else 'there is no such gap'}")
    return found[0]
