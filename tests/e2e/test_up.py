"""`tandem up --with-servers` as a person runs it: a killed process is back, and Ctrl-C leaves nothing."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest
from support.running import until

from ops.settings_groups import OF_PROCESS
from simulator.org.app import running_org
from simulator.org.settings import OrgSettings
from simulator.servers.process import free_ports

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

LIMIT = 100.0
UP = (sys.executable, "-P", "-m", "ops", "up", "--with-servers", "--data", "kept")


def marked(mark: str) -> list[psutil.Process]:
    """Every process that bears the mark in its environment, zombies left out."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TANDEM_TEST_MARK") == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


async def test_a_killed_process_is_back_and_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    """Servers and all processes come up and are ready; one that is killed is ready again; then all end in order."""
    own = {name: value for name, value in os.environ.items() if name not in {"KAFKA_BOOTSTRAP_SERVERS", "MONGODB_URI"}}
    async with running_org(OrgSettings()) as org:
        (webhook_port,) = free_ports(1)
        settings = {
            "SALESFORCE_LOGIN_URL": org.base_url,
            "SALESFORCE_CLIENT_ID": org.client_id,
            "SALESFORCE_CLIENT_SECRET": org.client_secret,
            "WEBHOOK_SECRETS_TICKETS": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "WEBHOOK_PORT": str(webhook_port),
            "OPS_PORT": "0",
            "MAPPING_PRESET": "customers",
            "TANDEM_TEST_MARK": str(tmp_path),
        }
        log = tmp_path / "log"
        with log.open("wb") as output:
            up = await asyncio.create_subprocess_exec(
                *UP, cwd=tmp_path, env={**own, **settings}, stdout=output, stderr=output
            )

        def said(event: str, count: int = 1, **details: str) -> bool:
            assert up.returncode is None, log.read_text()
            words = [f'"event":"{event}"', *(f'"{key}":"{value}"' for key, value in details.items())]
            return sum(all(word in line for word in words) for line in log.read_text().splitlines()) >= count

        try:
            await until(lambda: said("all_ready"), "all are ready", seconds=LIMIT)
            addresses = (tmp_path / "kept" / "servers.env").read_text()
            (reconcile,) = [
                one
                for one in marked(str(tmp_path))
                if one.cmdline()[-3:] == ["-m", "ops", "reconcile"] and "supervise.py" not in " ".join(one.cmdline())
            ]
            reconcile.kill()
            await until(lambda: said("process_ready", 2, process="reconcile"), "it is back", seconds=LIMIT)
            up.send_signal(signal.SIGINT)
            async with asyncio.timeout(LIMIT):
                await up.wait()
        finally:
            if up.returncode is None:
                up.kill()
                await up.wait()
    assert up.returncode == 0, log.read_text()
    assert '"code":137' in log.read_text()
    assert {line.partition("=")[0] for line in addresses.splitlines()} == {"KAFKA_BOOTSTRAP_SERVERS", "MONGODB_URI"}
    ends = [line for line in log.read_text().splitlines() if '"event":"process_stopped"' in line]
    assert [name for line in ends for name in OF_PROCESS if f'"process":"{name}"' in line] == list(OF_PROCESS)
    await until(lambda: marked(str(tmp_path)) == [], "nothing is left running", seconds=LIMIT)
    assert (tmp_path / "kept" / "mongodb" / "data").is_dir()
    assert (tmp_path / "kept" / "kafka" / "data").is_dir()
