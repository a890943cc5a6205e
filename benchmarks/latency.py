"""How long an edit takes to the other side at 50 events a second, with no allocation limit and an event delay of 0.

Without a limit on calls there is nothing to gather rows for: WRITER_LINGER_SECONDS is 0 here.

From the webhook's 202 to Salesforce's commit, by the commit's own time; and from Salesforce's commit to the committed
document, by when a change stream with majority read concern shows it. One clock: everything runs on this machine.
"""

import asyncio
import time
from typing import Any

from benchmarks.results import Results
from benchmarks.whole import Whole, whole

SIZES = {"records": 1_500, "rounds": 1}
EVENTS_A_SECOND = 50
CUSTOMERS = 1_000
GOALS_MS = (55, 253)


async def measure(*, records: int, rounds: int) -> Results:
    """Each way by itself, one after the other; all rounds together."""
    out: list[float] = []
    back: list[float] = []
    async with whole(min(records, CUSTOMERS), {"WRITER_LINGER_SECONDS": "0"}) as everything:
        await everything.link_all()
        ids = await everything.records()
        for number in range(rounds):
            out += await _to_salesforce(everything, (number + 1) * 1_000_000, records)
            await everything.settled()
            back += await _to_document(everything, number, records, list(ids.values()))
            await everything.settled()
    rows = {"webhook 202 to Salesforce": _row(out), "Salesforce to document": _row(back)}
    goals = " and ".join(map(str, GOALS_MS))
    note = f"Goal: p50 under {goals} ms. The org's own event delay is 0, WRITER_LINGER_SECONDS too."
    return Results(f"latency at {EVENTS_A_SECOND} events a second", rows, note=note)


async def _to_salesforce(everything: Whole, base: int, records: int) -> list[float]:
    after = await _last_commit(everything)
    taken: dict[str, float] = {}

    async def one(number: int) -> None:
        title, at = await everything.post(number)
        taken[title] = at

    async with asyncio.TaskGroup() as group:
        async for number in _paced(records):
            group.create_task(one(base + number))
    latencies: list[float] = []
    async with asyncio.timeout(120):
        while taken:
            for commit in await everything.admin("GET", f"/commits?after={after}&limit=10000"):
                after = commit["number"]
                at = taken.pop(commit["after"].get("Title"), None)
                if at is not None:
                    latencies.append(max(0.0, commit["timestamp"] / 1000 - at))
            await asyncio.sleep(0.2)
    return latencies


async def _to_document(everything: Whole, number: int, records: int, ids: list[str]) -> list[float]:
    wanted = {f"Latency {number} {edit}" for edit in range(records)}
    shown: dict[str, float] = {}
    after = await _last_commit(everything)
    async with await everything.database["customers"].watch(full_document="updateLookup") as stream:

        async def look() -> None:
            async for change in stream:
                value = (change.get("fullDocument") or {}).get("department")
                if value in wanted:
                    shown.setdefault(value, time.time())
                    if len(shown) == len(wanted):
                        return

        looking = asyncio.create_task(look())
        try:
            async with asyncio.TaskGroup() as group:
                async for edit in _paced(records):
                    body: Any = {"id": ids[edit % len(ids)], "fields": {"Department": f"Latency {number} {edit}"}}
                    group.create_task(everything.admin("POST", "/edits", body))
            async with asyncio.timeout(120):
                await looking
        finally:
            looking.cancel()
            await asyncio.wait([looking])
    latencies = []
    while commits := await everything.admin("GET", f"/commits?after={after}&limit=10000"):
        after = commits[-1]["number"]
        for commit in commits:
            value = commit["after"].get("Department")
            if value in wanted:
                latencies.append(shown[value] - commit["timestamp"] / 1000)
    assert len(latencies) == records, f"{len(latencies)} of {records} edits were committed"
    return latencies


async def _last_commit(everything: Whole) -> int:
    after = 0
    while commits := await everything.admin("GET", f"/commits?after={after}&limit=10000"):
        after = commits[-1]["number"]
    return after


async def _paced(records: int) -> Any:
    """Numbers at the wanted rate."""
    began = time.monotonic()
    for number in range(records):
        wait = began + number / EVENTS_A_SECOND - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        yield number


def _row(latencies: list[float]) -> dict[str, float]:
    ordered = sorted(latencies)
    return {
        "p50 ms": 1000 * ordered[len(ordered) // 2],
        "p99 ms": 1000 * ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))],
        "edits": len(ordered),
    }
