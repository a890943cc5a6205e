"""The org's allocations of API calls, event deliveries and Bulk jobs, as it tells them and as our processes tell each
other."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

BULK_BATCHES: Final = "DailyBulkApiBatches"
"""Of Bulk jobs that write: one for each 10,000 rows."""
BULK_QUERY_JOBS: Final = "DailyBulkV2QueryJobs"


@dataclass(frozen=True, slots=True)
class Allocation:
    """Calls, deliveries or jobs used of those allowed in 24 rolling hours, as seen at `seen_at`, epoch milliseconds."""

    used: int
    limit: int
    seen_at: int

    @property
    def left(self) -> int:
        """What is left; never below zero, though paid orgs may overshoot."""
        return max(0, self.limit - self.used)


@dataclass(frozen=True, slots=True)
class AllocationHeard:
    """The newest that a process knows, and until when (epoch milliseconds) Salesforce refuses all calls."""

    allocation: Allocation | None = None
    exceeded_until: int = 0
    deliveries: Allocation | None = None
    """Of change events, to all subscribers of the org."""
    jobs: Mapping[str, Allocation] = field(default_factory=lambda: MappingProxyType({}))
    """Of Bulk jobs: the allocations that are known, by their names in the org's `limits` resource."""


def newest(heard: list[AllocationHeard]) -> AllocationHeard:
    """What several have heard, taken together."""
    names = {name for one in heard for name in one.jobs}
    return AllocationHeard(
        _newest(one.allocation for one in heard),
        max((one.exceeded_until for one in heard), default=0),
        _newest(one.deliveries for one in heard),
        {name: seen for name in names if (seen := _newest(one.jobs.get(name) for one in heard)) is not None},
    )


def _newest(each: Iterable[Allocation | None]) -> Allocation | None:
    """Of those that were seen at the same moment the one of which more is used: somebody has used it since."""
    seen = (one for one in each if one is not None)
    return max(seen, key=lambda one: (one.seen_at, one.used), default=None)
