"""Weeks of the calendar (ISO 8601): from Monday on, by UTC, named as `2026-W48`. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

DAY: Final = 24 * 60 * 60 * 1000
_NAME: Final = re.compile(r"(\d{4})-W(\d{2})")


@dataclass(frozen=True, slots=True, order=True)
class Week:
    """Begins at `since`, epoch milliseconds, a Monday's midnight."""

    since: int

    @property
    def until(self) -> int:
        """The moment at which it is over."""
        return self.since + 7 * DAY

    @property
    def name(self) -> str:
        """As it is asked for."""
        year, number, _ = self.monday.isocalendar()
        return f"{year}-W{number:02}"

    @property
    def monday(self) -> date:
        """Its first day."""
        return datetime.fromtimestamp(self.since / 1000, UTC).date()

    @property
    def days(self) -> list[int]:
        """Where its days begin, epoch milliseconds."""
        return list(range(self.since, self.until, DAY))

    def moved(self, weeks: int) -> "Week":
        """So many weeks later; before it where that is below nought."""
        return Week(self.since + 7 * DAY * weeks)


def week_of(at: int) -> Week:
    """The week of this moment, epoch milliseconds."""
    day = datetime.fromtimestamp(at / 1000, UTC).date()
    return _from(day - timedelta(days=day.weekday()))


def week_named(name: str) -> Week:
    """The week of this name.

    Raises:
        ValueError: there is none.
    """
    told = _NAME.fullmatch(name)
    if told is None:
        raise ValueError("a week is named by its year and number, such as 2026-W48")
    try:
        return _from(date.fromisocalendar(int(told[1]), int(told[2]), 1))
    except ValueError:
        raise ValueError(f"there is no week {name}") from None


def _from(monday: date) -> Week:
    return Week(int(datetime.combine(monday, time(), UTC).timestamp() * 1000))
