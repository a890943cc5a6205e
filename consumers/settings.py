"""How the merge and the writer wait, gather and retry."""

from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from consumers.rules.budget import BudgetPolicy
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
        default=0.05,
        ge=0,
        le=60,
        description="How long doorbells gather before a call, in seconds. Several for one document are one row.",
    )
    fill_seconds: float = Field(
        default=0.5,
        ge=0,
        le=60,
        description="How long doorbells gather where a call of 200 rows fills in that time at their pace, in seconds; "
        "0: never longer than WRITER_LINGER_SECONDS.",
    )
    sweep_seconds: float = Field(
        default=0.5, gt=0, le=60, description="How often documents whose time has come are rung for, in seconds."
    )
    bulk_rows: int = Field(
        default=2_000,
        ge=0,
        le=10_000,
        description="From so many rows for one object at once they go by a Bulk API 2.0 job, below it by calls of 200; "
        "0: never by a job.",
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


class RepairSettings(BaseSettings):
    """The group `REPAIR_*`: how gaps are repaired."""

    model_config = SettingsConfigDict(env_prefix="REPAIR_", frozen=True, extra="ignore")

    look_seconds: float = Field(
        default=10.0, gt=0, le=3600, description="How often gaps are looked for that are not closed, in seconds."
    )
    overlap_seconds: float = Field(
        default=900.0,
        ge=0,
        le=86_400,
        description="How much earlier than the gap its repair begins, in seconds: SystemModstamp is older than the "
        "commit by as long as a transaction takes, and clocks differ.",
    )
    retry_cap_seconds: float = Field(
        default=600.0, gt=0, le=86_400, description="The longest wait after a repair that failed, in seconds."
    )
    lease_seconds: float = Field(
        default=30.0, ge=1, le=600, description="How long one process repairs without renewing its lease, in seconds."
    )


class BudgetSettings(BaseSettings):
    """The group `BUDGET_*`: the org's allocations are shared, with its other users too."""

    model_config = SettingsConfigDict(env_prefix="BUDGET_", frozen=True, extra="ignore")

    reserve: float = Field(
        default=0.2,
        ge=0,
        lt=1,
        description="The share of the org's daily API calls that is left to its other users: above it no call of ours "
        "is made.",
    )
    repair: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="The share of our own calls that repair may use: what is above is kept for live edits.",
    )
    backfill: float = Field(
        default=0.7,
        gt=0,
        le=1,
        description="The share of our own calls that first loads and scheduled syncs may use. At most BUDGET_REPAIR.",
    )
    longest_linger_seconds: float = Field(
        default=60.0,
        ge=0,
        le=3600,
        description="How long doorbells gather at most before a call as the day's calls run out, in seconds.",
    )
    probe_seconds: float = Field(
        default=300.0,
        gt=0,
        le=86_400,
        description="Where no call may be made: how often one is, to see whether there is room again, in seconds.",
    )
    calls_at_once: int = Field(
        default=25,
        ge=1,
        le=1000,
        description="Calls under way at once over all processes: an org runs at most 25 that are longer than 20 s, a "
        "Developer Edition 5. Each process may always have one: more processes than this are more calls.",
    )
    share_seconds: float = Field(
        default=10.0,
        gt=0,
        le=600,
        description="How often the processes tell each other what they know of the allocation, in seconds.",
    )
    limits_seconds: float = Field(
        default=600.0,
        gt=0,
        le=86_400,
        description="How often one of them asks the org for all its allocations (one call), in seconds.",
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.backfill > self.repair:
            raise ValueError("BUDGET_BACKFILL must be at most BUDGET_REPAIR")
        return self

    def policy(self) -> BudgetPolicy:
        """The same, as the rules take it."""
        return BudgetPolicy(
            reserve=self.reserve,
            repair=self.repair,
            backfill=self.backfill,
            longest_linger=self.longest_linger_seconds,
            probe_every=int(self.probe_seconds * 1000),
        )
