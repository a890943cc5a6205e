"""Whether the pretended platform was told of all that Salesforce changed."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from schemas.mapping import Mapping as FieldsMapping
from simulator.platform.receiver import Told

LOOK_SECONDS: Final = 0.5


async def untold_in_time(
    told: Told, documents: Mapping[str, Sequence[Mapping[str, Any]]], mapping: FieldsMapping, *, seconds: float
) -> list[str]:
    """Wait until the platform knows all of Salesforce's values that documents show; what it does not know in time.

    `documents` are by collection, as MongoDB holds them at rest. A line for each value, and no values.
    """
    over = time.monotonic() + seconds
    while True:
        untold = told.untold(documents, mapping)
        if not untold or time.monotonic() > over:
            return untold
        await asyncio.sleep(LOOK_SECONDS)
