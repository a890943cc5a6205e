"""What the platform posts: a Standard Webhooks body `{"type", "timestamp", "data"}`."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

ID_LENGTH: Final = 200
"""What an id may have at most."""
DocumentId = Annotated[str, StringConstraints(min_length=1, max_length=ID_LENGTH, pattern=r"^[^\s:]+$")]
"""A platform id. No white space and no colon, since keys and write tokens are `<kind>:<id>` and `<id>:<number>`."""

EventType = Annotated[str, StringConstraints(max_length=100, pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$")]
"""`<kind>.<past tense>`: `customer.updated`."""


class EventData(BaseModel):
    """What an event says of one platform thing.

    `fields` holds values by platform field path (nested objects, or dotted paths); absent says nothing, null clears.
    `changed` names the paths the author changed; without it the event is a whole record. `seen` is the revision of the
    document that the author was looking at.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    id: DocumentId
    fields: dict[str, Any] = Field(default_factory=dict)
    changed: tuple[str, ...] | None = None
    seen: int | None = Field(default=None, ge=0)


class PlatformEvent(BaseModel):
    """A past-tense fact from the platform. `timestamp` is when it occurred, by the platform's clock."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: EventType
    timestamp: AwareDatetime | None = None
    data: EventData

    @property
    def kind(self) -> str:
        """The sort of thing: `customer` of `customer.updated`."""
        return self.type.partition(".")[0]


def epoch_ms(moment: datetime) -> int:
    """Milliseconds since 1970, rounded down."""
    return (moment - _EPOCH) // _MILLISECOND
