"""docs/metrics.md, made from the declarations so that it cannot be wrong."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Description:
    """One metric as docs/metrics.md shows it."""

    name: str
    type: str
    labels: tuple[str, ...]
    help: str


def page(metrics: Iterable[Description]) -> str:
    """docs/metrics.md."""
    rows = [
        f"| `{each.name}` | {each.type} | {', '.join(f'`{label}`' for label in each.labels)} | {each.help} |"
        for each in metrics
    ]
    return "\n".join(
        [
            "# Metrics",
            "",
            "Every process answers `/metrics` on its ops port (`OPS_PORT`, 8081) with those it has something to say",
            "of, beside Prometheus' own `process_*` and `python_info`. No label holds anything that came in a payload.",
            "",
            "Made by `python -m adapters.telemetry > docs/metrics.md`; a test compares.",
            "",
            "| metric | type | labels | meaning |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )
