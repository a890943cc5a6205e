"""The weekly report as a mail that needs nothing from elsewhere, and as plain text. Reads its template alone."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from ops.show_view import moment
from ops.weekly.model import WELL_SEEN, Day, Figure, Ranked, Report, shown, trend, weekday
from schemas.slow_lookup import SlowLookup

LONGEST_BAR: Final = 360
"""Pixels."""


@dataclass(frozen=True, slots=True)
class Line:
    """As it is read: a name, a value, and in brackets what it should be and how it has changed."""

    name: str
    now: str
    more: str
    missed: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of a plot; `width` in pixels."""

    name: str
    width: int
    value: str


@dataclass(frozen=True, slots=True)
class Plot:
    """Bars of a week."""

    title: str
    color: str
    rows: Sequence[Bar]


PLOTS: Final[Sequence[tuple[str, str, Callable[[Day], int | None]]]] = (
    ("Records taken in", "#0b5cad", lambda day: day.handled),
    ("Writes sent to Salesforce", "#176b3a", lambda day: day.written),
    ("Ended with a person", "#b3261e", lambda day: day.failed),
    ("API calls, the most that was seen", "#8e3a8c", lambda day: day.api_used),
)


def title(report: Report) -> str:
    """What it is called."""
    return f"Tandem: week {report.week}" + ("" if report.over else " so far")


def html(report: Report, page: str = "") -> str:
    """A whole page without scripts, that mail programs show. `page` is the address of the admin page, for a link."""
    made = Environment(
        loader=PackageLoader("ops.weekly"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return made.get_template("report.html").render(
        report=report,
        title=title(report),
        span=span(report),
        seen=seen(report),
        missed=missed(report),
        figures=[figure(each) for each in report.figures],
        plots=[plot(*each, report.days) for each in PLOTS],
        errors=[ranked(each) for each in report.errors],
        fields=[ranked(each) for each in report.fields],
        slowest=[slow(each) for each in report.slowest],
        link=link(report, page),
    )


def text(report: Report, page: str = "") -> str:
    """The same for chats and for a terminal."""
    return "\n".join(_lines(report, page)) + "\n"


def link(report: Report, page: str) -> str:
    """Where it stands on the admin page; nothing where that has no address."""
    return f"{page.rstrip('/')}/admin/report?week={report.week}" if page else ""


def span(report: Report) -> str:
    """`Monday 23 November to Sunday 29 November 2026`."""
    first, last = (datetime.fromtimestamp(at / 1000, UTC) for at in (report.since, report.until - 1))
    return f"{first:%A %-d %B} to {last:%A %-d %B %Y}"


def missed(report: Report) -> bool:
    """Whether a figure is not as it should be, or nothing is known."""
    return not report.covered or any(each.good is False for each in report.figures)


def seen(report: Report) -> str:
    """How much of both weeks was looked at, where that was not nearly all."""
    told = []
    if report.covered < WELL_SEEN:
        told.append(f"Only {report.covered:.0%} of the time was looked at: no admin process ran in the rest of it.")
    if report.covered_before < WELL_SEEN:
        told.append(f"Of the week before only {report.covered_before:.0%} was: what has changed since says little.")
    return " ".join(told)


def figure(each: Figure) -> Line:
    """One figure as it is read."""
    more = [f"should be {each.target}" if each.target else "", trend(each.unit, each.now, each.before)]
    return Line(each.name, shown(each.unit, each.now), ", ".join(filter(None, more)), missed=each.good is False)


def ranked(each: Ranked) -> Line:
    """What failed, or met another edit, so often."""
    return Line(f"{each.where} {each.name}", f"{each.now:,}", f"{each.before:,} the week before")


def slow(each: SlowLookup) -> Line:
    """One look-up."""
    return Line(moment(each.at)[:19], f"{each.milliseconds / 1000:.1f} s", each.end.replace("_", " "))


def plot(name: str, color: str, of: Callable[[Day], int | None], days: Sequence[Day]) -> Plot:
    """Bars, the longest for the day that has most; what is not known has none."""
    values = [of(day) for day in days]
    most = max((value for value in values if value), default=0)
    bars = [
        Bar(
            weekday(day.at),
            max(1, round(value / most * LONGEST_BAR)) if value else 0,
            "not known" if value is None else f"{value:,}",
        )
        for day, value in zip(days, values, strict=True)
    ]
    return Plot(name, color, bars)


def _lines(report: Report, page: str) -> Iterator[str]:
    yield f"{title(report)}, {span(report)}"
    yield report.sentence
    if seen(report):
        yield seen(report)
    yield from _part("In figures", [figure(each) for each in report.figures], "")
    yield from ("", "Day by day (UTC): taken in, written, ended with a person, API calls")
    for day in report.days:
        calls = "not known" if day.api_used is None else f"{day.api_used:,}"
        yield f"  {weekday(day.at)}: {day.handled:,}, {day.written:,}, {day.failed:,}, {calls}"
    yield from _part("What failed most", [ranked(each) for each in report.errors], "Nothing failed.")
    yield from _part("Conflicts by field", [ranked(each) for each in report.fields], "No conflict was settled.")
    yield from _part("Slowest look-ups", [slow(each) for each in report.slowest], "None took over half a second.")
    if page:
        yield from ("", link(report, page))


def _part(heading: str, lines: Sequence[Line], without: str) -> Iterator[str]:
    yield from ("", heading)
    if not lines:
        yield f"  {without}"
    for each in lines:
        yield f"  {each.name}: {each.now}" + (f" ({each.more})" if each.more else "")
