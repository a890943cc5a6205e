"""The tests' own servers: in containers where an engine answers, set up as the local ones are."""

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from support import containers
from support.containers import container_or_named, engine_answers, image_of, in_containers, kafka_spec, mongodb_spec

from simulator.servers.kafka import server_properties


@pytest.mark.parametrize(
    ("said", "answers", "chosen"),
    [("", True, True), ("", False, False), ("containers", False, True), ("local", True, False)],
)
def test_containers_are_taken_where_an_engine_answers_or_somebody_says_so(
    said: str, *, answers: bool, chosen: bool
) -> None:
    """What a person says goes before what is there."""
    assert in_containers({"TANDEM_TEST_SERVERS": said}, lambda: answers) is chosen


def test_a_word_that_is_neither_is_no_choice() -> None:
    """Else a misspelt one would quietly be the other."""
    with pytest.raises(ValueError, match="docker is neither containers nor local"):
        in_containers({"TANDEM_TEST_SERVERS": "docker"}, lambda: True)


@contextlib.asynccontextmanager
async def engine(path: Path, status: int) -> AsyncIterator[dict[str, str]]:
    """Answers `/_ping` on a socket as an engine does; the environment that names it."""

    async def ping(_request: web.Request) -> web.Response:
        return web.Response(status=status, text="OK")

    app = web.Application()
    app.router.add_get("/_ping", ping)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(path)).start()
    try:
        yield {"DOCKER_HOST": f"unix://{path}"}
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(("status", "answers"), [(200, True), (500, False)])
async def test_an_engine_answers_if_it_says_so(tmp_path: Path, status: int, *, answers: bool) -> None:
    """Asked as every client of an engine asks, without any client."""
    async with engine(tmp_path / "docker.sock", status) as environ:
        assert await asyncio.to_thread(engine_answers, environ, 20.0) is answers


def test_without_an_engine_or_an_answer_in_time_there_is_none(tmp_path: Path) -> None:
    """No socket, one that says nothing, or an engine elsewhere, whose ports are not ours."""
    assert not engine_answers({"DOCKER_HOST": f"unix://{tmp_path / 'none.sock'}"})
    assert not engine_answers({"DOCKER_HOST": "tcp://10.0.0.1:2375"})
    silent = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with contextlib.closing(silent):
        silent.bind(str(tmp_path / "silent.sock"))
        silent.listen()
        assert not engine_answers({"DOCKER_HOST": f"unix://{tmp_path / 'silent.sock'}"}, 0.05)


def test_the_images_are_those_of_docker_compose() -> None:
    """One place says which versions there are."""
    services = yaml.safe_load(containers.COMPOSE.read_text())["services"]
    assert kafka_spec(1).image == services["kafka"]["image"] == image_of("kafka")
    assert mongodb_spec(1).image == services["mongodb"]["image"]


def test_kafka_is_set_as_the_local_one_is() -> None:
    """By the image's own names of the settings; but for where it listens inside, which is everywhere."""
    spec = kafka_spec(12345)
    local = dict(
        line.split("=", 1)
        for line in server_properties(containers.DATA, 12345, containers.CONTROLLER_PORT).splitlines()
    )
    for name, value in local.items():
        if name != "listeners":
            assert spec.env[f"KAFKA_{name.replace('.', '_').upper()}"] == value, name
    assert spec.env["KAFKA_LISTENERS"] == "PLAINTEXT://:12345,CONTROLLER://127.0.0.1:9093"
    assert spec.env["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{spec.address}" == "PLAINTEXT://127.0.0.1:12345"
    compose = yaml.safe_load(containers.COMPOSE.read_text())["services"]["kafka"]["environment"]
    assert spec.env["CLUSTER_ID"] == compose["CLUSTER_ID"]


def test_mongodb_is_a_replica_set_at_the_port_that_its_clients_know() -> None:
    """A member's own address is the one that a client is sent to."""
    spec = mongodb_spec(12346)
    assert spec.command.startswith("mongod --port 12346 --bind_ip_all --replSet rs0 ")
    assert spec.address == "mongodb://127.0.0.1:12346/?replicaSet=rs0"


class FakeContainer:
    """Is stopped once."""

    def __init__(self) -> None:
        self.stopped = 0

    def stop(self) -> None:
        self.stopped += 1


@pytest.mark.parametrize("need", ["kafka", "mongodb"])
async def test_a_container_is_waited_for_and_removed(monkeypatch: pytest.MonkeyPatch, need: str) -> None:
    """Also where whoever used it has failed."""
    container, asked = FakeContainer(), list[int]()

    async def ready(port: int) -> bool:
        asked.append(port)
        return len(asked) == 2

    def started(spec: containers.Spec) -> Any:
        assert spec.image == image_of(need)
        return container

    monkeypatch.setattr(containers, "started", started)
    monkeypatch.setattr(containers, f"{need}_ready", ready)

    async def used() -> None:
        async with container_or_named({}, need) as (address, ours):
            assert ours
            assert str(asked[0]) in address
            raise KeyError

    with pytest.raises(KeyError):
        await used()
    assert (len(asked), container.stopped) == (2, 1)


async def test_a_server_that_the_settings_name_is_taken_as_it_is() -> None:
    """Whatever engine there is."""
    async with container_or_named({"MONGODB_URI": "mongodb://db.example"}, "mongodb") as found:
        assert found == ("mongodb://db.example", False)


def test_what_testcontainers_is_told_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own classes, without an engine: nothing is asked before `start`."""
    from testcontainers.core import container as of_testcontainers

    begun: list[Any] = []

    class NoEngine:
        """In place of the client of an engine."""

        def __init__(self, **_given: Any) -> None:
            """Nothing is connected to."""

    monkeypatch.setattr(of_testcontainers, "DockerClient", NoEngine)
    monkeypatch.setattr(of_testcontainers.DockerContainer, "start", lambda self: begun.append(self) or self)
    made = containers.started(kafka_spec(12345))
    assert begun == [made]
    assert (made.image, made.ports, made.env["KAFKA_NODE_ID"]) == (
        image_of("kafka"),
        {"12345/tcp": ("127.0.0.1", 12345)},
        "1",
    )


def test_nothing_of_testcontainers_is_imported_before_it_is_wanted() -> None:
    """It asks for an engine when it is imported, and costs everybody who has none."""
    asked = "import sys, support.servers; sys.exit('testcontainers' in sys.modules or 'docker' in sys.modules)"
    paths = f"import sys; sys.path[:0] = {sys.path!r}; "
    assert subprocess.run([sys.executable, "-c", paths + asked], check=False, timeout=120).returncode == 0
