"""MongoDB's Kafka Connect sink, as its makers' documentation sets it up, for one topic and one collection.

Its jars come from Maven Central once, as Kafka's own do (`simulator.servers.jars`).
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

from simulator.servers.jars import cache_folder, digest, only_one
from simulator.servers.kafka import find_java
from simulator.servers.process import free_ports

KAFKA = "4.1.1"
CONNECTOR = "2.0.1"
RUNTIME = (
    f"org.apache.kafka:connect-runtime:{KAFKA}+org.apache.kafka:connect-json:{KAFKA}+org.slf4j:slf4j-simple:1.7.36"
)
SHA256 = "da3f1a75df0fb1ea2edcf00e8b7556aa69bb01940a97071055cd64c8e138647f"
"""Of all jars together, see `simulator.servers.jars.digest`."""
TASKS = 4
HEAP = ("-Xms256m", "-Xmx1g", "-XX:-UsePerfData")

_WORKER = """\
bootstrap.servers={kafka}
listeners=http://127.0.0.1:{port}
offset.storage.file.filename={folder}/offsets
offset.flush.interval.ms=1000
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
value.converter.schemas.enable=false
consumer.auto.offset.reset=earliest
consumer.session.timeout.ms=6000
plugin.discovery=service_load
"""
_SINK = """\
name={name}
connector.class=com.mongodb.kafka.connect.MongoSinkConnector
tasks.max={tasks}
topics={topic}
connection.uri={mongodb}
database={name}
collection=customers
transforms=key,data,fields
transforms.key.type=org.apache.kafka.connect.transforms.HoistField$Key
transforms.key.field=_id
transforms.data.type=org.apache.kafka.connect.transforms.ExtractField$Value
transforms.data.field=data
transforms.fields.type=org.apache.kafka.connect.transforms.ExtractField$Value
transforms.fields.field=fields
document.id.strategy=com.mongodb.kafka.connect.sink.processor.id.strategy.ProvidedInKeyStrategy
writemodel.strategy=com.mongodb.kafka.connect.sink.writemodel.strategy.UpdateOneDefaultStrategy
"""
"""The event's fields are set in the document that its key names: the sink's nearest to what an event means."""


def fetch() -> Path:
    """The folder of jars, fetched if they are not there yet.

    Raises:
        RuntimeError: what came is not what was tried here.
    """
    folder = cache_folder(os.environ) / f"connect-{KAFKA}-{CONNECTOR}"
    with only_one(folder.with_name(f"{folder.name}.lock")):
        if not folder.is_dir():
            _take(folder)
    return folder


def _take(folder: Path) -> None:
    from jgo.env import EnvironmentBuilder, LinkStrategy  # noqa: PLC0415 - an optional dependency
    from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415

    work = folder.with_name(f".{folder.name}")
    jars = work / "jars"
    jars.mkdir(parents=True, exist_ok=True)
    context = MavenContext(repo_cache=work / "repository", resolver=PythonResolver())
    builder = EnvironmentBuilder(context, cache_dir=work / "environment", link_strategy=LinkStrategy.COPY)
    found = [Path(jar) for jar in builder.from_endpoint(RUNTIME).all_jars]
    # With its driver in it: jgo does not read the range of versions in which the connector asks for one.
    sink = context.project("org.mongodb.kafka", "mongo-kafka-connect").at_version(CONNECTOR).artifact(classifier="all")
    for jar in [*found, Path(sink.resolve())]:
        jar.rename(jars / jar.name)
    if (came := digest(jars)) != SHA256:
        raise RuntimeError(f"the jars that came are not those that were tried: digest {came}")
    jars.rename(folder)


@contextlib.asynccontextmanager
async def started(jars: Path, folder: Path, *, kafka: str, mongodb: str, topic: str, name: str) -> AsyncIterator[int]:
    """A worker of its own with the sink in it; its process id. Killed at the end.

    `name` is that of the connector and of its database; its group is `connect-<name>`.
    """
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - before anything is measured
    (port,) = free_ports(1)
    uri = f"{mongodb}{'&' if '?' in mongodb else '/?'}w=majority&journal=true".replace("//?", "/?")
    worker, sink = folder / "worker.properties", folder / "sink.properties"
    worker.write_text(_WORKER.format(kafka=kafka, port=port, folder=folder))
    sink.write_text(_SINK.format(name=name, tasks=TASKS, topic=topic, mongodb=uri))
    with (folder / "connect.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(str(find_java(os.environ)), *HEAP, "-cp", f"{jars}/*"),
            *("org.apache.kafka.connect.cli.ConnectStandalone", str(worker), str(sink)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process.pid
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
