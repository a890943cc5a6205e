"""When a scheduled run is due: every so many hours from a time of the day on. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo


@dataclass(frozen=True, slots=True)
class Every:
    """`hours` is a part of 24, so that every day has the same times; by the clocks of `zone`."""

    at: time
    hours: int
    zone: tzinfo

    def last(self, now: datetime) -> datetime:
        """The latest of the times that is not after `now`, in UTC. A time that clocks leave out comes an hour later."""
        here = now.astimezone(self.zone)
        times = [
            datetime.combine(here.date() + timedelta(days=day), self.at, self.zone) + timedelta(hours=hour)
            for day in (-1, 0)
            for hour in range(0, 24, self.hours)
        ]
        return max(moment for each in times if (moment := each.astimezone(UTC)) <= now)


@dataclass(frozen=True, slots=True)
class Weekly:
    """On one day of each week, 0 for Monday, at a time by the clocks of `zone`."""

    weekday: int
    at: time
    zone: tzinfo

    def last(self, now: datetime) -> datetime:
        """The latest of the times that is not after `now`, in UTC. A time that clocks leave out comes an hour later."""
        here = now.astimezone(self.zone)
        back = (here.weekday() - self.weekday) % 7
        times = [
            datetime.combine(here.date() - timedelta(days=back + 7 * weeks), self.at, self.zone) for weeks in (0, 1)
        ]
        return max(moment for each in times if (moment := each.astimezone(UTC)) <= now)
