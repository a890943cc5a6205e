"""A million broken inputs at every edge: no 5xx, no crash, no unbounded memory. `make fuzz`.

Inputs come from a seed alone: a finding is printed with its edge, its seed and its number, and `--edge`, `--seed` and
`--number` try that one again. `make test` tries a few thousand of the same (`tests/properties/test_fuzzing.py`).
"""

import argparse
import asyncio
import platform
import resource
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import orjson
from support.fuzzing.edges import TARGETS, Target

MORE_MEMORY = 256
"""MiB that a run may add, whatever the number of inputs."""
SHOWN = 5
"""Findings of an edge that are printed in full."""


@dataclass
class Run:
    """What came of the inputs of one edge."""

    name: str
    inputs: int = 0
    bytes: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    slowest_number: int = 0
    findings: list[str] = field(default_factory=list)
    found: int = 0


async def try_inputs(
    target: Target, seed: int, count: int, *, only: int | None = None, until_found: bool = False
) -> Run:
    """So many inputs of one edge, or the one of that number, or until something is found."""
    run, mutator, edge = Run(target.name), target.inputs(seed), target.edge(seed)
    began = time.perf_counter()
    for number in range(count):
        raw = mutator.next()
        if only is not None and number != only:
            continue
        run.inputs += 1
        run.bytes += len(raw)
        started = time.perf_counter()
        try:
            await edge(raw)
        except Exception as problem:  # noqa: BLE001 - whatever it is, it is what is looked for
            run.found += 1
            if len(run.findings) < SHOWN:
                where = "".join(traceback.format_exception(problem)[-3:])
                run.findings.append(f"--edge {target.name} --seed {seed} --number {number}\n{raw[:300]!r}\n{where}")
            if until_found:
                break
            edge = target.edge(seed)
        taken = time.perf_counter() - started
        await asyncio.sleep(0)  # generators that were left half way are closed by the loop, which must get its turn
        if taken > run.slowest:
            run.slowest, run.slowest_number = taken, number
    run.seconds = time.perf_counter() - began
    return run


def memory() -> float:
    """The most memory that this process has had, in MiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / (1 << 20)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    names = [target.name for target in TARGETS]
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="of all edges together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--edge", action="append", choices=names, help="one alone; may be repeated")
    parser.add_argument("--number", type=int, help="with --edge and --seed: this input alone")
    parser.add_argument("--result", type=Path, help="a JSON file to write what came of it into")
    asked = parser.parse_args(arguments)
    targets = [target for target in TARGETS if asked.edge is None or target.name in asked.edge]
    shares = sum(target.share for target in targets)
    before, runs = memory(), list[Run]()
    for target in targets:
        count = -(-asked.inputs * target.share // shares) if asked.number is None else asked.number + 1
        run = asyncio.run(try_inputs(target, asked.seed, count, only=asked.number))
        runs.append(run)
        slowest = f"slowest {run.slowest * 1000:.0f} ms (number {run.slowest_number})"
        print(
            f"{run.name:>20}: {run.inputs:,} inputs in {run.seconds:.0f} s, {slowest}, {run.found} findings", flush=True
        )
        for finding in run.findings:
            print(finding)
    grown, found = memory() - before, sum(run.found for run in runs)
    print(f"{sum(run.inputs for run in runs):,} inputs, {found} findings, {grown:.0f} MiB more memory at the most")
    if asked.result is not None:
        told = {
            "command": f"make fuzz ARGS='--inputs {asked.inputs} --seed {asked.seed}'",
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
            "inputs": sum(run.inputs for run in runs),
            "findings": found,
            "memory_grown_mib": round(grown),
            "edges": {
                run.name: {
                    "inputs": run.inputs,
                    "bytes": run.bytes,
                    "seconds": round(run.seconds, 1),
                    "slowest_ms": round(run.slowest * 1000, 1),
                    "findings": run.found,
                }
                for run in runs
            },
        }
        asked.result.write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n")
    return 1 if found or grown > MORE_MEMORY else 0


if __name__ == "__main__":
    sys.exit(main())
