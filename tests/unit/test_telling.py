"""What Salesforce changes is told to the platform: all of it, nothing else, and under the same id each time."""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from support.fake_documents import FakeDocuments, FakeTellings
from support.sync_stage import Stage

from consumers.ports import Unavailable
from schemas import cloudevents
from schemas.platform_event import PlatformEvent
from schemas.telling import record_of


def stage() -> Stage:
    return Stage(FakeDocuments(), tellings=FakeTellings())


def told(stage: Stage) -> list[tuple[str, dict[str, object]]]:
    assert stage.tellings is not None
    return [(row["type"], row["fields"]) for row in stage.tellings.rows]


async def linked(stage: Stage) -> str:
    """A customer in both; nothing was told of what the platform said itself."""
    await stage.post({"email": "ana@example.com", "last_name": "Pop", "phone": "+40700000001"})
    await stage.settle()
    assert told(stage) == []
    (record_id,) = stage.salesforce.rows["Contact"]
    return record_id


async def test_an_edit_in_salesforce_is_told_with_its_revision() -> None:
    """And the document's outbox is empty behind it."""
    sync = stage()
    record_id = await linked(sync)
    sync.salesforce.edit("Contact", record_id, {"Phone": "+40700000002"})
    await sync.settle()
    document = await sync.document()
    assert told(sync) == [("customer.changed", {"phone": "+40700000002"})]
    assert sync.tellings is not None
    (row,) = sync.tellings.rows
    assert row["cause"] == {"by": "salesforce", "record": record_id, "at": row["cause"]["at"]}
    assert row["revision"] <= document["revision"]
    assert not document["_sync"].get("told")


async def test_our_own_writes_and_platform_events_are_not_told() -> None:
    """Only what came from Salesforce is news to the platform."""
    sync = stage()
    await linked(sync)
    await sync.post({"phone": "+40700000003"}, changed=["phone"])
    await sync.settle()
    assert told(sync) == []


async def test_a_conflict_that_salesforce_wins_names_its_rule() -> None:
    """The platform learns that its edit has lost, and by which policy."""
    sync = stage()
    record_id = await linked(sync)
    sync.salesforce.edit("Contact", record_id, {"LastName": "Popescu"})
    await sync.post({"last_name": "Ionescu"}, changed=["last_name"])
    await sync.settle()
    assert sync.tellings is not None
    assert told(sync)[-1] == ("customer.changed", {"last_name": "Popescu"})
    assert sync.tellings.rows[-1]["cause"]["rules"] == {"last_name": "13.salesforce_wins"}


async def test_a_deletion_in_salesforce_is_told() -> None:
    """The document stays; its record is gone."""
    sync = stage()
    record_id = await linked(sync)
    sync.salesforce.remove("Contact", record_id)
    await sync.settle()
    assert told(sync) == [("customer.record_deleted", {})]


async def test_what_could_not_be_told_stays_in_the_document_until_the_sweep_tells_it() -> None:
    """The topic is away just after the document was written: nothing is lost, and doubles have one id."""
    sync = stage()
    assert sync.tellings is not None
    record_id = await linked(sync)
    sync.salesforce.edit("Contact", record_id, {"Phone": "+40700000002"})
    (change,) = sync.changes
    sync.tellings.away = True
    with pytest.raises(Unavailable):
        await sync.hear()
    (row,) = (await sync.document())["_sync"]["told"]
    sync.tellings.away = False
    assert await sync.sweep.tell() == 1
    await sync.reconciler.handle([sync.change(change)])
    assert [each["_id"] for each in sync.tellings.rows] == [row["_id"]]
    assert await sync.sweep.tell() == 0


async def test_a_batch_that_comes_again_tells_what_it_could_not() -> None:
    """Without the sweep: its facts are duplicates by then, and the document's outbox is not empty."""
    sync = stage()
    assert sync.tellings is not None
    record_id = await linked(sync)
    sync.salesforce.edit("Contact", record_id, {"Phone": "+40700000002"})
    (change,) = sync.changes
    sync.tellings.away = True
    with pytest.raises(Unavailable):
        await sync.hear()
    sync.tellings.away = False
    await sync.reconciler.handle([sync.change(change)])
    assert told(sync) == [("customer.changed", {"phone": "+40700000002"})]
    assert not (await sync.document())["_sync"].get("told")


async def test_a_telling_is_a_cloud_event_in_the_platforms_own_form() -> None:
    """The key of the platform's events, and `revision` for its next `seen`."""
    sync = stage()
    record_id = await linked(sync)
    sync.salesforce.edit("Contact", record_id, {"Phone": "+40700000002"})
    await sync.settle()
    assert sync.tellings is not None
    (row,) = sync.tellings.rows
    key, value, headers = record_of(row)
    assert key == b"customer:cust-1"
    assert PlatformEvent.model_validate_json(value).data.fields == {"phone": "+40700000002"}
    assert orjson.loads(value)["data"]["revision"] == row["revision"]
    assert cloudevents.read(headers)[cloudevents.ID] == row["_id"]


async def test_nobody_waits_for_the_platform_to_be_told() -> None:
    """The log has its rows while Kafka has not taken yet what the platform is told."""
    sync = stage()
    record_id = await linked(sync)
    sync.salesforce.edit("Contact", record_id, {"Phone": "+40700000002"})
    logged = asyncio.Event()
    append, tellings = sync.log.append, sync.tellings
    assert tellings is not None
    tell = tellings.tell

    async def appended(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        new = await append(rows)
        logged.set()
        return new

    async def told_late(rows: Sequence[dict[str, Any]]) -> None:
        async with asyncio.timeout(30):
            await logged.wait()
        await tell(rows)

    sync.log.append, tellings.tell = appended, told_late  # type: ignore[method-assign]
    await sync.hear()
    assert told(sync) == [("customer.changed", {"phone": "+40700000002"})]
    assert not (await sync.document())["_sync"].get("told")
