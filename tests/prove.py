"""The long proof. `make prove`.

First random schedules of everything that can happen, judged by the causal oracle: each seed is one schedule, so a run
can be continued with `--from`, and a failing one is shrunk and printed in a form that `support.oracle_schedule.run`
takes. Then fewer with the policies that merge values, fewer of a Lead that is converted, and fewer in which the events
of one record overtake those of another that has ended in it. Then fewer on the real reconciler and writer, two of each,
on real MongoDB. Then the real stages on real servers, killed before, during and after every effect; `make test` kills
after every third. Then a team of two subscribers, four reconcilers and two writers, stopped, killed and put to sleep in
the orders of some tens of seeds; `make test` has two of them.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args

from pymongo import AsyncMongoClient
from support import oracle_stage
from support.crash_fuse import Moment
from support.oracle_schedule import broken, seeded, seeded_conversion, seeded_partitions, shrink
from support.oracle_world import Setting
from support.servers import mongodb_for_tests, unique_database

SEEDS_A_TASK = 500
STAGED_SEEDS_A_TASK = 25
SHOWN = 5
"""Failures that are shrunk and printed; of the rest only the seeds."""


@dataclass(frozen=True)
class Failure:
    """A seed whose schedule breaks a promise."""

    seed: int
    why: str


Schedules = Callable[[int], tuple[Setting, list[str], str]]
"""The schedule of a seed, of one part of the proof."""
MERGING: Schedules = partial(seeded, merging=True)


def try_seeds(first: int, count: int, *, schedule: Schedules = seeded) -> list[Failure]:
    """The failures among these seeds."""
    failures: list[Failure] = []
    for seed in range(first, first + count):
        why = broken(*schedule(seed))
        if why is not None:
            failures.append(Failure(seed, why))
    return failures


def describe(failure: Failure, *, schedule: Schedules = seeded) -> str:
    """The failure with its schedule as short as it gets."""
    setting, steps, last = schedule(failure.seed)
    fewer = shrink(setting, steps, last)
    return f"seed {failure.seed}: {broken(setting, fewer, last)}\n    run({setting}, {fewer}, {last!r})\n"


def stage_seeds(uri: str, first: int, count: int) -> list[Failure]:
    """The failures among these seeds on the real stages and this MongoDB."""
    return asyncio.run(_stage_seeds(uri, first, count))


async def _stage_seeds(uri: str, first: int, count: int) -> list[Failure]:
    failures: list[Failure] = []
    async with AsyncMongoClient[dict[str, Any]](uri, w="majority") as client, unique_database(client) as database:
        for seed in range(first, first + count):
            why = await oracle_stage.broken(*seeded(seed), database, at_once=is_at_once(seed))
            if why is not None:
                failures.append(Failure(seed, why))
    return failures


def is_at_once(seed: int) -> bool:
    """How what contends does so on the real stages: every second seed leaves it to asyncio and MongoDB."""
    return seed % 2 == 1


def describe_staged(failure: Failure) -> str:
    """The failure with its schedule; it may take a few tries to see it again where it happened at once."""
    setting, steps, last = seeded(failure.seed)
    at_once = is_at_once(failure.seed)
    return f"seed {failure.seed}: {failure.why}\n    run({setting}, {steps}, {last!r}, database, at_once={at_once})\n"


def tasks(first: int, count: int, size: int) -> Iterator[tuple[int, int]]:
    """Ranges of seeds, each for one process to try: where it begins, and how many."""
    for start in range(first, first + count, size):
        yield start, min(size, first + count - start)


def prove(
    attempt: Callable[[int, int], list[Failure]],
    described: Callable[[Failure], str],
    ranges: list[tuple[int, int]],
    workers: int,
) -> int:
    """Try these ranges of seeds, say how it goes; the number of failures."""
    first, count = ranges[0][0], sum(size for _start, size in ranges)
    began, done, failed = time.monotonic(), 0, 0
    with ProcessPoolExecutor(workers) as pool:
        results = pool.map(attempt, *zip(*ranges, strict=True))
        for place, ((_start, size), failures) in enumerate(zip(ranges, results, strict=True)):
            for failure in failures:
                failed += 1
                say(described(failure) if failed <= SHOWN else f"seed {failure.seed}: {failure.why}\n")
            done += size
            if place % 10 == 9 or done == count:
                seconds = time.monotonic() - began
                say(
                    f"{done:>9,} of {count:,} schedules, {failed} failed, {done / seconds:,.0f} a second, "
                    f"next seed {first + done}\n"
                )
    return failed


async def prove_stages(first: int, count: int, workers: int) -> int:
    """The same on the real stages, on a MongoDB of this run."""
    async with mongodb_for_tests() as uri:
        ranges = list(tasks(first, count, STAGED_SEEDS_A_TASK))
        return await asyncio.to_thread(prove, partial(stage_seeds, uri), describe_staged, ranges, workers)


def kill_everywhere() -> int:
    """Run the crash tests with every moment there is; pytest's exit status."""
    moments = get_args(Moment)
    say(
        f"killing reconcile, write and subscribe with SIGKILL {', '.join(moments)} every effect, on real Kafka and "
        "MongoDB: about ten minutes\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "--durations=0", "tests/integration/test_crash_safety.py"]
    return tested(command, TANDEM_CRASH_MOMENTS=",".join(moments), TANDEM_CRASH_EVERY="1")


def fence(first: int, count: int) -> int:
    """Run the test of fencing with these seeds; pytest's exit status. A failing seed is in the test's name."""
    say(
        f"{count:,} orders, from seed {first}, in which two subscribers, four reconcilers and two writers stop, die "
        f"and sleep, on real Kafka and MongoDB: about {max(1, count // 3)} minutes\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "--durations=0", "tests/integration/test_fencing_orders.py"]
    return tested(command, TANDEM_FENCING_SEEDS=",".join(str(seed) for seed in range(first, first + count)))


def tested(command: list[str], **environment: str) -> int:
    """Run pytest; its exit status."""
    here = Path(__file__).parents[1]
    return subprocess.run(command, cwd=here, env=os.environ | environment, check=False).returncode


def say(text: str) -> None:
    """To whoever waits."""
    sys.stdout.write(text)
    sys.stdout.flush()


def main() -> int:
    """Exit status 1 if anything fails; the kills and the fencing are run where schedules fail too."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=100_000, help="how many schedules")
    parser.add_argument("--merging", type=int, default=20_000, help="how many with the policies that merge values")
    parser.add_argument("--converting", type=int, default=20_000, help="how many of a Lead that is converted")
    parser.add_argument("--partitions", type=int, default=20_000, help="how many with events that overtake others")
    parser.add_argument("--staged", type=int, default=3_000, help="how many of them on the real stages")
    parser.add_argument("--fencing", type=int, default=30, help="how many orders in which owners come and go")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument(
        "--only",
        choices=("schedules", "merging", "converting", "partitions", "stages", "kills", "fencing"),
        help="one part of it",
    )
    options = parser.parse_args()
    parts: dict[str, tuple[Schedules, int, str]] = {
        "schedules": (seeded, options.count, "random schedules, judged by the causal oracle"),
        "merging": (MERGING, options.merging, "with the policies union, max and min among the others"),
        "converting": (seeded_conversion, options.converting, "of a Lead that is converted"),
        "partitions": (seeded_partitions, options.partitions, "in which one record's events overtake another's"),
    }
    failed = 0
    for part, (schedule, count, what) in parts.items():
        if options.only in (None, part):
            say(f"{count:,} {what}\n")
            ranges = list(tasks(options.first, count, SEEDS_A_TASK))
            tried, described = partial(try_seeds, schedule=schedule), partial(describe, schedule=schedule)
            failed += prove(tried, described, ranges, options.workers)
    if options.only in (None, "stages"):
        say(f"{options.staged:,} of them on the real reconciler and writer, two of each, on real MongoDB\n")
        failed += asyncio.run(prove_stages(options.first, options.staged, options.workers))
    if options.only in (None, "kills"):
        failed += kill_everywhere()
    if options.only in (None, "fencing"):
        failed += fence(options.first, options.fencing)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
