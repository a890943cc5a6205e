"""What each process holds in memory over very many events: it should be flat, and under 150 MB.

Each runs in a process of its own, put together of the same parts as in `ops/processes`, and is fed as fast as it takes.
What it writes to is real where it costs little (Kafka, MongoDB); what feeds it makes each record when it is taken.

- `webhook`: signed posts on 64 connections, into Kafka.
- `subscribe`: change events of a contact each, into Kafka.
- `reconcile`: platform events over 1,000 customers, into MongoDB; doorbells into Kafka.
- `write`: ten doorbells for each edit, ten edits of each customer, 200 customers in turn and then the next; calls of a
  cheap org. No event comes of its writes, so a document keeps all of them (rule 16), and with more edits each it would
  be the documents that grow.
- `enrich`, `deliver`, `repair` and `schedule`: see `benchmarks.memory_beside`.

`python -m benchmarks.memory` is the measured process; `BENCHMARK_PROCESSES=subscribe,write` measures these alone, which
one wants with a million events each: memory does not depend on the load, so `nice -n 10` will do.
"""

import asyncio
import itertools
import os
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import uvloop

from adapters.kafka.logs import ChangeLog, Doorbells, EventLog
from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.kafka.topics import make_topics
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.gaps import MongoGaps
from adapters.mongo.leases import MongoLeases
from adapters.mongo.logs import MongoParkedRecords, MongoSyncLog
from adapters.mongo.positions import MongoPositions
from adapters.mongo.reservations import MongoReservations
from adapters.salesforce.opening import open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from adapters.telemetry.metrics import Metrics
from benchmarks.cheap_org import cheap_org, record_id
from benchmarks.child import own_cpu, quiet, run_child, tell
from benchmarks.feed import EventFeed, Feed, Kept
from benchmarks.holding import now, reconciler, store, until
from benchmarks.http_load import SECRET, run, signed_requests
from benchmarks.memory_beside import BESIDE
from benchmarks.results import Results, servers_for
from benchmarks.rss import STEPS, Samples, row
from consumers.runner.runner import Runner
from consumers.runner.settings import RunnerSettings
from consumers.settings import WriterSettings
from consumers.writer.writer import Writer
from listener.changes.buffer import Buffer, Event
from listener.changes.health import Health
from listener.changes.settings import ChangesSettings
from listener.changes.subscriber import Subscriber
from listener.webhook.app import serve
from listener.webhook.handler import Webhook
from listener.webhook.settings import WebhookSettings
from ops.processes.frame import collect_less
from schemas.outcome import Result
from schemas.stream import ReplayId
from simulator.servers.local import KAFKA, MONGODB

SIZES = {"records": 100_000, "rounds": 1}
PROCESSES = ("webhook", "subscribe", "reconcile", "write", *BESIDE)
CUSTOMERS = 1_000
RINGS = 10
EDITS = 10
AT_ONCE = 200
CONNECTIONS = 64
POSTS_AT_A_TIME = 50_000
EVENTS_AT_A_TIME = 100
CHANNEL = "/data/ChangeEvents"


async def measure(*, records: int, rounds: int) -> Results:
    """One run of each, or of as many as there are `rounds`, of which the last counts."""
    table: dict[str, dict[str, float]] = {}
    told: dict[str, list[Any]] = {}
    async with servers_for(KAFKA, MONGODB) as servers, cheap_org() as org:
        await make_topics(KafkaSettings(bootstrap_servers=servers.kafka_bootstrap))
        chosen = os.environ.get("BENCHMARK_PROCESSES", ",".join(PROCESSES)).split(",")
        for name, _round in itertools.product(chosen, range(rounds)):
            places = (servers.kafka_bootstrap, servers.mongodb_uri, org, str(records))
            answer = await run_child("memory", name, *places)
            told.setdefault(name, []).append(answer)
            speed = {"events/s": answer["count"] / answer["seconds"]}
            table[name] = {**row(answer["samples"], answer["peak"]), **speed}
    note = f"Resident memory of each process over {records:,} events, MB of 10^6 bytes."
    part = "" if tuple(chosen) == PROCESSES else "-".join(chosen)
    return Results(f"memory: each process over {records:,} events", table, told, note, part)


async def _webhook(kafka: str, _mongodb: str, _org: str, records: int) -> Samples:
    settings = WebhookSettings(port=0, secrets={"tickets": SECRET})
    samples, metrics = Samples(records), Metrics()
    async with open_producer(KafkaSettings(bootstrap_servers=kafka)) as producer:
        log = EventLog(producer)
        webhook = Webhook(
            settings=settings,
            log=log,
            kind_of_event=lambda _type: "customer",
            answered=metrics.webhook_answered,
            notice=lambda event, **fields: print(event, fields, file=sys.stderr),
        )
        async with serve(settings, webhook, log, lambda *_, **__: None) as listening:
            while not samples.done:
                number = min(POSTS_AT_A_TIME, -(-records // STEPS), records - samples.count)
                await run_child("memory", "post", str(listening.port), str(number))
                samples.add(number)
    return samples


def _post(port: int, number: int) -> None:
    """The sender, in a process of its own: its requests are no memory of the webhook's."""
    run(port, signed_requests(number, "/webhooks/tickets"), CONNECTIONS)
    tell({"posted": number})


class _Source:
    """A stream of made-up change events, as many as there is room for: `listener.changes.ports.ChangeSource`."""

    def __init__(self, records: int, samples: Samples, done: asyncio.Event) -> None:
        self._records, self._samples, self._done = records, samples, done

    async def run(self, start: Mapping[str, ReplayId], buffer: Buffer) -> None:
        for first in range(0, self._records, EVENTS_AT_A_TIME):
            await buffer.room()
            now = time.time_ns() // 1_000_000
            numbers = range(first, min(self._records, first + EVENTS_AT_A_TIME))
            buffer.put([Event(CHANNEL, number + 1, _change(number, now), now) for number in numbers])
            self._samples.add(len(numbers))
            await asyncio.sleep(0)
        await until(lambda: not len(buffer))
        self._done.set()
        await asyncio.Event().wait()

    def resume(self, channel: str, replay_id: ReplayId) -> None:
        raise AssertionError("no position is refused")


def _change(number: int, now: int) -> dict[str, Any]:
    """An update of a contact, as CometD delivers it."""
    header = {
        "entityName": "Contact",
        "recordIds": [record_id(number % CUSTOMERS)],
        "changeType": "UPDATE",
        "changeOrigin": "com/salesforce/api/soap/60.0;client=SfdcInternalAPI/",
        "transactionKey": str(uuid.UUID(int=number)),
        "sequenceNumber": 1,
        "commitTimestamp": now,
        "commitNumber": number + 1,
        "commitUser": "0055g000001PersAAM",
        "nulledFields": [],
        "diffFields": [],
        "changedFields": ["Title", "Department", "LastModifiedDate"],
    }
    title = f"Head of Events {number}"
    values = {"Title": title, "Department": "Marketing", "LastModifiedDate": "2026-11-22T10:00:00.000Z"}
    return {"schema": "x", "payload": {"ChangeEventHeader": header, **values}, "event": {"replayId": number + 1}}


async def _subscribe(kafka: str, mongodb: str, _org: str, records: int) -> Samples:
    settings, samples, done = ChangesSettings(channels=(CHANNEL,)), Samples(records), asyncio.Event()
    async with (
        store(mongodb) as (database, _catalog),
        open_producer(KafkaSettings(bootstrap_servers=kafka)) as producer,
    ):
        subscriber = Subscriber(
            source=_Source(records, samples, done),
            log=ChangeLog(producer),
            positions=MongoPositions(database, "00D"),
            leases=MongoLeases(database),
            gaps=MongoGaps(database, "00D"),
            settings=settings,
            health=Health(),
            org_id="00D",
            owner="bench",
        )
        await subscriber.run(done)
    return samples


async def _reconcile(kafka: str, mongodb: str, _org: str, records: int) -> Samples:
    samples, done = Samples(records), asyncio.Event()

    def count(_topic: str, _records: object, results: Sequence[Result]) -> None:
        samples.add(len(results))
        if samples.done:
            done.set()

    async with (
        store(mongodb) as (database, catalog),
        open_producer(KafkaSettings(bootstrap_servers=kafka)) as producer,
    ):
        runner = Runner(reconciler(database, catalog, Doorbells(producer)), RunnerSettings(), on_results=count)
        await runner.run(EventFeed(records, customers=CUSTOMERS), done)
    return samples


async def _write(_kafka: str, mongodb: str, org: str, records: int) -> Samples:
    samples, done, writing = Samples(records), asyncio.Event(), WriterSettings()
    settings = SalesforceSettings(client_id="bench", client_secret="bench", login_url=org)

    def count(_topic: str, _records: object, results: Sequence[Result]) -> None:
        samples.add(len(results))

    async with store(mongodb) as (database, catalog), open_salesforce(settings, now=now) as salesforce:
        bells = Feed()
        writer = Writer(
            catalog=lambda: catalog,
            documents=MongoDocuments(database),
            records=salesforce.records,
            log=MongoSyncLog(database),
            parked=MongoParkedRecords(database),
            now=now,
            reservations=MongoReservations(database),
        )
        runner = Runner(
            writer,
            RunnerSettings(lanes=writing.lanes),
            linger=writing.linger_seconds,
            fill=writing.fill_seconds,
            coalesce=True,
            on_results=count,
        )
        running = asyncio.create_task(runner.run(bells, done))
        deciding = reconciler(database, catalog, kept := Kept())
        # More than will be taken: an edit that meets a write under way rings when that is answered, and not ten times.
        customers = AT_ONCE * -(-records // (AT_ONCE * EDITS))
        feed = EventFeed(customers * EDITS, customers=customers, at_once=AT_ONCE)
        while not samples.done and (batch := feed.take(200)):
            kept.bells.clear()
            await deciding.handle(batch)
            await bells.ring([bell for _ in range(RINGS) for bell in kept.bells])
            await until(lambda: runner.in_flight + len(bells) <= 2 * RINGS * 200)
        await until(lambda: not runner.in_flight and not len(bells))
        done.set()
        await running
    return samples


async def _child(name: str, kafka: str, mongodb: str, org: str, records: int) -> None:
    collect_less()
    began = time.perf_counter()
    work = {"webhook": _webhook, "subscribe": _subscribe, "reconcile": _reconcile, "write": _write, **BESIDE}[name]
    samples = await work(kafka, mongodb, org, records)
    tell({**samples.told(), "seconds": time.perf_counter() - began, "cpu": own_cpu()})


if __name__ == "__main__":
    quiet()
    if sys.argv[1] == "post":
        _post(int(sys.argv[2]), int(sys.argv[3]))
    else:
        uvloop.run(_child(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5])))
