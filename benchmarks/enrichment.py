"""Registrations while people wait: `tandem api` and `tandem enrich` on real servers and a simulated org of given ills.

Registrations come at a steady pace whether or not the ones before are answered. Every address is a new one, so that the
cache helps nobody; half of them are known to the org.
"""

import asyncio
import os
import re
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from pymongo import AsyncMongoClient

from adapters.mongo.api_keys import MongoApiKeys
from benchmarks.results import Results
from ops.api_keys_command import new_key
from ops.demo.cast import Child, Part, open_cast, ready, told
from ops.metadata.simulated import schema_file
from schemas.api_key import Scope
from schemas.presets import preset
from simulator.servers.local import KAFKA, MONGODB, SETTINGS, servers_or_start
from simulator.servers.process import free_ports

SIZES = {"records": 1_500, "rounds": 1}
RATE = 50.0
"""Registrations a second."""
DEADLINE = 2.0
READY_SECONDS = 120.0
RETURN_SECONDS = 300.0
POLL_SECONDS = 0.2
DATABASE = "tandem_bench_enrichment"
WARM = 100
CPU = re.compile(r"^process_cpu_seconds_total ([0-9.e+]+)", re.MULTILINE)
FAILED_CALLS = re.compile(r'^tandem_people_calls_total\{end="failed"\} ([0-9.]+)', re.MULTILINE)
SLOW_ORG: Sequence[Mapping[str, Any]] = (
    {"probability": 0.02, "delay_ms": 8_000},
    {"probability": 0.3, "delay_ms": 140},
    {"probability": 0.6, "delay_ms": 200},
    {"delay_ms": 320},
)
"""The first that strikes counts: a median of 200 ms, and two calls in a hundred that take eight seconds."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One registration as its sender saw it; seconds."""

    email: str
    seconds: float
    status: str


class Site:
    """The platform's server, with an org behind Tandem that can be made ill."""

    def __init__(self, http: aiohttp.ClientSession, api: str, ops: str, org: str, key: str, database: Any) -> None:
        self._http = http
        self._api = api
        self._ops = ops
        self._org = org
        self._key = key
        self.database = database

    async def register(self, number: int, run: str) -> Answered:
        """Register the person of this number; the odd ones are known to the org."""
        email = f"{run}{number}@{'known' if number % 2 else 'new'}.example"
        began = time.perf_counter()
        headers = {"Authorization": f"Bearer {self._key}"}
        body = {"email": email, "name": f"Ana {run}{number}", "skills": ["Go"]}
        async with self._http.post(f"{self._api}/api/participants", json=body, headers=headers) as answer:
            shown = await answer.json()
            if answer.status != 201:
                raise RuntimeError(f"a registration was answered {answer.status}: {shown}")
        return Answered(email, time.perf_counter() - began, shown["participant"]["salesforce"]["syncStatus"])

    async def at_pace(self, count: int, run: str, *, first: int = 0) -> list[Answered]:
        """So many registrations, one every 1/RATE seconds whatever becomes of the others."""
        async with asyncio.TaskGroup() as group:
            tasks = []
            began = time.perf_counter()
            for number in range(count):
                await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
                tasks.append(group.create_task(self.register(first + number, run)))
        return [task.result() for task in tasks]

    async def admin(self, verb: str, path: str, body: Any = None) -> Any:
        """JSON of the org's admin page."""
        async with self._http.request(verb, f"{self._org}/admin{path}", json=body) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def ail(self, *faults: Mapping[str, Any]) -> None:
        """From now on these befall calls about people, instead of what did before."""
        await self.admin("DELETE", "/faults")
        for fault in faults:
            await self.admin("POST", "/faults", {"kind": "delay", "path": "/composite", **fault})

    async def calls(self) -> int:
        """API calls that the org has counted."""
        return int((await self.admin("GET", "/calls"))["used"])

    async def failed_calls(self) -> float:
        """Calls about people who waited that came to nothing."""
        return await self._metric(FAILED_CALLS)

    async def cpu(self) -> float:
        """Seconds of CPU that `tandem api` has used."""
        return await self._metric(CPU)

    async def _metric(self, pattern: re.Pattern[str]) -> float:
        async with self._http.get(f"{self._ops}/metrics") as answer:
            found = pattern.search(await answer.text())
        return float(found[1]) if found else 0.0

    async def know(self, count: int, run: str) -> None:
        """The odd ones of a run become Contacts in the org."""
        people = [
            {"action": "create", "fields": {"LastName": run, "Email": f"{run}{number}@known.example", "Title": "CTO"}}
            for number in range(1, count, 2)
        ]
        for start in range(0, len(people), 400):
            await self.admin("POST", "/edits", {"edits": people[start : start + 400], "together": True})

    async def all_told(self) -> float:
        """Seconds until nobody is pending any more.

        Raises:
            TimeoutError: somebody still was.
        """
        began = time.perf_counter()
        async with asyncio.timeout(RETURN_SECONDS):
            while True:
                if not await self.database["participants"].count_documents({"_sync.enriched.due": {"$exists": True}}):
                    break
                await asyncio.sleep(POLL_SECONDS)
        return time.perf_counter() - began

    async def lost(self, answers: Sequence[Answered]) -> int:
        """Registrations that are not stored, or are not what the org would have told of them."""
        found = {
            each["email"]: each["salesforce"]["syncStatus"]
            async for each in self.database["participants"].find({}, {"email": 1, "salesforce": 1})
        }
        wanted = {one.email: "synced" if one.email.endswith("@known.example") else "not_found" for one in answers}
        return sum(found.get(email) != status for email, status in wanted.items())


async def measure(*, records: int, rounds: int) -> Results:
    """`records` are the registrations of each scenario."""
    rows: dict[str, dict[str, float]] = {}
    told: dict[str, list[dict[str, float]]] = {"slow": [], "down": []}
    async with site() as made:
        for number in range(rounds):
            slow = await _slow(made, records, f"s{number}x")
            down = await _down(made, records // 2, f"d{number}x")
            told["slow"].append(slow)
            told["down"].append(down)
    for name, title in (("slow", "org of 200 ms, 2 % slow"), ("down", "org that does not answer")):
        rows[title] = {key: statistics.median(one[key] for one in told[name]) for key in told[name][0]}
    note = (
        f"{RATE:g} registrations a second; in time: told within {DEADLINE:g} s. Of the org that does not answer: "
        "from the opening of the breaker on; `told after` is the time from its return until nobody is pending."
    )
    return Results("enrichment: registrations while a person waits", rows, rounds=told, note=note)


async def _slow(made: Site, records: int, run: str) -> dict[str, float]:
    await made.know(records + WARM, run)
    await made.ail(*SLOW_ORG)
    await made.at_pace(WARM, run)
    calls, cpu = await made.calls(), await made.cpu()
    answers = await made.at_pace(records, run, first=WARM)
    spent, used = await made.calls() - calls, await made.cpu() - cpu
    await made.ail()
    after = await made.all_told()
    return _row(answers, spent, used, after, await made.lost(answers))


async def _down(made: Site, records: int, run: str) -> dict[str, float]:
    await made.know(records + WARM, run)
    failed = await made.failed_calls()
    await made.ail({"delay_ms": 600_000})
    before: list[Answered] = []
    first = 0
    while await made.failed_calls() < failed + 3:
        before += await made.at_pace(25, f"{run}w", first=first)
        first += 25
    calls, cpu = await made.calls(), await made.cpu()
    answers = await made.at_pace(records, run)
    spent, used = await made.calls() - calls, await made.cpu() - cpu
    await made.ail()
    after = await made.all_told()
    return _row(answers, spent, used, after, await made.lost(answers))


def _row(answers: Sequence[Answered], calls: int, cpu: float, after: float, lost: int) -> dict[str, float]:
    seconds = sorted(one.seconds for one in answers)

    def percentile(share: float) -> float:
        return 1000 * seconds[min(len(seconds) - 1, int(share * len(seconds)))]

    return {
        "p50 ms": percentile(0.5),
        "p99 ms": percentile(0.99),
        "longest ms": 1000 * seconds[-1],
        "in time": sum(one.status != "pending" for one in answers) / len(answers),
        "API calls/registration": calls / len(answers),
        "own CPU ms/registration": 1000 * cpu / len(answers),
        "told after s": after,
        "lost": lost,
    }


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    """Real Kafka and MongoDB, the org and both processes, in processes of their own."""
    environ = {name: value for name, value in os.environ.items() if name not in SETTINGS.values()}
    mapping = preset("hackathon")
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tandem-bench-")))
        servers = await stack.enter_async_context(servers_or_start({}, None, (KAFKA, MONGODB)))
        http = await stack.enter_async_context(
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60), connector=aiohttp.TCPConnector(limit=1_000))
        )
        cast = await stack.enter_async_context(open_cast(folder))
        schema = folder / "schema.yaml"
        schema.write_text(schema_file(mapping), encoding="utf-8")
        org_settings = {
            "SIMULATED_ORG_SCHEMA_FILE": str(schema),
            "SIMULATED_ORG_COMETD__ENTITIES": orjson.dumps(sorted(mapping.objects())).decode(),
            "SIMULATED_ORG_DAILY_API_REQUESTS": "10000000",
        }
        started = await cast.start(
            Part("org", ("-P", "-m", "simulator", "org", "--port", "0"), {**environ, **org_settings})
        )
        org = await cast.unless_one_ends(told(started, READY_SECONDS))
        api_port, *ops_ports = free_ports(3)
        settings = {
            "KAFKA_BOOTSTRAP_SERVERS": servers.kafka_bootstrap,
            "MONGODB_URI": servers.mongodb_uri,
            "MONGODB_DATABASE": DATABASE,
            "MAPPING_PRESET": "hackathon",
            "SALESFORCE_CLIENT_ID": org["client_id"],
            "SALESFORCE_CLIENT_SECRET": org["client_secret"],
            "SALESFORCE_LOGIN_URL": org["base_url"],
            "API_PORT": str(api_port),
        }
        children: dict[str, tuple[Child, str]] = {}
        for name, port in zip(("enrich", "api"), ops_ports, strict=True):
            part = Part.tandem(name, {**environ, **settings, "OPS_PORT": str(port)})
            children[name] = await cast.start(part), f"http://127.0.0.1:{port}"
        for child, url in children.values():
            await cast.unless_one_ends(ready(child, http, url, READY_SECONDS))
        text, key = new_key("bench", (Scope.EVENTS, Scope.ENRICH), by="bench", at=datetime.now(UTC), rate=10_000.0)
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(servers.mongodb_uri)
        await stack.enter_async_context(client)
        await MongoApiKeys(client[DATABASE]).add(key)
        yield Site(http, f"http://127.0.0.1:{api_port}", children["api"][1], org["base_url"], text, client[DATABASE])
