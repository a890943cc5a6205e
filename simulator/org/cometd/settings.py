"""What the streaming endpoint allows and how long it waits. Figures: Salesforce's Streaming API guide and its table of
allocations; what no source states is marked [unverified] in the description."""

from pydantic import BaseModel, ConfigDict, Field


class CometdSettings(BaseModel):
    """Limits and habits of the streaming endpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entities: tuple[str, ...] = Field(
        default=("Contact",),
        description="sObjects selected for Change Data Capture; each has its channel, `/data/ChangeEvents` has all",
    )
    custom_channels: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="custom channels by name (`Tandem__chn`) and the sObjects that are members of each",
    )
    minimum_version: float = Field(default=37.0, description="oldest API version served: replay needs 37.0")
    maximum_version: float = Field(default=67.0, description="newest API version served")
    hold_seconds: float = Field(default=110.0, gt=0, description="how long a connect is held; told as advice.timeout")
    session_seconds: float = Field(
        default=40.0, gt=0, description="a session with no request this long after its last reply is dropped"
    )
    token_check_seconds: float = Field(
        default=0.25, gt=0, description="how often the token of a held connect is looked at"
    )
    batch_size: int = Field(
        default=500, ge=1, description="most events in one reply [unverified: Salesforce states no number]"
    )
    events_on_subscribe_reply: bool = Field(
        default=True,
        description="replayed events ride on the subscribe reply, as in CometD's default [unverified at Salesforce]",
    )
    keep_session_on_401: bool = Field(
        default=False, description="the session outlives a 401 on its connect [unverified at Salesforce]"
    )
    maximum_request_bytes: int = Field(default=32_768, ge=1, description="a larger request body is answered 413")
    maximum_clients: int = Field(default=20, ge=1, description="concurrent clients: 20 in a Developer Edition org")
    daily_deliveries: int = Field(
        default=10_000_000,
        ge=0,
        description="event deliveries in 24 hours; 10,000 in a real Developer Edition org, roomy here by default",
    )
