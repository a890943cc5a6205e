"""The reconciler against a bare loop on the same records, both with the real Kafka and the real MongoDB.

The records are 100,000 `customer.updated` events of about 550 bytes over 20,000 customers (five each), with twelve
mapped fields, as the webhook publishes them. Both contenders read them from the beginning with a consumer group and a
database of their own, in a process of their own, in turns. Tandem is what `tandem reconcile` runs: its Runner with four
lanes, every rule, audit and log row, doorbells into Kafka. The bare loop is the least that one could write by hand and
still lose no update: batched reads, guarded bulk writes of the fields, four key queues, no rules, no log, no doorbells.
"""

import asyncio
import contextlib
import cProfile
import os
import pstats
import statistics
import sys
import time
import uuid
import zlib
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import orjson
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from pymongo import AsyncMongoClient, UpdateOne
from pymongo.errors import BulkWriteError

from adapters.kafka.consumer import open_consumer
from adapters.kafka.logs import Doorbells
from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.kafka.topics import make_topics
from adapters.mongo.client import open_database
from adapters.mongo.collections import prepare
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.gaps import MongoObjectGaps
from adapters.mongo.logs import MongoParkedRecords, MongoSyncLog
from adapters.mongo.settings import MongoSettings
from adapters.telemetry.metrics import Metrics
from benchmarks.child import own_cpu, quiet, run_child, tell
from benchmarks.events import customer_event
from benchmarks.results import Results, servers_for
from consumers.catalog import Catalog
from consumers.reconciler.reconciler import Reconciler
from consumers.runner.runner import Runner
from consumers.runner.settings import RunnerSettings
from ops.processes.frame import collect_less
from schemas import cloudevents, topics
from schemas.outcome import Result
from schemas.presets import preset
from simulator.servers.local import KAFKA, MONGODB

CONTENDERS = ("bare", "tandem")
LANES = 4
BATCH = RunnerSettings().batch_size
EVENTS_A_CUSTOMER = 5
LONGEST_SECONDS = 900
SIZES = {"records": 100_000, "rounds": 3}


async def measure(*, records: int, rounds: int) -> Results:
    """The medians of the rounds."""
    told: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
    async with servers_for(KAFKA, MONGODB) as servers:
        await make_topics(KafkaSettings(bootstrap_servers=servers.kafka_bootstrap))
        await _publish(servers.kafka_bootstrap, records)
        for number in range(rounds):
            for name in CONTENDERS if number % 2 == 0 else CONTENDERS[::-1]:
                arguments = (name, servers.kafka_bootstrap, servers.mongodb_uri, str(records))
                told[name].append(await run_child("reconcile", *arguments))
    results = {name: _medians(runs) for name, runs in told.items()}
    results["ratio"] = {key: results["tandem"][key] / results["bare"][key] for key in results["bare"]}
    return Results("reconcile: platform events into documents", results, rounds=told)


def _medians(runs: Sequence[dict[str, Any]]) -> dict[str, float]:
    return {
        "records/s": statistics.median(run["records"] / run["seconds"] for run in runs),
        "own CPU us/record": statistics.median(1e6 * run["cpu"] / run["records"] for run in runs),
    }


async def _publish(kafka: str, records: int) -> None:
    """As the webhook does."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True, max_batch_size=131_072)
    async with producer:
        sent = []
        began = int(time.time() * 1000) - records
        for number in range(records):
            id_, body = customer_event(number, _customers(records))
            headers = cloudevents.headers(
                id=f"msg_{number:024d}",
                source="/webhooks/tickets",
                type="customer.updated",
                subject=f"customer/{id_}",
                time="2026-11-22T10:00:00.000Z",
                traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
                extensions={cloudevents.RECEIVED_AT: str(began + number), cloudevents.CLOCK_OFFSET: "0"},
            )
            key = topics.document_key("customer", id_)
            sent.append(await producer.send(topics.PLATFORM_EVENTS, body, key, headers=headers))
        await asyncio.gather(*sent)


async def _tandem(kafka: str, mongodb: str, records: int) -> dict[str, Any]:
    """What `tandem reconcile` composes."""
    collect_less()
    kafka_settings = KafkaSettings(bootstrap_servers=kafka)
    name = _name()
    async with (
        open_database(MongoSettings(uri=mongodb, database=name), retry_writes=False) as database,
        open_producer(kafka_settings) as producer,
    ):
        catalog = Catalog(preset("customers"))
        await prepare(database, [kind.collection for kind in catalog.kinds.values()])
        metrics = Metrics()
        finish = _Finish(records)
        reconciler = Reconciler(
            catalog=lambda: catalog,
            documents=MongoDocuments(database),
            log=MongoSyncLog(database),
            parked=MongoParkedRecords(database),
            doorbells=Doorbells(producer),
            gaps=MongoObjectGaps(database),
            now=lambda: time.time_ns() // 1_000_000,
            on_conflict=lambda row: metrics.conflict_settled(row["path"], row["rule"], row["winner"]),
        )

        def on_results(topic: str, _records: object, results: Sequence[Result]) -> None:
            for outcome, count in Counter(result.outcome for result in results).items():
                metrics.records_finished(topic, outcome, count)
            metrics.batch_taken("reconciler", len(results))
            finish.count(len(results))

        runner = Runner(reconciler, RunnerSettings(lanes=LANES), on_results=on_results)
        listener = _Listener(runner, finish)
        async with open_consumer(kafka_settings, name, (topics.PLATFORM_EVENTS,), listener) as stream:
            async with asyncio.timeout(LONGEST_SECONDS):
                await runner.run(stream, finish.done)
        answer = finish.answer()
        stored = await database["customers"].count_documents({})
        assert stored == _customers(records), f"{stored} documents"
        logged = await database["salesforce_sync_logs"].count_documents({"type": "outcome"})
        assert logged == records, f"{logged} log rows for {records} records"
        await database.client.drop_database(name)
    return answer


async def _bare(kafka: str, mongodb: str, records: int) -> dict[str, Any]:
    name = _name()
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongodb, w="majority", journal=True)
    consumer = AIOKafkaConsumer(
        topics.PLATFORM_EVENTS,
        bootstrap_servers=kafka,
        group_id=name,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    finish = _Finish(records)
    async with client, consumer:
        collection = client[name]["customers"]
        queues: list[asyncio.Queue[list[Any]]] = [asyncio.Queue(maxsize=2) for _ in range(LANES)]

        async def lane(queue: asyncio.Queue[list[Any]]) -> None:
            while True:
                batch = await queue.get()
                for start in range(0, len(batch), BATCH):
                    await _bare_batch(collection, batch[start : start + BATCH])
                finish.count(len(batch))
                queue.task_done()

        lanes = [asyncio.create_task(lane(queue)) for queue in queues]
        try:
            finish.begin()
            while finish.left:
                found = await consumer.getmany(timeout_ms=500, max_records=2_000)
                shares: list[list[Any]] = [[] for _ in queues]
                for of_partition in found.values():
                    for one in of_partition:
                        shares[zlib.crc32(one.key) % LANES].append(one)
                for queue, share in zip(queues, shares, strict=True):
                    if share:
                        await queue.put(share)
                if not found:
                    await asyncio.gather(*(queue.join() for queue in queues))
                    await consumer.commit()
            await consumer.commit()
        finally:
            for task in lanes:
                task.cancel()
            await asyncio.wait(lanes)
        stored = await collection.count_documents({})
        assert stored == _customers(records), f"{stored} documents"
        await client.drop_database(name)
    return finish.answer()


async def _bare_batch(collection: Any, batch: Sequence[Any]) -> None:
    """Each document once: read, the events' fields put in, written where its revision is still the one read."""
    changes: dict[str, dict[str, Any]] = {}
    for record in batch:
        data = orjson.loads(record.value)["data"]
        changes.setdefault(data["id"], {}).update(data["fields"])
    while changes:
        found = {each["_id"]: each async for each in collection.find({"_id": {"$in": list(changes)}})}
        operations = []
        for key, fields in changes.items():
            revision = found[key]["revision"] if key in found else None
            guard = {"_id": key, "revision": revision if key in found else {"$exists": False}}
            operations.append(
                UpdateOne(guard, {"$set": {**fields, "revision": (revision or 0) + 1}}, upsert=key not in found)
            )
        with contextlib.suppress(BulkWriteError):
            result = await collection.bulk_write(operations, ordered=False)
            if result.matched_count + result.upserted_count == len(operations):
                return


class _Finish:
    """Time and CPU from the first record in hand to the last one done."""

    def __init__(self, records: int) -> None:
        self.records = self.left = records
        self.done = asyncio.Event()
        self._began: tuple[float, float] | None = None
        self._ended = (0.0, 0.0)

    def begin(self) -> None:
        if self._began is None:
            self._began = (time.perf_counter(), own_cpu())

    def count(self, records: int) -> None:
        self.left -= records
        if self.left <= 0 and not self.done.is_set():
            self._ended = (time.perf_counter(), own_cpu())
            self.done.set()

    def answer(self) -> dict[str, Any]:
        assert self._began is not None
        return {
            "records": self.records,
            "seconds": self._ended[0] - self._began[0],
            "cpu": self._ended[1] - self._began[1],
        }


class _Listener:
    def __init__(self, runner: Runner, finish: _Finish) -> None:
        self._runner = runner
        self._finish = finish

    async def on_revoked(self, partitions: Collection[tuple[str, int]]) -> None:
        await self._runner.on_revoked(partitions)

    async def on_assigned(self, partitions: Collection[tuple[str, int]]) -> None:
        await self._runner.on_assigned(partitions)
        self._finish.begin()


def _customers(records: int) -> int:
    return max(1, records // EVENTS_A_CUSTOMER)


def _name() -> str:
    return f"bench_{uuid.uuid4().hex[:12]}"


def child() -> None:
    """One contender, once: `python -m benchmarks.reconcile bare|tandem <kafka> <mongodb> <records>`."""
    quiet()
    contender, kafka, mongodb, records = sys.argv[1:5]
    profile = cProfile.Profile() if os.environ.get("BENCHMARK_PROFILE") == contender else None
    if profile:
        profile.enable()
    answer = uvloop.run({"bare": _bare, "tandem": _tandem}[contender](kafka, mongodb, int(records)))
    if profile:
        profile.disable()
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(45)
    tell(answer)


if __name__ == "__main__":
    child()
