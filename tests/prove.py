"""The long proof. `make prove`.

First random schedules of everything that can happen, judged by the causal oracle: each seed is one schedule, so a run
can be continued with `--from`, and a failing one is shrunk and printed in a form that `support.oracle_schedule.run`
takes. Then the real stages on real servers, killed before, during and after every effect; `make test` kills after every
third.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from support.crash_fuse import Moment
from support.oracle_schedule import broken, seeded, shrink

SEEDS_A_TASK = 500
SHOWN = 5
"""Failures that are shrunk and printed; of the rest only the seeds."""


@dataclass(frozen=True)
class Failure:
    """A seed whose schedule breaks a promise."""

    seed: int
    why: str


def try_seeds(first: int, count: int) -> list[Failure]:
    """The failures among these seeds."""
    failures: list[Failure] = []
    for seed in range(first, first + count):
        why = broken(*seeded(seed))
        if why is not None:
            failures.append(Failure(seed, why))
    return failures


def describe(failure: Failure) -> str:
    """The failure with its schedule as short as it gets."""
    setting, steps, last = seeded(failure.seed)
    fewer = shrink(setting, steps, last)
    return f"seed {failure.seed}: {broken(setting, fewer, last)}\n    run({setting}, {fewer}, {last!r})\n"


def tasks(first: int, count: int) -> Iterator[tuple[int, int]]:
    """Ranges of seeds, each for one process to try: where it begins, and how many."""
    for start in range(first, first + count, SEEDS_A_TASK):
        yield start, min(SEEDS_A_TASK, first + count - start)


def prove(first: int, count: int, workers: int) -> int:
    """Try the seeds, say how it goes; the number of failures."""
    began, done, failed = time.monotonic(), 0, 0
    with ProcessPoolExecutor(workers) as pool:
        ranges = list(tasks(first, count))
        results = pool.map(try_seeds, *zip(*ranges, strict=True))
        for (start, size), failures in zip(ranges, results, strict=True):
            for failure in failures:
                failed += 1
                say(describe(failure) if failed <= SHOWN else f"seed {failure.seed}: {failure.why}\n")
            done += size
            if (start - first) // SEEDS_A_TASK % 10 == 9 or done == count:
                seconds = time.monotonic() - began
                say(
                    f"{done:>9,} of {count:,} schedules, {failed} failed, {done / seconds:,.0f} a second, "
                    f"next seed {first + done}\n"
                )
    return failed


def kill_everywhere() -> int:
    """Run the crash tests with every moment there is; pytest's exit status."""
    moments = get_args(Moment)
    say(
        f"killing reconcile, write and subscribe with SIGKILL {', '.join(moments)} every effect, on real Kafka and "
        "MongoDB: about ten minutes\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "--durations=0", "tests/integration/test_crash_safety.py"]
    environment = {**os.environ, "TANDEM_CRASH_MOMENTS": ",".join(moments), "TANDEM_CRASH_EVERY": "1"}
    return subprocess.run(command, cwd=Path(__file__).parents[1], env=environment, check=False).returncode


def say(text: str) -> None:
    """To whoever waits."""
    sys.stdout.write(text)
    sys.stdout.flush()


def main() -> int:
    """Exit status 1 if anything fails; the kills are run where schedules fail too."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=100_000, help="how many seeds")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--only", choices=("schedules", "kills"), help="one half of it")
    options = parser.parse_args()
    failed = 0
    if options.only != "kills":
        say(f"{options.count:,} random schedules, judged by the causal oracle\n")
        failed += prove(options.first, options.count, options.workers)
    if options.only != "schedules":
        failed += kill_everywhere()
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
