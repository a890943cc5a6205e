"""Where results go: `benchmarks/results/<name>.json` with machine, data, command and commit; and a table to look at."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import orjson

FOLDER = Path(__file__).parent / "results"


def keep(name: str, results: Mapping[str, Mapping[str, float]], *, settings: Mapping[str, object]) -> Path:
    """Write one benchmark's numbers down, with what one needs to judge them."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.json"
    content = {
        "name": name,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "command": f"python -m benchmarks.{name} {' '.join(sys.argv[1:])}".strip(),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "load_before": round(os.getloadavg()[0], 2),
        },
        "settings": dict(settings),
        "results": results,
    }
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return path


def table(title: str, results: Mapping[str, Mapping[str, float]]) -> str:
    """One row for each thing measured, as Markdown."""
    columns = list(next(iter(results.values())))
    rows = [f"| {name} | {' | '.join(_short(row[column]) for column in columns)} |" for name, row in results.items()]
    return "\n".join([f"### {title}", "", f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|", *rows, ""])


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 1000 else f"{number:.2f}"


def _commit() -> str:
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
