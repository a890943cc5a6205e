"""Local servers come up, keep their data, and are gone with whoever asked for them, however that ended."""

import asyncio
import contextlib
import itertools
import json
import os
import resource
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pymongo import AsyncMongoClient

from ops.chaos.stage import new_ports
from simulator.servers import process as servers_process
from simulator.servers.errors import PortTaken, ServerError
from simulator.servers.local import local_servers
from simulator.servers.process import Plan, ServerProcess, free_ports, listens, start

pytestmark = pytest.mark.integration

LIMIT = 60.0


async def gone(condition: Callable[[], bool]) -> None:
    """Return once `condition()` is true."""
    async with asyncio.timeout(LIMIT):
        while not condition():  # noqa: ASYNC110 - other processes set no event of ours
            await asyncio.sleep(0.05)


def processes_of(folder: Path) -> list[str]:
    """Command lines of the processes that name the folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess):
            line = " ".join(process.cmdline())
            if str(folder) in line and process.status() != psutil.STATUS_ZOMBIE:
                found.append(line)
    return found


async def test_a_folder_of_its_own_keeps_the_data(tmp_path: Path) -> None:
    """Started again on the same folder, on other ports, both have what was put in before; nothing runs in between."""
    async with local_servers(os.environ, tmp_path) as first:
        admin = AIOKafkaAdminClient(bootstrap_servers=first.kafka_bootstrap)
        await admin.start()
        await admin.create_topics([NewTopic("kept", 1, 1)])
        await admin.close()
        async with AIOKafkaProducer(bootstrap_servers=first.kafka_bootstrap, acks="all") as producer:
            await producer.send_and_wait("kept", b"value")
        async with AsyncMongoClient[dict[str, Any]](first.mongodb_uri, w="majority") as client:
            await client["kept"]["things"].insert_one({"_id": 1})
    assert processes_of(tmp_path) == []
    async with local_servers(os.environ, tmp_path) as second:
        assert second != first
        consumer = AIOKafkaConsumer("kept", bootstrap_servers=second.kafka_bootstrap, auto_offset_reset="earliest")
        async with asyncio.timeout(LIMIT), consumer:
            assert (await consumer.getone()).value == b"value"
        async with AsyncMongoClient[dict[str, Any]](second.mongodb_uri, w="majority") as client:
            assert await client["kept"]["things"].find_one() == {"_id": 1}
            await client["kept"]["things"].insert_one({"_id": 2})
    assert processes_of(tmp_path) == []
    assert (tmp_path / "kafka" / "kafka.log").is_file()
    assert (tmp_path / "mongodb" / "mongod.log").is_file()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_nothing_is_left_when_the_command_ends(how: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C, a stop or `kill -9`: both servers end, and the temporary folder with them."""
    importable = os.pathsep.join(place for place in sys.path if place)
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "simulator", "servers"),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": importable},
    )
    try:
        assert command.stdout is not None
        line = json.loads(await asyncio.wait_for(command.stdout.readline(), LIMIT))
        folder = Path(line["directory"])
        assert folder.parent == tmp_path
        assert len(processes_of(folder)) == 4  # each under its supervisor
        command.send_signal(how)
        await asyncio.wait_for(command.wait(), LIMIT)
        assert command.returncode == (-how if how is signal.SIGKILL else 0)
        await gone(lambda: not processes_of(folder))
        await gone(lambda: list(tmp_path.iterdir()) == [])
    finally:
        with contextlib.suppress(ProcessLookupError):
            command.kill()
        await command.wait()


def plan(folder: Path, script: str, *, ports: int = 1, seconds: float = LIMIT, temporary: bool = False) -> Plan:
    """A server that is a Python program; its ports are its arguments."""

    async def command(chosen: Sequence[int]) -> list[str]:
        return [sys.executable, "-c", script, *map(str, chosen)]

    return Plan("pretend", folder, temporary, ports, command, listens, seconds)


SERVES = """
import socket, sys, signal
with socket.create_server(("127.0.0.1", int(sys.argv[1]))):
    print("up", flush=True)
    signal.pause()
"""


@contextlib.asynccontextmanager
async def started(made: Plan) -> AsyncIterator[tuple[ServerProcess, int]]:
    """Started, and stopped at the end."""
    server = await start(made, str)
    try:
        yield server.process, server.ports[0]
    finally:
        await server.stop()


async def test_a_server_that_ends_while_starting_shows_the_end_of_its_log(tmp_path: Path) -> None:
    """With its exit code, and not the whole log."""
    script = "import sys; [print('line', n, flush=True) for n in range(100)]; sys.exit('out of cheese')"
    with pytest.raises(ServerError) as caught:
        await start(plan(tmp_path, script), str)
    assert "ended with code 1" in str(caught.value)
    assert "out of cheese" in str(caught.value)
    assert "line 3\n" not in str(caught.value)


async def test_a_server_that_never_answers_is_given_up(tmp_path: Path) -> None:
    """After its limit, and it is not left running."""
    with pytest.raises(ServerError, match=r"no answer within 0\.3 seconds"):
        await start(plan(tmp_path, f"import time; time.sleep({LIMIT}) # {tmp_path}", seconds=0.3), str)
    assert processes_of(tmp_path) == []


async def test_a_server_that_was_killed_comes_back_at_its_port(tmp_path: Path) -> None:
    """On its data and at its address, so that its clients find it again; stopped, it is gone for good."""
    server = await start(plan(tmp_path / "pretend", SERVES, temporary=True), str)
    try:
        before = server.process.supervisor_pid
        await server.kill()
        assert not await listens(server.ports[0])
        await server.start_again()
        assert server.process.supervisor_pid != before
        assert await listens(server.ports[0])
    finally:
        await server.stop()
    assert not (tmp_path / "pretend").exists()


async def test_a_port_that_a_client_holds_for_a_moment_is_had_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who connects to a port where nobody listens may be given that very port for itself."""
    monkeypatch.setattr(servers_process, "AGAIN_WAIT_SECONDS", 0.05)
    made = plan(tmp_path, f"import time; time.sleep(0.1)\n{SERVES}")
    held = asyncio.Event()

    async def answers(port: int) -> bool:
        return not held.is_set() and await listens(port)

    ours = Plan(**{**{name: getattr(made, name) for name in Plan.__slots__}, "answers": answers})
    server = await start(ours, str)
    try:
        await server.kill()
        holder = await asyncio.start_server(lambda *_: None, "127.0.0.1", server.ports[0])
        held.set()
        again = asyncio.create_task(server.start_again())
        async with holder:
            log = tmp_path / "pretend.log"
            await gone(lambda: "Address already in use" in log.read_text())
        held.clear()
        await again
        assert await listens(server.ports[0])
        monkeypatch.setattr(servers_process, "AGAIN_SECONDS", 0.0)
        await server.kill()
        async with await asyncio.start_server(lambda *_: None, "127.0.0.1", server.ports[0]):
            held.set()
            with pytest.raises(PortTaken):
                await server.start_again()
    finally:
        await server.stop()


async def test_what_a_server_said_that_does_not_come_back_is_kept(tmp_path: Path) -> None:
    """Its data goes with it; its log, which says why, is where its asker wants it."""
    was = tmp_path / "was"
    hangs = f"import os, signal\nif os.path.exists({str(was)!r}): print('no space', flush=True), signal.pause()"
    made = plan(tmp_path / "pretend", f"{hangs}\n{SERVES}", temporary=True)
    ours = Plan(**{**{name: getattr(made, name) for name in Plan.__slots__}, "logs": tmp_path / "logs"})
    server = await start(ours, str)
    (tmp_path / "pretend").mkdir()
    was.touch()
    await server.kill()
    server.plan = replace(ours, seconds=2.0)
    with pytest.raises(ServerError, match=f"the end of {tmp_path / 'logs' / 'pretend.log'}"):
        await server.start_again()
    assert not (tmp_path / "pretend").exists()
    assert "no space" in (tmp_path / "logs" / "pretend.log").read_text()


async def test_a_port_lost_in_between_is_chosen_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as that happens a few times only."""
    (taken,) = free_ports(1)
    holder = await asyncio.start_server(lambda *_: None, "127.0.0.1", taken)
    choices = [[taken], [taken], free_ports(1)]
    monkeypatch.setattr(servers_process, "free_ports", lambda _count: choices.pop(0))
    script = f"import time; time.sleep(0.3)\n{SERVES}"  # else somebody listens before it has failed
    made = plan(tmp_path, script)
    ours = Plan(**{**{name: getattr(made, name) for name in Plan.__slots__}, "answers": _not(taken)})
    async with holder, started(ours) as (_, port):
        assert port != taken
        choices[:] = [[taken]] * servers_process.ATTEMPTS
        with pytest.raises(PortTaken):
            await start(ours, str)


@pytest.fixture
def few_files() -> Iterator[int]:
    """No more open files than most systems let a program have that asks for no more; gives how many it may ask for."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, most), most))
    yield most
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="macOS lets nobody have its most")
async def test_a_server_may_open_as_many_files_as_the_user(tmp_path: Path, few_files: int) -> None:
    """A mongod with the usual 1024 ends in the middle of these tests."""
    script = f"import resource; print('files', resource.getrlimit(resource.RLIMIT_NOFILE), flush=True)\n{SERVES}"
    async with started(plan(tmp_path, script)) as (process, _):
        assert f"files ({few_files}, {few_files})" in process.log.read_text()


def _not(taken: int) -> Any:
    async def answers(port: int) -> bool:
        return port != taken and await listens(port)

    return answers


async def test_a_server_that_does_not_stop_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM first, SIGKILL after its grace; a temporary folder is removed."""
    monkeypatch.setattr(servers_process, "GRACE_SECONDS", 0.3)
    folder = tmp_path / "pretend"
    deaf = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN) # {tmp_path}\n{SERVES}"
    async with started(plan(folder, deaf, temporary=True)):
        assert len(processes_of(tmp_path)) == 2
    assert processes_of(tmp_path) == []
    assert not folder.exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PR_SET_PDEATHSIG is Linux's")
async def test_a_killed_supervisor_takes_the_server_along(tmp_path: Path) -> None:
    """The one case that the closed pipe does not cover."""
    async with started(plan(tmp_path, f"# {tmp_path}\n{SERVES}")) as (process, _):
        assert len(processes_of(tmp_path)) == 2
        os.kill(process.supervisor_pid, signal.SIGKILL)
        await gone(lambda: processes_of(tmp_path) == [])


def test_free_ports_are_different() -> None:
    """Asked for together, they are held together until all are known."""
    assert len(set(free_ports(50))) == 50


def test_a_port_is_none_that_is_taken_or_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no other is left, the error says so."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        taken = listening.getsockname()[1]
        left_out, free = free_ports(2)
        monkeypatch.setattr(servers_process, "SERVER_PORTS", [taken, left_out, free])
        assert free_ports(1, but=[left_out]) == [free]
        with pytest.raises(ServerError, match="no 2 ports are free"):
            free_ports(2, but=[left_out])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="as Linux tells it")
def test_a_port_is_none_that_a_client_may_have() -> None:
    """A process that is started again would find it taken by a connection of anybody's."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    if first < 32_768:
        pytest.skip(f"this system was told to give clients ports from {first} on; Linux by itself begins at 32768")
    assert max(free_ports(50)) < first


def test_the_chaos_gives_no_port_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that chose apart had the same once: each was started again for as long as the other ran."""
    monkeypatch.setattr(servers_process, "SERVER_PORTS", free_ports(20))
    assert len(set(itertools.islice(new_ports(), 20))) == 20
