"""Tells how much waits for a person: open gaps and parked records."""

import asyncio
from typing import Final

from ops.processes.frame import Frame
from ops.processes.parts import Store
from schemas.unavailable import Unavailable

LOOK_SECONDS: Final = 15.0


async def tell_waiting(store: Store, frame: Frame) -> None:
    """Count them again and again, without end; while MongoDB is away the last count stands."""
    while True:
        try:
            frame.metrics.gaps_seen(await store.gaps.count_open())
            frame.metrics.parked_waiting_seen(await store.parked.count_waiting())
        except Unavailable as error:
            frame.log.warning("waiting_not_seen", reason=str(error))
        await asyncio.sleep(LOOK_SECONDS)
