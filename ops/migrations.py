"""What stored rows have to become for this release, one migration after the other. Pure: what to do, not the doing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from adapters.mongo.collections import GAPS, OPERATIONS, SYNC_LOGS
from adapters.mongo.logs import LOG_DATES, log_dates
from adapters.mongo.retention import Retention, dated

Row = Mapping[str, Any]
Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """Rows of one sort. `due` finds those that are not as they should be, and none that are: `values`, by MongoDB path,
    make one so. Of `documents` each kind's collection is meant; else `collection`."""

    due: Mapping[str, Any]
    values: Callable[[Row, Retention], Values]
    collection: str = ""
    documents: bool = False

    def collections(self, kinds: Sequence[str]) -> Sequence[str]:
        """Where such rows are; `kinds` are the collections of the documents."""
        return kinds if self.documents else (self.collection,)


@dataclass(frozen=True, slots=True)
class Migration:
    """Named by number and word, and never renamed. `format` is that of documents once it is made, where it changes."""

    name: str
    why: str
    steps: Sequence[Step]
    format: int | None = None


ALL: Final[Sequence[Migration]] = (
    Migration(
        "0001-dates",
        "rows of before MONGODB_*_DAYS have no date by which they go",
        (
            Step(
                {**{date: {"$exists": False} for date in LOG_DATES}, "type": {"$exists": True}},
                lambda row, _kept: log_dates(row),
                SYNC_LOGS,
            ),
            Step(
                {"made_at": {"$exists": False}, "at": {"$exists": True}},
                lambda row, _kept: {"made_at": dated(row["at"])},
                OPERATIONS,
            ),
            Step(
                {"state": "closed", "expires_at": {"$exists": False}, "closed_at": {"$exists": True}},
                lambda row, kept: {"expires_at": dated(row["closed_at"]) + kept.gaps},
                GAPS,
            ),
        ),
    ),
)
"""In the order in which they are made. A release that adds one keeps reading what it has not reached yet."""
