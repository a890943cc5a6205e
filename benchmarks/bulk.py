"""100,000 rows by Bulk API: what the process that sends them holds in memory, and how many calls it makes.

First one job of so many rows, each made when it is taken and its outcome read when it comes. Then the whole way of a
tenth as many new customers: their documents are made in a process of its own, all of their doorbells wait at once, and
the writer, as `tandem write` composes it, takes them: look-up, Bulk jobs, their lists, and the read whole that follows
every new link. MongoDB is real; the org is a cheap one, which keeps no rule.
"""

import asyncio
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import uvloop

from adapters.mongo.client import open_database
from adapters.mongo.collections import prepare
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.gaps import MongoObjectGaps
from adapters.mongo.logs import MongoParkedRecords, MongoSyncLog
from adapters.mongo.reservations import MongoReservations
from adapters.mongo.settings import MongoSettings
from adapters.salesforce.opening import open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from benchmarks.cheap_org import cheap_org
from benchmarks.child import own_cpu, quiet, run_child, tell
from benchmarks.events import customer_event
from benchmarks.feed import EventFeed, Feed, Kept
from benchmarks.results import Results, servers_for
from benchmarks.rss import Samples, row
from consumers.catalog import Catalog
from consumers.reconciler.reconciler import Reconciler
from consumers.rules.parents import ROWS_A_CALL
from consumers.runner.runner import Runner
from consumers.runner.settings import RunnerSettings
from consumers.settings import WriterSettings
from consumers.writer.sweep import Sweep
from consumers.writer.writer import Writer
from ops.processes.frame import collect_less
from schemas import topics
from schemas.bulk import BulkLoad, BulkOperation, BulkState
from schemas.codec import encode
from schemas.doorbell import Doorbell
from schemas.presets import preset
from schemas.records import RecordUpdate
from simulator.servers.local import MONGODB

SIZES = {"records": 100_000, "rounds": 1}
LOOK_SECONDS = 0.5
LONGEST_SECONDS = 1_500.0


async def measure(*, records: int, rounds: int) -> Results:
    """The runs whose memory is the median."""
    told: dict[str, list[dict[str, Any]]] = {}
    async with servers_for(MONGODB) as servers:
        for _round in range(rounds):
            name, fewer = f"bench_{uuid.uuid4().hex[:8]}", max(1, records // 10)
            await run_child("bulk", "make", servers.mongodb_uri, name, str(fewer))
            runs = (
                (f"one job of {records:,} rows", records, ("job", str(records))),
                (f"{fewer:,} new customers by the writer", fewer, ("write", servers.mongodb_uri, name, str(fewer))),
            )
            for title, rows, arguments in runs:
                async with cheap_org() as address:
                    answer = await run_child("bulk", *arguments, address)
                    async with aiohttp.ClientSession() as http, http.get(f"{address}/calls") as reply:
                        calls: dict[str, int] = await reply.json(content_type=None)
                counted = {"Bulk jobs": calls.get("POST /jobs/{kind}", 0), "API calls": sum(calls.values())}
                speed = {"rows/s": rows / answer["seconds"], "own CPU us/row": 1e6 * answer["cpu"] / rows}
                memory = row(answer["samples"], answer["peak"])
                told.setdefault(title, []).append({**counted, **speed, **memory, "by resource": calls})
    table = {title: _median(runs) for title, runs in told.items()}
    return Results(f"bulk: {records:,} rows by Bulk jobs", table, rounds=told)


def _median(runs: list[dict[str, Any]]) -> dict[str, float]:
    middle = sorted(runs, key=lambda one: float(one["MB at most"]))[(len(runs) - 1) // 2]
    return {name: value for name, value in middle.items() if name != "by resource"}


async def _job(records: int, address: str) -> None:
    """One job, opened, sent, asked after, read and discarded."""
    collect_less()
    settings = SalesforceSettings(client_id="bench", client_secret="bench", login_url=address)
    kind = Catalog(preset("customers")).kinds["customer"]
    load = BulkLoad(kind.sobject, BulkOperation.UPSERT, kind.token, kind.external_id)
    async with open_salesforce(settings, now=_now) as salesforce:
        samples, began, bulk = Samples(2 * records), time.perf_counter(), salesforce.bulk

        async def rows() -> AsyncIterator[RecordUpdate]:
            for number in range(records):
                id_, body = customer_event(number, records)
                values = orjson.loads(body)["data"]["fields"]
                told = {"LastName": values["last_name"], "Email": values["email"], "Title": values["title"]}
                samples.add()
                yield RecordUpdate({**told, kind.token: f"{id_}:1"}, external_id=id_)

        job = await bulk.open(load)
        assert not await bulk.send(job, load, rows())
        assert await bulk.state(job) is BulkState.ENDED
        async for outcome in bulk.outcomes(job, load):
            assert outcome.result.succeeded
            samples.add()
        await bulk.discard(job)
        assert samples.done
        tell({**samples.told(), "seconds": time.perf_counter() - began, "cpu": own_cpu()})


@asynccontextmanager
async def _store(mongodb: str, name: str) -> Any:
    async with open_database(MongoSettings(uri=mongodb, database=name), retry_writes=False) as database:
        catalog = Catalog(preset("customers"))
        await prepare(database, [kind.collection for kind in catalog.kinds.values()])
        yield database, catalog


async def _make(mongodb: str, name: str, records: int) -> None:
    """One event for each customer."""
    async with _store(mongodb, name) as (database, catalog):
        reconciler = Reconciler(
            catalog=lambda: catalog,
            documents=MongoDocuments(database),
            log=MongoSyncLog(database),
            parked=MongoParkedRecords(database),
            gaps=MongoObjectGaps(database),
            doorbells=(kept := Kept()),
            now=_now,
        )
        feed = EventFeed(records, customers=records)
        while batch := feed.take(200):
            await reconciler.handle(batch)
            kept.bells.clear()
        tell({"made": records})


async def _write(mongodb: str, name: str, records: int, address: str) -> None:
    collect_less()
    settings = SalesforceSettings(client_id="bench", client_secret="bench", login_url=address)
    writing = WriterSettings()
    async with _store(mongodb, name) as (database, catalog), open_salesforce(settings, now=_now) as salesforce:
        documents, log = MongoDocuments(database), MongoSyncLog(database)
        bells, done = Feed(_bells(records)), asyncio.Event()
        writer = Writer(
            catalog=lambda: catalog,
            documents=documents,
            records=salesforce.records,
            log=log,
            parked=MongoParkedRecords(database),
            now=_now,
            bulk=salesforce.bulk,
            bulk_rows=writing.bulk_rows,
            reservations=MongoReservations(database),
        )
        runner = Runner(
            writer,
            RunnerSettings(
                lanes=writing.lanes, batch_size=ROWS_A_CALL, max_in_flight=2 * writing.lanes * writing.bulk_rows
            ),
            linger=writing.linger_seconds,
            fill=writing.fill_seconds,
            backlog=writing.bulk_rows,
            coalesce=True,
        )
        sweep = Sweep(catalog=lambda: catalog, documents=documents, doorbells=bells, log=log, now=_now)
        samples, began = Samples(records), time.perf_counter()
        running = asyncio.create_task(runner.run(bells, done))
        async with asyncio.timeout(LONGEST_SECONDS):
            while not samples.done:
                await sweep.ring_due()
                await asyncio.sleep(LOOK_SECONDS)
                synced = await database["customers"].count_documents({"salesforce.syncStatus": "synced"})
                samples.add(synced - samples.count)
                if running.done():
                    break
        done.set()
        await running
        tell({**samples.told(), "seconds": time.perf_counter() - began, "cpu": own_cpu()})


def _bells(records: int) -> Iterator[tuple[bytes, bytes]]:
    """All of them, made as they are taken, as they would come out of Kafka."""
    for number in range(records):
        id_, _ = customer_event(number, records)
        bell = Doorbell(kind="customer", id=id_, record_id="")
        yield topics.document_key("customer", id_), encode(bell)


def _now() -> int:
    return time.time_ns() // 1_000_000


async def _child(what: str, *arguments: str) -> None:
    match what:
        case "make":
            await _make(arguments[0], arguments[1], int(arguments[2]))
        case "job":
            await _job(int(arguments[0]), arguments[1])
        case _:
            await _write(arguments[0], arguments[1], int(arguments[2]), arguments[3])


if __name__ == "__main__":
    quiet()
    uvloop.run(_child(*sys.argv[1:]))
