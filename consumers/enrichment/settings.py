"""How long people wait for Salesforce, and how often it is asked."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from consumers.enrichment.breaker import BreakerPolicy
from consumers.enrichment.gathering import GatherPolicy
from consumers.enrichment.lookups import LookupPolicy
from consumers.rules.retry import RetryPolicy


class EnrichmentSettings(BaseSettings):
    """The group `ENRICHMENT_*`: the same for the API and the background."""

    model_config = SettingsConfigDict(env_prefix="ENRICHMENT_", frozen=True, extra="ignore")

    deadline_seconds: float = Field(
        default=2.0,
        gt=0,
        le=3,
        description="How long a registration waits for Salesforce at most, in seconds. Who is not found by then is "
        "looked up in the background.",
    )
    gather_seconds: float = Field(
        default=0.25,
        ge=0,
        le=2,
        description="How long people gather for the next call while one is under way, in seconds. Without one under "
        "way it is made within milliseconds.",
    )
    calls_at_once: int = Field(default=8, ge=1, le=25, description="Calls for people who wait, under way at once.")
    again_seconds: float = Field(
        default=0.8,
        gt=0,
        le=3,
        description="A call for people who wait that takes longer is made a second time beside the first, in seconds.",
    )
    failures: int = Field(
        default=3,
        ge=1,
        le=100,
        description="After so many calls in a row that failed or came too late nobody waits for the org any more.",
    )
    probe_seconds: float = Field(
        default=1.0,
        gt=0,
        le=60,
        description="How soon such an org is tried again, in seconds; each try that fails doubles it.",
    )
    longest_probe_seconds: float = Field(
        default=15.0, gt=0, le=3600, description="The longest time between two such tries, in seconds."
    )
    found_seconds: float = Field(
        default=900.0,
        ge=0,
        le=86_400,
        description="How long what was found of an address is known without another call, in seconds. A change of the "
        "record ends it.",
    )
    missing_seconds: float = Field(
        default=60.0, ge=0, le=86_400, description="The same where nobody was found, in seconds."
    )
    call_seconds: float = Field(
        default=10.0, gt=0, le=120, description="Longest wait for the answer to a call in the background, in seconds."
    )
    sweep_seconds: float = Field(
        default=1.0, gt=0, le=60, description="How often people are looked for whose time has come, in seconds."
    )
    tries: int = Field(
        default=12,
        ge=1,
        le=1000,
        description="How often a person is asked about who is refused each time, before that is parked.",
    )
    org_wait_seconds: float = Field(
        default=10.0,
        gt=0,
        le=3600,
        description="Wait after a failure of the whole org (down, over its limits, logged out), in seconds; it counts "
        "as no try.",
    )

    def lookups(self) -> LookupPolicy:
        """For people who wait."""
        return LookupPolicy(
            gather=GatherPolicy(next=self.gather_seconds, at_once=self.calls_at_once),
            breaker=BreakerPolicy(self.failures, self.probe_seconds, self.longest_probe_seconds),
            late=self.deadline_seconds,
            again=self.again_seconds,
            found_for=self.found_ms,
            missing_for=self.missing_ms,
        )

    def retry(self) -> RetryPolicy:
        """For the background."""
        return RetryPolicy(tries=self.tries, org_wait=int(self.org_wait_seconds * 1000))

    @property
    def found_ms(self) -> int:
        """`found_seconds` in milliseconds."""
        return int(self.found_seconds * 1000)

    @property
    def missing_ms(self) -> int:
        """`missing_seconds` in milliseconds."""
        return int(self.missing_seconds * 1000)
