"""The pages of the admin page with 1,000,000 documents and 10,000,000 rows of the audit: each under 100 ms.

The documents and rows are those that the stages leave, copied within MongoDB (`benchmarks.page_data`); `tandem admin`
serves them from a process of its own, beside a real Kafka. Every page is got once with MongoDB's profiler on.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
from pymongo import AsyncMongoClient

from adapters.encryption.passwords import hash_password
from adapters.kafka.settings import KafkaSettings
from adapters.kafka.topics import make_topics
from adapters.mongo.client import open_database
from adapters.mongo.collections import DELIVERIES, GAPS, PARKED, SYNC_LOGS
from adapters.mongo.mappings import MongoMappings
from adapters.mongo.samples import MongoSamples
from adapters.mongo.settings import MongoSettings
from adapters.mongo.users import MongoUsers
from benchmarks.cheap_org import cheap_org
from benchmarks.holding import now
from benchmarks.page_data import multiply
from benchmarks.page_errands import Asked, ask
from benchmarks.page_templates import choosing_mapping, templates
from benchmarks.page_visits import Examples, Visited, Visitor, pages_of, unvisited
from benchmarks.results import Results, Table, servers_for
from ops.admin.rollup import TIERS
from ops.gaps_view import handle
from schemas.operators import Role, User
from schemas.samples import Sample
from simulator.servers.local import KAFKA, MONGODB, SETTINGS, Servers
from simulator.servers.process import free_ports

SIZES = {"records": 1_000_000, "rounds": 50}
UP_SECONDS: Final = 300.0
NAME: Final = "grace"
GOAL_MS: Final = 100


async def measure(*, records: int, rounds: int) -> Results:
    """How long each page takes, and what its queries looked at."""
    many, password = f"bench_{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    async with servers_for(KAFKA, MONGODB) as servers:
        await make_topics(KafkaSettings(bootstrap_servers=servers.kafka_bootstrap))
        async with cheap_org() as org, templates(servers.mongodb_uri, org, f"{many}_few"):
            sizes = await multiply(servers.mongodb_uri, f"{many}_few", many, records)
        asked = await _people_samples_and_errands(servers.mongodb_uri, many, password)
        pages = pages_of(await _examples(servers.mongodb_uri, many, asked))
        if missing := unvisited(pages.values()):
            raise RuntimeError(f"pages that would not be measured: {', '.join(missing)}")
        async with _admin(servers, many) as url:
            visitor = Visitor(url, servers.mongodb_uri, many)
            found = await visitor.visit(NAME, password, list(pages.values()), rounds)
    table = {name: _row(found[page]) for name, page in pages.items()}
    scanned = {name: found[page].scans for name, page in pages.items() if found[page].scans}
    held = ", ".join(f"{count:,} in {name}" for name, count in sizes.items())
    told = f"looked through from the beginning: {scanned}" if scanned else "no query looks through one of these"
    took = {name: [round(each, 2) for each in found[page].milliseconds] for name, page in pages.items()}
    return Results(f"pages: {len(pages)} of the admin page", table, took, f"{held}; {told}; {_slow(table)}.")


def _slow(table: Table) -> str:
    """Which are not as quick as all should be, the slowest first."""
    over = sorted(((row["p99 ms"], name) for name, row in table.items() if row["p99 ms"] >= GOAL_MS), reverse=True)
    told = ", ".join(f"{name} ({took:.0f} ms)" for took, name in over)
    return f"{GOAL_MS} ms and more in p99: {told}" if told else f"each under {GOAL_MS} ms in p99"


def _row(visited: Visited) -> dict[str, float]:
    took = sorted(visited.milliseconds)
    return {
        "p50 ms": statistics.median(took),
        "p99 ms": took[min(len(took) - 1, round(0.99 * len(took)))],
        "queries": float(visited.queries),
        "documents looked at": float(visited.documents),
        "index keys looked at": float(visited.keys),
        "kB": visited.bytes / 1000,
    }


async def _people_samples_and_errands(mongodb: str, name: str, password: str) -> Asked:
    """An admin, the mapping, two weeks of what the charts are drawn of, and what people have asked for."""
    async with open_database(MongoSettings(uri=mongodb, database=name)) as database:
        await MongoMappings(database).seed(choosing_mapping())
        await MongoUsers(database).add(User(NAME, Role.ADMIN, await hash_password(password), created_at=now()))
        samples = MongoSamples(database)
        for tier in TIERS.values():
            ends = now() // tier.width * tier.width
            made = [
                Sample(at, tier.width, tier.width, {"handled:platform.events": 100, "write:applied": 90}, {"due": 5})
                for at in range(ends - tier.shown, ends, tier.width)
            ]
            await samples.keep([(each, tier.kept) for each in made])
        return await ask(database)


async def _examples(mongodb: str, name: str, asked: Asked) -> Examples:
    """What there is a page of."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongodb)
    async with client:
        database = client[name]
        row = await database[SYNC_LOGS].find_one({"type": "audit"}, sort=[("at", 1)])
        parked, delivery, gap = [await database[each].find_one({}) for each in (PARKED, DELIVERIES, GAPS)]
    assert row is not None
    assert parked is not None
    assert delivery is not None
    assert gap is not None
    return Examples(
        kind=row["kind"],
        document=row["document"],
        parked=parked["_id"],
        delivery=delivery["_id"],
        gap=handle(gap["_id"]),
        run=asked.run,
        replay=asked.replay,
        change=asked.change,
    )


@asynccontextmanager
async def _admin(servers: Servers, database: str) -> AsyncIterator[str]:
    """`tandem admin` in a process of its own; its address, once it answers.

    Raises:
        TimeoutError: it did not come up.
    """
    port, ops_port = free_ports(2)
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS.values()} | {
        "KAFKA_BOOTSTRAP_SERVERS": servers.kafka_bootstrap,
        "MONGODB_URI": servers.mongodb_uri,
        "MONGODB_DATABASE": database,
        "MAPPING_PRESET": "customers",
        "ADMIN_PORT": str(port),
        "ADMIN_SECURE_COOKIES": "false",
        "OPS_PORT": str(ops_port),
    }
    with tempfile.TemporaryDirectory(prefix="tandem-bench-") as folder:
        log = await asyncio.to_thread((Path(folder) / "admin.log").open, "wb")
        command = (sys.executable, "-m", "ops", "admin")
        process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            async with asyncio.timeout(UP_SECONDS), aiohttp.ClientSession() as http:
                while not await _answers(http, url):
                    if process.returncode is not None:
                        raise RuntimeError((Path(folder) / "admin.log").read_text(encoding="utf-8")[-2000:])
                    await asyncio.sleep(0.2)
            yield url
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
            log.close()


async def _answers(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(f"{url}/admin/login") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False
