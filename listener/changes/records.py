"""From events to the records of `salesforce.changes`. No I/O, and nothing is left out.

What cannot be normalised becomes a record that holds its JSON, so that the reconciler parks it with its bytes.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import orjson

from listener.changes.buffer import Event, Item, Polled, PositionRefused, Reached
from listener.changes.normalise import commit_timestamp, normalise, schema_of
from listener.changes.ports import ChangeRecord, Position
from schemas import cloudevents
from schemas.change import Change
from schemas.codec import Undecodable, compact, encode
from schemas.stream import ReplayId
from schemas.topics import record_key
from schemas.versions import Data, data_schema

UNDECODABLE_KEY: Final = b"undecodable"
UNDECODABLE_CONTENT_TYPE: Final = "application/vnd.tandem.undecodable+json"
UNDECODABLE_TYPE: Final = "salesforce.undecodable"
REASON: Final = "ce_reason"


@dataclass(slots=True)
class Batch:
    """What is appended at once. `events` is how many items of the buffer it stands for, from the first."""

    events: int = 0
    records: list[ChangeRecord] = field(default_factory=list)
    undecodable: int = 0
    by_channel: Counter[str] = field(default_factory=Counter)
    """How many of the records came by each channel."""
    positions: dict[str, Position] = field(default_factory=dict)
    """By channel, where the stream stands once the records are safe."""
    schemas: dict[str, str] = field(default_factory=dict)
    """By object, the id of the schema of its last event."""


def record_of(change: Change, org_id: str, *, received_at: int) -> ChangeRecord:
    """The record of one change; `received_at` is epoch milliseconds.

    Raises:
        ValueError, TypeError: a value that JSON in UTF-8 cannot hold (a lone surrogate).
    """
    return ChangeRecord(
        key=record_key(change.record_id),
        value=encode(change),
        headers=cloudevents.headers(
            id=change.event_id,
            source=_source(org_id),
            type=f"salesforce.{change.entity}.{change.type.lower()}",
            subject=change.record_id,
            time=_iso(change.position.timestamp),
            schema=data_schema(Data.CHANGE),
            extensions={cloudevents.RECEIVED_AT: str(received_at)},
        ),
    )


def records_of(event: Event, org_id: str) -> tuple[list[ChangeRecord], bool]:
    """The records of one event, and whether it could be normalised; there is always at least one."""
    try:
        return [
            record_of(change, org_id, received_at=event.received_at)
            for change in normalise(event.data, event.replay_id)
        ], True
    except Undecodable as error:
        return [_undecodable(event, org_id, str(error))], False
    except (ValueError, TypeError):
        return [_undecodable(event, org_id, "a value that JSON in UTF-8 cannot hold")], False


def batch_of(items: Sequence[Item], org_id: str, limit: int, stored: Mapping[str, Position]) -> Batch:
    """The items up to the first refused position, until there are `limit` records; always at least one item.

    `stored` is where each channel stood before: an event that tells no commit time, or no replay id, leaves that part
    as it was.
    """
    batch = Batch()
    for item in items:
        match item:
            case PositionRefused():
                break
            case Event():
                records, readable = records_of(item, org_id)
                batch.undecodable += not readable
                if (told := schema_of(item.data)) is not None:
                    batch.schemas[told[0]] = told[1]
                if item.replay_id is not None:
                    before = batch.positions.get(item.channel) or stored.get(item.channel)
                    batch.positions[item.channel] = _position(item.replay_id, item.data, before)
            case Polled():
                records = [record_of(item.change, org_id, received_at=item.received_at)]
                batch.positions[item.channel] = item.position
            case Reached():
                records = []
                batch.positions[item.channel] = item.position
        batch.events += 1
        batch.records += records
        batch.by_channel[item.channel] += len(records)
        if len(batch.records) >= limit:
            break
    return batch


def _position(replay_id: ReplayId, data: object, before: Position | None) -> Position:
    at = commit_timestamp(data)
    if at is None:
        # Not when it was received: a replay brings events days after their commit, and those behind it are older, too.
        at = before.commit_timestamp if before else 0
    return Position(replay_id, at)


def _undecodable(event: Event, org_id: str, reason: str) -> ChangeRecord:
    value = _json(event.data)
    mark = hashlib.sha256(value).hexdigest()[:32]
    return ChangeRecord(
        key=UNDECODABLE_KEY,
        value=value,
        headers=cloudevents.headers(
            id=f"undecodable:{mark}",
            source=_source(org_id),
            type=UNDECODABLE_TYPE,
            subject=event.channel.encode("utf-8", "replace").decode(),
            time=_iso(event.received_at),
            content_type=UNDECODABLE_CONTENT_TYPE,
            extensions={cloudevents.RECEIVED_AT: str(event.received_at), REASON: reason},
        ),
    )


def _json(data: object) -> bytes:
    try:
        return compact(orjson.dumps(data))
    except TypeError:
        return json.dumps(data).encode("ascii")  # writes a lone surrogate as the escape it came as


def _source(org_id: str) -> str:
    return f"/salesforce/{org_id}"


def _iso(epoch_ms: int) -> str:
    moment = datetime.fromtimestamp(epoch_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{epoch_ms % 1000:03}Z"
