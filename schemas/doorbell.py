"""A doorbell: "look at this document again". It holds a key and no payload."""

from typing import Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.codec import compact


class Doorbell(BaseModel):
    """Names one document. `record_id` is the linked Salesforce record, empty before the first write.

    Without an `id` it names a record that belongs to no document: the writer looks whether it should (`on_unlinked`).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: str
    id: str = ""
    record_id: str = ""
    format: int = Field(default=1, ge=1)
    """Of this very record (`schemas.versions`)."""

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if not self.id and not self.record_id:
            raise ValueError("neither id nor record_id")
        return self


def ring_for(kind: str, id: str, record_id: str) -> bytes:  # noqa: A002 - the field's own name
    """The bytes of a doorbell, as `encode` makes them: one for every event, so no model is made for it."""
    bell = {"kind": kind, "id": id}
    return compact(orjson.dumps({**bell, "record_id": record_id} if record_id else bell))
