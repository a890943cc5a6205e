"""Reads what the weekly report is made of. Every query goes by an index."""

from adapters.mongo.client import Database
from adapters.mongo.gap_rows import MongoGapRows
from adapters.mongo.lookups import MongoSlowLookups
from adapters.mongo.samples import MongoSamples
from ops.admin.rollup import HOUR
from ops.weekly.model import MOST, Beside, Report, report
from ops.weekly.week import Week


async def read(database: Database, week: Week, now: int) -> Report:
    """The report of this week as it is known now, epoch milliseconds.

    Raises:
        Unavailable: MongoDB does not answer.
    """
    samples, last = MongoSamples(database), week.moved(-1)
    return report(
        week,
        await samples.between(HOUR, week.since, week.until),
        await samples.between(HOUR, last.since, last.until),
        await _beside(database, week),
        await _beside(database, last),
        now=now,
    )


async def _beside(database: Database, week: Week) -> Beside:
    lookups = MongoSlowLookups(database)
    return Beside(
        gaps=await MongoGapRows(database).noticed(week.since, week.until),
        slow=await lookups.count(week.since, week.until),
        slowest=await lookups.slowest(week.since, week.until, MOST),
    )
