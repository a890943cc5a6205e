"""`tandem chaos` as a person runs it, small: everything goes wrong once, within seconds."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ops.chaos.outcome import MEANING
from ops.chaos.troubles import all_troubles, tell
from simulator.servers.toxiproxy import find_toxiproxy

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SIZE = ("--seed", "6", "--customers", "120", "--events", "600", "--seconds", "30", "--no-recovery")
"""So short that one trouble begins while others last, and how soon all is as before can be told of none."""


def test_zeros_while_everything_goes_wrong(tmp_path: Path) -> None:
    """Each trouble that can be had here strikes at least once; nothing is lost, doubled, echoed or different."""
    without_go = {name: value for name, value in os.environ.items() if name != "PATH"}
    folders = [folder for folder in os.environ["PATH"].split(os.pathsep) if not (Path(folder) / "go").exists()]
    environment = {**without_go, "PATH": os.pathsep.join(folders), "PYTHONUNBUFFERED": "1"}
    ran = subprocess.run(
        [sys.executable, "-P", "-m", "ops", "chaos", *SIZE, "--docs", "docs"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    wires = find_toxiproxy(environment) is not None
    struck = [one["what"] for one in json.loads((tmp_path / "docs/chaos/seed-6.json").read_bytes())["troubles"]]
    assert sorted(struck) == sorted(tell(trouble) for trouble in all_troubles(wires=wires))
    for name in MEANING:
        assert re.search(rf"^{name} +0$", ran.stdout, re.MULTILINE), ran.stdout
    assert "Found by the observer" in (tmp_path / "docs/chaos.md").read_text(encoding="utf-8")
