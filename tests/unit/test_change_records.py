"""From events to records: nothing is left out, and the position follows."""

import json
from typing import Any

import pytest
from support.scripted_bayeux import change_payload

from listener.changes.buffer import Event, Item, PositionRefused
from listener.changes.records import (
    REASON,
    UNDECODABLE_CONTENT_TYPE,
    UNDECODABLE_KEY,
    batch_of,
    record_of,
    records_of,
)
from schemas import cloudevents
from schemas.change import Change
from schemas.codec import decode
from schemas.stream import Position

ORG = "00D000000000001EAA"
CHANNEL = "/data/ChangeEvents"


def event(number: int, header: dict[str, Any] | None = None, channel: str = CHANNEL, **fields: Any) -> Event:
    """One event of a contact."""
    payload = change_payload(number, **(fields or {"LastName": "x"}))
    payload["ChangeEventHeader"] |= header or {}
    return Event(channel, number, {"payload": payload, "event": {"replayId": number}}, 1_800_000_000_123)


def test_a_record() -> None:
    """Keyed by the record id, with the change as its value and CloudEvents headers."""
    (record,), readable = records_of(event(7, FirstName=None), ORG)
    assert readable
    assert record.key == b"003000000000007AAA"
    change = decode(Change, record.value)
    assert change.fields == {"FirstName": None}
    assert cloudevents.read(record.headers) == {
        "ce_specversion": "1.0",
        "ce_id": "tx-7:1:003000000000007AAA",
        "ce_source": "/salesforce/00D000000000001EAA",
        "ce_type": "salesforce.Contact.update",
        "ce_subject": "003000000000007AAA",
        "ce_time": "2023-11-14T22:13:20.007Z",
        "ce_dataschema": "urn:tandem:change:1",
        "ce_receivedat": "1800000000123",
        "content-type": "application/json",
    }
    assert record_of(change, ORG, received_at=1_800_000_000_123) == record


def test_a_merged_event_is_one_record_for_each_id() -> None:
    """Each under its own key, so that the changes of one record stay in order."""
    records, _ = records_of(event(7, {"recordIds": ["003A", "003B"], "changeType": "DELETE"}), ORG)
    assert [record.key for record in records] == [b"003A", b"003B"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"payload": {"ChangeEventHeader": {"changeType": "NEW"}}}, "recordIds: missing"),
        ("text", "payload: missing"),
        (None, "payload: missing"),
        (event(7, {"changeType": "SNAPSHOT"}).data, "changeType: not known"),
        (event(7, LastName="\ud800").data, "a value"),
        (event(7, {"transactionKey": "\ud800"}).data, "a value"),
        (event(7, Amount=2**70).data, "a value"),
    ],
)
def test_what_cannot_be_normalised_is_kept_with_its_bytes(data: Any, reason: str) -> None:
    """One record under its own key and content type; its value is the data as it came, its reason is told."""
    (record,), readable = records_of(Event(CHANNEL, 7, data, 1_800_000_000_123), ORG)
    assert not readable
    assert record.key == UNDECODABLE_KEY
    assert json.loads(record.value) == data
    named = cloudevents.read(record.headers)
    assert named[cloudevents.CONTENT_TYPE] == UNDECODABLE_CONTENT_TYPE
    assert named[cloudevents.SUBJECT] == CHANNEL
    assert reason in named[REASON]
    again, _ = records_of(Event(CHANNEL, 7, data, 1_800_000_000_123), ORG)
    assert again == [record]


def test_a_batch_ends_at_its_limit_and_before_a_signal() -> None:
    """It stands for the events from the first on, and knows where each channel is after them."""
    items: list[Item] = [
        event(1),
        event(2, channel="/data/B"),
        event(3),
        PositionRefused(CHANNEL, 3, "400::"),
        event(4),
    ]
    batch = batch_of(items, ORG, 100, {})
    assert (batch.events, len(batch.records), batch.undecodable) == (3, 3, 0)
    assert batch.positions == {CHANNEL: Position(3, 1_700_000_000_003), "/data/B": Position(2, 1_700_000_000_002)}
    batch = batch_of(items, ORG, 2, {})
    assert (batch.events, len(batch.records)) == (2, 2)


def test_a_batch_holds_at_least_one_event() -> None:
    """A merged event is never torn apart, however many ids it has."""
    merged = event(1, {"recordIds": [f"003{number}" for number in range(50)]})
    batch = batch_of([merged, event(2)], ORG, 10, {})
    assert (batch.events, len(batch.records)) == (1, 50)


def test_positions_of_odd_events() -> None:
    """No replay id: the position stays. No commit time: the time before it stays."""
    stored = {CHANNEL: Position(1, 1_600)}
    odd = Event(CHANNEL, 5, {"payload": {}, "event": {"replayId": 5}}, 0)
    without = Event(CHANNEL, None, {"payload": {}}, 0)
    assert batch_of([odd, without], ORG, 10, stored).positions == {CHANNEL: Position(5, 1_600)}
    assert batch_of([odd], ORG, 10, {}).positions == {CHANNEL: Position(5, 0)}
    assert batch_of([without], ORG, 10, stored).positions == {}
    assert batch_of([event(4), odd], ORG, 10, stored).positions == {CHANNEL: Position(5, 1_700_000_000_004)}
    assert batch_of([odd, without], ORG, 10, stored).undecodable == 2


def test_a_batch_tells_the_last_schema_of_each_object() -> None:
    """Another one in a later event means that the object's definition has changed; one that tells none changes none."""
    events = [event(1), event(2), event(3, {"entityName": "Lead"}), event(4)]
    for one, schema in zip(events, ("s-1", "s-2", "s-9"), strict=False):
        assert isinstance(one.data, dict)
        one.data["schema"] = schema
    assert batch_of(events, ORG, 10, {}).schemas == {"Contact": "s-2", "Lead": "s-9"}
