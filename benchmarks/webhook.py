"""The webhook against a bare aiohttp handler that only publishes the same bytes, both into the same real Kafka.

Each server runs in a process of its own, both at once, and they take turns; the ratio is that of the medians.
"""

import asyncio
import cProfile
import os
import pstats
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvloop
from aiohttp import web
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from adapters.kafka.logs import EventLog
from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.telemetry.metrics import Metrics
from benchmarks.child import own_cpu, quiet
from benchmarks.http_load import SECRET, Load, run, signed_requests
from benchmarks.results import Results, servers_for
from listener.webhook.app import serve
from listener.webhook.handler import Webhook
from listener.webhook.settings import WebhookSettings
from ops.processes.frame import collect_less
from simulator.servers.local import KAFKA

TOPIC = "benchmark.webhook"
PARTITIONS = 6
SERVERS = ("bare", "tandem")
CONNECTIONS = 64
SIZES = {"records": 20_000, "rounds": 5}


def child() -> None:
    """One of the servers that are measured: `python -m benchmarks.webhook bare|tandem <kafka>`."""
    quiet()
    name, kafka = sys.argv[1:3]
    profile = cProfile.Profile() if os.environ.get("BENCHMARK_PROFILE") == name else None
    if profile:
        profile.enable()
    uvloop.run({"bare": _serve_bare, "tandem": _serve_tandem}[name](kafka))
    if profile:
        profile.disable()
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(45)


async def measure(*, records: int, rounds: int) -> Results:
    """The medians of the rounds; `records` are the requests of each."""
    async with servers_for(KAFKA) as servers:
        await _make_topic(servers.kafka_bootstrap)
        return await asyncio.to_thread(_measure, servers.kafka_bootstrap, records, rounds)


def _measure(kafka: str, records: int, rounds: int) -> Results:
    loads: dict[str, list[Load]] = {name: [] for name in SERVERS}
    cpu: dict[str, list[float]] = {name: [] for name in SERVERS}
    with _server("bare", kafka) as bare, _server("tandem", kafka) as tandem:
        for number in range(rounds + 1):
            for name, server in (("bare", bare), ("tandem", tandem)):
                requests = signed_requests(records, "/webhooks/tickets")
                before = server.cpu()
                load = run(server.port, requests, CONNECTIONS)
                if number:  # the first round warms up
                    loads[name].append(load)
                    cpu[name].append((server.cpu() - before) / load.requests)
    results = {name: _summary(loads[name], cpu[name]) for name in SERVERS}
    results["ratio"] = {key: results["tandem"][key] / results["bare"][key] for key in results["bare"]}
    told = {
        name: [_summary([load], [used]) for load, used in zip(loads[name], cpu[name], strict=True)] for name in SERVERS
    }
    title = f"webhook: requests on {CONNECTIONS} connections into Kafka, acknowledged"
    return Results(title, results, rounds=told)


def _summary(loads: list[Load], cpu: list[float]) -> dict[str, float]:
    return {
        "requests/s": statistics.median(load.rate for load in loads),
        "p50 ms": 1000 * statistics.median(load.percentile(0.5) for load in loads),
        "p99 ms": 1000 * statistics.median(load.percentile(0.99) for load in loads),
        "own CPU us/request": 1e6 * statistics.median(cpu),
    }


class _Server:
    """A server in a process of its own, asked over its standard input."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.port = int(self._line())

    def cpu(self) -> float:
        """Seconds of CPU it has used."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def _server(name: str, kafka: str) -> Iterator[_Server]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.webhook", name, kafka],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield _Server(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()  # the end of its standard input is the end of it
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()


async def _serve_bare(kafka: str) -> None:
    """The least that one could write by hand."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True)
    await producer.start()

    async def handle(request: web.Request) -> web.Response:
        await producer.send_and_wait(TOPIC, await request.read())
        return web.Response(status=202)

    app = web.Application()
    app.router.add_post("/webhooks/{source}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await _answer_until_closed(runner.addresses[0][1])
    await runner.cleanup()
    await producer.stop()


async def _serve_tandem(kafka: str) -> None:
    """What `tandem webhook` runs, with its metrics."""
    collect_less()
    settings = WebhookSettings(port=0, secrets={"tickets": SECRET})
    metrics = Metrics()
    async with open_producer(KafkaSettings(bootstrap_servers=kafka)) as producer:
        log = EventLog(producer, TOPIC)
        kinds = {"customer.created": "customer", "customer.updated": "customer", "customer.deleted": "customer"}
        webhook = Webhook(
            settings=settings, log=log, kind_of_event=kinds.get, answered=metrics.webhook_answered, notice=_complain
        )
        async with serve(settings, webhook, log, _complain) as listening:
            await _answer_until_closed(listening.port)


def _complain(event: str, **fields: object) -> None:
    print(event, fields, file=sys.stderr)


async def _answer_until_closed(port: int) -> None:
    print(port, flush=True)

    def answer() -> None:
        for _ in sys.stdin:
            print(own_cpu(), flush=True)

    await asyncio.to_thread(answer)


async def _make_topic(kafka: str) -> None:
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        if TOPIC not in await admin.list_topics():
            await admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            (described,) = await admin.describe_topics([TOPIC])
            if sum(partition["leader"] >= 0 for partition in described["partitions"]) == PARTITIONS:
                return
            await asyncio.sleep(0.05)
        raise TimeoutError("the topic has no leaders")
    finally:
        await admin.close()


if __name__ == "__main__":
    child()
