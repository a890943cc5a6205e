"""`tandem demo` as a person runs it, small: real Kafka, real MongoDB, the org and the five processes."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from simulator.observer.verdict import Fault

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

RUN = ("--plain", "--customers", "30", "--events", "300", "--conflicts", "5")
SMALL = ("--plain", "--customers", "20", "--events", "60", "--conflicts", "3")
KINDS = {
    "ticketing": ("company", "customer", "prospect", "order", "order_line", "event", "registration", "deal"),
    "hackathon": ("company", "participant", "event", "registration", "project"),
}

SITE = {"registered": 40, "told at once": r"\d+", "lost": 0}
"""What is said of those who registered at the site."""

RECONCILE = ["-P", "-m", "ops", "reconcile"]
DEMO = (sys.executable, "-P", "-m", "ops", "demo")


def environment(mark: Path) -> dict[str, str]:
    """Servers of its own, and a mark by which every process of this run is found again."""
    own = {name: value for name, value in os.environ.items() if name not in {"KAFKA_BOOTSTRAP_SERVERS", "MONGODB_URI"}}
    return {**own, "TANDEM_TEST_MARK": str(mark), "PYTHONUNBUFFERED": "1"}


def marked(mark: str) -> list[psutil.Process]:
    """Every process of this user that bears the mark in its environment, zombies left out."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TANDEM_TEST_MARK") == mark:
                found.append(process)
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


def until(demo: "subprocess.Popen[str]", words: str) -> str:
    """What the demo has said when it first says this."""
    said = ""
    assert demo.stdout is not None
    for line in demo.stdout:
        said += line
        if words in line:
            return said
    pytest.fail(f"the demo ended without saying {words!r}:\n{said}")


@pytest.mark.parametrize("preset", KINDS)
def test_the_demo_ends_with_zeros_and_leaves_nothing_running(tmp_path: Path, preset: str) -> None:
    """Exit code 0, the observer's table with four zeros for every kind and enough conflicts, and no process survives.

    Leads were converted, contacts merged and moved, records deleted and undeleted, orders refunded, and the org had no
    calls left for a while.
    """
    ran = subprocess.run(
        [*DEMO, *SMALL, "--preset", preset],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for fault in Fault:
        assert re.search(rf"^ *{fault} +0 ", ran.stdout, re.MULTILINE), ran.stdout
    for kind in KINDS[preset]:
        assert re.search(rf"^ *{kind}( +[\d,]+){{3}} +0 +0 +0 +0 *$", ran.stdout, re.MULTILINE), ran.stdout
    acts = (
        r"3 leads entered, [1-9]\d* converted, [1-9] contacts merged, [1-9] moved to another account, "
        r"[1-9]\d* records deleted, [1-9]\d* undeleted, [1-9]\d* rows found locked, no API calls left for 5 s"
    )
    assert re.search(acts, ran.stdout), ran.stdout
    refunds = re.search(r"whole records\), (\d+) refunds, ", ran.stdout)
    assert refunds is not None, ran.stdout
    assert (int(refunds[1]) > 0) is (preset == "ticketing"), ran.stdout
    at_the_site = [re.search(rf"^ *{name} +{count} ", ran.stdout, re.MULTILINE) for name, count in SITE.items()]
    assert all(at_the_site) is (preset == "hackathon"), ran.stdout
    conflicts = re.search(r"conflicts settled +([\d,]+)", ran.stdout)
    assert conflicts is not None
    assert int(conflicts[1].replace(",", "")) >= 3
    assert marked(str(tmp_path)) == []


@pytest.mark.parametrize("end", ["Ctrl-C", "a process dies"])
def test_a_demo_cut_short_says_why_and_leaves_nothing_running(tmp_path: Path, end: str) -> None:
    """Ctrl-C stops everything in order; a process that dies is named at once, with its log."""
    with subprocess.Popen(
        [*DEMO, *RUN, "--events", "6000"],
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as demo:
        try:
            until(demo, "webhooks")
            if end == "Ctrl-C":
                demo.send_signal(signal.SIGINT)
            else:
                (reconcile,) = [one for one in marked(str(tmp_path)) if one.cmdline()[1:] == RECONCILE]
                reconcile.kill()
            said, _ = demo.communicate(timeout=60)
        finally:
            demo.kill()
    if end == "Ctrl-C":
        assert demo.returncode == 130, said
    else:
        assert demo.returncode == 1, said
        assert re.search(r"reconcile ended with code \d+; the end of \S+reconcile\.log", said), said
    assert marked(str(tmp_path)) == []
