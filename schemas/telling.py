"""What the platform is told of a document that Salesforce has changed: the record of `platform.changes`.

The same shape as the platform's own webhooks have, so that `revision` can come back as `seen`.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from pydantic import BaseModel, ConfigDict, Field

from schemas import cloudevents, topics
from schemas.cloudevents import Headers
from schemas.platform_event import DocumentId, EventType
from schemas.versions import Data, data_schema

SOURCE: Final = "tandem"
CHANGED: Final = "changed"
RECORD_DELETED: Final = "record_deleted"
"""The past tenses of what is told: `customer.changed`, `customer.record_deleted`."""

Row = Mapping[str, Any]
"""As it stands in a document's outbox (`_sync.told`): see `consumers.rules.telling`."""


class ToldData(BaseModel):
    """What is told of one document: the paths that show Salesforce's values since this revision, and why."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: DocumentId
    kind: str
    revision: int = Field(ge=0)
    fields: dict[str, Any] = Field(default_factory=dict)
    changed: tuple[str, ...] = ()
    cause: dict[str, Any] = Field(default_factory=dict)


class Told(BaseModel):
    """The value of a record of `platform.changes`, which is the body of the webhook too."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: EventType
    timestamp: datetime
    data: ToldData


def telling_id(kind: str, document_id: str, revision: int) -> str:
    """The id of what one update of a document tells: the same each time that it is told."""
    told = f"{kind}:{document_id}:{revision}".encode()
    return f"told_{hashlib.sha256(told).hexdigest()[:32]}"


def record_of(row: Row) -> tuple[bytes, bytes, Headers]:
    """Key, value and headers of the Kafka record for a row of an outbox."""
    kind, document_id = row["kind"], row["document"]
    moment = datetime.fromtimestamp(row["at"] / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = {
        "type": row["type"],
        "timestamp": moment,
        "data": {
            "id": document_id,
            "kind": kind,
            "revision": row["revision"],
            "fields": row["fields"],
            "changed": sorted(row["fields"]),
            "cause": row["cause"],
        },
    }
    headers = cloudevents.headers(
        id=row["_id"],
        source=SOURCE,
        type=row["type"],
        subject=f"{kind}:{document_id}",
        time=moment,
        schema=data_schema(Data.PLATFORM_CHANGE),
    )
    return topics.document_key(kind, document_id), orjson.dumps(body), headers
