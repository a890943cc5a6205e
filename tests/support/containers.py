"""Kafka and MongoDB in containers, by testcontainers, where a container engine answers: the images of
`docker-compose.yml`, with what the local servers are set to.

A container listens inside at the port that it has outside: each is told to its clients by the server itself. Nothing of
testcontainers is imported before a container is to be started.
"""

import asyncio
import contextlib
import http.client
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

from simulator.servers.kafka import server_properties
from simulator.servers.local import KAFKA, MONGODB, SETTINGS
from simulator.servers.mongod import NOT_YET_INITIALIZED, REPLICA_SET
from simulator.servers.process import free_ports, listens
from support.running import until

CHOICE: Final = "TANDEM_TEST_SERVERS"
CONTAINERS, LOCAL = "containers", "local"
COMPOSE: Final = Path(__file__).resolve().parents[2] / "docker-compose.yml"
DEFAULT_SOCKET: Final = "/var/run/docker.sock"
PROBE_SECONDS: Final = 2.0
START_SECONDS: Final = 180.0
CONTROLLER_PORT: Final = 9093
CLUSTER: Final = "VGFuZGVtIG9uZSBub2RlIQ"
DATA: Final = Path("/var/lib/kafka/data")


@dataclass(frozen=True, slots=True)
class Spec:
    """A container that is to be started: what testcontainers is told, and the address that clients are told."""

    image: str
    port: int
    env: Mapping[str, str]
    command: str
    address: str


def in_containers(environ: Mapping[str, str], answers: Callable[[], bool]) -> bool:
    """Whether servers are started in containers: as `TANDEM_TEST_SERVERS` says, else where an engine `answers`.

    Raises:
        ValueError: it says neither `containers` nor `local`.
    """
    match environ.get(CHOICE, ""):
        case "":
            return answers()
        case "containers":
            return True
        case "local":
            return False
        case other:
            raise ValueError(f"{CHOICE}: {other} is neither {CONTAINERS} nor {LOCAL}")


def engine_answers(environ: Mapping[str, str], seconds: float = PROBE_SECONDS) -> bool:
    """Whether the container engine of this machine answers in time. One elsewhere has to be asked for by name: its
    containers are not on this machine's loopback."""
    scheme, _, path = environ.get("DOCKER_HOST", f"unix://{DEFAULT_SOCKET}").partition("://")
    if scheme != "unix":
        return False
    connection = _Engine(path, seconds)
    try:
        connection.request("GET", "/_ping")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def image_of(service: str, compose: Path = COMPOSE) -> str:
    """The image and version that `docker-compose.yml` runs."""
    return str(yaml.safe_load(compose.read_text())["services"][service]["image"])


def kafka_spec(port: int) -> Spec:
    """One node, by KRaft, with the settings of the local one."""
    lines = (line.partition("=") for line in server_properties(DATA, port, CONTROLLER_PORT).splitlines())
    settings = {name: value for name, _, value in lines}
    settings["listeners"] = f"PLAINTEXT://:{port},CONTROLLER://127.0.0.1:{CONTROLLER_PORT}"
    env = {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in settings.items()}
    return Spec(image_of(KAFKA), port, {"CLUSTER_ID": CLUSTER, **env}, "", f"127.0.0.1:{port}")


def mongodb_spec(port: int) -> Spec:
    """The one member of a replica set, which `ready` makes."""
    command = f"mongod --port {port} --bind_ip_all --replSet {REPLICA_SET} --oplogSize 512 --wiredTigerCacheSizeGB 0.5"
    return Spec(image_of(MONGODB), port, {}, command, f"mongodb://127.0.0.1:{port}/?replicaSet={REPLICA_SET}")


@contextlib.asynccontextmanager
async def container_or_named(environ: Mapping[str, str], need: str) -> AsyncIterator[tuple[str, bool]]:
    """The address of the server that the settings name, else of one in a container; whether it was started here."""
    if given := environ.get(SETTINGS[need]):
        yield given, False
        return
    spec = {KAFKA: kafka_spec, MONGODB: mongodb_spec}[need](free_ports(1)[0])
    container = await asyncio.to_thread(started, spec)
    try:
        ready = {KAFKA: kafka_ready, MONGODB: mongodb_ready}[need]
        await until(lambda: ready(spec.port), f"{need} in a container", seconds=START_SECONDS, every=0.1)
        yield spec.address, True
    finally:
        await asyncio.to_thread(container.stop)


def started(spec: Spec) -> Any:
    """A running container; its image is pulled if it is not there."""
    from testcontainers.core.container import DockerContainer

    container: Any = DockerContainer(spec.image, command=spec.command or None, env=dict(spec.env))
    container.ports[f"{spec.port}/tcp"] = ("127.0.0.1", spec.port)  # they have no passwords: for this machine alone
    return container.start()


async def kafka_ready(port: int) -> bool:
    """True once the broker tells of itself."""
    if not await listens(port):
        return False
    admin = AIOKafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}", request_timeout_ms=5000)
    try:
        await admin.start()
        return bool((await admin.describe_cluster())["brokers"])
    except (KafkaError, OSError):
        return False
    finally:
        await admin.close()


async def mongodb_ready(port: int) -> bool:
    """True once it takes writes; makes the replica set the first time."""
    if not await listens(port):
        return False
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        "127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=3000, socketTimeoutMS=10_000
    )
    try:
        if (await client.admin.command("hello")).get("isWritablePrimary"):
            return True
        await client.admin.command("replSetGetStatus")
    except OperationFailure as failure:
        if failure.code == NOT_YET_INITIALIZED:
            member = {"_id": 0, "host": f"127.0.0.1:{port}"}
            await client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [member]})
    except PyMongoError:
        return False
    finally:
        await client.close()
    return False


class _Engine(http.client.HTTPConnection):
    """HTTP over the socket of a container engine."""

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
