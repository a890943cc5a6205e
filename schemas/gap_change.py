"""Changes that a look at Salesforce found, with no event that told of them: what polling, a comparison and a load say.

Each is a gap change: it names a record that must be read, and holds no value. The same look at the same record makes
the same change with the same id, whoever takes it, and however often.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from schemas import cloudevents
from schemas.change import Change, ChangeType, Told
from schemas.cloudevents import Headers
from schemas.codec import encode
from schemas.position import CommitPosition
from schemas.topics import record_key
from schemas.versions import Data, data_schema


@dataclass(frozen=True, slots=True)
class GapRecord:
    """A change as `salesforce.changes` takes it."""

    key: bytes
    value: bytes
    headers: Headers


def stamped(entity: str, record_id: str, modified: int) -> Change:
    """The record was changed until `modified`, its `SystemModstamp` in epoch milliseconds.

    Where it has been read whole since then, that is no news.
    """
    return _gap(entity, record_id, ChangeType.GAP_UPDATE, modified, Told.STAMP)


def differing(entity: str, record_id: str, modified: int) -> Change:
    """A row that is not as we know the record, whatever its `SystemModstamp` says: a formula leaves that alone."""
    return _gap(entity, record_id, ChangeType.GAP_UPDATE, modified, Told.ROW)


def missing(entity: str, record_id: str, looked_at: int) -> Change:
    """The record was in no list of all records, which was begun at `looked_at`: epoch milliseconds.

    Whether it is gone, a read by Id says (merge rule 22).
    """
    return _gap(entity, record_id, ChangeType.GAP_DELETE, looked_at, Told.ROW)


def record_of(change: Change, org_id: str, *, received_at: int) -> GapRecord:
    """The record of one change; `received_at` is when it was found, epoch milliseconds."""
    return GapRecord(
        key=record_key(change.record_id),
        value=encode(change),
        headers=cloudevents.headers(
            id=change.event_id,
            source=f"/salesforce/{org_id}",
            type=f"salesforce.{change.entity}.{change.type.lower()}",
            subject=change.record_id,
            time=f"{datetime.fromtimestamp(change.position.timestamp // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}",
            schema=data_schema(Data.CHANGE),
            extensions={cloudevents.RECEIVED_AT: str(received_at)},
        ),
    )


def _gap(entity: str, record_id: str, type_: ChangeType, at: int, told: Told) -> Change:
    return Change(
        entity=entity,
        record_id=record_id,
        type=type_,
        position=CommitPosition(at, 0, 0),
        transaction_key=f"{told}-{type_.lower()}-{at}",
        told=told,
    )
