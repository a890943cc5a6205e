"""API calls for 1,000 changed records that are linked and already read; the floor is five, 200 records in each.

First contact (look up, make, read whole) is measured apart. Events are posted as fast as the webhook takes them. Ten
edits of a record come one after the other, or in turns with those of all other records: then the last of a record's
comes as many seconds after its first as all of them take.
"""

import time
from collections.abc import Sequence

from benchmarks.results import Results
from benchmarks.whole import Whole, whole

SIZES = {"records": 1_000, "rounds": 1}
EDITS = 10
MODES = (
    ("one edit each", 1, True),
    ("ten edits each, in a row", EDITS, False),
    ("ten edits each, in turns", EDITS, True),
)
LINGERS = {0.05: 1, 6.0: 2, 60.0: 3}
"""Seconds: the default; one call in six seconds, which is what 15,000 calls a day allow; the longest by default. With
how many of the modes are measured: ten edits that take longer than the linger are no ten edits of one moment."""


async def measure(*, records: int, rounds: int) -> Results:
    """The medians of the rounds, with the usual linger and with that of an org of 15,000 calls a day."""
    rounds_told: dict[str, list[dict[str, float]]] = {}
    for linger, modes in LINGERS.items():
        async with whole(records, {"WRITER_LINGER_SECONDS": str(linger)}) as everything:
            told: dict[str, list[dict[str, float]]] = {"first contact": [await _row(everything, range(records))]}
            number = records
            for _round in range(rounds):
                for name, edits, in_turns in MODES[:modes]:
                    numbers = range(number, number + edits * records)
                    posted = numbers if in_turns else [each for one in range(records) for each in numbers[one::records]]
                    told.setdefault(name, []).append(await _row(everything, posted))
                    number += edits * records
        rounds_told |= {f"{name}, linger {linger:g} s": each for name, each in told.items()}
    rows = {name: _median(each) for name, each in rounds_told.items()}
    note = "The floor is 5 calls. The org counts every call but logins: writes, look-ups and reads."
    return Results(f"write: API calls for {records:,} changed records", rows, rounds=rounds_told, note=note)


async def _row(everything: Whole, numbers: Sequence[int]) -> dict[str, float]:
    before, began = await everything.calls(), time.monotonic()
    await everything.post_all(numbers)
    posted = time.monotonic() - began
    await everything.settled()
    calls = await everything.calls() - before
    return {
        "API calls": calls,
        "calls per 1,000 records": 1000 * calls / everything.customers,
        "s to post": posted,
        "s until both sides rest": time.monotonic() - began,
    }


def _median(rows: list[dict[str, float]]) -> dict[str, float]:
    return sorted(rows, key=lambda row: row["API calls"])[len(rows) // 2]
