"""Keeps what this release writes, for every release after it to read. `make corpus`.

The demo is played small, each preset on a Kafka and a MongoDB of its own; then every topic and every collection is
kept, with what this release itself reads there. `make corpus ARGS=--anew` records a release that is not out again. One
that is out never is: its corpus is what it was.
"""

import argparse
import asyncio
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from support import corpus
from support.rare_documents import rare_documents

from adapters.kafka.logs import EnrichmentRequests, PlatformChanges
from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.kafka.topics import make_topics
from adapters.kafka.window import open_window
from adapters.mongo.alerts import MongoAlerts
from adapters.mongo.collections import prepare
from adapters.mongo.endpoints import MongoEndpoints
from adapters.mongo.gaps import MongoGaps, MongoLogGaps, MongoObjectGaps
from adapters.mongo.logs import MongoParkedRecords
from adapters.mongo.mappings import MongoMappings
from adapters.mongo.operations import MongoOperations
from adapters.mongo.runs import MongoRuns
from adapters.mongo.users import MongoUsers
from consumers.catalog import Catalog
from consumers.reconciler.reconciler import parked_record
from ops.admin.sign import Level
from ops.alerts.rules import Alert
from ops.alerts.stored import StoredAlerts
from ops.sync.asking import new_run
from schemas import topics
from schemas.codec import encode
from schemas.gap import ComparisonGap, Found, GapReason, ObjectGap
from schemas.marks import Redriven
from schemas.operators import Role, User
from schemas.outcome import Outcome
from schemas.storage import Concluded
from schemas.stream import Gap, LostOffsets
from schemas.sync_run import RunCommand, RunRequest
from schemas.telling import Row, telling_id
from simulator.servers.local import local_servers

PRESETS = ("ticketing", "hackathon")
SIZE = ("--customers", "6", "--events", "60", "--conflicts", "0", "--plain", "--seed", "11")
CHANGELOG = Path(__file__).parent.parent / "CHANGELOG.md"
ORG = "00D000000000001EAA"
WITHOUT = ("tandem_leases", "tandem_reservations", "tandem_processes", "tandem_allocations", "salesforce_object_cache")
"""Collections whose rows live for minutes: nothing of an older release is in them when a newer one starts."""


async def _records(bootstrap: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for topic in topics.EVERY:
        async with open_window(KafkaSettings(bootstrap_servers=bootstrap), topic) as window:
            for partition, (first, end) in (await window.bounds()).items():
                at = first
                while at < end:
                    records, at = await window.read(partition, at, end, 500)
                    found += [corpus.of_record(one) for one in records]
    return sorted(found, key=lambda one: (one["topic"], one["partition"], one["offset"]))


async def _ask_for_rare(bootstrap: str) -> None:
    """Records that a small demo has no occasion for, by the very code that writes them, or as is told of them."""
    settings = KafkaSettings(bootstrap_servers=bootstrap)
    await make_topics(settings, topics.EVERY)
    told: Row = {
        "_id": telling_id("customer", "c-1", 3),
        "kind": "customer",
        "document": "c-1",
        "type": "customer.changed",
        "at": 1_796_000_000_000,
        "revision": 3,
        "fields": {"phone": "+40712345678"},
        "cause": {"record": "003000000000001AAA"},
    }
    asked = RunCommand(id="corpus", what="all", since=datetime(2026, 1, 1, tzinfo=UTC), dry_run=True, by="ada")
    async with open_producer(settings) as producer:
        await PlatformChanges(producer).tell([told])
        await EnrichmentRequests(producer).ask([("participant", "p-1")])
        await producer.deliver_all(topics.COMMANDS, [(b"corpus", encode(asked), [])])


async def _add_rare(database: Any, records: list[dict[str, Any]]) -> None:
    """Rows that a small demo has no occasion for, by the very code that writes them."""
    current = await MongoMappings(database).current()
    if current is None:
        raise RuntimeError("the demo has left no mapping")
    await prepare(database, current.collections(), current.counted(), current.matched())
    first, second = (corpus.to_record(one) for one in records[:2])
    parked = MongoParkedRecords(database, timedelta(days=90))
    await parked.park([parked_record(first, "undecodable", "not JSON: position 1", first.timestamp)])
    await parked.park([parked_record(second, "invalid_value", "phone: no number", second.timestamp, kind="customer")])
    row = f"{second.topic}:{second.partition}:{second.offset}"
    await parked.conclude([Concluded(Redriven(row, 2), Outcome.APPLIED, "", second.timestamp + 1)])
    await MongoGaps(database, ORG).record(Gap("/data/ChangeEvents", "position_refused", 1, 2, 7))
    await MongoObjectGaps(database).note([ObjectGap(GapReason.OVERFLOW, "Contact", "tx", 1, 2)])
    lost = LostOffsets(1, 5, 9)
    await MongoLogGaps(database).record("tandem.reconciler", topics.PLATFORM_EVENTS, 0, "offset_out_of_range", lost, 2)
    found = ComparisonGap("compare-once", "customer", "Contact", Found(9, 2, 1), "9 looked at", 1, 2)
    await MongoGaps(database, ORG).compared([found])
    request = RunRequest.model_validate({"id": "all-once"})
    await MongoRuns(database).add(new_run(request, Catalog(current), now=first.timestamp))
    told = {"_id": "discard:1", "what": "discard", "item": row, "by": "ada", "note": "", "at": 1, "result": "done"}
    await MongoOperations(database).add([{**told, "kind": "customer", "document": "c-1", "reason": "undecodable"}])
    await _add_people(database, first.timestamp)
    await _add_documents(database, Catalog(current))


async def _add_people(database: Any, at: int) -> None:
    """Who may use the admin page, what they were told of, and where they have the platform told."""
    await MongoUsers(database).add(User("ada", Role.ADMIN, "no hash of any password", created_at=at, seen_at=at + 1))
    alerts = StoredAlerts(MongoAlerts(database))
    told = Alert("parked", Level.ILL, "3 records are parked", "/admin/parked", at, at + 1, at + 2, Level.ILL)
    await alerts.save([told])
    await alerts.silence("parked", at + 3_600_000, "ada")
    endpoints = MongoEndpoints(database)
    await endpoints.set_url("https://platform.example.com/told", "ada", at)
    await endpoints.failed(at + 1)
    await endpoints.disable("a day of failures", at + 2)


async def _add_documents(database: Any, catalog: Catalog) -> None:
    kind = catalog.kinds["registration"]
    documents = database[kind.collection]
    one = await documents.find_one({"_sync.fields": {"$exists": True}}, sort=[("_id", 1)])
    if one is None:
        raise RuntimeError(f"the demo has left no {kind.name}")
    await documents.insert_many(list(rare_documents(one, kind)))


async def _keep(preset: str, path: Path) -> str:
    async with local_servers(os.environ) as servers:
        environ = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": servers.kafka_bootstrap, "MONGODB_URI": servers.mongodb_uri}
        command = [sys.executable, "-m", "ops", "demo", "--preset", preset, *SIZE]
        # Whatever its observer thinks of so small a demo: what was written is what is kept.
        await asyncio.to_thread(subprocess.run, command, env=environ, check=False)
        await _ask_for_rare(servers.kafka_bootstrap)
        records = await _records(servers.kafka_bootstrap)
        async with AsyncMongoClient[dict[str, Any]](servers.mongodb_uri, tz_aware=True) as client:
            (name,) = [name for name in await client.list_database_names() if name.startswith("tandem_demo_")]
            database = client[name]
            await _add_rare(database, records)
            collections = [one["name"] async for one in await database.list_collections(filter={"type": "collection"})]
            rows = {
                collection: await database[collection].find({}, sort=[("_id", 1)]).to_list()
                for collection in sorted(collections)
                if not collection.startswith("system.") and collection not in WITHOUT
            }
            for row in rows.get("tandem_positions", ()):
                row["owner"] = "subscriber"  # else the name of this machine
            current = await MongoMappings(database).current()
        if current is None:
            raise RuntimeError("the demo has left no mapping")
        told = corpus.told([corpus.to_record(one) for one in records], rows, Catalog(current))
        corpus.store(path, corpus.Corpus("", records, rows, told))
        return f"{path}: {len(records)} records, {sum(map(len, rows.values()))} rows,"


def _is_out(release: str) -> bool:
    """Whether the changelog has closed it."""
    return re.search(rf"^## \[?{re.escape(release)}\b", CHANGELOG.read_text(), re.MULTILINE) is not None


def main() -> int:
    """Record what is not recorded yet of this release, or all of it anew; the exit code."""
    parser = argparse.ArgumentParser(description="Keep what this release writes.")
    parser.add_argument("--anew", action="store_true", help="record again what is kept of a release that is not out")
    anew = parser.parse_args().anew
    release = version("tandem-sync")
    if anew and _is_out(release):
        print(f"{release} is out: its corpus is what it was")  # noqa: T201
        return 2
    for preset in PRESETS:
        path = corpus.FOLDER / release / f"{preset}.json.gz"
        if path.exists() and not anew:
            print(f"{path} is kept already")  # noqa: T201
            continue
        print(asyncio.run(_keep(preset, path)), f"{path.stat().st_size:,} bytes")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
