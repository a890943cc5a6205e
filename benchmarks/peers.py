"""`tandem reconcile` beside MongoDB's Kafka Connect sink: the same topic, the same broker and MongoDB, in turns.

First rate and CPU: both read all events from the beginning, each into a database of its own; the clock runs from the
first document to the last event's value in every document. Then the same faults for both: some events are posted
again after later ones, some pairs come in the wrong order, and the process is killed three times, at the same points of
the work. What each leaves wrong is told by the events alone: the latest by its own time is what a document has to show.

The sink does something else than Tandem: it has no rules, no audit, no log, no doorbells, and does not want to. It is
what one would take to bring events into MongoDB without a program of one's own.
"""

import asyncio
import contextlib
import os
import signal
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from pymongo import AsyncMongoClient

from adapters.kafka.growth import GroupOffsets
from adapters.kafka.settings import KafkaSettings
from adapters.kafka.topics import make_topics
from adapters.kafka.window import open_window
from benchmarks import connect
from benchmarks.events import customer_event
from benchmarks.results import Results, servers_for
from ops.processes import reconcile
from schemas import cloudevents, topics
from simulator.servers.local import KAFKA, MONGODB, Servers

SIZES = {"records": 20_000, "rounds": 2}
Unread = Callable[[], Awaitable[int]]

CONTENDERS: Final = ("connect", "tandem")
EVENTS_A_CUSTOMER: Final = 10
KILLS: Final = (2, 5, 8)
"""When some document shows the event of this round of its customer for the first time, the process is killed."""
LONGEST_SECONDS: Final = 300.0
LOOK_SECONDS: Final = 0.1
SETTLED_SECONDS: Final = 5.0
"""So long nothing is written once everything was: what is redelivered after the last value has come by then."""


async def measure(*, records: int, rounds: int) -> Results:
    """The medians of the rounds, and what the faults have left."""
    jars = await asyncio.to_thread(connect.fetch)
    told: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
    with tempfile.TemporaryDirectory(prefix="tandem-peers-") as folder:
        async with servers_for(KAFKA, MONGODB) as servers:
            await make_topics(KafkaSettings(bootstrap_servers=servers.kafka_bootstrap))
            await _publish(servers.kafka_bootstrap, records, faults=False)
            for number in range(rounds):
                for name in CONTENDERS if number % 2 == 0 else CONTENDERS[::-1]:
                    told[name].append(await _run(name, servers, jars, Path(folder), records, kills=()))
        faults: dict[str, dict[str, Any]] = {}
        async with servers_for(KAFKA, MONGODB) as servers:
            await make_topics(KafkaSettings(bootstrap_servers=servers.kafka_bootstrap))
            await _publish(servers.kafka_bootstrap, records, faults=True)
            for name in CONTENDERS:
                faults[name] = await _run(name, servers, jars, Path(folder), records, kills=KILLS)
    shown = {
        name: {
            "records/s": statistics.median(run["records"] / run["seconds"] for run in told[name]),
            "CPU us/record": statistics.median(1e6 * run["cpu"] / run["records"] for run in told[name]),
            **{key: faults[name][key] for key in ("killed", "lost", "stale", "backwards")},
        }
        for name in CONTENDERS
    }
    shown["ratio"] = {key: shown["tandem"][key] / shown["connect"][key] for key in ("records/s", "CPU us/record")}
    note = (
        "lost, stale, backwards: with three kills -9, one customer in ten posted again late and one in ten in the "
        "wrong order. lost: documents that are missing; stale: that show an older event than their last; backwards: "
        "how often a document went from a later event to an earlier one."
    )
    return Results(
        "peers: tandem reconcile beside MongoDB's Kafka Connect sink", shown, {**told, "faults": faults}, note
    )


def _customers(records: int) -> int:
    return max(10, records // EVENTS_A_CUSTOMER)


def order(records: int, *, faults: bool) -> list[int]:
    """The numbers of the events in the order in which they are published. Number n is customer n modulo all.

    With faults the last two events of customers 1, 11, 21 … change places, and the third event of 0, 10, 20 … is
    posted again at the end.
    """
    customers = _customers(records)
    numbers = list(range(records))
    if not faults:
        return numbers
    last = records - customers
    for customer in range(1, customers, 10):
        one, other = last - customers + customer, last + customer
        numbers[one], numbers[other] = numbers[other], numbers[one]
    return numbers + [2 * customers + customer for customer in range(0, customers, 10)]


async def _publish(kafka: str, records: int, *, faults: bool) -> None:
    """As the webhook does; what is posted again has the same id."""
    began = int(time.time() * 1000) - records
    async with AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True) as producer:
        sent = []
        for number in order(records, faults=faults):
            id_, body = customer_event(number, _customers(records))
            headers = cloudevents.headers(
                id=f"msg_{number:024d}",
                source="/webhooks/tickets",
                type="customer.updated",
                subject=f"customer/{id_}",
                time="2026-11-22T10:00:00.000Z",
                extensions={cloudevents.RECEIVED_AT: str(began + number), cloudevents.CLOCK_OFFSET: "0"},
            )
            sent.append(
                await producer.send(topics.PLATFORM_EVENTS, body, topics.document_key("customer", id_), headers=headers)
            )
        await asyncio.gather(*sent)


class _Onlooker:
    """Reads one contender's database and nothing of its own: what the documents show, and every update of them."""

    def __init__(self, database: Any, records: int) -> None:
        self._documents = database["customers"]
        self._database = database
        self._customers = _customers(records)
        self._last = records // self._customers - 1
        self.updates = 0
        self.backwards = 0
        self._shown: dict[str, int] = {}

    async def watch(self) -> None:
        """Count updates, and those that put an earlier event in the place of a later one; without end."""
        async with await self._documents.watch(full_document="updateLookup") as stream:
            async for change in stream:
                changed = change.get("updateDescription", {}).get("updatedFields") or change.get("fullDocument") or {}
                title = changed.get("title")
                if not isinstance(title, str):
                    continue
                number, key = int(title.rpartition(" ")[2]), str(change["documentKey"]["_id"])
                self.updates += 1
                self.backwards += number < self._shown.get(key, -1)
                self._shown[key] = number

    async def reached(self, round_: int) -> bool:
        """Whether some document shows the event of this round."""
        return await self._documents.find_one({"total_tickets": {"$gte": round_}}, {"_id": 1}) is not None

    async def whole(self) -> bool:
        """Whether every document has shown its last event once: shows it, or has been seen to."""
        return await self._documents.count_documents({"total_tickets": self._last}) >= self._customers

    async def verdict(self) -> dict[str, int]:
        """Documents that are missing, and that show an older event than their last."""
        found = await self._documents.count_documents({})
        right = await self._documents.count_documents({"total_tickets": self._last})
        return {"lost": self._customers - found, "stale": found - right}


async def _run(
    contender: str, servers: Servers, jars: Path, folder: Path, records: int, *, kills: tuple[int, ...]
) -> dict[str, Any]:
    """One contender over the whole topic."""
    name = f"peer_{uuid.uuid4().hex[:10]}"
    async with AsyncMongoClient[dict[str, Any]](servers.mongodb_uri) as client:
        database = client[name]
        await database.create_collection("customers")
        onlooker = _Onlooker(database, records)
        watching = asyncio.create_task(onlooker.watch())
        left, cpu = list(kills), 0.0
        group = f"connect-{name}" if contender == "connect" else name
        unread = partial(_unread, servers.kafka_bootstrap, group)
        began = ended = 0.0
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                while True:
                    async with _contender(contender, servers, jars, folder / name, name) as pid:
                        before = 0.0
                        await _begun(onlooker)
                        if not began:
                            began, before = time.perf_counter(), _cpu(pid)
                        killed = await _until_end(onlooker, left, unread if kills else None)
                        ended = time.perf_counter()
                        cpu += _cpu(pid) - before
                        if not killed:
                            break
                        left.pop(0)
                        os.kill(pid, signal.SIGKILL)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        told = await onlooker.verdict()
        await client.drop_database(name)
    return {
        "records": records,
        "seconds": ended - began,
        "cpu": cpu,
        "killed": len(kills) - len(left),
        "backwards": onlooker.backwards,
        **told,
    }


async def _begun(onlooker: _Onlooker) -> None:
    while not await onlooker.reached(0):  # noqa: ASYNC110 - it is another process that moves it
        await asyncio.sleep(LOOK_SECONDS)


async def _until_end(onlooker: _Onlooker, left: list[int], unread: Unread | None) -> bool:
    """Return True when it is to be killed, False when it has come to its end.

    Without faults that is when every document shows its last event. With them one may never: then it is when the group
    has committed everything, and nothing is written any more.
    """
    seen, since = -1, time.perf_counter()
    while True:
        if left and await onlooker.reached(left[0]):
            return True
        if unread is None and await onlooker.whole():
            return False
        if onlooker.updates != seen:
            seen, since = onlooker.updates, time.perf_counter()
        if unread is not None and time.perf_counter() - since > SETTLED_SECONDS and not await unread():
            return False
        await asyncio.sleep(LOOK_SECONDS)


async def _unread(kafka: str, group: str) -> int:
    """Records that the group has not committed."""
    settings = KafkaSettings(bootstrap_servers=kafka)
    async with open_window(settings, topics.PLATFORM_EVENTS) as window:
        bounds = await window.bounds()
    found = await GroupOffsets(settings, group).read([topics.PLATFORM_EVENTS])
    done = found[topics.PLATFORM_EVENTS]
    return sum(end - (done[number].offset if number in done else 0) for number, (_first, end) in bounds.items())


@contextlib.asynccontextmanager
async def _contender(contender: str, servers: Servers, jars: Path, folder: Path, name: str) -> AsyncIterator[int]:
    if contender == "connect":
        async with connect.started(
            jars,
            folder,
            kafka=servers.kafka_bootstrap,
            mongodb=servers.mongodb_uri,
            topic=topics.PLATFORM_EVENTS,
            name=name,
        ) as pid:
            yield pid
        return
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - before anything is measured
    environment = {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": servers.kafka_bootstrap,
        "KAFKA_SESSION_TIMEOUT": "6",
        "MONGODB_URI": servers.mongodb_uri,
        "MONGODB_DATABASE": name,
        "MAPPING_PRESET": "customers",
        "OPS_PORT": "0",
        "LOG_LEVEL": "warning",
    }
    with (folder / "reconcile.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.peers", name), stdout=log, stderr=log, env=environment
        )
    try:
        yield process.pid
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _cpu(pid: int) -> float:
    """Seconds of CPU that a process has used; Linux alone tells so."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def child() -> int:
    """`tandem reconcile` as it is, in a group of its own: `python -m benchmarks.peers <group>`."""
    reconcile.GROUP = sys.argv[1]  # type: ignore[misc]
    return reconcile.main()


if __name__ == "__main__":
    sys.exit(child())
