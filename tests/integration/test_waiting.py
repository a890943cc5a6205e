"""What waits for a person is counted where it is kept, and told to the metrics."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.running import Notes, until

from adapters.mongo.collections import prepare
from adapters.mongo.gaps import MongoGaps, MongoLogGaps
from adapters.mongo.logs import MongoParkedRecords
from adapters.telemetry.metrics import Metrics
from ops.processes import waiting
from ops.processes.frame import Frame
from schemas.storage import Parked
from schemas.stream import Gap, LostOffsets

pytestmark = pytest.mark.integration


def parked(offset: int) -> Parked:
    """A record that nobody could read."""
    return Parked("platform.events", 0, offset, b"k", b"{", (), "undecodable", "", 1)


async def test_what_waits_is_what_is_told(
    database: AsyncDatabase[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gaps of both sorts while they are open, parked records while nobody has dealt with them."""
    monkeypatch.setattr(waiting, "LOOK_SECONDS", 0.01)
    await prepare(database, [])
    stream, log, records = MongoGaps(database, "00D"), MongoLogGaps(database), MongoParkedRecords(database)
    await stream.record(Gap("/data/ChangeEvents", "position_refused", 1, 2, 3))
    await log.record("tandem.writer", "salesforce.writes", 0, "offset_out_of_range", LostOffsets(1, 2, 3), 4)
    await records.park([parked(offset) for offset in range(3)])
    frame = Frame("write", Notes(), Metrics(), asyncio.Event())
    store: Any = SimpleNamespace(gaps=log, parked=records)
    telling = asyncio.create_task(waiting.tell_waiting(store, frame))

    def told(of_writes: int, waits: int) -> bool:
        page = frame.metrics.render().decode()
        gaps = {"position_refused": 1, "offset_out_of_range": of_writes, "overflow": 0}
        lines = [f'tandem_open_gaps{{reason="{reason}"}} {count:.1f}' for reason, count in gaps.items()]
        return all(line in page for line in lines) and f"tandem_parked_waiting {waits:.1f}" in page

    try:
        await until(lambda: told(1, 3), "all of it is told")
        await database["tandem_gaps"].update_one({"channel": "salesforce.writes"}, {"$set": {"state": "closed"}})
        await database["tandem_parked"].update_one({"offset": 1}, {"$set": {"state": "done"}})
        await until(lambda: told(0, 2), "what was dealt with waits no more")
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
