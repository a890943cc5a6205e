"""When runs begin by themselves, and how much they take on at once."""

from datetime import time
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ops.sync.slots import Every, Weekly


class Weekday(StrEnum):
    """A day of the week, or none."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"
    NEVER = "never"


class ScheduleSettings(BaseSettings):
    """The group `SCHEDULE_*`."""

    model_config = SettingsConfigDict(env_prefix="SCHEDULE_", frozen=True, extra="ignore")

    compare_at: time = Field(
        default=time(3, 0), description="When both sides are compared, `HH:MM` by SCHEDULE_ZONE; the first of a day."
    )
    compare_hours: int = Field(
        default=24, ge=0, le=24, description="Every how many hours from then on, a part of 24; 0 for never."
    )
    refresh_at: time = Field(
        default=time(1, 30), description="When formula and roll-up fields are looked at, as SCHEDULE_COMPARE_AT."
    )
    refresh_hours: int = Field(
        default=6, ge=0, le=24, description="Every how many hours from then on, a part of 24; 0 for never."
    )
    report_day: Weekday = Field(
        default=Weekday.MONDAY,
        description="On which day the report of the week before is sent, `monday` to `sunday`; `never` for none.",
    )
    report_at: time = Field(default=time(7, 0), description="When it is sent, as SCHEDULE_COMPARE_AT.")
    zone: str = Field(default="UTC", description="The time zone of all of these, by its IANA name: `Europe/Bucharest`.")
    look_seconds: float = Field(
        default=5.0, gt=0, le=600, description="How often it is looked whether a run is to be begun, in seconds."
    )
    lease_seconds: float = Field(
        default=30.0, ge=1, le=600, description="How long one process works at runs without renewing, in seconds."
    )
    bulk_rows: int = Field(
        default=10_000, ge=1, description="From this many records on a list of them is had by Bulk API, not by REST."
    )
    chunk_rows: int = Field(default=50_000, ge=1, le=1_000_000, description="Records of one Bulk query job.")
    backlog: int = Field(
        default=10_000,
        ge=1,
        description="A run waits while more records than this are to be taken by the stages, or more documents to be "
        "looked at by the writer.",
    )

    @field_validator("compare_hours", "refresh_hours")
    @classmethod
    def _parts_of_a_day(cls, hours: int) -> int:
        if hours and 24 % hours:
            raise ValueError("must be a part of 24: 1, 2, 3, 4, 6, 8, 12 or 24; or 0")
        return hours

    @field_validator("zone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (OSError, ValueError, ZoneInfoNotFoundError):
            raise ValueError("must be a time zone by its IANA name such as Europe/Bucharest") from None
        return name

    def compare(self) -> Every | None:
        """When to compare."""
        return Every(self.compare_at, self.compare_hours, ZoneInfo(self.zone)) if self.compare_hours else None

    def refresh(self) -> Every | None:
        """When to look at calculated fields."""
        return Every(self.refresh_at, self.refresh_hours, ZoneInfo(self.zone)) if self.refresh_hours else None

    def report(self) -> Weekly | None:
        """When to send the weekly report."""
        if self.report_day is Weekday.NEVER:
            return None
        return Weekly(list(Weekday).index(self.report_day), self.report_at, ZoneInfo(self.zone))
