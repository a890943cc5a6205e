"""The AsyncAPI document tells of every topic, and of what its records really are."""

from typing import Any

import jsonschema_rs
import orjson
import pytest

from ops.asyncapi_page import HEADERS, TOPICS, document
from ops.erasure.opened import PERSONAL
from schemas import cloudevents, topics
from schemas.change import Change, ChangeType
from schemas.codec import encode
from schemas.doorbell import ring_for
from schemas.platform_event import PlatformEvent
from schemas.position import CommitPosition
from schemas.sync_run import RunRequest
from schemas.telling import record_of

EVENT = {"type": "customer.updated", "timestamp": "2026-11-22T10:00:00Z", "data": {"id": "c-1", "fields": {"a": 1}}}
CHANGE = Change(
    entity="Contact",
    record_id="003000000000001AAA",
    type=ChangeType.UPDATE,
    position=CommitPosition(1, 2, 3),
    transaction_key="t",
    fields={"Phone": None},
)
TOLD = {
    "_id": "told_1",
    "kind": "customer",
    "document": "c-1",
    "type": "customer.changed",
    "at": 1,
    "revision": 3,
    "fields": {"phone": None},
    "cause": {},
}
RECORDS = {
    topics.PLATFORM_EVENTS: encode(PlatformEvent.model_validate(EVENT)),
    topics.SALESFORCE_CHANGES: encode(CHANGE),
    topics.SALESFORCE_WRITES: ring_for("customer", "c-1", ""),
    topics.COMMANDS: encode(RunRequest(id="r-1", what="contacts")),
    topics.ENRICHMENT_REQUESTS: ring_for("participant", "p-1", ""),
    topics.PLATFORM_CHANGES: record_of(TOLD)[1],
}


def named() -> set[str]:
    """Every topic that `schemas.topics` has a name for."""
    return {value for name, value in vars(topics).items() if name.isupper() and isinstance(value, str)}


def test_every_topic_is_told_of() -> None:
    """With who writes and who reads it."""
    told = document()
    assert {channel["address"] for channel in told["channels"].values()} == named() == set(TOPICS)
    received = {name.removeprefix("receive-") for name, one in told["operations"].items() if one["action"] == "receive"}
    assert received == set(told["channels"])


def test_a_certificate_tells_of_every_topic() -> None:
    """Each holds something of people, if only an id; a new one that does not has to be told apart here."""
    assert set(PERSONAL) == named()
    assert len(PERSONAL) == len(named())


@pytest.mark.parametrize("topic", TOPICS)
def test_a_record_is_what_the_document_says(topic: str) -> None:
    """A real one of each topic is of its schema, and one without what is required is not."""
    told = document()
    (message,) = (one for one in told["components"]["messages"].values() if one["name"] == topic)
    schema: dict[str, Any] = {**message["payload"], "components": told["components"]}
    validator = jsonschema_rs.validator_for(schema)
    record = orjson.loads(RECORDS[topic])
    validator.validate(record)
    with pytest.raises(jsonschema_rs.ValidationError):
        validator.validate([record])


def test_the_headers_are_those_that_are_written() -> None:
    """By CloudEvents' Kafka binding."""
    made = cloudevents.headers(id="1", source="/s", type="t", subject="s", time="2026-11-22T10:00:00Z")
    assert {name for name, _value in made} == set(HEADERS)
