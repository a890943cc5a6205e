"""What a newer release has written is refused with both numbers, and nothing of it is guessed."""

import pytest
from support.enrichment_world import EnrichmentWorld, hackathon_stage
from support.fake_documents import FakeDocuments, FakeParked
from support.sync_stage import Stage

from consumers.enrichment.worker import NOBODY_TO_LOOK_UP
from consumers.rules.stored import load
from ops.sync.commands import Commands
from schemas import cloudevents, topics
from schemas.log_record import Record
from schemas.mapping_reading import InvalidMapping, read_mapping
from schemas.outcome import Outcome
from schemas.presets import preset
from schemas.sync_run import Run
from schemas.versions import Data, NewerDocument, NewerFormat, check_record, data_schema

EVENT = b'{"type":"customer.updated","timestamp":"2026-11-22T10:00:00Z","data":{"id":"cust-1","fields":{"title":"A"}}}'


@pytest.mark.parametrize("data", list(Data))
def test_what_is_written_now_is_read_and_so_is_what_has_no_number(data: Data) -> None:
    """Records of before the header are of the first format."""
    check_record({cloudevents.DATA_SCHEMA: data_schema(data)}, data)
    check_record({}, data)


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ("urn:tandem:change:2", "the change is of format 2, and this release reads up to 1: upgrade, then redrive"),
        ("urn:tandem:platform-event:1", "its ce_dataschema names no format of a change that is known here"),
        ("urn:tandem:change:0", "its ce_dataschema names no format of a change that is known here"),
        ("https://else.example/secret", "its ce_dataschema names no format of a change that is known here"),
    ],
)
def test_any_other_format_is_refused_and_never_repeated(told: str, line: str) -> None:
    """The message holds numbers alone."""
    with pytest.raises(NewerFormat) as refused:
        check_record({cloudevents.DATA_SCHEMA: told}, Data.CHANGE)
    assert str(refused.value) == line


@pytest.mark.parametrize(
    ("topic", "value", "headers"),
    [
        (topics.PLATFORM_EVENTS, EVENT, {"ce_id": "evt-1", "ce_dataschema": "urn:tandem:platform-event:2"}),
        (topics.SALESFORCE_CHANGES, b"\x00", {"ce_dataschema": "urn:tandem:change:9"}),
    ],
)
async def test_a_newer_fact_is_parked_with_its_bytes(topic: str, value: bytes, headers: dict[str, str]) -> None:
    """It is not even read: what its bytes mean, this release cannot know."""
    stage = Stage(FakeDocuments())
    (result,) = await stage.reconciler.handle([stage.record(topic, b"customer:cust-1", value, headers)])
    assert (result.outcome, result.reason) == (Outcome.PARKED, "newer_format")
    assert isinstance(stage.parked, FakeParked)
    (row,) = stage.parked.rows.values()
    assert row.value == value


async def test_a_newer_doorbell_is_parked() -> None:
    """Its number stands in the value, since doorbells have no headers."""
    stage = Stage(FakeDocuments())
    bell = stage.record(topics.SALESFORCE_WRITES, b"k", b'{"kind":"customer","id":"cust-1","format":2}')
    (result,) = await stage.writer.handle([bell])
    assert (result.outcome, result.reason) == (Outcome.PARKED, "newer_format")


class Runs:
    """Keeps every run."""

    async def add(self, _run: Run) -> bool:
        return True


NOW = 1_796_000_000_000
NEW_COMMAND = b'{"id":"r","what":{"of":"another shape"},"format":2}'
NEW_REQUEST = b'{"person":"p-1","format":2}'


async def test_a_newer_command_is_parked() -> None:
    """Whatever shape it has: its number stands in the value, and is looked at first."""
    stage = Stage(FakeDocuments())
    handler = Commands(Runs(), stage.parked, lambda: stage.catalog, lambda: NOW)
    values = [NEW_COMMAND, b'{"id":"r","format":1}', b'{"id":"q"}', b'{"id":"r","format":"2"}', b"[]"]
    ends = await handler.handle([stage.record(topics.COMMANDS, b"r", value) for value in values])
    assert [end.reason for end in ends] == ["newer_format", "run r", "run q", "run r", "undecodable"]


async def test_a_newer_request_to_look_somebody_up_is_parked() -> None:
    """As a doorbell."""
    world = EnrichmentWorld(hackathon_stage())
    records = [
        Record(topics.ENRICHMENT_REQUESTS, 0, at, b"k", value, {}, NOW)
        for at, value in enumerate((NEW_REQUEST, b'{"kind":"participant","id":"p-1","format":1}'))
    ]
    ends = await world.worker.handle(records)
    await world.lookups.close()
    assert [end.reason for end in ends] == ["newer_format", NOBODY_TO_LOOK_UP]


async def test_a_newer_document_is_left_alone() -> None:
    """Nothing is decided on it, and nothing skipped: the records wait until this process is the newer release too."""
    stage = Stage(FakeDocuments())
    await stage.post({"title": "Countess"})
    document = await stage.document()
    document["_sync"]["format"] = 2
    stage.documents = FakeDocuments({"customers": {"cust-1": document}})
    event = stage.record(topics.PLATFORM_EVENTS, b"customer:cust-1", EVENT, {"ce_id": "evt-9"})
    bell = stage.record(topics.SALESFORCE_WRITES, b"k", b'{"kind":"customer","id":"cust-1"}')
    for deciding, record in ((stage.new_reconciler(), event), (stage.new_writer(), bell)):
        with pytest.raises(NewerDocument, match="a customer is stored in format 2, and this release reads up to 1"):
            await deciding.handle([record])
    document["_sync"]["format"] = "two"
    with pytest.raises(NewerDocument, match="format two"):
        load(document, "cust-1", stage.catalog.kinds["customer"])


def test_a_newer_mapping_is_refused() -> None:
    """By the format of the file, not by what it may hold."""
    raw = preset("customers").model_dump(mode="json") | {"format": 2}
    with pytest.raises(InvalidMapping, match="format: 2 is not allowed; it was made for a newer release"):
        read_mapping(raw)
