"""Records that belong to a record from its start, and that say what others beneath it may hold."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Listing(BaseModel):
    """Records that say what a field may hold, for each parent its own: what is not among them becomes the default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    object: str
    parent: str
    """The reference that both the list's records and those of the field have."""
    value: str
    default: str
    """The boolean field of the list's record that is the default."""
    tells: dict[str, str] = Field(default_factory=dict)
    """Other fields of the record by the field of the list's record that says what they are."""


class Brought(BaseModel):
    """Children that a new record has from the start."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    object: str
    parent: str
    records: tuple[dict[str, Any], ...]
    """JSON values."""
