"""How much the runner takes on at once, and how long it waits."""

from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class RunnerSettings(BaseSettings):
    """The group `RUNNER_*`: the same for the reconciler and the writer, unless given to the constructor."""

    model_config = SettingsConfigDict(env_prefix="RUNNER_", frozen=True, extra="ignore")

    lanes: int = Field(default=4, ge=1, le=256, description="Key queues handled at the same time.")
    batch_size: int = Field(default=200, ge=1, le=10_000, description="Records of one key queue handled together.")
    max_in_flight: int = Field(
        default=2_000, ge=1, le=1_000_000, description="Records taken and not finished; above it, fetching pauses."
    )
    commit_seconds: float = Field(
        default=1.0, gt=0, le=60, description="How often finished records are committed, in seconds."
    )
    revoke_seconds: float = Field(
        default=20.0,
        gt=0,
        le=60,
        description="How long records in hand may take to finish before their partition is given away, in seconds.",
    )
    stop_seconds: float = Field(
        default=20.0, gt=0, le=600, description="How long records taken may take to finish at shutdown, in seconds."
    )
    retry_first_seconds: float = Field(
        default=0.1, ge=0, le=60, description="First wait when an outside part is away, in seconds; doubled each time."
    )
    retry_cap_seconds: float = Field(
        default=30.0, ge=0, le=600, description="Longest wait when an outside part is away, in seconds."
    )

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.max_in_flight < self.batch_size:
            raise ValueError("RUNNER_MAX_IN_FLIGHT is less than RUNNER_BATCH_SIZE, so no batch could ever be full")
        return self
