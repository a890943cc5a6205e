"""The weekly report: every figure counted by hand, what is said of it, and when it is sent."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ops.admin.rollup import HOUR
from ops.admin.sign import Level
from ops.alerts.message import Message
from ops.schedule_settings import ScheduleSettings, Weekday
from ops.sync.slots import Weekly
from ops.weekly.keeping import WeeklyReports, row_id
from ops.weekly.model import Beside, Figure, Ranked, Report, Unit, report, shown, trend, weekday
from ops.weekly.render import html, link, missed, plot, seen, span, text, title
from ops.weekly.week import DAY, Week, week_named, week_of
from schemas import topics
from schemas.samples import Sample
from schemas.slow_lookup import SlowLookup
from schemas.stream import Lease
from schemas.unavailable import Unavailable

WEEK = week_named("2026-W48")
MONDAY = int(datetime(2026, 11, 23, tzinfo=UTC).timestamp() * 1000)
AFTER = WEEK.until + 7 * HOUR


def sample(at: int, counts: dict[str, int], levels: dict[str, int] | None = None, covered: int = HOUR) -> Sample:
    """One hour."""
    return Sample(at, HOUR, covered, counts, levels or {})


def counts(handled: int, took: int, parked: int = 0, deferred: int = 0, **more: int) -> dict[str, int]:
    """What an hour has: records of both sides, writes that were taken, refused and put off."""
    return {
        f"handled:{topics.PLATFORM_EVENTS}": handled - handled // 3,
        f"handled:{topics.SALESFORCE_CHANGES}": handled // 3,
        f"handled:{topics.SALESFORCE_WRITES}": took + parked + deferred,
        "outcome:applied": handled,
        "write:applied": took,
        "write:parked": parked,
        "write:deferred": deferred,
        **more,
    }


def a_week(week: Week = WEEK, covered: int = HOUR) -> list[Sample]:
    """168 hours: 30 records and 10 writes each, of which Monday's last hour had two refused and three put off."""
    made = [
        sample(at, counts(30, 10), {"api_used": (at - week.since) // HOUR % 24 * 100, "api_limit": 15_000}, covered)
        for at in range(week.since, week.until, HOUR)
    ]
    made[23] = sample(
        made[23].at,
        counts(30, 5, parked=2, deferred=3)
        | {
            f"error:{topics.SALESFORCE_WRITES}:UNABLE_TO_LOCK_ROW": 3,
            f"error:{topics.SALESFORCE_WRITES}:STRING_TOO_LONG": 2,
            f"error:{topics.PLATFORM_EVENTS}:undecodable": 2,
            "conflict:customer": 4,
            "field:customer:phone": 3,
            "field:customer:address.city": 1,
        },
        {"api_used": 9_000, "api_limit": 15_000},
        covered,
    )
    return made


def made(**changed: Any) -> Report:
    """The report of the week above, against a week of half its records."""
    half = [sample(at, counts(15, 10)) for at in range(WEEK.moved(-1).since, WEEK.since, HOUR)]
    asked = {"samples": a_week(), "samples_before": half, "beside": Beside(gaps=2), "beside_before": Beside(gaps=1)}
    return report(WEEK, **(asked | changed), now=changed.pop("now", AFTER))


def figure(of: Report, name: str) -> Figure:
    """By its name."""
    return next(each for each in of.figures if each.name == name)


def test_a_week_is_one_of_the_calendar() -> None:
    """From Monday to Sunday by UTC, across the end of a year too, and back by its name."""
    assert WEEK.since == MONDAY
    assert WEEK.until - WEEK.since == 7 * DAY
    assert len(WEEK.days) == 7
    assert week_of(WEEK.since) == week_of(WEEK.until - 1) == WEEK
    assert week_of(WEEK.until) == WEEK.moved(1)
    assert week_named("2026-W53").moved(1).name == "2027-W01"
    assert week_named("2026-W53").monday.isoformat() == "2026-12-28"
    for wrong in ("2026-48", "2025-W53", "2026-W00", "last", "2026-W48x", "0000-W01"):
        with pytest.raises(ValueError, match=r"week"):
            week_named(wrong)


def test_every_figure_is_counted() -> None:
    """168 hours of 30 records; 10 writes in each, of which five of one hour were not taken."""
    told = made()
    assert [(each.name, each.now, each.before) for each in told.figures] == [
        ("Records taken in", 168 * 30, 168 * 15),
        ("Writes sent to Salesforce", 168 * 10, 168 * 10),
        ("Writes that Salesforce took", 1675 / 1680, 1.0),
        ("Ended with a person", 2 / 6720, 0.0),
        ("Parked", 2, 0),
        ("Put off to be tried again", 3, 0),
        ("Conflicts settled by policy", 4, 0),
        ("API calls on the busiest day", 0.6, None),
        ("Gaps noticed", 2, 1),
        ("Look-ups over half a second", 0, 0),
    ]
    assert told.sentence == "Every target was met."
    assert (told.covered, told.covered_before, told.over) == (1.0, 1.0, True)
    assert not missed(told)


def test_each_day_has_its_own() -> None:
    """Monday has what went wrong and the calls that were most; no other day has any of it."""
    monday, *others = made().days
    assert (monday.at, monday.handled, monday.written, monday.failed, monday.conflicts) == (MONDAY, 720, 240, 2, 4)
    assert (monday.api_used, monday.api_limit) == (9_000, 15_000)
    assert {(day.handled, day.written, day.failed, day.conflicts, day.api_used) for day in others} == {
        (720, 240, 0, 0, 2_300)
    }


def test_what_failed_most_stands_first() -> None:
    """By number, then by name; with the week before beside it. Field paths keep their dots, topics theirs."""
    before = [sample(WEEK.moved(-1).since, {f"error:{topics.SALESFORCE_WRITES}:STRING_TOO_LONG": 9})]
    told = made(samples_before=before)
    assert told.errors == [
        Ranked(topics.SALESFORCE_WRITES, "UNABLE_TO_LOCK_ROW", 3, 0),
        Ranked(topics.PLATFORM_EVENTS, "undecodable", 2, 0),
        Ranked(topics.SALESFORCE_WRITES, "STRING_TOO_LONG", 2, 9),
    ]
    assert told.fields == [Ranked("customer", "phone", 3, 0), Ranked("customer", "address.city", 1, 0)]
    many = [sample(WEEK.since, {f"error:t:reason-{number:02}": number for number in range(1, 40)})]
    assert [each.now for each in made(samples=many).errors] == list(range(39, 29, -1))


@pytest.mark.parametrize(
    ("samples", "name", "value"),
    [
        (counts(10, took=95, parked=5), "Writes that Salesforce took", 0.95),
        (counts(95, took=0, parked=5), "Ended with a person", 0.05),
    ],
)
def test_a_target_is_missed_at_its_edge(samples: dict[str, int], name: str, value: float) -> None:
    """*More than 95 %* is not 95 %; and the report says so first."""
    told = made(samples=[sample(WEEK.since, samples)])
    assert figure(told, name).now == value
    assert figure(told, name).good is False
    assert f"{name[0].lower()}{name[1:]} {value:.1%}".replace("%", " %") in told.sentence
    assert missed(told)


def test_the_days_calls_are_told_of_the_worst_share() -> None:
    """An org whose allowance grew within the week: 80 of 100 was worse than 90 of 1,000."""
    levels = [{"api_used": 80, "api_limit": 100}, {"api_used": 90, "api_limit": 1_000}, {"api_used": 7, "api_limit": 0}]
    told = made(samples=[sample(WEEK.since + HOUR * place, {}, each) for place, each in enumerate(levels)])
    calls = figure(told, "API calls on the busiest day")
    assert (calls.now, calls.good) == (0.8, False)
    assert told.sentence == "A target was missed: API calls on the busiest day 80.0 %, not less than 80 %."


def test_what_nobody_looked_at_is_not_told_as_well() -> None:
    """No sample at all is no good week, half of one is said to be half, and a figure of nothing is not known."""
    nothing = made(samples=[], samples_before=[])
    assert nothing.sentence == "Nothing is known of this week: nobody looked."
    assert missed(nothing)
    assert {each.now for each in nothing.figures if each.unit is Unit.SHARE} == {None}
    half = made(samples=a_week(covered=HOUR // 2))
    assert half.covered == 0.5
    assert seen(half) == "Only 50% of the time was looked at: no admin process ran in the rest of it."
    assert seen(made(samples_before=[])).startswith("Of the week before only 0% was")
    assert seen(made()) == ""


def test_a_week_that_is_not_over_is_measured_by_what_has_passed() -> None:
    """Two days of which all was looked at are whole."""
    now = WEEK.since + 2 * DAY
    told = report(WEEK, a_week()[:48], [], Beside(), Beside(), now=now)
    assert (told.covered, told.over, title(told)) == (1.0, False, "Tandem: week 2026-W48 so far")


@pytest.mark.parametrize(
    ("unit", "now", "before", "told"),
    [
        (Unit.COUNT, 120, 100, "+20 %"),
        (Unit.COUNT, 50, 100, "-50 %"),
        (Unit.COUNT, 0, 0, "as before"),
        (Unit.COUNT, 3, 0, "none before"),
        (Unit.SHARE, 0.97, 0.95, "+2.0 points"),
        (Unit.SHARE, 0.5, 0.5, "as before"),
        (Unit.SHARE, None, 0.5, ""),
        (Unit.COUNT, 1, None, ""),
    ],
)
def test_a_trend_in_words(unit: Unit, now: float | None, before: float | None, told: str) -> None:
    assert trend(unit, now, before) == told


def test_a_number_as_it_is_read() -> None:
    assert [shown(Unit.COUNT, 12_345), shown(Unit.SHARE, 0.9714), shown(Unit.SHARE, None)] == [
        "12,345",
        "97.1 %",
        "\N{EN DASH}",
    ]
    assert weekday(MONDAY) == "Mon 23"
    assert span(made()) == "Monday 23 November to Sunday 29 November 2026"


def test_the_mail_needs_nothing_and_runs_nothing() -> None:
    """No script, nothing loaded, what stands in it escaped; and all parts of the report are in it, in both forms."""
    bad = [sample(WEEK.since, {"error:t:<script>alert(1)</script>": 1})]
    told = replace(made(), errors=made(samples=bad).errors, slowest=[SlowLookup(MONDAY, "not_found", 1_800)])
    page = html(told, "https://tandem.example.com/")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not any(word in page for word in ("src=", "<link", "@import", "url("))
    assert 'href="https://tandem.example.com/admin/report?week=2026-W48"' in page
    for part in (page, text(told, "https://tandem.example.com")):
        for word in ("5,040", "+100 %", "Every target was met.", "phone", "Mon 23", "9,000", "1.8 s", "not found"):
            assert word in part, word
    assert link(told, "") == ""


def test_bars_are_as_long_as_what_they_show() -> None:
    """The most fills the width; something is never nothing, and what is not known has no bar."""
    days = made().days
    values = dict(zip(days, [0, 1, 50, 100, None, 1_000, 25], strict=True))
    rows = plot("x", "#000", values.__getitem__, days).rows
    assert [(row.width, row.value) for row in rows] == [
        (0, "0"),
        (1, "1"),
        (18, "50"),
        (36, "100"),
        (0, "not known"),
        (360, "1,000"),
        (9, "25"),
    ]


def test_a_time_of_the_week() -> None:
    """By the clocks of its zone; the day itself counts from its time on."""
    when = Weekly(0, time(7), ZoneInfo("Europe/Bucharest"))
    for now, last in [
        ("2026-11-30T04:59:00+00:00", "2026-11-23T05:00:00+00:00"),
        ("2026-11-30T05:00:00+00:00", "2026-11-30T05:00:00+00:00"),
        ("2026-12-06T23:00:00+00:00", "2026-11-30T05:00:00+00:00"),
        ("2026-07-07T00:00:00+00:00", "2026-07-06T04:00:00+00:00"),
    ]:
        assert when.last(datetime.fromisoformat(now)) == datetime.fromisoformat(last), now


def test_no_day_is_no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """`never` switches it off; any other is that day of the week."""
    assert ScheduleSettings().report() == Weekly(0, time(7), ZoneInfo("UTC"))
    monkeypatch.setenv("SCHEDULE_REPORT_DAY", "friday")
    monkeypatch.setenv("SCHEDULE_REPORT_AT", "18:30")
    assert ScheduleSettings().report() == Weekly(4, time(18, 30), ZoneInfo("UTC"))
    monkeypatch.setenv("SCHEDULE_REPORT_DAY", Weekday.NEVER)
    assert ScheduleSettings().report() is None


@dataclass
class Post:
    """Satisfies `Sender`, `Sent` and `Leases`: what was sent, and who may send."""

    takes: bool = True
    free: bool = True
    away: bool = False
    came: list[tuple[Message, str]] = field(default_factory=list)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    held: int = 0

    async def send_page(self, message: Message, page: str) -> bool:
        assert self.held == 1
        if self.takes:
            self.came.append((message, page))
        return self.takes

    async def get(self, row_id: str) -> dict[str, Any] | None:
        if self.away:
            raise Unavailable("MongoDB does not answer")
        return self.rows.get(row_id)

    async def add(self, rows: list[dict[str, Any]]) -> None:
        self.rows |= {row["_id"]: row for row in rows}

    async def acquire(self, name: str, owner: str, _seconds: float) -> Lease | None:
        if self.free:
            self.held += 1
        return Lease(name, owner, 1) if self.free else None

    async def release(self, _lease: Lease) -> None:
        self.held -= 1


@dataclass
class Clocked:
    """Reports by a clock that is set by hand."""

    post: Post = field(default_factory=Post)
    now: int = AFTER
    known: bool = True
    told: list[tuple[str, bool]] = field(default_factory=list)

    def reports(self) -> WeeklyReports:
        async def read(week: Week, now: int) -> Report:
            return report(week, a_week(week) if self.known else [], [], Beside(), Beside(), now=now)

        return WeeklyReports(
            when=Weekly(0, time(7), UTC),
            read=read,
            sender=self.post,
            sent=self.post,
            leases=self.post,
            owner="here",
            page="https://tandem.example.com",
            now=lambda: self.now,
            told=lambda week, taken: self.told.append((week, taken)),
        )


async def test_each_week_is_sent_once() -> None:
    """At its time, not before, again after a restart neither; and the next week the next one."""
    clocked = Clocked(now=AFTER - 1)
    await clocked.reports().look()
    assert [message.title for message, _ in clocked.post.came] == ["Tandem: week 2026-W47"]
    clocked.now = AFTER
    for _ in range(3):
        assert await clocked.reports().look()
    clocked.now += 7 * DAY
    assert await clocked.reports().look()
    assert [message.title for message, _ in clocked.post.came] == [
        "Tandem: week 2026-W47",
        "Tandem: week 2026-W48",
        "Tandem: week 2026-W49",
    ]
    message, page = clocked.post.came[1]
    assert message.level is Level.WELL
    assert "Records taken in: 5,040" in message.body
    assert page.startswith("<!doctype html>")
    assert clocked.post.rows[row_id("2026-W48")]["what"] == "send weekly report"


async def test_one_that_was_not_taken_is_sent_again() -> None:
    """And nothing says before that it was sent."""
    clocked = Clocked(Post(takes=False))
    assert not await clocked.reports().look()
    assert clocked.post.rows == {}
    clocked.post.takes = True
    assert await clocked.reports().look()
    assert clocked.told == [("2026-W48", False), ("2026-W48", True)]
    assert clocked.post.held == 0


async def test_who_has_no_lease_sends_nothing() -> None:
    clocked = Clocked(Post(free=False))
    assert await clocked.reports().look()
    assert clocked.post.came == []


async def test_a_week_of_which_nothing_is_known_has_no_report() -> None:
    """A new installation does not begin with one."""
    clocked = Clocked(known=False)
    assert await clocked.reports().look()
    assert (clocked.post.came, clocked.told) == ([], [])


async def test_a_store_that_is_away_ends_nothing() -> None:
    """It is looked again; what somebody did not take waits longer."""
    clocked, waits = Clocked(Post(away=True, takes=False)), list[float]()
    reports = clocked.reports()

    class Over(Exception):
        pass

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        clocked.post.away = False
        clocked.post.takes = len(waits) > 1
        if len(waits) == 3:
            raise Over

    reports._sleep = sleep
    with pytest.raises(Over):
        await reports.keep()
    assert waits == [60.0, 900.0, 60.0]
    assert clocked.told == [("2026-W48", False), ("2026-W48", True)]
