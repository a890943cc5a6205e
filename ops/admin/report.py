"""`/admin/report`: how a week went, as it is mailed."""

from typing import Final

from ops.admin.answers import Answer, Asked, CannotDo, Page
from ops.weekly.reading import read
from ops.weekly.render import missed, seen, span
from ops.weekly.week import week_named, week_of

DRAWN: Final = ("handled", "written", "failed", "api_used")
"""Figures of a day that the page has a plot of."""


async def show(asked: Asked) -> Answer:
    """One week; the last one that is over where none is named."""
    now = asked.parts.now()
    this = week_of(now)
    try:
        week = week_named(asked.query("week", this.moved(-1).name))
    except ValueError as wrong:
        raise CannotDo(str(wrong)) from None
    report = await read(asked.parts.database, week, now)
    shows = {
        "report": report,
        "span": span(report),
        "seen": seen(report),
        "missed": missed(report),
        "most": {name: max(1, *(getattr(day, name) or 0 for day in report.days)) for name in DRAWN},
        "earlier": week.moved(-1).name,
        "later": week.moved(1).name if week < this else "",
    }
    return Page("report.html", f"Week {week.name}", shows)
