"""A part of a topic replayed, on the real Kafka and MongoDB."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from support.redriving import Operator
from support.replaying import Replays

from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.kafka.topics import make_topics
from adapters.kafka.window import open_window
from adapters.mongo.erasures import MongoErasures
from ops import replay as replays
from ops.replay import CannotReplay, Run
from ops.replay_plan import Effect, Offset
from schemas import topics
from schemas.change import Change, ChangeType
from schemas.mapping import Mapping
from schemas.marks import REPLAY
from schemas.outcome import Outcome
from schemas.position import CommitPosition
from schemas.unavailable import Unavailable

pytestmark = pytest.mark.integration

ADA = {"last_name": "Lovelace", "email": "ada@example.org"}


@pytest.fixture
async def told(kafka_bootstrap: str, database: AsyncDatabase[dict[str, Any]]) -> AsyncIterator[Replays]:
    """On a database of this test's own."""
    kafka = KafkaSettings(bootstrap_servers=kafka_bootstrap, delivery_timeout=30, request_timeout=30)
    await make_topics(kafka)
    async with open_producer(kafka) as producer, open_window(kafka, topics.PLATFORM_EVENTS) as window:
        yield Replays(await Operator.at(database), kafka, producer, window)


async def people(told: Replays, count: int) -> None:
    """So many customers, each with two events, handled."""
    stage = told.operator.stage
    for number in range(count):
        stage.now += 1
        await told.put([stage.event(ADA, id_=f"c{number}")])
        stage.now += 1
        await told.put([stage.event({"title": f"T{number}"}, id_=f"c{number}", changed=["title"])])
    await told.handle()


async def documents(told: Replays) -> list[dict[str, Any]]:
    """As they are stored."""
    return await told.operator.database["customers"].find().sort("_id").to_list()


async def test_what_was_handled_is_left_where_it_is(told: Replays) -> None:
    """Nothing to publish, and the documents are as they were."""
    await people(told, 3)
    before = await documents(told)
    plan = await told.plan()
    assert plan.to_publish == 0
    assert plan.count(Effect.STALE, Effect.DUPLICATE) == plan.read == 6
    run = await told.begin(await told.run())
    await told.publish(run)
    assert (await told.handle(), await documents(told)) == ([], before)


async def test_lost_documents_come_back_and_a_second_replay_changes_nothing(told: Replays) -> None:
    """As after a restored backup; what the first has published is not replayed again."""
    await people(told, 3)
    before = await documents(told)
    await told.operator.database["customers"].delete_many({"_id": {"$in": ["c0", "c2"]}})
    run = await told.begin(await told.run())
    plan = await told.plan(run)
    assert (plan.count(Effect.APPLIED), plan.to_publish, plan.read) == (4, 4, 6)
    await told.publish(run)
    assert [result.outcome for result in await told.handle()] == [Outcome.APPLIED] * 4
    after = await documents(told)
    shown = [{key: one[key] for key in ("_id", "title", "last_name")} for one in after]
    assert shown == [{key: one[key] for key in ("_id", "title", "last_name")} for one in before]
    plan = await told.plan()
    assert (plan.count(Effect.MARKED), plan.count(Effect.STALE, Effect.DUPLICATE), plan.to_publish) == (4, 6, 0)
    again = await told.begin(await told.run())
    await told.publish(again)
    assert await told.handle() == []
    assert await documents(told) == after
    row = await told.operator.parking.operations.get(run.id)
    assert row is not None
    assert (row["what"], row["by"], row["state"], row["published"], row["read"]) == ("replay", "ana", "done", 4, 6)


async def test_replayed_records_keep_key_bytes_and_id_and_have_a_mark(told: Replays) -> None:
    """The log says of them that they came again."""
    stage = told.operator.stage
    event = stage.event(ADA)
    await told.put([event])
    await told.handle()
    await told.operator.database["customers"].delete_many({})
    run = await told.begin(await told.run())
    await told.publish(run)
    bounds, starts = await told.window.bounds(), await told.window.at_time(told.since)
    found = [
        record
        for partition, (_first, end) in bounds.items()
        for record in (await told.window.read(partition, starts[partition], end, 10))[0]
        if starts[partition] < end
    ]
    first, second = sorted(found, key=lambda record: record.offset)
    assert (second.key, second.value, second.partition) == (first.key, first.value, first.partition)
    assert list(second.raw_headers) == [*first.raw_headers, (REPLAY, run.id.encode())]
    await told.handle()
    row = await told.operator.database["salesforce_sync_logs"].find_one({"again": run.id})
    assert row is not None
    assert (row["outcome"], row["document"]) == ("applied", "cust-1")


class Stops:
    """A publisher that is stopped at its second part."""

    def __init__(self, producer: Any, error: BaseException, after: bool) -> None:
        self._producer, self._error, self._after, self._parts = producer, error, after, 0

    async def deliver_all(self, topic: str, entries: Any) -> None:
        self._parts += 1
        if self._parts == 2 and not self._after:
            raise self._error
        await self._producer.deliver_all(topic, entries)
        if self._parts == 2:
            raise self._error


@pytest.mark.parametrize("after", [False, True])
async def test_a_stopped_replay_is_gone_on_with(told: Replays, monkeypatch: pytest.MonkeyPatch, *, after: bool) -> None:
    """Before a part is published, or between that and its note: what was noted is not done again, the rest is."""
    monkeypatch.setattr(replays, "CHUNK", 3)
    await people(told, 6)
    before = await documents(told)
    await told.operator.database["customers"].delete_many({})
    run = await told.begin(await told.run())
    with pytest.raises(asyncio.CancelledError):
        await told.publish(run, Stops(told.producer, asyncio.CancelledError(), after))
    row = await told.operator.parking.operations.get(run.id)
    assert row is not None
    assert row["state"] == "begun"
    assert await told.operator.parking.operations.unfinished() == [row]
    left = Run.of_row(row)
    assert left.window.size == run.window.size - row["read"]
    await told.handle()
    await told.publish(left)
    await told.handle()
    assert [one["title"] for one in await documents(told)] == [one["title"] for one in before]
    ended = await told.operator.parking.operations.get(run.id)
    assert ended is not None
    assert (ended["state"], ended["read"]) == ("done", 12)
    assert not await told.operator.parking.operations.unfinished()


async def test_a_newer_mapping_decides_again(told: Replays) -> None:
    """A field that is mapped since gets what the events of before have said of it; a second time nothing changes."""
    stage = told.operator.stage
    raw = stage.catalog.mapping.model_dump(mode="json")
    await told.put([stage.event({**ADA, "nickname": "Countess"})])
    await told.handle()
    kind = raw["kinds"]["customer"]
    kind["fields"].append({"platform": "nickname", "salesforce": "Nickname__c"})
    raw |= {"version": 1, "since": {"customer": {"Nickname__c": 1}}}
    stage.catalog = type(stage.catalog)(Mapping.model_validate(raw))
    assert await told.counts() == {Effect.AGAIN: 1}
    run = await told.begin(await told.run())
    await told.publish(run)
    assert [result.outcome for result in await told.handle()] == [Outcome.APPLIED]
    (document,) = await documents(told)
    assert document["nickname"] == "Countess"
    assert (await told.plan()).to_publish == 0


async def test_poison_is_named_and_left_and_its_neighbours_are_replayed(told: Replays) -> None:
    """Bytes that are no JSON, deep nesting, lone surrogates, wrong types, a huge number, a key that is not ours."""
    stage = told.operator.stage
    poison = [
        b"{not json",
        b"\xff\xfe\x00",
        b'{"type":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b'{"type":"customer.updated","data":{"id":"c1","fields":{"last_name":"\\ud800"}}}',
        b'{"type":"customer.updated","data":{"id":7}}',
        b'{"type":"customer.updated","data":{"id":"c1","fields":{"total_tickets":' + b"9" * 400 + b"}}}",
        b"null",
    ]
    bad = [
        stage.record(topics.PLATFORM_EVENTS, b"\xff:\x00", value, {"ce_id": f"p{n}"}) for n, value in enumerate(poison)
    ]
    await told.put([stage.event(ADA, id_="c0"), *bad, stage.event(ADA, id_="c1")])
    parked = [result for result in await told.handle() if result.outcome is Outcome.PARKED]
    assert len(parked) == len(poison)
    await told.operator.database["customers"].delete_many({})
    assert await told.counts() == {Effect.APPLIED: 2, Effect.PARKED: len(poison)}
    run = await told.begin(await told.run())
    await told.publish(run)
    assert [result.outcome for result in await told.handle()] == [Outcome.APPLIED] * 2
    assert len(await told.operator.items()) == len(poison)


async def test_only_what_is_asked_for(told: Replays) -> None:
    """By key, by kind, by offsets; what is not handled yet comes by itself."""
    stage = told.operator.stage
    await people(told, 3)
    await told.operator.database["customers"].delete_many({})
    assert (await told.plan(await told.run(key="customer:c1"))).to_publish == 2
    assert (await told.plan(await told.run(kinds=["customer"]))).to_publish == 6
    assert (await told.plan(await told.run(kinds=["order"]))).count(Effect.LEFT_OUT) == 6
    await told.put([stage.event(ADA, id_="c9")])
    window = await told.replayer().window(told.since, None)
    assert (window.size, window.unhandled) == (6, 1)
    bounds, starts = await told.window.bounds(), await told.window.at_time(told.since)
    partition = next(number for number, (_first, end) in bounds.items() if starts[number] < end - 1)
    one = await told.replayer().window(Offset(partition, starts[partition]), Offset(partition, starts[partition] + 1))
    assert one.parts == {partition: (starts[partition], starts[partition] + 1)}
    with pytest.raises(CannotReplay, match="there is no partition 999"):
        await told.replayer().window(Offset(999, 0), None)


async def test_live_records_go_first(told: Replays) -> None:
    """It waits while more are not handled than it was told, and goes on when they are."""
    stage = told.operator.stage
    await people(told, 2)
    await told.operator.database["customers"].delete_many({})
    run = await told.begin(await told.run())
    await told.put([stage.event(ADA, id_=f"live{number}") for number in range(5)])
    waited: list[int] = []

    async def pace() -> None:
        await told.handle()

    replayer = told.replayer()
    replayer = type(replayer)(**{name: getattr(replayer, name) for name in replayer.__slots__} | {"pace": pace})
    await replayer.publish(run, told.producer, lambda _count: None, waited.append, lag=4)
    assert waited[0] == 5
    assert run.published == 4
    await told.handle()
    assert {one["_id"] for one in await documents(told)} == {"c0", "c1", *(f"live{number}" for number in range(5))}


async def test_kafka_away_in_the_middle_is_one_line_and_loses_nothing(told: Replays) -> None:
    """The run goes on from where it was noted."""
    await people(told, 1)
    await told.operator.database["customers"].delete_many({})
    run = await told.begin(await told.run())

    class Away:
        async def deliver_all(self, topic: str, entries: Any) -> None:
            raise Unavailable("Kafka did not acknowledge within 5 seconds")

    with pytest.raises(Unavailable):
        await told.publish(run, Away())
    row = await told.operator.parking.operations.get(run.id)
    assert row is not None
    await told.publish(Run.of_row(row))
    assert len(await told.handle()) == 2


async def test_changes_are_replayed_by_their_commit(told: Replays) -> None:
    """What was heard is a duplicate; of a document that lost its position it is applied again."""
    stage = told.operator.stage
    await stage.post(ADA)
    await stage.settle()
    record_id = stage.contact()["Id"]
    change = Change(
        entity="Contact",
        record_id=record_id,
        type=ChangeType.UPDATE,
        position=CommitPosition(stage.now + 1, 1, 1),
        transaction_key="t1",
        fields={"Title": "Countess"},
    )
    before = await documents(told)
    async with open_window(told.kafka, topics.SALESFORCE_CHANGES) as window:
        told.window, told.topic = window, topics.SALESFORCE_CHANGES
        await told.put([stage.change(change)])
        assert [result.outcome for result in await told.handle()] == [Outcome.APPLIED]
        assert await told.counts() == {Effect.DUPLICATE: 1}
        await told.operator.database["customers"].replace_one({"_id": "cust-1"}, before[0])
        assert await told.counts() == {Effect.APPLIED: 1}
        await told.publish(await told.begin(await told.run()))
        assert [result.outcome for result in await told.handle()] == [Outcome.APPLIED]
    assert (await stage.document())["title"] == "Countess"


async def test_of_an_erased_person_nothing_is_published_again_and_a_second_replay_is_empty(
    told: Replays, mongo_client: AsyncMongoClient[dict[str, Any]]
) -> None:
    """Her documents are gone, so that each of her events would look new: her bytes would be in the log once more."""
    apart = mongo_client[f"erased_{secrets.token_hex(6)}"]
    stage = told.operator.stage
    stage.erasures = MongoErasures(apart, secrets.token_bytes(32))
    stage.reconciler = stage.new_reconciler()
    try:
        await people(told, 2)
        stage.now += 1
        await told.put([stage.event({}, id_="c0", type_="customer.erased")])
        await told.handle()
        await told.operator.database["customers"].delete_many({})
        run = await told.begin(await told.run())
        plan = await told.plan(run)
        assert (plan.count(Effect.IGNORED, Effect.DUPLICATE), plan.count(Effect.APPLIED), plan.to_publish) == (3, 2, 2)
        assert not any("c0" in line for line in (await told.replayer().plan(run, lambda _count: None, 10)).lines())
        await told.publish(run)
        assert [result.outcome for result in await told.handle()] == [Outcome.APPLIED] * 2
        assert [each["_id"] for each in await documents(told)] == ["c1"]
        assert (await told.plan()).to_publish == 0
    finally:
        await mongo_client.drop_database(apart.name)
