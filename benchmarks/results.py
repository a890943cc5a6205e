"""What a benchmark found, written to `benchmarks/results/<name>-<date>.json` and shown as a table."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from simulator.servers.local import Servers, servers_or_start

FOLDER = Path(__file__).parent / "results"

Table = Mapping[str, Mapping[str, float]]
"""A row for each thing measured; the last one is the ratio to the reference, where there is one."""


@dataclass(frozen=True, slots=True)
class Results:
    """`rounds` holds what the medians in `table` come from. `part` names those of its parts that were measured, if not
    all: their file is one of its own."""

    title: str
    table: Table
    rounds: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    part: str = ""


def keep(name: str, results: Results, *, settings: Mapping[str, object], load_before: float) -> Path:
    """Write one benchmark's numbers down, with what one needs to judge them."""
    FOLDER.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    path = FOLDER / f"{'-'.join(filter(None, (name, results.part)))}-{now:%Y-%m-%d}.json"
    content = {
        "name": name,
        "title": results.title,
        "at": now.isoformat(timespec="seconds"),
        "commit": _commit(),
        "command": f"python -m benchmarks {' '.join(sys.argv[1:])}".strip(),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "load_before": round(load_before, 2),
            "load_after": round(os.getloadavg()[0], 2),
        },
        "settings": dict(settings),
        "results": results.table,
        "rounds": results.rounds,
        "note": results.note,
    }
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return path


def table(results: Results) -> str:
    """One row for each thing measured, as Markdown."""
    rows = results.table
    columns = list(next(iter(rows.values())))
    lines = [
        f"| {name} | {' | '.join(_short(row[column]) if column in row else '' for column in columns)} |"
        for name, row in rows.items()
    ]
    head = [f"### {results.title}", "", f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    return "\n".join([*head, *lines, "", *([results.note, ""] if results.note else [])])


def servers_for(*needs: str) -> AbstractAsyncContextManager[Servers]:
    """Real servers of the benchmark's own, so that nothing else of ours is on them."""
    return servers_or_start({}, needs=needs)


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 1000 else f"{number:.2f}"


def _commit() -> str:
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False, cwd=FOLDER.parent
    )
    return found.stdout.strip() or "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
