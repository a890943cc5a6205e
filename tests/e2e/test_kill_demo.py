"""`tandem demo --kill` as a person runs it, small."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ops.demo.plan import KILL_ROUNDS
from simulator.observer.verdict import Fault

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

RUN = ("--kill", "--plain", "--customers", "30", "--events", "300", "--conflicts", "5", "--seed", "5")


def test_processes_killed_again_and_again_leave_zeros(tmp_path: Path) -> None:
    """Each of the five is killed in every round, and one of them twice, while it works; nothing is lost by it."""
    own = {name: value for name, value in os.environ.items() if name not in {"KAFKA_BOOTSTRAP_SERVERS", "MONGODB_URI"}}
    ran = subprocess.run(
        [sys.executable, "-P", "-m", "ops", "demo", *RUN],
        cwd=tmp_path,
        env={**own, "PYTHONUNBUFFERED": "1"},
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    names = ("subscribe", "reconcile", "write", "webhook", "deliver")
    kills = [len(re.findall(rf"killed {name}, started again", ran.stdout)) for name in names]
    assert min(kills) >= KILL_ROUNDS, ran.stdout
    assert sum(kills) >= (len(names) + 1) * KILL_ROUNDS, ran.stdout
    for fault in Fault:
        assert re.search(rf"^ *{fault} +0 ", ran.stdout, re.MULTILINE), ran.stdout
