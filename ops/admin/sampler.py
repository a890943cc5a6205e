"""Notes every half minute how things are. Any number of processes may do this: one note is kept of each while."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from adapters.mongo.samples import Happened, MongoSamples
from consumers.rules.audit import CONFLICT_RULES
from ops.admin.health import Overview
from ops.admin.home import read
from ops.admin.parts import AdminParts
from ops.admin.rollup import RAW, TIERS, rollup, slot
from schemas import topics
from schemas.samples import LOOKUP_MS, LOOKUPS, Sample, took
from schemas.unavailable import Unavailable

SETTLED: Final = 5_000
"""How long after a moment the log has all of it: rows are written a little after their time. Milliseconds."""


async def follow(parts: AdminParts, samples: MongoSamples, on_away: Callable[[str], Any]) -> None:
    """Note how things are, once in each while, without end. What is away is told, and that while has no sample."""
    while True:
        now = parts.now()
        await asyncio.sleep((slot(now, RAW.width) + RAW.width + SETTLED - now) % RAW.width / 1000 + 0.01)
        try:
            await note(parts, samples)
        except Unavailable as error:
            on_away(str(error))


async def note(parts: AdminParts, samples: MongoSamples) -> bool:
    """Note the while that was over `SETTLED` ago; false where somebody has done so before.

    Raises:
        Unavailable: MongoDB does not answer.
    """
    until = slot(parts.now() - SETTLED, RAW.width)
    at = until - RAW.width
    newest = await samples.newest(RAW.width)
    if newest is not None and newest.at >= at:
        return False
    happened = await samples.happened(at, until, CONFLICT_RULES)
    sample = sampled(at, happened, await read(parts))
    await samples.keep([(sample, RAW.kept)])
    finer = RAW
    for tier in list(TIERS.values())[1:]:
        # The open while is put together anew each time, so that nothing is owed where nobody looked at its end.
        begun = slot(at, tier.width)
        rolled = rollup(await samples.between(finer.width, begun, begun + tier.width), tier.width)
        await samples.keep([(each, tier.kept) for each in rolled])
        finer = tier
    return True


def sampled(at: int, happened: Happened, overview: Overview) -> Sample:
    """What happened in the while, and how things are at its end, as one sample. No I/O."""
    counts: Counter[str] = Counter()
    for (topic, outcome), number in happened.outcomes.items():
        counts[f"handled:{topic}"] += number
        counts[f"outcome:{outcome}"] += number
    counts[f"handled:{topics.SALESFORCE_WRITES}"] = sum(happened.writes.values())
    for outcome, number in happened.writes.items():
        counts[f"write:{outcome}"] += number
    for kind, number in happened.conflicts.items():
        counts[f"conflict:{kind}"] += number
    for (topic, why), number in happened.errors.items():
        counts[f"error:{topic}:{why}"] += number
    for (kind, path), number in happened.fields.items():
        counts[f"field:{kind}:{path}"] += number
    for (direction, limit), number in happened.took.items():
        counts[took(direction, limit)] += number
    if happened.lookups[0]:
        counts[LOOKUPS], counts[LOOKUP_MS] = happened.lookups
    oldest = [kind.oldest_due for kind in overview.kinds if kind.oldest_due]
    levels = {
        "due": overview.due,
        "parked": overview.parked,
        "refused": overview.refused,
        "reviews": overview.reviews,
        "gaps": overview.open_gaps,
        "longest_due": max(0, overview.seen_at - min(oldest)) if oldest else 0,
    }
    if overview.api_used is not None and overview.api_limit is not None:
        levels |= {"api_used": overview.api_used, "api_limit": overview.api_limit}
    levels |= {f"lag:{flow.topic}": flow.lag for flow in overview.flow if flow.lag is not None}
    return Sample(at, RAW.width, RAW.width, dict(counts), levels)
