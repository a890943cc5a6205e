"""How changes are listened for."""

from typing import Annotated, Self

from pydantic import AliasChoices, Field, StringConstraints, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from listener.changes.buffer import HIGH_BYTES

SObject = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,79}$")]
Channel = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9_/]{1,200}$")]


class ChangesSettings(BaseSettings):
    """The group `CHANGES_*`."""

    model_config = SettingsConfigDict(env_prefix="CHANGES_", frozen=True, extra="ignore", populate_by_name=True)

    channels: Annotated[tuple[Channel, ...], NoDecode] = Field(
        default=("/data/ChangeEvents",),
        min_length=1,
        max_length=50,
        description="Channels to subscribe to, comma between: /data/ChangeEvents, /data/ContactChangeEvent, …",
    )
    api_version: str = Field(
        default="62.0",
        pattern=r"^\d{2,3}\.0$",
        validation_alias=AliasChoices("CHANGES_API_VERSION", "SALESFORCE_API_VERSION"),
        description="API version of the streaming endpoint; SALESFORCE_API_VERSION where this is not given.",
    )
    request_seconds: float = Field(
        default=10, gt=0, le=120, description="How long a handshake, subscribe or disconnect may be silent, in seconds."
    )
    login_seconds: float = Field(default=30, gt=0, le=300, description="How long a login may take, in seconds.")
    poll_slack_seconds: float = Field(
        default=10,
        gt=0,
        le=60,
        description="How much longer than the server's own hold (advice.timeout) a poll may be silent, in seconds.",
    )
    body_seconds: float = Field(
        default=60, gt=0, le=600, description="How much longer a reply that has begun may take to its end, in seconds."
    )
    max_reply_bytes: int = Field(
        default=32 * 1024 * 1024, ge=1024, description="The largest reply that is read, in bytes after decompression."
    )
    high_mark: int = Field(
        default=5_000, ge=1, description="From this many events waiting on, the stream is left until there is room."
    )
    low_mark: int = Field(default=1_000, ge=0, description="At this few events waiting the stream is taken up again.")
    high_bytes: int = Field(
        default=HIGH_BYTES,
        ge=1024,
        description="The same of the bytes they came in: from these on the stream is left, until a quarter waits.",
    )
    batch_records: int = Field(
        default=500, ge=1, le=10_000, description="About how many records are appended to the log at a time."
    )
    backoff_seconds: float = Field(
        default=0.5, gt=0, description="The first wait after a failure, in seconds; it doubles, with jitter."
    )
    backoff_cap_seconds: float = Field(default=60, gt=0, description="The longest wait after a failure, in seconds.")
    busy_seconds: float = Field(
        default=30, gt=0, description="The first wait where Salesforce is too busy or over a limit, in seconds."
    )
    busy_cap_seconds: float = Field(default=600, gt=0, description="The longest such wait, in seconds.")
    sent_away_seconds: float = Field(
        default=5, ge=0, description="Window for the new session after the server sends its clients away, in seconds."
    )
    refused_channel_seconds: float = Field(
        default=300, gt=0, description="When to ask again for a channel that was refused, in seconds."
    )
    polled: Annotated[tuple[SObject, ...], NoDecode] = Field(
        default=(),
        description="Objects that are polled instead of listened to, comma between: Opportunity, Campaign, …",
    )
    poll_missing: bool = Field(
        default=True, description="Poll every mapped object whose changes no subscribed channel brings, too."
    )
    poll_seconds: float = Field(
        default=30, ge=1, le=3600, description="Between two polls of an object in which something happens, in seconds."
    )
    poll_idle_seconds: float = Field(
        default=300, ge=1, le=86_400, description="Between two polls of an object in which nothing happens, in seconds."
    )
    poll_overlap_seconds: int = Field(
        default=600,
        ge=5,
        le=86_400,
        description=(
            "How far back each poll begins before the end of the last one, in seconds: as long as a transaction may "
            "take to its commit."
        ),
    )
    poll_first_hours: int = Field(
        default=72,
        ge=72,
        le=24 * 15,
        description="Where the first poll of an object begins, in hours back: no later than events would, which is 72.",
    )
    deliveries_reserve: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="The share of the org's daily event deliveries at which all objects are polled instead.",
    )
    deliveries_room: float = Field(
        default=0.2, gt=0, le=1, description="The share that must be left again before events are subscribed to again."
    )
    retention_hours: float = Field(
        default=72,
        gt=0,
        description="How long Salesforce keeps an event, in hours. A position that has stood for two thirds of it is "
        "renewed.",
    )
    lease_seconds: float = Field(
        default=30, ge=1, le=600, description="How long a subscriber owns the org without renewing, in seconds."
    )

    @field_validator("channels", "polled", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("channels", "polled")
    @classmethod
    def _once_each(cls, named: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(named)) != len(named):
            raise ValueError("one is named twice")
        return named

    @field_validator("api_version", mode="before")
    @classmethod
    def _without_v(cls, value: object) -> object:
        return value.removeprefix("v") if isinstance(value, str) else value

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.low_mark >= self.high_mark:
            raise ValueError("CHANGES_LOW_MARK must be below CHANGES_HIGH_MARK")
        if self.backoff_cap_seconds < self.backoff_seconds:
            raise ValueError("CHANGES_BACKOFF_CAP_SECONDS is below CHANGES_BACKOFF_SECONDS")
        if self.busy_cap_seconds < self.busy_seconds:
            raise ValueError("CHANGES_BUSY_CAP_SECONDS is below CHANGES_BUSY_SECONDS")
        if self.poll_idle_seconds < self.poll_seconds:
            raise ValueError("CHANGES_POLL_IDLE_SECONDS is below CHANGES_POLL_SECONDS")
        if self.deliveries_room <= self.deliveries_reserve:
            raise ValueError("CHANGES_DELIVERIES_ROOM must be above CHANGES_DELIVERIES_RESERVE")
        return self
