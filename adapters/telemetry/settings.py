"""How much is logged, in which form, and where the ops port listens."""

from enum import StrEnum

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class LogFormat(StrEnum):
    """`auto` is pretty on a terminal and JSON elsewhere."""

    AUTO = "auto"
    JSON = "json"
    PRETTY = "pretty"


class LogLevel(StrEnum):
    """The least severe line that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class TelemetrySettings(BaseSettings):
    """The groups `LOG_*`, `OPS_*` and `TRACE_*`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    log_level: LogLevel = Field(
        default=LogLevel.INFO, description="Least severe line written: debug, info, warning, error."
    )
    log_format: LogFormat = Field(
        default=LogFormat.AUTO, description="auto (pretty on a terminal, JSON elsewhere), json or pretty."
    )
    ops_host: str = Field(
        default="127.0.0.1", description="Address of the ops port: metrics and health, for no one outside."
    )
    ops_port: int = Field(default=8081, ge=0, le=65535, description="The ops port; 0 takes any free one.")
    ops_ping_seconds: float = Field(
        default=2, gt=0, le=60, description="How long /ready waits for what it asks, in seconds."
    )
    ops_start_seconds: float = Field(
        default=30,
        ge=0,
        le=600,
        description="How long a process waits at its start for Kafka or MongoDB, while either is away, in seconds.",
    )
    ops_stop_seconds: float = Field(
        default=45, gt=0, le=600, description="How long a process may take to stop before it gives up, in seconds."
    )
    trace_otlp_endpoint: str = Field(
        default="",
        description="Where traces are sent by OTLP over HTTP, as `http://localhost:4318/v1/traces`; empty: no traces.",
    )
    trace_ratio: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Share of the traces begun here that is recorded; what the sender of a webhook records is, always.",
    )
