"""The systemd units: of commands and settings that exist, with time to stop in order."""

import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from adapters.telemetry.settings import TelemetrySettings
from consumers.runner.settings import RunnerSettings
from listener.api.settings import ApiSettings
from listener.webhook.settings import WebhookSettings
from ops.admin.settings import AdminSettings
from ops.commands_page import commands
from ops.processes.frame import EXIT_WRONG_SETTINGS
from ops.settings import variables
from ops.settings_groups import ALL, OF_PROCESS
from ops.up.processes import IN_ORDER, KILL_SECONDS

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
SERVICES = ("tandem@.service", "tandem-up.service")
SETTINGS = {variable for group in ALL for name in group.model_fields for variable in variables(group, name)}


def unit(name: str) -> dict[str, list[str]]:
    """Its settings as `Section.Key`, each with all its values."""
    found: dict[str, list[str]] = defaultdict(list)
    section = ""
    for line in (UNITS / name).read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found[f"{section}.{key}"].append(value)
    return found


def test_the_target_wants_every_process() -> None:
    """And each of them is a command."""
    (wanted,) = unit("tandem.target")["Unit.Wants"]
    assert wanted.split() == [f"tandem@{name}.service" for name in OF_PROCESS]
    assert set(OF_PROCESS) <= set(commands())


def shown_command(instance: str) -> str:
    """What `tandem@<instance>` runs, as systemd hands it to the shell."""
    (line,) = unit("tandem@.service")["Service.ExecStart"]
    found = re.fullmatch(r"/bin/sh -ec '(.+)' %i", line)
    assert found is not None
    script = found[1].replace("$$", "$").replace("%%", "%").replace("exec /opt/tandem/bin/tandem", "echo tandem")
    ran = subprocess.run(["/bin/sh", "-ec", script, instance], capture_output=True, text=True, timeout=20, check=True)
    return ran.stdout.strip()


@pytest.mark.parametrize("copy", ["", ".2", ".second"])
@pytest.mark.parametrize("process", OF_PROCESS)
def test_a_copy_runs_the_same_process(process: str, copy: str) -> None:
    """`tandem@reconcile.2` is a second `tandem reconcile`."""
    assert shown_command(f"{process}{copy}") == f"tandem {process}"


def test_up_is_a_command() -> None:
    """The one that keeps the others."""
    (line,) = unit("tandem-up.service")["Service.ExecStart"]
    assert line.split()[1] in commands()


@pytest.mark.parametrize("name", SERVICES)
def test_what_ends_is_started_again_unless_its_settings_are_wrong(name: str) -> None:
    """Also after hours of Kafka being away: systemd must not give up after five tries."""
    service = unit(name)
    assert service["Service.Restart"] == ["always"]
    assert service["Service.RestartPreventExitStatus"] == [str(EXIT_WRONG_SETTINGS)]
    assert service["Unit.StartLimitIntervalSec"] == ["0"]


def test_what_is_in_hand_is_finished_before_it_is_killed() -> None:
    """Every limit of ours is over before systemd's is; of `tandem up` that of all processes, one after the other."""
    stop = TelemetrySettings().ops_stop_seconds
    assert RunnerSettings().stop_seconds < stop
    assert float(unit("tandem@.service")["Service.TimeoutStopSec"][0]) > stop
    assert float(unit("tandem-up.service")["Service.TimeoutStopSec"][0]) > len(IN_ORDER) * (stop + KILL_SECONDS)
    assert unit("tandem-up.service")["Service.KillMode"] == ["mixed"]


def test_no_two_processes_of_a_machine_share_a_port() -> None:
    """The files for /etc/tandem set what must differ, and nothing that is no setting."""
    ports = [str(group.model_fields["port"].default) for group in (WebhookSettings, ApiSettings, AdminSettings)]
    for process in OF_PROCESS:
        lines = (UNITS / f"{process}.env").read_text().splitlines()
        given = dict(line.split("=", 1) for line in lines)
        assert set(given) <= SETTINGS
        ports.append(given["OPS_PORT"])
    assert len(set(ports)) == len(ports) == len(OF_PROCESS) + 3


@pytest.mark.parametrize("name", SERVICES)
def test_they_run_as_nobody_special(name: str) -> None:
    """Of the machine they may write their own folder alone, and gain no rights."""
    service = unit(name)
    for key, value in {
        "User": "tandem",
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "CapabilityBoundingSet": "",
        "StateDirectory": "tandem",
        "UMask": "0077",
    }.items():
        assert service[f"Service.{key}"] == [value], key


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze: apt-get install systemd (Debian, Ubuntu)"
)
def test_systemd_takes_them(tmp_path: Path) -> None:
    """No unknown key, no unknown value; the binary is looked for elsewhere, since nothing is installed here."""
    stand_in = tmp_path / "tandem"
    stand_in.write_text("#!/bin/sh\n")
    stand_in.chmod(0o755)
    for file in [*UNITS.glob("*.service"), *UNITS.glob("*.target")]:
        (tmp_path / file.name).write_text(file.read_text().replace("/opt/tandem/bin/tandem", str(stand_in)))

    def complaints() -> list[str]:
        asked = [str(tmp_path / name) for name in ("tandem@write.service", "tandem-up.service", "tandem.target")]
        ended = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", *asked], capture_output=True, text=True, timeout=60, check=False
        )
        return [line for line in (ended.stdout + ended.stderr).splitlines() if "tandem" in line]

    assert complaints() == []
    broken = tmp_path / "tandem-up.service"
    broken.write_text(broken.read_text().replace("UMask=", "UMaks="))
    assert any("UMaks" in line for line in complaints()), "it looks at nothing"
