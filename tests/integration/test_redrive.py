"""Parked records and refused writes, redriven and discarded, on the real MongoDB."""

from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.redriving import Log, Operator, parking_at

from adapters.mongo.parked import ParkedQueue, Wanted
from ops.parked import CannotDo
from ops.parked_tidy import tidy
from ops.sync.commands import Commands
from schemas import topics
from schemas.change import Change, ChangeType
from schemas.marks import REDRIVE
from schemas.outcome import Outcome
from schemas.position import CommitPosition
from schemas.unavailable import Unavailable

pytestmark = pytest.mark.integration

ADA = {"last_name": "Lovelace", "email": "ada@example.org"}


@pytest.fixture
async def operator(database: AsyncDatabase[dict[str, Any]]) -> Operator:
    """On a database of this test's own."""
    return await Operator.at(database)


def knowing(operator: Operator, event_type: str) -> None:
    """A newer mapping names this event type too."""
    raw = operator.stage.catalog.mapping.model_dump(mode="json")
    events = raw["kinds"]["customer"]["events"]
    operator.stage.map(events={**events, event_type: "values"})
    operator.parking = parking_at(operator.database, operator.stage)


async def test_a_record_parked_for_the_mapping_is_redriven_and_applied(operator: Operator) -> None:
    """Own key, bytes and headers; the row says who, when and how it ended, and goes when its time is over."""
    stage = operator.stage
    record = stage.event(ADA, type_="customer.promoted")
    assert (await stage.reconciler.handle([record]))[0].reason == "unknown_event_type"
    (item,) = await operator.items()
    assert (item.kind, item.document, item.key, item.attempts) == ("customer", "cust-1", "customer:cust-1", 1)
    knowing(operator, "customer.promoted")
    assert await operator.redrive([item], note="the type is mapped now") == ["redriven"]
    ((topic, key, value, headers),) = operator.log.published
    assert (topic, key, value) == (record.topic, record.key, record.value)
    assert [pair for pair in headers if pair[0] != REDRIVE] == list(record.raw_headers)
    waiting = await operator.row(item.id)
    assert waiting["state"] == "redriven"
    assert waiting["redrives"] == [{"attempt": 2, "by": "ana", "note": "the type is mapped now", "at": stage.now}]
    assert "expires_at" not in waiting
    assert [result.outcome for result in await operator.handle()] == [Outcome.APPLIED]
    assert (await stage.document())["last_name"] == "Lovelace"
    ended = await operator.row(item.id)
    assert (ended["state"], ended["outcome"], ended["attempts"]) == ("resolved", "applied", 2)
    assert (bytes(ended["value"]), "expires_at" in ended) == (record.value, True)
    assert not await operator.items()
    (told,) = await operator.operations()
    assert (told["what"], told["by"], told["item"], told["result"]) == ("redrive", "ana", item.id, "redriven")


async def test_redriven_twice_is_as_good_as_once(operator: Operator) -> None:
    """Killed between publishing and marking: the row waits still, is redriven again, and both copies come."""
    stage = operator.stage
    await stage.reconciler.handle([stage.event(ADA, type_="customer.promoted")])
    knowing(operator, "customer.promoted")
    (item,) = await operator.items()
    operator.log.fails = Unavailable("killed")
    with pytest.raises(Unavailable):
        await operator.redrive([item])
    assert (await operator.row(item.id))["state"] == "parked"
    operator.log.fails = None
    await operator.redrive([item])
    first, second = operator.log.records(stage)
    assert (await stage.reconciler.handle([first]))[0].outcome is Outcome.APPLIED
    once = await stage.document()
    assert (await stage.reconciler.handle([second, first]))[0].outcome is Outcome.DUPLICATE
    assert await stage.document() == once
    row = await operator.row(item.id)
    assert (row["state"], row["outcome"], row["attempts"]) == ("resolved", "applied", 2)
    assert len(row["redrives"]) == 2


async def test_a_redriven_record_that_ends_before_it_is_marked_stays_ended(operator: Operator) -> None:
    """The reconciler may be faster than the operator's process."""
    stage = operator.stage
    await stage.reconciler.handle([stage.event(ADA, type_="customer.promoted")])
    knowing(operator, "customer.promoted")
    (item,) = await operator.items()

    class Faster(Log):
        async def deliver(self, *record: Any) -> None:
            await super().deliver(*record)
            await operator.handle()

    operator.log = Faster()
    assert await operator.redrive([item]) == ["redriven"]
    assert (await operator.row(item.id))["state"] == "resolved"


async def test_what_cannot_be_handled_again_is_parked_again_in_its_row(operator: Operator) -> None:
    """No second row, one try more, however often the redriven record is handled; and the next redrive is the third."""
    stage = operator.stage
    await stage.reconciler.handle([stage.record(topics.PLATFORM_EVENTS, b"customer:cust-1", b"{not json")])
    for attempt in (2, 3):
        stage.now += 1_000
        (item,) = await operator.items()
        await operator.redrive([item])
        records = operator.log.records(stage)
        operator.log.published.clear()
        for _time in range(2):
            assert (await stage.reconciler.handle(records))[0].outcome is Outcome.PARKED
        (again,) = await operator.items()
        assert (again.id, again.attempts, again.last_at) == (item.id, attempt, stage.now)
        assert again.at < again.last_at
    assert await operator.database["tandem_parked"].count_documents({}) == 1
    assert bytes((await operator.row(item.id))["value"]) == b"{not json"


async def test_a_copy_of_an_earlier_try_says_nothing_of_a_later_one(operator: Operator) -> None:
    """As where a consumer group is moved back while a redriven record is on its way."""
    stage = operator.stage
    await stage.reconciler.handle([stage.record(topics.PLATFORM_EVENTS, b"customer:cust-1", b"{not json")])
    await operator.redrive(await operator.items())
    earlier = operator.log.records(stage)
    await operator.handle()
    await operator.redrive(await operator.items())
    (item,) = await operator.items(states=["redriven"])
    await stage.reconciler.handle(earlier)
    assert (await operator.row(item.id))["state"] == "redriven"
    await operator.handle()
    row = await operator.row(item.id)
    assert (row["state"], row["attempts"]) == ("parked", 3)


async def test_a_row_that_somebody_removed_comes_back_with_its_bytes(operator: Operator) -> None:
    """Parked again, it is made anew: nothing is lost."""
    stage = operator.stage
    await stage.reconciler.handle([stage.record(topics.PLATFORM_EVENTS, b"customer:cust-1", b"{not json")])
    (item,) = await operator.items()
    await operator.redrive([item])
    await operator.database["tandem_parked"].delete_many({})
    await operator.handle()
    row = await operator.row(item.id)
    assert (bytes(row["value"]), row["attempts"], row["state"]) == (b"{not json", 2, "parked")
    assert [name for name, _value in row["headers"]] == ["ce_receivedat"]


async def test_a_change_redriven_after_later_ones_has_its_record_read(operator: Operator) -> None:
    """By rule 1 it is a duplicate, though nobody has heard it: what it said stands in the record."""
    stage = operator.stage
    await stage.post(ADA)
    await stage.settle()
    record_id = stage.contact()["Id"]
    position = CommitPosition(stage.now, 1, 1)
    lost = Change(
        entity="Contact",
        record_id=record_id,
        type=ChangeType.UPDATE,
        position=position,
        transaction_key="t1",
        fields={"Department": "Engines"},
    )
    # Parked by an earlier release, whose rows say less.
    await operator.database["tandem_parked"].insert_one(
        {
            "_id": "salesforce.changes:0:77",
            "topic": topics.SALESFORCE_CHANGES,
            "partition": 0,
            "offset": 77,
            "key": record_id.encode(),
            "value": lost.model_dump_json().encode(),
            "headers": [],
            "reason": "document_refused",
            "detail": "",
            "kind": "customer",
            "document": "cust-1",
            "at": stage.now,
            "state": "parked",
        }
    )
    stage.salesforce.edit("Contact", record_id, {"Department": "Engines"})
    stage.changes.clear()
    stage.now += 5_000
    stage.salesforce.edit("Contact", record_id, {"Title": "Countess"})
    await stage.hear()
    assert "department" not in await stage.document()
    (item,) = await operator.items()
    await operator.redrive([item])
    (result,) = await operator.handle()
    assert (result.outcome, result.reason) == (
        Outcome.APPLIED,
        "rule 1: a parked change was redriven after later ones; the record is read whole",
    )
    await stage.settle()
    assert (await stage.document())["department"] == "Engines"
    assert (await operator.row(item.id))["state"] == "resolved"


async def test_a_parked_record_holds_back_nothing_of_its_key(operator: Operator) -> None:
    """What follows it goes on; redriven later it changes only what nobody has said anything newer of."""
    stage = operator.stage
    stage.now += 1
    parked = stage.event(
        {"title": "Old", "department": "Engines", "total_tickets": "many"}, changed=["title", "department"]
    )
    assert (await stage.reconciler.handle([parked]))[0].outcome is Outcome.PARKED
    stage.now += 1_000
    assert (await stage.post({"title": "New"}, changed=["title"])).outcome is Outcome.APPLIED
    raw = stage.catalog.mapping.model_dump(mode="json")
    fields = raw["kinds"]["customer"]["fields"]
    stage.map(fields=[field for field in fields if field["platform"] != "total_tickets"])
    operator.parking = parking_at(operator.database, stage)
    (item,) = await operator.items()
    assert [told async for _item, told in operator.parking.foretell([item])] == ["would end as applied"]
    await operator.redrive([item])
    assert [result.outcome for result in await operator.handle()] == [Outcome.APPLIED]
    document = await stage.document()
    assert (document["title"], document["department"]) == ("New", "Engines")


async def test_what_a_document_cannot_take_is_redriven_once_it_can(operator: Operator) -> None:
    """Meanwhile other edits of it are taken, and so are its neighbours."""
    stage = operator.stage
    await operator.database["customers"].insert_one({"_id": "cust-1", "address": "by hand"})
    city = stage.event({"address": {"city": "Iasi"}, "title": "Old"}, changed=["address", "title"])
    stage.now += 1
    results = await stage.reconciler.handle([city, stage.event(ADA, id_="cust-2")])
    assert [result.reason for result in results] == ["document_refused", ""]
    stage.now += 1_000
    assert (await stage.post({"title": "New"}, changed=["title"])).outcome is Outcome.APPLIED
    (item,) = await operator.items()
    assert (item.kind, item.document, item.detail) == (
        "customer",
        "cust-1",
        "the document cannot be written: PathNotViable",
    )
    await operator.database["customers"].update_one({"_id": "cust-1"}, {"$unset": {"address": ""}})
    await operator.redrive([item])
    assert [result.outcome for result in await operator.handle()] == [Outcome.APPLIED]
    document = await stage.document()
    assert (document["address"]["city"], document["title"]) == ("Iasi", "New")
    assert (await operator.row(item.id))["state"] == "resolved"


async def test_a_record_without_key_and_value_comes_back_as_it_was(operator: Operator) -> None:
    """Whoever wrote it."""
    stage = operator.stage
    nothing = stage.record(topics.PLATFORM_EVENTS, b"", b"")
    nothing = type(nothing)(nothing.topic, 0, nothing.offset, None, None, {}, stage.now)
    await stage.reconciler.handle([nothing])
    (item,) = await operator.items()
    await operator.redrive([item])
    ((_topic, key, value, _headers),) = operator.log.published
    assert (key, value) == (None, None)


async def refused(operator: Operator) -> None:
    """A customer whose first write Salesforce refuses for good."""
    operator.stage.salesforce.fail_rows(lambda _update: True, code="FIELD_CUSTOM_VALIDATION_EXCEPTION", times=1)
    await operator.stage.post(ADA)
    await operator.stage.settle()
    assert (await operator.stage.document())["salesforce"]["syncStatus"] == "error"


async def test_a_refused_write_is_listed_once_and_goes_out_again(operator: Operator) -> None:
    """The document says that it is refused; its row is closed when the document says that it is not."""
    await refused(operator)
    stage = operator.stage
    (item,) = await operator.items()
    assert (item.id, item.is_write, item.reason) == (
        "customer:cust-1",
        True,
        "FIELD_CUSTOM_VALIDATION_EXCEPTION",
    )
    queue = ParkedQueue(operator.database, operator.parking.queue._kept)
    assert await tidy(queue, stage.documents, stage.catalog, lambda: stage.now) == 0
    assert await operator.redrive([item]) == ["sent again"]
    assert await operator.parking.end_of(item) is None
    assert await tidy(queue, stage.documents, stage.catalog, lambda: stage.now) == 0
    await stage.settle()
    assert stage.contact()["LastName"] == "Lovelace"
    assert await operator.parking.end_of(item) == "written, or nothing was due"
    assert await tidy(queue, stage.documents, stage.catalog, lambda: stage.now) == 1
    (row,) = await operator.database["tandem_parked"].find().to_list()
    assert (row["state"], row["outcome_reason"]) == ("resolved", "no write is refused any more")
    assert row["redrives"][0]["by"] == "ana"
    assert not await operator.items()


async def test_a_write_that_is_refused_again_is_parked_again(operator: Operator) -> None:
    """And the row of before is closed, since another tells of it."""
    await refused(operator)
    (item,) = await operator.items()
    operator.stage.salesforce.fail_rows(lambda _update: True, code="STRING_TOO_LONG", times=1)
    await operator.redrive([item])
    await operator.stage.settle()
    assert await operator.parking.end_of(item) == "refused again: STRING_TOO_LONG"
    (again,) = await operator.items()
    assert (again.id, again.reason) == (item.id, "STRING_TOO_LONG")
    stage = operator.stage
    assert await tidy(operator.parking.queue, stage.documents, stage.catalog, lambda: stage.now) == 1


async def test_a_refused_write_without_a_row_is_listed_and_redriven(operator: Operator) -> None:
    """A writer killed between the document and `tandem_parked` leaves none."""
    await refused(operator)
    await operator.database["tandem_parked"].delete_many({})
    (item,) = await operator.items()
    assert await operator.redrive([item]) == ["sent again"]
    assert await operator.redrive([item]) == ["is refused no more"]


async def test_discarded_is_closed_with_who_when_and_why_and_keeps_its_bytes(operator: Operator) -> None:
    """Until its time is over; it cannot be redriven or discarded a second time."""
    stage = operator.stage
    await stage.reconciler.handle([stage.record(topics.PLATFORM_EVENTS, b"customer:cust-1", b"{not json")])
    (item,) = await operator.items()
    assert await operator.parking.discard(item, who="ana", note="a test of theirs") == "discarded"
    row = await operator.row(item.id)
    assert (row["state"], row["closed_by"], row["note"], row["closed_at"]) == (
        "discarded",
        "ana",
        "a test of theirs",
        stage.now,
    )
    assert bytes(row["value"]) == b"{not json"
    assert "expires_at" in row
    assert not await operator.items()
    assert await operator.redrive([item]) == ["it is closed already: discarded"]
    assert not operator.log.published
    assert await operator.parking.discard(item, who="bo", note="") == "it is closed already: discarded"
    assert (await operator.row(item.id))["closed_by"] == "ana"
    assert [row["what"] for row in await operator.operations()] == ["discard", "redrive", "discard"]


@pytest.mark.parametrize("killed", [False, True])
async def test_a_discarded_refusal_is_listed_no_more_until_the_next(operator: Operator, killed: bool) -> None:
    """With or without a row of its own; the document stays as it is."""
    await refused(operator)
    if killed:
        await operator.database["tandem_parked"].delete_many({})
    before = await operator.stage.document()
    (item,) = await operator.items()
    await operator.parking.discard(item, who="ana", note="it may stay so")
    assert not await operator.items()
    assert await operator.stage.document() == before
    operator.stage.now += 60_000
    operator.stage.salesforce.fail_rows(lambda _update: True, code="STRING_TOO_LONG", times=1)
    await operator.stage.post({"title": "Countess"}, changed=["title"])
    await operator.stage.settle()
    assert [again.reason for again in await operator.items()] == ["STRING_TOO_LONG"]


async def test_lists_by_reason_topic_kind_key_and_time(operator: Operator) -> None:
    """Each leaves out what it should, and the counts are of all that is asked for."""
    stage = operator.stage
    for number in range(3):
        await stage.reconciler.handle([stage.record(topics.PLATFORM_EVENTS, f"customer:c{number}".encode(), b"{")])
        stage.now += 1_000
    begun = stage.now
    await stage.reconciler.handle([stage.event(ADA, type_="customer.promoted", id_="c9")])
    await stage.writer.handle([stage.record(topics.SALESFORCE_WRITES, b"x", b"{}")])
    assert [item.document for item in await operator.items(reasons=["undecodable"], topic="platform.events")] == [
        "c0",
        "c1",
        "c2",
    ]
    assert [item.key for item in await operator.items(key="customer:c1")] == ["customer:c1"]
    assert {item.reason for item in await operator.items(since=begun)} == {"unknown_event_type", "undecodable"}
    assert len(await operator.items(until=begun)) == 3
    assert [item.key for item in await operator.items(topic="salesforce.writes")] == ["x"]
    assert len(await operator.items(kind="customer")) == 4
    found = await operator.parking.find(Wanted(), 2)
    assert (len(found.items), found.number) == (2, 5)
    assert found.counts["undecodable", "platform.events"].number == 3
    with pytest.raises(CannotDo, match='"cust" is no kind'):
        await operator.items(kind="cust")
    with pytest.raises(CannotDo, match="there is nothing of this id"):
        await operator.parking.by_ids(["platform.events:0:99999"])


async def test_a_doorbell_that_the_store_refused_is_redriven_to_the_writer(operator: Operator) -> None:
    """Its mark closes the row, whatever else was rung for the same document."""
    stage = operator.stage
    await stage.writer.handle([stage.record(topics.SALESFORCE_WRITES, b"nobody:a", b'{"kind":"nobody","id":"a"}')])
    (item,) = await operator.items()
    assert item.reason == "unknown_kind"
    await operator.redrive([item])
    (record,) = operator.log.records(stage)
    operator.log.published.clear()
    assert (await stage.writer.handle([record]))[0].outcome is Outcome.PARKED
    (again,) = await operator.items()
    assert (again.id, again.attempts) == (item.id, 2)
    await operator.database["tandem_parked"].update_one(
        {"_id": item.id}, {"$set": {"value": b'{"kind":"customer","id":"cust-1"}'}}
    )
    await operator.redrive([again])
    bell = stage.record(topics.SALESFORCE_WRITES, b"customer:cust-1", b'{"kind":"customer","id":"cust-1"}')
    await stage.writer.handle([*operator.log.records(stage), bell])
    row = await operator.row(item.id)
    assert (row["state"], row["outcome"], row["outcome_reason"]) == (
        "resolved",
        "ignored",
        "there is no such document",
    )


async def test_a_request_for_a_run_is_redriven_too(operator: Operator) -> None:
    """Of its own topic, which holds no facts."""

    class NoRuns:
        async def add(self, run: Any) -> bool:
            return True

    stage = operator.stage
    commands = Commands(NoRuns(), stage.parked, lambda: stage.catalog, lambda: stage.now)
    await commands.handle([stage.record(topics.COMMANDS, b"r1", b'{"id": "r1", "what": "nothing of ours"}')])
    (item,) = await operator.items(topic=topics.COMMANDS)
    assert [told async for _item, told in operator.parking.foretell([item])] == ["would be handled again"]
    await operator.redrive([item])
    (record,) = operator.log.records(stage)
    assert (await commands.handle([record]))[0].outcome is Outcome.PARKED
    assert (await operator.row(item.id))["attempts"] == 2
    await operator.redrive(await operator.items())
    marked = operator.log.records(stage)[-1].headers
    good = type(record)(record.topic, 0, 9_999, record.key, b'{"id": "r1", "what": "customer"}', marked, 0)
    assert (await commands.handle([good]))[0].outcome is Outcome.APPLIED
    assert (await operator.row(item.id))["state"] == "resolved"
