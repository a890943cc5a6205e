"""What the writer reads off a Salesforce row."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from schemas.platform_event import epoch_ms


def modified_at(row: Mapping[str, Any] | None) -> int:
    """The row's `SystemModstamp`, epoch milliseconds: `2025-01-02T03:04:05.000+0000`. 0 where there is no row."""
    if row is None:
        return 0
    return epoch_ms(datetime.fromisoformat(row["SystemModstamp"]))
