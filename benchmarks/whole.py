"""All of Tandem as the demo runs it: four processes on a real Kafka, a real MongoDB and the simulated org."""

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer
from pymongo import AsyncMongoClient

from adapters.kafka.settings import KafkaSettings
from benchmarks.events import customer_event
from ops.demo.stage import Stage, set_stage
from simulator.platform.posting import iso
from simulator.platform.signing import signed_headers, signing_key
from simulator.servers.local import SETTINGS

IN_FLIGHT = 32
SETTLE_SECONDS = 600.0
POLL_SECONDS = 0.25


class Whole:
    """The running whole, with what the benchmarks do to it. `customers` are linked by `link_all`."""

    def __init__(self, stage: Stage, database: Any, customers: int) -> None:
        self.stage = stage
        self.database = database
        self.customers = customers
        self._key = signing_key(stage.secret)
        self._posted = 0

    async def post(self, number: int) -> tuple[str, float]:
        """Post one event; its title, which nobody else writes, and the epoch time in seconds of the 202."""
        now = time.time()
        _, body = customer_event(number, self.customers, iso(int(now * 1000)))
        self._posted += 1
        headers = signed_headers(self._key, f"msg_{self._posted:020d}", int(now), body)
        while True:
            async with self.stage.http.post(self.stage.webhook_url, data=body, headers=headers) as answer:
                if answer.status == 202:
                    return f"Head of Events {number}", time.time()
                if answer.status != 503:
                    raise RuntimeError(f"the webhook answered {answer.status}: {await answer.text()}")
            await asyncio.sleep(POLL_SECONDS)  # as any sender would, the same id again

    async def post_all(self, numbers: Iterable[int]) -> None:
        """Post these as fast as the webhook takes them, a customer's own in order."""
        room = asyncio.Semaphore(IN_FLIGHT)

        async def one(number: int) -> None:
            async with room:
                await self.post(number)

        async with asyncio.TaskGroup() as group:
            for number in numbers:
                group.create_task(one(number))

    async def link_all(self) -> None:
        """First contact of every customer: made in Salesforce, linked, read whole."""
        await self.post_all(range(self.customers))
        await self.settled()

    async def settled(self) -> None:
        """Return when every customer is synced and nothing waits anywhere.

        Raises:
            TimeoutError: that did not come about.
        """
        documents = self.database["customers"]
        async with asyncio.timeout(SETTLE_SECONDS):
            while True:
                synced = await documents.count_documents({"salesforce.syncStatus": "synced"})
                due = await documents.count_documents({"_sync.due_at": {"$exists": True}})
                backlog = await self.stage.backlog.read()
                if synced == self.customers and not due and not sum(each.unfinished for each in backlog.values()):
                    return
                await asyncio.sleep(POLL_SECONDS)

    async def admin(self, verb: str, path: str, body: Any = None) -> Any:
        """JSON of the org's admin page."""
        async with self.stage.http.request(verb, f"{self.stage.org_url}/admin{path}", json=body) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def calls(self) -> int:
        """API calls that the org has counted, logins not among them."""
        return int((await self.admin("GET", "/calls"))["used"])

    async def logged(self, topic: str) -> list[tuple[bytes, float]]:
        """All records of a topic, each with the time that its producer gave it, epoch seconds."""
        consumer = AIOKafkaConsumer(
            topic,
            **_kafka_options(self.stage.servers.kafka_bootstrap),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            ends = await consumer.end_offsets(list(consumer.assignment()))
            found: list[tuple[bytes, float]] = []
            while len(found) < sum(ends.values()):
                batches = await consumer.getmany(timeout_ms=1000)
                found += [(each.value, each.timestamp / 1000) for batch in batches.values() for each in batch]
            return found
        finally:
            await consumer.stop()

    async def records(self) -> dict[str, str]:
        """Record ids by customer id."""
        found = self.database["customers"].find({}, {"_sync.link.id": 1})
        return {each["_id"]: each["_sync"]["link"]["id"] async for each in found}


@asynccontextmanager
async def whole(customers: int, settings: dict[str, str] | None = None) -> AsyncIterator[Whole]:
    """Everything up, on servers of its own, with the org's event delay at 0 and no allocation to run out of."""
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS.values()}
    environment |= {"SIMULATED_ORG_EVENT_DELAY_MS": "0", "SIMULATED_ORG_DAILY_API_REQUESTS": "10000000"}
    environment["MAPPING_PRESET"] = "customers"
    folder = Path(tempfile.mkdtemp(prefix="tandem-bench-"))
    try:
        async with set_stage(
            environment, folder, "bench", 1, _kafka_options, lambda _said: None, extra=settings
        ) as stage:
            client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(stage.servers.mongodb_uri)
            async with client:
                yield Whole(stage, client[stage.database], customers)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _kafka_options(bootstrap_servers: str) -> dict[str, Any]:
    return KafkaSettings(bootstrap_servers=bootstrap_servers).client_options()
