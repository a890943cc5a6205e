"""The org's API allocation as every reply tells it. Source: "Sforce-Limit-Info Header" in the REST API guide."""

import re
from dataclasses import dataclass
from typing import Final

HEADER: Final = "Sforce-Limit-Info"
_USAGE: Final = re.compile(r"(?:^|[,;\s])api-usage=(\d+)/(\d+)")


@dataclass(frozen=True, slots=True)
class Allocation:
    """Calls used of those allowed in 24 rolling hours, as seen at `seen_at` (epoch milliseconds)."""

    used: int
    limit: int
    seen_at: int

    @property
    def left(self) -> int:
        """Calls left; never below zero, though paid orgs may overshoot."""
        return max(0, self.limit - self.used)


def parse(header: str, seen_at: int) -> Allocation | None:
    """The allocation of the whole org in `api-usage=18/15000; per-app-api-usage=17/250(appName=x)`."""
    found = _USAGE.search(header)
    return Allocation(used=int(found[1]), limit=int(found[2]), seen_at=seen_at) if found else None
