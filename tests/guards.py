"""Takes out the guard of each failure case, one at a time, and looks whether the case's test fails. `make guards`.

The exit code is 0 if every test passes with the code as it is and fails without its guard.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from support.guards import GUARDS, Guard

TESTS = Path(__file__).parent
FAILED = 1
"""pytest's exit code where tests have run and some have failed; it has others for what is no verdict."""


def run(nodes: Sequence[str], *options: str) -> subprocess.CompletedProcess[str]:
    """Run these tests in a process of their own."""
    environment = os.environ | {"PYTHONPATH": str(TESTS)}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider", *options, *nodes]
    return subprocess.run(command, cwd=TESTS.parent, env=environment, capture_output=True, text=True, check=False)


def without(guard: Guard) -> subprocess.CompletedProcess[str]:
    """Run a guard's test with the guard taken out."""
    return run([guard.node], "-p", "support.without_guard", "--without", guard.case)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(prog="make guards", description=__doc__)
    parser.add_argument("--only", action="append", metavar="CASE", help="a case (07) or a hole (a); may be repeated")
    asked = parser.parse_args(arguments).only
    guards = [guard for guard in GUARDS if asked is None or guard.case in asked]
    if not guards:
        parser.error("no such case")
    whole = run([guard.node for guard in guards])
    print(f"with every guard in its place: {whole.stdout.strip().splitlines()[-1]}", flush=True)
    if whole.returncode:
        print(whole.stdout[-4_000:])
        return 1
    unnoticed = 0
    for guard in guards:
        began = time.monotonic()
        done = without(guard)
        noticed = done.returncode == FAILED
        unnoticed += not noticed
        says = "noticed" if noticed else f"NOT NOTICED (pytest ended with {done.returncode})"
        print(f"{guard.case}: {guard.what}: {says} in {time.monotonic() - began:.0f} s", flush=True)
        if not noticed:
            print(done.stdout[-2_000:], done.stderr[-2_000:])
    print(f"{len(guards)} guards taken out, {unnoticed} not noticed")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
