"""`tandem up`: what is started again and when, what is told, and that nothing is left behind."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.running import Notes, until

from adapters.telemetry.settings import TelemetrySettings
from listener.api.settings import ApiSettings
from listener.webhook.settings import WebhookSettings
from ops.admin.settings import AdminSettings
from ops.ports import collisions_of_one_machine
from ops.settings_groups import OF_PROCESS
from ops.up import processes as all_processes
from ops.up.command import wrong_settings
from ops.up.keeper import Keeper, Program
from ops.up.processes import IN_ORDER, Asked, programs, run_all
from ops.up.readiness import ops_url
from ops.up.restart import Again, GiveUp, RestartPolicy, after_end
from simulator.servers.process import free_ports

QUICK = RestartPolicy(first=0.01, longest=0.02)
LIMIT = 30.0


def test_the_waits_double_up_to_the_longest() -> None:
    """A process that cannot come up is tried again and again, and does not eat the machine meanwhile."""
    policy, failures, waits = RestartPolicy(first=1, longest=10), 0, []
    for _time in range(1_200):
        following = after_end(1, 0.1, failures, policy)
        assert isinstance(following, Again)
        failures = following.failures
        waits.append(following.seconds)
    assert waits[:6] == [1, 2, 4, 8, 10, 10]
    assert waits[-1] == 10


def test_a_process_that_ran_long_enough_begins_anew() -> None:
    """One crash a day is no crash loop."""
    policy = RestartPolicy(first=1, longest=10, steady=60)
    assert after_end(1, 59.9, 3, policy) == Again(8, 4)
    assert after_end(1, 60.0, 3, policy) == Again(1, 1)


@pytest.mark.parametrize("ran", [0.0, 1_000_000.0])
def test_wrong_settings_are_not_tried_again(ran: float) -> None:
    """They stay wrong until a person changes them."""
    assert after_end(2, ran, 0, RestartPolicy()) == GiveUp()


def test_a_process_that_somebody_stopped_is_back_at_once() -> None:
    """SIGTERM by hand is how one process is restarted."""
    assert after_end(0, 0.0, 7, RestartPolicy()) == Again(0.0, 0)


def program(code: str, grace: float = 20.0) -> Program:
    """A little Python program."""
    return Program("little", (sys.executable, "-c", code), dict(os.environ), grace)


def told(notes: Notes, event: str) -> list[dict[str, Any]]:
    """The details of every line of this event."""
    return [details for _level, name, details in notes.rows if name == event]


async def test_a_program_that_fails_is_started_again_until_it_is_stopped(tmp_path: Path) -> None:
    """Each end is one line with its exit code."""
    runs = tmp_path / "runs"
    notes = Notes()
    keeper = Keeper(program(f"open({str(runs)!r}, 'a').write('x'); raise SystemExit(3)"), notes, QUICK)
    keeper.start()
    await until(lambda: runs.exists() and len(runs.read_text()) >= 3, "started three times", seconds=LIMIT)
    async with asyncio.timeout(LIMIT):
        await keeper.stop()
    assert not keeper.given_up
    assert {line["code"] for line in told(notes, "process_ended")} == {3}
    assert told(notes, "process_ended")[0]["again_in_seconds"] == 0.01


async def test_a_program_with_wrong_settings_is_told_and_left() -> None:
    """As critical, and not started again before somebody asks for it."""
    notes = Notes()
    given_up = asyncio.Event()
    keeper = Keeper(program("raise SystemExit(2)"), notes, QUICK, on_given_up=given_up.set)
    keeper.start()
    async with asyncio.timeout(LIMIT):
        await given_up.wait()
    assert keeper.given_up
    assert len(told(notes, "process_started")) == 1
    async with asyncio.timeout(LIMIT):
        await keeper.renew()
        assert len(told(notes, "process_started")) == 2, "a person has put them right, or thinks so"
        await keeper.stop()
    assert [level for level, event, _ in notes.rows if event == "process_not_restarted"][:1] == ["critical"]


async def test_a_program_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    """After its grace, and no sooner than it was asked to stop."""
    up = tmp_path / "up"
    code = (
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"open({str(up)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    )
    keeper = Keeper(program(code, grace=0.1), Notes())
    keeper.start()
    await until(lambda: up.exists() and up.read_text(), "it is up", seconds=LIMIT)
    async with asyncio.timeout(LIMIT):
        await keeper.stop()
    assert not psutil.pid_exists(int(up.read_text()))


async def test_all_are_stopped_in_the_order_of_the_flow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What takes work in goes first; what is behind it can still finish what came."""
    code = (
        "import os, pathlib, signal, sys, time\n"
        "name = sys.argv[1]\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        "def end(*_):\n"
        "    with (folder / 'order').open('a') as order: order.write(name + ' ')\n"
        "    os._exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "(folder / name).touch()\n"
        "time.sleep(600)\n"
    )

    def little(environ: dict[str, str], telemetry: TelemetrySettings) -> dict[int, Program]:
        del telemetry
        return {
            port: Program(name, (sys.executable, "-c", code, name), environ, 20.0)
            for port, name in enumerate(OF_PROCESS, 1)
        }

    monkeypatch.setattr("ops.up.processes.programs", little)
    asked = Asked(wrong=list)
    running = asyncio.create_task(run_all(dict(os.environ), TelemetrySettings(), Notes(), asked))
    await until(lambda: all((tmp_path / name).exists() for name in OF_PROCESS), "all are up", seconds=LIMIT)
    asked.stop.set()
    async with asyncio.timeout(LIMIT):
        assert await running == 0
    assert (tmp_path / "order").read_text().split() == list(OF_PROCESS)


@pytest.mark.parametrize("reason", ["none is left", "a server is lost"])
async def test_it_ends_where_there_is_nothing_to_keep(monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    """All were given up: the exit code says why. Or what they need is gone: the caller starts everything anew."""
    code = "raise SystemExit(2)" if reason == "none is left" else "import time; time.sleep(600)"

    def little(environ: dict[str, str], telemetry: TelemetrySettings) -> dict[int, Program]:
        del environ, telemetry
        return {1: program(code)}

    monkeypatch.setattr("ops.up.processes.programs", little)
    lost = asyncio.Event()
    if reason == "a server is lost":
        lost.set()
    async with asyncio.timeout(LIMIT):
        ended = await run_all(dict(os.environ), TelemetrySettings(), Notes(), Asked(wrong=list), lost)
    assert ended == (2 if reason == "none is left" else 0)


READY = """
import http.server, os, sys, threading
class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if os.path.exists(sys.argv[1] + ".never") else 200)
        self.end_headers()
    def log_message(self, *_): pass
with open(sys.argv[1], "a") as runs: runs.write("x")
http.server.HTTPServer(("127.0.0.1", int(os.environ["OPS_PORT"])), Answers).serve_forever()
"""


class Renewable:
    """Little programs that answer `/ready`, in the place of all processes."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.notes = Notes()
        self.wrong: list[str] = []
        self.asked = Asked(wrong=lambda: self.wrong)
        ports = free_ports(2)
        made = {
            port: Program(name, (sys.executable, "-c", READY, str(folder / name)), {"OPS_PORT": str(port)}, 20.0)
            for name, port in zip(("first", "second"), ports, strict=True)
        }
        monkeypatch.setattr("ops.up.processes.programs", lambda *_: made)
        monkeypatch.setattr("ops.up.readiness.LOOK_SECONDS", 0.02)
        self.task = asyncio.create_task(run_all({}, TelemetrySettings(), self.notes, self.asked))

    async def event(self, name: str, count: int = 1) -> None:
        """Wait until this was told so often."""
        await until(lambda: len(told(self.notes, name)) >= count, name, seconds=LIMIT)

    def runs(self) -> dict[str, int]:
        """How often each was started."""
        return {name: len((self.folder / name).read_text()) for name in ("first", "second")}


@pytest.fixture
async def renewable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Renewable]:
    """Two of them, ready."""
    made = Renewable(tmp_path, monkeypatch)
    await made.event("all_ready")
    yield made
    made.asked.stop.set()
    async with asyncio.timeout(LIMIT):
        assert await made.task == 0


async def test_a_reload_replaces_one_after_the_other(renewable: Renewable) -> None:
    """The next one only when the one before is ready: an upgrade, or new settings."""
    renewable.asked.reload.set()
    await renewable.event("reloaded")
    assert renewable.runs() == {"first": 2, "second": 2}
    rows = [(event, details.get("process")) for _, event, details in renewable.notes.rows]
    order = [row for row in rows[rows.index(("reloading", None)) :] if row[0] in {"process_stopped", "process_started"}]
    assert order == [(event, name) for name in ("second", "first") for event in ("process_stopped", "process_started")]


async def test_a_reload_with_wrong_settings_changes_nothing(renewable: Renewable) -> None:
    """Each is told; what runs goes on with those it has."""
    renewable.wrong = ["LOG_LEVEL: must be one of"]
    renewable.asked.reload.set()
    await renewable.event("reload_refused")
    assert told(renewable.notes, "reload_refused") == [{"reason": "LOG_LEVEL: must be one of"}]
    assert renewable.runs() == {"first": 1, "second": 1}


async def test_a_reload_halts_at_one_that_does_not_become_ready(
    renewable: Renewable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release that does not work takes one process and not all of them."""
    monkeypatch.setattr(all_processes, "READY_SECONDS", 3.0)
    (renewable.folder / "second.never").touch()
    renewable.asked.reload.set()
    await renewable.event("reload_halted")
    assert renewable.runs() == {"first": 1, "second": 2}


def test_each_process_has_an_ops_port_of_its_own() -> None:
    """From the one that is set on; any free ones where that is 0."""
    by_port = programs({"A": "b"}, TelemetrySettings(ops_port=9001))
    assert [(port, one.name, one.environment["OPS_PORT"]) for port, one in by_port.items()] == [
        (9001 + place, name, str(9001 + place)) for place, name in enumerate(OF_PROCESS)
    ]
    assert {one.environment["A"] for one in by_port.values()} == {"b"}
    assert len({port for port in programs({}, TelemetrySettings(ops_port=0)) if port > 0}) == len(OF_PROCESS)


def test_a_process_may_take_its_own_time_to_stop_before_it_is_killed() -> None:
    """Otherwise what it has in hand would be given up before its own limit."""
    for one in programs({}, TelemetrySettings(ops_stop_seconds=90)).values():
        assert one.grace > 90


@pytest.mark.parametrize(
    ("host", "asked"),
    [("0.0.0.0", "http://127.0.0.1:8081"), ("::", "http://[::1]:8081"), ("10.0.0.7", "http://10.0.0.7:8081")],
)
def test_an_address_for_all_is_asked_at_our_own(host: str, asked: str) -> None:
    """Nobody can connect to 0.0.0.0 everywhere."""
    assert ops_url(host, 8081) == asked


def test_addresses_are_not_missed_where_the_servers_are_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Everything else is; and the environment is afterwards what it was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    monkeypatch.setenv("MONGODB_URI", "mongodb://elsewhere:27017")
    before = dict(os.environ)
    missing: Callable[[list[str]], set[str]] = lambda lines: {line.partition(":")[0] for line in lines}  # noqa: E731
    assert "KAFKA_BOOTSTRAP_SERVERS" in missing(wrong_settings(servers_here=False))
    assert "KAFKA_BOOTSTRAP_SERVERS" not in missing(wrong_settings(servers_here=True))
    assert "SALESFORCE_CLIENT_ID" in missing(wrong_settings(servers_here=True))
    assert dict(os.environ) == before


def test_no_port_is_wanted_twice_by_the_defaults() -> None:
    """What processes listen on, and the ops ports of all of them, side by side on one machine."""
    groups = (WebhookSettings, ApiSettings, AdminSettings, TelemetrySettings)
    given = {group: group.model_construct() for group in groups}
    assert list(collisions_of_one_machine(given, IN_ORDER)) == []
    assert set(range(8081, 8081 + len(IN_ORDER))) == set(programs({}, TelemetrySettings()))


def test_a_port_that_is_wanted_twice_is_told_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By the names of both, also where it is one of those that follow OPS_PORT, or where both are no ops port."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADMIN_PORT", "8090")
    monkeypatch.setenv("API_PORT", "8080")
    monkeypatch.setenv("WEBHOOK_SECRETS_TICKETS", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    told = [line for line in wrong_settings(servers_here=True) if "must differ" in line]
    assert told == [
        "WEBHOOK_PORT and API_PORT must differ: both are 8080",
        "ADMIN_PORT and the ops port of deliver (OPS_PORT + 9) must differ: both are 8090",
    ]


@pytest.mark.parametrize("arguments", [(), ("--with-servers",)])
def test_wrong_settings_are_told_before_anything_starts(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """A line each, exit code 2, and no folder was made."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "HOME", "LANG")}
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "ops", "up", *arguments],
        cwd=tmp_path,
        env={**kept, "OPS_PORT": "many"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert any(line.startswith("OPS_PORT: ") for line in ended.stderr.splitlines())
    assert any(line.startswith("SALESFORCE_CLIENT_ID: is not set") for line in ended.stderr.splitlines())
    assert any(line.startswith("MONGODB_URI: ") for line in ended.stderr.splitlines()) != bool(arguments)
    assert list(tmp_path.iterdir()) == []


async def test_nothing_is_left_when_the_keeper_itself_is_killed(tmp_path: Path) -> None:
    """`kill -9` of `tandem up` takes every process along, in order."""
    up = tmp_path / "up"
    code = (
        "import asyncio, os, sys\n"
        "from ops.up.keeper import Keeper, Program\n"
        "from support.running import Notes\n"
        f"little = \"import os, time; open({str(up)!r}, 'w').write(str(os.getpid())); time.sleep(600)\"\n"
        "async def main():\n"
        "    await Keeper(Program('little', (sys.executable, '-c', little), dict(os.environ), 5.0), Notes()).start()\n"
        "asyncio.run(main())\n"
    )
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", code, env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    )
    await until(lambda: up.exists() and up.read_text(), "it is up", seconds=LIMIT)
    holder.send_signal(signal.SIGKILL)
    await holder.wait()
    await until(lambda: not psutil.pid_exists(int(up.read_text())), "it is gone", seconds=LIMIT)
