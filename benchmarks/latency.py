"""How long an edit takes to the other side at 50 events a second, with no allocation limit and an event delay of 0.

Without a limit on calls there is nothing to gather rows for: WRITER_LINGER_SECONDS is 0 here.

From the webhook's 202 to Salesforce's commit, by the commit's own time; and from Salesforce's commit to the committed
document, by when a change stream with majority read concern shows it. One clock: everything runs on this machine.

The way to Salesforce is taken apart where it leaves a time behind: the doorbell's own in Kafka, set when the document
has been committed, and `taken` of the stored write, set when the writer has read the document and is about to save it.
"""

import asyncio
import time
from bisect import bisect_right
from typing import Any

from benchmarks.results import Results
from benchmarks.whole import Whole, whole
from schemas import topics
from schemas.codec import decode
from schemas.doorbell import Doorbell

SIZES = {"records": 1_500, "rounds": 1}
EVENTS_A_SECOND = 50
CUSTOMERS = 1_000
GOALS_MS = (55, 253)

Way = tuple[float, float, float]
"""Seconds from the 202 to the doorbell, from there to the write's being taken, from there to the commit."""


async def measure(*, records: int, rounds: int) -> Results:
    """Each way by itself, one after the other; all rounds together."""
    out: list[float] = []
    ways: list[Way] = []
    back: list[float] = []
    async with whole(min(records, CUSTOMERS), {"WRITER_LINGER_SECONDS": "0"}) as everything:
        await everything.link_all()
        ids = await everything.records()
        for number in range(rounds):
            sent = await _to_salesforce(everything, (number + 1) * 1_000_000, records)
            await everything.settled()
            out += [committed - answered for answered, committed in sent.values()]
            ways += await _apart(everything, sent)
            back += await _to_document(everything, number, records, list(ids.values()))
            await everything.settled()
    rows = {
        "webhook 202 to Salesforce": _row(out),
        "of it, to the doorbell": _row([rung for rung, _, _ in ways]),
        "of it, to the write taken": _row([taken for _, taken, _ in ways]),
        "of it, to the commit": _row([committed for _, _, committed in ways]),
        "Salesforce to document": _row(back),
    }
    goals = " and ".join(map(str, GOALS_MS))
    note = f"Goal: p50 under {goals} ms. The org's own event delay is 0, WRITER_LINGER_SECONDS too."
    return Results(f"latency at {EVENTS_A_SECOND} events a second", rows, note=note)


async def _to_salesforce(everything: Whole, base: int, records: int) -> dict[str, tuple[float, float]]:
    """By title: when the webhook had answered, and when Salesforce had committed it, epoch seconds."""
    after = await _last_commit(everything)
    taken: dict[str, float] = {}

    async def one(number: int) -> None:
        title, at = await everything.post(number)
        taken[title] = at

    async with asyncio.TaskGroup() as group:
        async for number in _paced(records):
            group.create_task(one(base + number))
    times: dict[str, tuple[float, float]] = {}
    async with asyncio.timeout(120):
        while taken:
            for commit in await everything.admin("GET", f"/commits?after={after}&limit=10000"):
                after = commit["number"]
                title = commit["after"].get("Title")
                at = taken.pop(title, None)
                if at is not None:
                    times[title] = at, max(at, commit["timestamp"] / 1000)
            await asyncio.sleep(0.2)
    return times


async def _apart(everything: Whole, sent: dict[str, tuple[float, float]]) -> list[Way]:
    """The three parts of each way whose write is still stored."""
    rung: dict[str, list[float]] = {}
    for value, at in await everything.logged(topics.SALESFORCE_WRITES):
        rung.setdefault(decode(Doorbell, value).id, []).append(at)
    for times in rung.values():
        times.sort()
    ways = []
    async for document in everything.database["customers"].find({}, {"_sync.writes": 1}):
        for write in document["_sync"].get("writes", ()):
            if write["values"].get("Title") not in sent:
                continue
            answered, committed = sent[write["values"]["Title"]]
            taken = write["taken"] / 1000
            bells = rung[document["_id"]]
            bell = bells[max(0, bisect_right(bells, taken) - 1)]
            ways.append((bell - answered, taken - bell, committed - taken))
    return ways


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
