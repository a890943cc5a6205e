"""`python -m benchmarks [name …] [--records N] [--rounds N]`: measure, write benchmarks/results, print tables.

Without a name all are measured, one after the other. Without sizes each takes its own, which are those of its goal.
"""

import argparse
import asyncio
import importlib
import os
import time

from benchmarks.child import quiet
from benchmarks.results import keep, table

BENCHES = (
    "webhook",
    "reconcile",
    "changes",
    "write",
    "latency",
    "bulk",
    "pull",
    "match",
    "pages",
    "memory",
    "enrichment",
)


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(BENCHES)}; all without one")
    parser.add_argument("--only", action="append", default=[], metavar="name", help="the same")
    parser.add_argument("--records", type=int, help="events or requests in each round, for a quick try")
    parser.add_argument("--rounds", type=int, help="how often each contender runs")
    parser.add_argument("--peers", action="store_true", help="beside MongoDB's Kafka Connect sink, which is fetched")
    options = parser.parse_args()
    names = [*options.names, *options.only, *(["peers"] if options.peers else [])]
    unknown = set(names) - {*BENCHES, "peers"}
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    quiet()
    for name in names or BENCHES:
        _measure(name, {"records": options.records, "rounds": options.rounds})


def _measure(name: str, sizes: dict[str, int | None]) -> None:
    bench = importlib.import_module(f"benchmarks.{name}")
    settings = bench.SIZES | {size: value for size, value in sizes.items() if value is not None}
    load_before = os.getloadavg()[0]
    began = time.monotonic()
    results = asyncio.run(bench.measure(**settings))
    path = keep(name, results, settings=settings, load_before=load_before)
    print(table(results))
    print(f"{time.monotonic() - began:.0f} s, load {load_before:.1f}, kept in {path.relative_to(path.parents[2])}\n")


if __name__ == "__main__":
    main()
