"""How long rows are kept whose number would otherwise only grow."""

from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Retention:
    """By what is kept. `outcomes`, `audit` and `decisions` of the log and `operations` count from when the row was
    made, `parked`, `gaps` and `runs` from when it was closed or had ended: one that waits for somebody stays."""

    outcomes: timedelta = timedelta(days=90)
    audit: timedelta = timedelta(days=730)
    decisions: timedelta = timedelta(days=7)
    operations: timedelta = timedelta(days=730)
    parked: timedelta = timedelta(days=90)
    gaps: timedelta = timedelta(days=180)
    runs: timedelta = timedelta(days=90)


DEFAULT = Retention()
KEPT = tuple(field.name for field in fields(Retention))


def dated(at: int) -> datetime:
    """Epoch milliseconds as MongoDB's TTL indexes want them."""
    return datetime.fromtimestamp(at / 1000, UTC)
