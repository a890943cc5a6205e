"""The API's address and limits."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ApiSettings(BaseSettings):
    """The group `API_*`."""

    model_config = SettingsConfigDict(env_prefix="API_", frozen=True, extra="ignore")

    host: str = Field(
        default="127.0.0.1", description="Address to listen on; 0.0.0.0 for every one, as in a container."
    )
    port: int = Field(default=8070, ge=0, le=65535, description="Port to listen on; 0 takes any free one.")
    max_body_bytes: int = Field(default=524_288, ge=1, le=1_048_576, description="Longest body taken, in bytes.")
    body_seconds: float = Field(default=10, gt=0, le=300, description="How long a body may take to arrive, in seconds.")
    keep_alive_seconds: float = Field(
        default=75, gt=0, le=3600, description="How long a connection may be idle between requests, in seconds."
    )
    max_in_flight: int = Field(default=500, ge=1, description="Requests worked at at once; above it, 503.")
    rate_per_second: float = Field(
        default=100, gt=0, description="Requests a second that one key may make, where it has no limit of its own."
    )
    burst: float = Field(default=200, ge=1, description="Requests that one key may make at once before that holds.")
    wait_seconds: float = Field(
        default=2, ge=0, le=60, description="How long a write waits for its result before it is answered by 202."
    )
    query_rows: int = Field(
        default=10_000, ge=1, le=50_000, description="Rows that one query may give, over all its pages."
    )
    query_seconds: float = Field(
        default=20, gt=0, le=120, description="How long one page of a query may take, in seconds."
    )
    exports_per_hour: int = Field(
        default=60, ge=1, description="Exports of what is held of a person that one key may have in an hour."
    )
    plan_seconds: float = Field(
        default=60, gt=0, le=3600, description="How long the plan of a new mapping may look at documents, in seconds."
    )
    idempotency_hours: float = Field(
        default=24,
        gt=0,
        le=720,
        description="How long an answer is kept for its Idempotency-Key, in hours.",
    )
    shutdown_seconds: float = Field(
        default=15, gt=0, le=300, description="How long requests in flight may take to end at shutdown, in seconds."
    )
