"""The org's API allocation as every reply tells it. Source: "Sforce-Limit-Info Header" in the REST API guide."""

import re
from typing import Final

from schemas.allocation import Allocation

HEADER: Final = "Sforce-Limit-Info"
_USAGE: Final = re.compile(r"(?:^|[,;\s])api-usage=(\d+)/(\d+)")


def parse(header: str, seen_at: int) -> Allocation | None:
    """The allocation of the whole org in `api-usage=18/15000; per-app-api-usage=17/250(appName=x)`."""
    found = _USAGE.search(header)
    return Allocation(used=int(found[1]), limit=int(found[2]), seen_at=seen_at) if found else None
