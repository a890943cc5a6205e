"""`tandem chaos` as a person runs it, small: everything goes wrong once, within seconds."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ops.chaos.outcome import MEANING
from ops.chaos.troubles import Cut, Silence, Stall, Wire, all_troubles, tell
from simulator.servers.toxiproxy import find_toxiproxy

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SIZE = ("--seed", "6", "--customers", "120", "--events", "600", "--seconds", "30", "--no-recovery")
"""So short that one trouble begins while others last, and how soon all is as before can be told of none."""


HAPPENED = (
    *(f"{done} on the platform" for done in ("created", "updated", "deleted")),
    *(f"{done} by people in Salesforce" for done in ("created", "updated", "deleted", "undeleted")),
    *("converted", "merged", "orders", "refunds", "our writes", "deleted on one side", "webhooks to the platform"),
)
"""Were one of these missing, the zeros would say nothing of it."""


def without_go() -> dict[str, str]:
    """The environment, so that no proxy is built within the test: one that is there is taken."""
    folders = [folder for folder in os.environ["PATH"].split(os.pathsep) if not (Path(folder) / "go").exists()]
    return {**os.environ, "PATH": os.pathsep.join(folders)}


@dataclass(frozen=True, slots=True)
class Ran:
    """What the command said, and where it put its page."""

    process: "subprocess.CompletedProcess[str]"
    folder: Path

    @property
    def report(self) -> dict[str, Any]:
        """What the page is made of."""
        found: dict[str, Any] = json.loads((self.folder / "docs/chaos/seed-6.json").read_bytes())
        return found

    @property
    def struck(self) -> list[str]:
        """The troubles that came."""
        return [one["what"] for one in self.report["troubles"]]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """It runs once."""
    folder = tmp_path_factory.mktemp("chaos")
    process = subprocess.run(
        [sys.executable, "-P", "-m", "ops", "chaos", *SIZE, "--docs", "docs"],
        cwd=folder,
        env={**without_go(), "PYTHONUNBUFFERED": "1"},
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
    return Ran(process, folder)


def test_zeros_while_everything_goes_wrong(ran: Ran) -> None:
    """Each trouble that can be had here strikes at least once; nothing is lost, doubled, echoed or different."""
    said = ran.process.stdout
    assert ran.process.returncode == 0, said + ran.process.stderr
    wires = find_toxiproxy(without_go()) is not None
    assert sorted(ran.struck) == sorted(tell(trouble) for trouble in all_troubles(wires=wires))
    for name in MEANING:
        assert re.search(rf"^{name} +0$", said, re.MULTILINE), said
    assert "Found by the observer" in (ran.folder / "docs/chaos.md").read_text(encoding="utf-8")


def test_there_was_something_to_judge(ran: Ran) -> None:
    """People did on both sides all that they can do, and the platform was told."""
    counts = ran.report["counts"]
    assert [name for name in HAPPENED if counts[name] <= 0] == []


def test_connections_were_cut_stalled_and_silenced(ran: Ran) -> None:
    """Told by name where they were not."""
    if find_toxiproxy(without_go()) is None:
        pytest.skip("no toxiproxy-server on the PATH; `tandem chaos` builds one where there is Go")
    for sort in (Cut, Stall, Silence):
        assert {tell(sort(wire)) for wire in Wire} <= set(ran.struck)
