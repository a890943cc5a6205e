"""The command line: its commands, its help, and that wrong settings stop a process before it starts."""

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ops import cli
from ops.commands_page import commands
from ops.pages import PAGES
from ops.settings_groups import OF_PROCESS
from ops.settings_page import needed_variables

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", PAGES)
def test_the_pages_made_from_the_code_are_not_stale(name: str) -> None:
    """`python -m ops.pages` changes nothing."""
    assert (ROOT / name).read_text(encoding="utf-8") == PAGES[name]()


def test_the_commands_are_those_of_the_design() -> None:
    """These, in this order."""
    single = [
        "webhook",
        "api",
        "subscribe",
        "reconcile",
        "write",
        "enrich",
        "schedule",
        "repair",
        "admin",
        "deliver",
        "all",
        "up",
        "demo",
        "chaos",
        "check",
        "show",
    ]
    single += ["verify", "migrate", "connect"]
    gaps = [f"gaps {name}" for name in ("list", "show", "repair", "close")]
    mapping = [
        f"mapping {name}"
        for name in ("export", "schema", "plan", "publish", "apply", "rollback", "versions", "metadata")
    ]
    of_keys = [f"keys {name}" for name in ("add", "list", "revoke", "rotate")]
    reports = ["report events", "report weekly"]
    keys = [f"alerts {name}" for name in ("list", "silence", "test")]
    keys += [f"api-keys {name}" for name in ("add", "list", "revoke")]
    sync = [f"sync {name}" for name in ("run", "list", "show", "cancel", "resume")]
    users = [f"users {name}" for name in ("add", "list", "password", "role", "disable", "enable")]
    reviews, parked = (
        ["review list", "review choose"],
        [f"parked {name}" for name in ("list", "show", "redrive", "discard")],
    )
    deliveries = [f"deliveries {name}" for name in ("list", "show", "redeliver", "url", "disable", "enable")]
    debugging = ["debug on", "debug off", "debug list"]
    later = [*sync, *users, *debugging, *gaps, *parked, *deliveries, *mapping]
    assert list(commands()) == [*single, "replay", "erase", "export", *of_keys, *reviews, *reports, *keys, *later]


@pytest.mark.parametrize("process", [*OF_PROCESS, "all"])
def test_the_help_of_a_process_names_every_variable_it_cannot_do_without(process: str) -> None:
    """What stands in the help is what the settings say."""
    told = commands()[process].help
    assert [variable for variable in needed_variables(process) if variable not in told] == []


def tandem(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a person does, with no settings but these."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "HOME", "LANG")}
    return subprocess.run(
        [sys.executable, "-m", "ops", *arguments],
        cwd=cwd,
        env={**kept, **environment, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_tandem_alone_shows_its_commands(tmp_path: Path) -> None:
    """A newcomer types one word."""
    shown = tandem(cwd=tmp_path).stdout
    assert all(name.partition(" ")[0] in shown for name in commands())


@pytest.mark.parametrize("process", [*OF_PROCESS, "all"])
def test_wrong_settings_end_a_process_before_it_starts(process: str, tmp_path: Path) -> None:
    """Every one is a line of its own, the exit code is 2, and there is no traceback."""
    ended = tandem(process, cwd=tmp_path, LOG_LEVEL="loud", MONGODB_PASSWORD="hunter2")
    lines = ended.stderr.splitlines()
    assert ended.returncode == 2, ended.stderr
    assert any(line.startswith("LOG_LEVEL: must be one of") for line in lines)
    for variable in needed_variables(process):
        assert sum(line.startswith(f"{variable}: ") for line in lines) == 1
    assert "Traceback" not in ended.stderr
    assert "hunter2" not in ended.stderr


def test_settings_that_contradict_each_other_across_groups_are_told(tmp_path: Path) -> None:
    """What one group alone cannot know is known before anything starts, too."""
    ended = tandem(
        "reconcile",
        cwd=tmp_path,
        RUNNER_REVOKE_SECONDS="30",
        KAFKA_REBALANCE_TIMEOUT="30",
        KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9",
        MONGODB_URI="mongodb://127.0.0.1:9",
    )
    assert ended.returncode == 2
    assert ended.stderr.strip() == "KAFKA_REBALANCE_TIMEOUT must be more than RUNNER_REVOKE_SECONDS"


def test_the_help_comes_without_what_the_commands_run() -> None:
    """Looking up a command takes no client library: nothing is imported before it is needed."""
    code = "import sys, ops.cli; print([name for name in ('pymongo', 'aiokafka', 'aiohttp') if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert loaded.stdout.strip() == "[]"


def test_a_process_runs_its_own_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """`all` is not named after Python's own `all`; every other command is its module's name."""
    ran: list[str] = []
    monkeypatch.setattr(cli, "_refuse_wrong_settings", lambda _name: None)
    for name, module in [*((name, name) for name in OF_PROCESS), ("all", "everything")]:
        monkeypatch.setattr(f"ops.processes.{module}.main", lambda name=name: ran.append(name) or 7)
        with pytest.raises(BaseException) as ended:
            commands()[name].callback()
        assert ended.value.exit_code == 7
    assert ran == [*OF_PROCESS, "all"]


@pytest.mark.parametrize("first", [["contacts"], ["run", "contacts"]])
def test_what_a_run_is_of_may_stand_in_its_place(monkeypatch: pytest.MonkeyPatch, first: list[str]) -> None:
    """`tandem sync contacts` is `tandem sync run contacts`; commands of the group are themselves."""
    asked: list[Any] = []
    command: Any = importlib.import_module("ops.sync_command")
    monkeypatch.setattr(command, "run_sync", lambda what, **options: asked.append((what, options)) or 3)
    monkeypatch.setattr(command, "run_list", lambda limit: asked.append(limit) or 0)
    runner = CliRunner()
    times = ["--since", "7d", "--created-since", "9d"]
    ended = runner.invoke(cli.app, ["sync", *first, "--direction", "push", *times, "--dry-run"])
    assert ended.exit_code == 3, ended.output
    assert runner.invoke(cli.app, ["sync", "list", "--limit", "5"]).exit_code == 0
    assert runner.invoke(cli.app, ["sync", "contacts", "--direction", "sideways"]).exit_code == 2
    options = {"purpose": "sync", "direction": "push", "since": "7d", "created_since": "9d", "filter_text": ""}
    assert asked == [("contacts", {**options, "dry_run": True, "sure": False}), 5]
