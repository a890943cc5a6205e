"""Change events per second, from the simulated org's CometD to the committed document.

Users edit linked records while the subscriber is down; it is started again, and what counts is the time from the first
document that shows an edit to the last one: the pace at which the org makes edits does not count, that of sending does.
"""

import asyncio
import statistics
import time
from typing import Any

from benchmarks.results import Results
from benchmarks.whole import Whole, whole

SIZES = {"records": 20_000, "rounds": 3}
EVENTS_A_CUSTOMER = 20
EDITS_A_POST = 500
LONGEST_SECONDS = 600.0


async def measure(*, records: int, rounds: int) -> Results:
    """The medians of the rounds; `records` are the events of each."""
    customers = max(1, records // EVENTS_A_CUSTOMER)
    async with whole(customers, {"CHANGES_LEASE_SECONDS": "3"}) as everything:
        await everything.link_all()
        ids = await everything.records()
        told = [await _round(everything, number, records, ids) for number in range(rounds)]
    row = {key: statistics.median(one[key] for one in told) for key in told[0]}
    note = (
        "Decided one by one, by every rule. The best peer's 7,900 events/s are batches in which the last arrival wins."
    )
    return Results("changes: CometD to committed document", {"tandem": row}, rounds={"tandem": told}, note=note)


async def _round(everything: Whole, number: int, records: int, ids: dict[str, str]) -> dict[str, float]:
    stage = everything.stage
    subscriber = stage.children["subscribe"]
    await stage.cast.kill(subscriber)
    began = time.monotonic()
    await _edit(everything, number, records, list(ids.values()))
    editing = time.monotonic() - began
    mark = {f"Round {number} edit {records - 1 - back}" for back in range(len(ids))}
    documents = everything.database["customers"]
    started = time.monotonic()
    stage.children["subscribe"] = await stage.cast.start(subscriber.part)
    first = 0.0
    async with asyncio.timeout(LONGEST_SECONDS):
        while True:
            if not first and await documents.count_documents({"department": {"$regex": f"^Round {number} "}}, limit=1):
                first = time.monotonic()
            if first and await documents.count_documents({"department": {"$in": list(mark)}}) == len(mark):
                break
            await asyncio.sleep(0.02)
    last = time.monotonic()
    await everything.settled()
    return {
        "events/s": records / (last - first),
        "s from start to the first": first - started,
        "org's edits/s": records / editing,
    }


async def _edit(everything: Whole, number: int, records: int, ids: list[str]) -> None:
    """Each record in turn, so that its last edit is among the last of all."""
    edits: list[dict[str, Any]] = [
        {"id": ids[edit % len(ids)], "fields": {"Department": f"Round {number} edit {edit}"}} for edit in range(records)
    ]
    for start in range(0, records, EDITS_A_POST):
        results = await everything.admin("POST", "/edits", edits[start : start + EDITS_A_POST])
        assert all(result["success"] for result in results)
