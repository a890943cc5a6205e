"""A world for crash tests: real Kafka and MongoDB, a simulated org whose clock runs fast, and stages that come and go.

Stages run in processes of their own; `support.crash_stages` puts them together.
"""

import asyncio
import contextlib
import itertools
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import orjson
from aiohttp import web
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from adapters.kafka.producer import Producer, open_producer
from adapters.mongo.collections import prepare
from consumers.rules.kinds import compile_kind
from consumers.rules.stored import value_at
from schemas import cloudevents, topics
from schemas.change import Change
from schemas.codec import decode
from schemas.doorbell import ring_for
from schemas.presets import preset
from simulator.org.app import ORG, create_app
from simulator.org.edits import Edit, Edits, make_edits
from simulator.org.org import Org
from simulator.org.settings import OrgSettings
from simulator.org.triggers import TriggerRule
from support.crash_fuse import Point
from support.crash_nursery import Life, Nursery
from support.crash_stages import Place
from support.servers import unique_database

Document = dict[str, Any]

KEY, TOKEN = "Tandem_Customer_Id__c", "Tandem_Customer_Write__c"
TRIGGERS = (
    TriggerRule(object="Contact", action="upper", field="Department"),
    TriggerRule(object="Contact", action="refuse", field="Title", matches="Forbidden"),
)
REST_SECONDS = 120.0
KIND = compile_kind("customer", preset("customers"))


@dataclass(frozen=True)
class Outcome:
    """What both sides hold at rest, without what may differ from run to run: revisions, times, record ids."""

    documents: dict[str, Any]
    records: dict[str, Any]
    audit: set[tuple[Any, ...]]

    def of(self, mark: str) -> "Outcome":
        """What became of the facts with this mark, the mark left out of every text.

        Marks begin and end alike, so that none is part of another.
        """

        def of_mark(found: dict[str, Any]) -> dict[str, Any]:
            marked = {key: value for key, value in found.items() if mark in f"{key}{value}"}
            return {_without(key, mark): _without(value, mark) for key, value in marked.items()}

        audit = {_without(row, mark) for row in self.audit if mark in str(row)}
        return Outcome(of_mark(self.documents), of_mark(self.records), audit)


def differences(one: Outcome, other: Outcome) -> list[str]:
    """What is in one of them and not, or otherwise, in the other; empty where they are equal."""
    found: list[str] = []
    for what in ("documents", "records"):
        ours, theirs = getattr(one, what), getattr(other, what)
        found += [
            f"{what}, {key}: {ours.get(key)}\n  but {theirs.get(key)}"
            for key in sorted(ours.keys() | theirs.keys())
            if ours.get(key) != theirs.get(key)
        ]
    return found + [f"audit: {row}" for row in sorted(one.audit ^ other.audit, key=str)]


def _name(document_id: str, record_id: str | None, last_name: str) -> str:
    """A document that was made of a record has its id, which differs from run to run."""
    return f"record of {last_name}" if document_id == record_id else document_id


def _without(found: Any, mark: str) -> Any:
    if isinstance(found, dict):
        return {key: _without(value, mark) for key, value in found.items()}
    if isinstance(found, (list, tuple)):
        return type(found)(_without(one, mark) for one in found)
    return found.replace(mark, "#") if isinstance(found, str) else found


@dataclass
class World:
    """Topics, a database and an org of its own. Made by `open_world`."""

    place: Place
    org: Org
    database: AsyncDatabase[Document]
    nursery: Nursery
    producer: Producer
    consumer: AIOKafkaConsumer
    admin: AIOKafkaAdminClient
    lives: dict[str, Life] = field(default_factory=dict)
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    # Stages

    async def run(self, *stages: str) -> None:
        """Run these, not to be killed."""
        for stage in stages:
            self.lives[stage] = await self.life(stage)

    async def stop(self, *stages: str) -> None:
        """Stop these in order; all that run, where none is named."""
        lives = [self.lives.pop(stage) for stage in stages or tuple(self.lives)]
        for code in await asyncio.gather(*(life.stop() for life in lives)):
            assert code == 0, f"ended with {code}"

    async def take_up(self, version: int) -> None:
        """Stages begun from now on have this version of the mapping, and those that run are begun anew."""
        running = tuple(self.lives)
        await self.stop()
        self.place = replace(self.place, version=version)
        await self.run(*running)

    async def life(self, stage: str, point: Point | None = None, **place: Any) -> Life:
        """A stage in a process of its own, whose end is the test's to see to."""
        return await self.nursery.start(stage, replace(self.place, **place), point)

    # What happens on both sides

    async def post(
        self, document: str, fields: Mapping[str, Any], *, named: bool = True, deleted: bool = False
    ) -> None:
        """A platform event as the webhook publishes it."""
        now = self.place.now()
        when = datetime.fromtimestamp(now / 1000, UTC)
        data: dict[str, Any] = {"id": document, "fields": dict(fields)}
        if named:
            data["changed"] = list(fields)
        type_ = "customer.deleted" if deleted else "customer.updated"
        body = {"type": type_, "timestamp": when.isoformat().replace("+00:00", "Z"), "data": data}
        headers = [
            (cloudevents.ID, f"evt-{next(self.numbers)}".encode()),
            (cloudevents.RECEIVED_AT, str(now).encode()),
        ]
        topic = self.place.topic(topics.PLATFORM_EVENTS)
        await self.producer.deliver(topic, topics.document_key("customer", document), orjson.dumps(body), headers)

    def edit(self, document: str, **fields: Any) -> None:
        """A Salesforce user's edit of the document's record."""
        self.act(Edit(key={KEY: document}, fields=fields))

    def act(self, *edits: Edit) -> list[str]:
        """What a Salesforce user does, each a transaction of its own; the ids of the records."""
        results = make_edits(self.org, Edits(edits=edits))
        assert all(result["success"] for result in results), results
        return [result["id"] for result in results]

    def record_id(self, document: str) -> str:
        """Of the one record that holds this external id."""
        (record_id,) = (str(record["Id"]) for record in self.records() if record[KEY] == document)
        return record_id

    async def show(self, document: str, path: str, value: Any) -> None:
        """The platform's own value at a path that is not mapped yet."""
        await self.database["customers"].update_one({"_id": document}, {"$set": {path: value}})

    async def ring(self, document: str) -> None:
        """A doorbell, as a person's command or a repair rings it."""
        record_id = self.record_id(document)
        topic = self.place.topic(topics.SALESFORCE_WRITES)
        value = ring_for("customer", document, record_id)
        await self.producer.deliver(topic, topics.record_key(record_id), value, [])

    # Looking

    async def documents(self) -> dict[str, Document]:
        """All, by id."""
        return {one["_id"]: one async for one in self.database["customers"].find()}

    def records(self, *, deleted: bool = False) -> list[Document]:
        """All Contacts that are not deleted, or those that are, too."""
        contact = self.org.objects["Contact"]
        return self.org.store.page(contact, "", 10_000, deleted=deleted)

    async def rows(self, type_: str) -> list[Document]:
        """Rows of the sync log."""
        return await self.database["salesforce_sync_logs"].find({"type": type_}).to_list()

    async def logged(self, name: str) -> list[bytes]:
        """Every value in a topic, in order for each partition."""
        ends = await self.ends(name)
        self.consumer.assign(list(ends))
        for at in ends:
            self.consumer.seek(at, 0)
        values: list[bytes] = []
        async with asyncio.timeout(30):
            while len(values) < sum(ends.values()):
                found = await self.consumer.getmany(timeout_ms=500)
                values += [record.value for records in found.values() for record in records]
        return values

    async def ends(self, *names: str) -> dict[TopicPartition, int]:
        """Where topics end."""
        ends: dict[TopicPartition, int] = await self.consumer.end_offsets(
            [TopicPartition(self.place.topic(name), one) for name in names for one in range(self.place.partitions)]
        )
        return ends

    async def committed(self, stage: str) -> dict[TopicPartition, int]:
        """Where a consumer group goes on."""
        try:
            offsets = await self.admin.list_consumer_group_offsets(self.place.group(stage))
        except KafkaError as error:
            if not error.retriable:
                raise
            return {}  # the broker has yet to make its own topic for them
        return {at: committed.offset for at, committed in offsets.items()}

    async def heard(self) -> list[int]:
        """The replay id of every change in the log."""
        changes = [decode(Change, value) for value in await self.logged(topics.SALESFORCE_CHANGES)]
        return [int(change.replay_id) for change in changes if change.replay_id is not None]

    async def position(self) -> int:
        """Where the change stream stands; -2 before the first event."""
        found = await self.database["tandem_positions"].find_one()
        return int(found["replay_id"]) if found else -2

    # Rest

    async def worked_off(self, *stages: str) -> bool:
        """Whether these have taken in all there is."""
        read = {
            "reconcile": (topics.PLATFORM_EVENTS, topics.SALESFORCE_CHANGES),
            "write": (topics.SALESFORCE_WRITES,),
        }
        for stage in stages:
            if stage == "subscribe":
                if await self.position() != (self.org.bus.latest() or -2):
                    return False
                continue
            committed = await self.committed(stage)
            if any(committed.get(at, 0) < end for at, end in (await self.ends(*read[stage])).items()):
                return False
        return True

    async def still(self) -> bool:
        """Nothing moves, and nothing says that it will."""
        if not await self.worked_off("subscribe", "reconcile", "write"):
            return False
        soon = self.place.now() + 600_000  # what waits for a person is looked at again tomorrow
        waiting = {"$or": [{"_sync.due_at": {"$lt": soon}}, {"_sync.audit.0": {"$exists": True}}]}
        return await self.database["customers"].find_one(waiting) is None

    async def rest(self) -> None:
        """Wait for stillness, seen twice in a row."""
        seen = 0

        async def twice() -> bool:
            nonlocal seen
            seen = seen + 1 if await self.still() else 0
            ended = {stage: life.ended.result() for stage, life in self.lives.items() if life.ended.done()}
            assert not ended, f"ended by themselves: {ended}"
            return seen == 2

        try:
            await until(twice, "the world rests", REST_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}; {await self.unrest()}") from None

    async def unrest(self) -> str:
        """What is not worked off, and the documents that wait, as they are."""
        stages = [one for one in ("subscribe", "reconcile", "write") if not await self.worked_off(one)]
        soon = self.place.now() + 600_000
        waiting = {"$or": [{"_sync.due_at": {"$lt": soon}}, {"_sync.audit.0": {"$exists": True}}]}
        found = await self.database["customers"].find(waiting).to_list()
        return f"at {self.place.now()}, behind: {stages}, waiting: {found}"

    async def outcome(self) -> Outcome:
        """What there is at rest."""
        records = self.records()
        by_id = {record["Id"]: record for record in records}
        documents = {}
        names: dict[str, str] = {}
        for document_id, document in (await self.documents()).items():
            link = document["_sync"].get("link") or {}
            shown: Document = {rule.dotted: value_at(document, rule) for rule in KIND.fields}
            name = names[document_id] = _name(document_id, link.get("id"), shown["last_name"])
            linked = by_id.get(link.get("id", ""), {}).get(KEY)
            alive = bool(link) and not link.get("gone")
            documents[name] = shown | {
                "link": (names.get(linked, linked), link.get("read")) if alive else None,
                "status": document["salesforce"]["syncStatus"],
                "mapping": document["_sync"]["mapping"],
            }
        held: dict[str, Any] = {}
        for record in records:
            values = {rule.name: record.get(rule.name) for rule in KIND.fields}
            held.setdefault(_name(str(record[KEY]), record["Id"], record["LastName"]), []).append(values)
        audit = {
            (
                *(names[row["document"]], row["path"]),
                *(row["platform"]["value"], row["salesforce"]["value"], row["winner"]),
            )
            for row in await self.rows("audit")
        }
        return Outcome(documents, held, audit)

    # What must hold at the very moment at which a process has died

    async def assert_positions_are_behind_what_is_done(self) -> None:
        """Nothing that was not done is counted as done."""
        offsets = {stage: await self.committed(stage) for stage in ("reconcile", "write")}
        ends = await self.ends(*topics.ALL)
        done = {row["_id"] for row in await self.rows("outcome")}
        for stage, places in offsets.items():
            for at, committed in places.items():
                assert committed <= ends[at], (stage, at, committed, ends[at])
                if stage == "reconcile":
                    name = at.topic.removeprefix(f"{self.place.prefix}.")
                    wanted = {f"{name}:{at.partition}:{offset}" for offset in range(committed)}
                    assert wanted <= done, wanted - done
        position = await self.position()
        if position != -2:
            there = set(await self.heard())
            wanted_ids = {change.replay_id for change in self.org.bus.after(None, None, 10_000)}
            behind = {replay_id for replay_id in wanted_ids if replay_id <= position}
            assert behind <= there, behind - there


async def until(holds: Callable[[], Awaitable[bool]], what: str, seconds: float) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not await holds():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.03)


async def first_of(life: Life, holds: Callable[[], Awaitable[None]]) -> bool:
    """Whether the process ended before the condition came to hold."""
    waiting = asyncio.ensure_future(holds())
    try:
        await asyncio.wait([waiting, life.ended], return_when=asyncio.FIRST_COMPLETED)
        if life.ended.done():
            return True
        waiting.result()
        return False
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


@contextlib.asynccontextmanager
async def open_world(
    nursery: Nursery, kafka: str, mongodb: str, client: AsyncMongoClient[Document], **place: Any
) -> AsyncIterator[World]:
    """A world in which no stage runs yet."""
    began = time.time_ns() // 1_000_000
    settings = OrgSettings(triggers=TRIGGERS)
    made = Place(
        kafka=kafka,
        mongodb=mongodb,
        database="",
        prefix=f"crash-{uuid.uuid4().hex[:10]}",
        org="",
        client_id=settings.client_id,
        client_secret=settings.client_secret.get_secret_value(),
        began=began,
        **place,
    )
    async with contextlib.AsyncExitStack() as stack:
        address, org = await stack.enter_async_context(_org(settings, made.now))
        database = await stack.enter_async_context(unique_database(client))
        await prepare(database, ["customers"])
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
        await admin.start()
        stack.push_async_callback(admin.close)
        names = [made.topic(name) for name in (*topics.ALL, topics.PLATFORM_CHANGES)]
        await admin.create_topics([NewTopic(name, made.partitions, 1) for name in names])
        stack.push_async_callback(admin.delete_topics, names)
        consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False)
        await consumer.start()
        stack.push_async_callback(consumer.stop)
        producer = await stack.enter_async_context(open_producer(made.kafka_settings()))
        made = replace(made, database=database.name, org=address)
        world = World(made, org, database, nursery, producer, consumer, admin)
        stack.push_async_callback(world.stop)
        yield world


@contextlib.asynccontextmanager
async def _org(settings: OrgSettings, clock: Callable[[], int]) -> AsyncIterator[tuple[str, Org]]:
    """An org that tells its own time in its answers too."""
    app = create_app(settings, clock)

    async def tell_time(_request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Date"] = format_datetime(datetime.fromtimestamp(clock() // 1000, UTC), usegmt=True)

    app.on_response_prepare.append(tell_time)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.2)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}", app[ORG]
    finally:
        await runner.cleanup()


def only_one_each(outcome: Outcome) -> Iterable[str]:
    """Documents whose record is there more than once."""
    return [key for key, rows in outcome.records.items() if len(rows) != 1]
