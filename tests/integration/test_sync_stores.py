"""What runs keep in MongoDB and ask of Kafka: fenced by a lease, gone on with anywhere, behind the stages' backlog."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from pymongo.asynchronous.database import AsyncDatabase
from support.servers import TopicFactory

from adapters.kafka.backlog import open_backlog
from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.mongo.collections import prepare
from adapters.mongo.leases import MongoLeases
from adapters.mongo.runs import MongoRuns
from adapters.mongo.walks import MongoWalks, Standing
from ops import sync_command
from ops.sync.opened import pause_unless_worked_at
from ops.sync.worker import LEASE_NAME
from schemas.gap import Handling
from schemas.record_filter import Comparison
from schemas.stream import Lease, LeaseLost
from schemas.sync_run import Purpose, Run, RunRequest, RunState, RunStep, Task, Wish
from schemas.unavailable import Unavailable

pytestmark = pytest.mark.integration

Database = AsyncDatabase[dict[str, Any]]


@pytest.fixture
async def database(database: Database) -> Database:
    """With its indexes, which the walks name."""
    await prepare(database, ["customers"])
    return database


def run(name: str, *, at: int = 1, **fields: Any) -> Run:
    """Asked for then."""
    condition = Comparison(path="tier", equals="gold")
    request = RunRequest(id=name, what="customer", filter=condition, by="test")
    step = RunStep(kind="customer", task=Task.PULL, counts={"update": 2}, cursor="003")
    return Run(id=name, request=request, steps=(step,), asked_at=at, **fields)


def lease(epoch: int) -> Lease:
    """Of the worker."""
    return Lease(LEASE_NAME, "us", epoch)


async def test_a_run_is_kept_once_and_read_back_as_it_was(database: Database) -> None:
    """With its filter, its time and its counts; the same id again changes nothing."""
    runs = MongoRuns(database)
    assert await runs.add(run("a"))
    assert not await runs.add(run("a", at=9))
    assert await runs.get("a") == run("a")
    assert await runs.get("b") is None
    assert await runs.begun("a")
    assert not await runs.begun("b")


async def test_the_first_asked_for_that_waits_or_was_left_behind_is_next(database: Database) -> None:
    """Those that have ended or were paused are not; the list has the newest first."""
    runs = MongoRuns(database)
    states = {"late": RunState.PLANNED, "left": RunState.RUNNING, "over": RunState.DONE, "paused": RunState.PAUSED}
    for at, name in ((4, "late"), (3, "left"), (2, "over"), (1, "paused")):
        await runs.add(run(name, at=at, state=states[name]))
    found = await runs.next()
    assert found is not None
    assert found.id == "left"
    assert await runs.waits(Purpose.SYNC)
    assert not await runs.waits(Purpose.COMPARE)
    first = await runs.newest(3)
    assert [one.id for one in first] == ["late", "left", "over"]
    assert [one.id for one in await runs.newest(3, first[0])][:2] == ["left", "over"]
    assert {state: count for state, count in (await runs.count()).items() if count} == dict.fromkeys(states.values(), 1)


async def test_who_has_lost_the_lease_stores_nothing_more(database: Database) -> None:
    """However late it wakes up: the cursor of its successor stands."""
    runs = MongoRuns(database)
    await runs.add(run("a"))
    working = run("a", state=RunState.RUNNING)
    await runs.save(working, lease(3))
    with pytest.raises(LeaseLost):
        await runs.save(working.model_copy(update={"steps": ()}), lease(2))
    stored = await runs.get("a")
    assert stored is not None
    assert stored.steps == working.steps


async def test_a_wish_is_told_with_the_next_save_and_forgotten_when_it_is_heeded(database: Database) -> None:
    """Only a run at which somebody works can be asked."""
    runs = MongoRuns(database)
    await runs.add(run("a"))
    assert not await runs.wish("a", Wish.CANCEL)
    working = run("a", state=RunState.RUNNING)
    assert await runs.save(working, lease(1)) is None
    assert await runs.wish("a", Wish.CANCEL)
    assert await runs.save(working, lease(1)) is Wish.CANCEL
    await runs.save(working.model_copy(update={"state": RunState.CANCELLED}), lease(1))
    row = await database["tandem_runs"].find_one({"_id": "a"})
    assert row is not None
    assert "wish" not in row
    assert "expires_at" in row
    assert await runs.turn("a", [RunState.CANCELLED], RunState.PLANNED, reason="")
    row = await database["tandem_runs"].find_one({"_id": "a"})
    assert row is not None
    assert "expires_at" not in row
    assert not await runs.turn("a", [RunState.CANCELLED], RunState.PLANNED)


async def test_pages_follow_each_other_from_any_id(database: Database) -> None:
    """Each document once; what has no text for an id is none of ours."""
    walks = MongoWalks(database)
    await database["customers"].insert_many([{"_id": f"c-{number}"} for number in range(5)])
    await database["customers"].insert_one({"n": 1})
    assert [[one["_id"] for one in page] async for page in walks.pages("customers", "", 2)] == [
        ["c-0", "c-1"],
        ["c-2", "c-3"],
        ["c-4"],
    ]
    assert [[one["_id"] for one in page] async for page in walks.pages("customers", "c-3", 2)] == [["c-4"]]


async def test_links_between_two_records(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order and in pages, the end with them, without those that are known to be gone."""
    monkeypatch.setattr("adapters.mongo.walks.LINKS_A_PAGE", 2)
    walks = MongoWalks(database)
    links = [("a", False), ("b", True), ("c", False), ("d", False), ("e", False)]
    await database["customers"].insert_many(
        [{"_id": f"doc-{key}", "_sync": {"link": {"id": key, "gone": gone}}} for key, gone in links]
    )
    assert [page async for page in walks.linked_between("customers", "a", "d")] == [["c", "d"]]
    assert [page async for page in walks.linked_between("customers", "", None)] == [["a", "c"], ["d", "e"]]


async def test_what_somebody_else_has_touched_is_not_made_due(database: Database) -> None:
    """By another decision, or by the sweep that has just rung for it."""
    walks = MongoWalks(database)
    await database["customers"].insert_many(
        [
            {"_id": "never", "revision": 1, "_sync": {}},
            {"_id": "later", "revision": 1, "_sync": {"due_at": 900}},
            {"_id": "decided", "revision": 2, "_sync": {}},
            {"_id": "rung", "revision": 1, "_sync": {"due_at": 800}},
        ]
    )
    seen = {"never": None, "later": 900, "decided": None, "rung": 900}
    await walks.make_due("customers", {key: Standing(1, due) for key, due in seen.items()}, 5)
    await walks.make_due("customers", {}, 5)
    found = {one["_id"]: one["_sync"].get("due_at") async for one in database["customers"].find()}
    assert found == {"never": 5, "later": 5, "decided": None, "rung": 800}
    assert await walks.count_due("customers", 5, 10) == 2
    assert await walks.count_due("customers", 1_000, 2) == 2


async def test_a_lease_is_held_until_it_is_released(database: Database) -> None:
    """Another asks, and takes nothing."""
    leases = MongoLeases(database)
    assert not await leases.held("runs")
    taken = await leases.acquire("runs", "us", 30.0)
    assert taken is not None
    assert await leases.held("runs")
    await leases.release(taken)
    assert not await leases.held("runs")


async def test_an_interrupted_command_pauses_its_run_unless_another_works_at_it(
    database: Database, mongodb_uri: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C never takes a run away from the process that has it; `tandem sync resume` is named."""
    monkeypatch.setenv("MONGODB_URI", mongodb_uri)
    monkeypatch.setenv("MONGODB_DATABASE", database.name)
    runs, leases = MongoRuns(database), MongoLeases(database)
    await runs.add(run("a", state=RunState.RUNNING))
    taken = await leases.acquire(LEASE_NAME, "another", 30.0)
    assert taken is not None
    assert not await pause_unless_worked_at("a")
    await leases.release(taken)

    async def interrupted(_run_id: str) -> Run:
        raise KeyboardInterrupt

    async def planned(_run_id: str, *, accept_missing: bool) -> None:
        assert not accept_missing

    monkeypatch.setattr(sync_command, "_work", interrupted)
    monkeypatch.setattr(sync_command, "_planned_again", planned)
    assert await asyncio.to_thread(sync_command.run_resume, "a", accept_missing=False) == 1
    assert "interrupted; what is done stays done, and `tandem sync resume a` goes on" in capsys.readouterr().err
    stored = await runs.get("a")
    assert stored is not None
    assert (stored.state, stored.reason) == (RunState.PAUSED, "interrupted")
    assert await asyncio.to_thread(sync_command.run_cancel, "a") == 0
    assert await asyncio.to_thread(sync_command.run_cancel, "a") == 1
    assert await asyncio.to_thread(sync_command.run_show, "b") == 1
    assert "there is no run b" in capsys.readouterr().err


@asynccontextmanager
async def kafka_admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def test_the_backlog_is_what_a_group_has_not_committed(topic: TopicFactory, kafka_bootstrap: str) -> None:
    """All of it before the group has come; Kafka away is told."""
    name, settings = await topic(partitions=2), KafkaSettings(bootstrap_servers=kafka_bootstrap, request_timeout=30)
    group = f"group-of-{name}"
    async with open_producer(settings) as producer, open_backlog(settings, {name: group}) as backlog:
        assert await backlog.read() == 0
        await producer.deliver_all(name, [(f"k{number}".encode(), b"v", []) for number in range(10)])
        assert await backlog.read() == 10
        assert await backlog.handling(name, await backlog.ends(name)) is Handling.PENDING
        consumer = AIOKafkaConsumer(bootstrap_servers=kafka_bootstrap, group_id=group, enable_auto_commit=False)
        await consumer.start()
        try:
            places = [TopicPartition(name, number) for number in range(2)]
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            await consumer.commit({places[0]: ends[places[0]]})
            assert await backlog.read() == ends[places[1]]
            to_be_handled = await backlog.ends(name)
            assert to_be_handled == {at.partition: end for at, end in ends.items()}
            assert await backlog.handling(name, {0: to_be_handled[0]}) is Handling.DONE
            assert await backlog.handling(name, to_be_handled) is Handling.PENDING
            assert await backlog.handling(name, {}) is Handling.DONE
            await consumer.commit(ends)
            assert await backlog.read() == 0
            await producer.deliver_all(name, [(f"k{number}".encode(), b"later", []) for number in range(10)])
            assert await backlog.handling(name, to_be_handled) is Handling.DONE
            for not_there in ({0: 10**6}, {2: 1}, {0: 1, 7: 1}):
                assert await backlog.handling(name, not_there) is Handling.NOT_IN_LOG
            await consumer.commit({places[0]: ends[places[0]] + 10**6})
            assert await backlog.handling(name, {0: ends[places[0]]}) is Handling.PENDING
        finally:
            await consumer.stop()
    nowhere = KafkaSettings(bootstrap_servers="127.0.0.1:1", request_timeout=1)
    with pytest.raises(Unavailable):
        async with open_backlog(nowhere, {name: group}):
            pass


async def test_a_topic_that_is_not_there_has_no_backlog_and_is_not_made(
    topic: TopicFactory, kafka_bootstrap: str
) -> None:
    """A broker makes what is asked for by its name, and not as the promises need it."""
    name, settings = await topic(), KafkaSettings(bootstrap_servers=kafka_bootstrap, request_timeout=30)
    missing = f"none-{name}"
    async with open_backlog(settings, {name: "g", missing: "g"}) as backlog, kafka_admin(kafka_bootstrap) as there:
        for _ in range(2):
            assert list(await backlog.by_topic()) == [name]
        with pytest.raises(Unavailable, match="no partition"):
            await backlog.ends(missing)
        with pytest.raises(Unavailable, match="no partition"):
            await backlog.handling(missing, {0: 1})
        assert missing not in await there.list_topics()
