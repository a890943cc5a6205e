"""How the merge and the writer wait, gather and retry."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from consumers.rules.retry import RetryPolicy
from consumers.rules.timing import Timing


class MergeSettings(BaseSettings):
    """The group `MERGE_*`: the same for the reconciler and the writer."""

    model_config = SettingsConfigDict(env_prefix="MERGE_", frozen=True, extra="ignore")

    visible_after_seconds: float = Field(
        default=2.0,
        ge=0,
        le=60,
        description="A platform edit made within this time of a value's being shown counts as made without having seen "
        "it, in seconds. As wide as the clocks may differ.",
    )
    event_delay_seconds: float = Field(
        default=30.0,
        gt=0,
        le=3600,
        description="The usual delay of a change event, in seconds; when the event of a write is later, its record is "
        "read.",
    )
    answer_seconds: float = Field(
        default=150.0,
        gt=0,
        le=1200,
        description="When a write whose answer never came counts as unknown, in seconds. More than SALESFORCE's call "
        "time limit.",
    )
    longest_call_seconds: float = Field(
        default=600.0,
        gt=0,
        le=3600,
        description="How long after it was taken a write that was never answered may still land, in seconds: "
        "Salesforce ends a call after ten minutes. A first write is made anew no sooner.",
    )

    def timing(self) -> Timing:
        """The same, as the rules take it."""
        return Timing(
            visible_after=int(self.visible_after_seconds * 1000),
            event_within=int(self.event_delay_seconds * 1000),
            answer_within=int(self.answer_seconds * 1000),
            longest_call=int(self.longest_call_seconds * 1000),
        )


class WriterSettings(BaseSettings):
    """The group `WRITER_*`."""

    model_config = SettingsConfigDict(env_prefix="WRITER_", frozen=True, extra="ignore")

    lanes: int = Field(default=2, ge=1, le=64, description="Calls to Salesforce under way at the same time.")
    linger_seconds: float = Field(
        default=0.05, ge=0, le=60, description="How long doorbells gather before a call, in seconds."
    )
    sweep_seconds: float = Field(
        default=0.5, gt=0, le=60, description="How often documents whose time has come are rung for, in seconds."
    )
    tries: int = Field(default=20, ge=1, le=1000, description="How often a write is tried before it is parked.")
    longest_wait_seconds: float = Field(
        default=86_400.0, gt=0, le=604_800, description="Longest wait between two tries, in seconds."
    )
    org_wait_seconds: float = Field(
        default=30.0,
        gt=0,
        le=3600,
        description="Wait after a failure of the whole org (down, over its limits, logged out), in seconds; it counts "
        "as no try.",
    )

    def retry(self) -> RetryPolicy:
        """The same, as the rules take it."""
        return RetryPolicy(
            tries=self.tries,
            longest=int(self.longest_wait_seconds * 1000),
            org_wait=int(self.org_wait_seconds * 1000),
        )
