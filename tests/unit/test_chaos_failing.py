"""A chaos run that cannot go on says where the logs are."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ops.chaos import command
from simulator.servers.errors import ServerError

WANTED = command.Wanted(seed=1, preset="customers", customers=1, events=1, seconds=10, docs=None)


class Cast:
    """Lets its work go on."""

    async def unless_one_ends(self, work: Any) -> Any:
        return await work


@pytest.mark.parametrize("when", ["at the start", "after a restart"])
def test_a_server_that_does_not_come_back_leaves_its_log_and_is_said_where(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a folder of the run's own, which stays, with the schedule of what went wrong."""

    @contextlib.asynccontextmanager
    async def stage(_environ: Any, folder: Path, *_others: Any) -> AsyncIterator[Any]:
        (folder / "kafka.log").write_text("no space left\n")
        if when == "at the start":
            raise ServerError("kafka ended with code 1")
        servers = type("Servers", (), {"kafka_bootstrap": "127.0.0.1:1"})
        yield type("Chaos", (), {"stage": type("Stage", (), {"servers": servers, "cast": Cast()})})

    async def perform(*_given: Any) -> None:
        raise ExceptionGroup("troubles", [ServerError("kafka ended with code 1")])

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "set_stage", stage)
    monkeypatch.setattr(command, "perform", perform)
    monkeypatch.setattr(command, "find_toxiproxy", lambda _environ: tmp_path / "toxiproxy-server")
    assert command.run(WANTED) == command.EXIT_FAILED
    told = capsys.readouterr().out
    (folder,) = (tmp_path / ".tandem").iterdir()
    assert f"What each process and each server said until then is in {folder}" in told
    assert "The run failed: kafka ended with code 1" in told
    assert (folder / "kafka.log").read_text() == "no space left\n"
    assert (folder / "schedule.txt").read_text()
