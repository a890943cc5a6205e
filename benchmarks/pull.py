"""A Bulk query of 1,000,000 contacts, read row by row: how much memory the reader holds, and how many calls it makes.

The org streams made-up pages of 50,000 rows as fast as they are taken, from a process of its own.
"""

import statistics
import sys
import time

import aiohttp
import uvloop

from adapters.salesforce.opening import open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from benchmarks.cheap_org import cheap_org
from benchmarks.child import own_cpu, quiet, run_child, tell
from benchmarks.results import Results
from benchmarks.rss import Samples, row

SIZES = {"records": 1_000_000, "rounds": 1}


async def measure(*, records: int, rounds: int) -> Results:
    """The run whose memory is the median."""
    told = []
    for _round in range(rounds):
        async with cheap_org() as address:
            answer = await run_child("pull", address, str(records))
            async with aiohttp.ClientSession() as http, http.get(f"{address}/calls") as reply:
                calls = sum((await reply.json(content_type=None)).values())
        memory = row(answer["samples"], answer["peak"])
        speed = {"rows/s": records / answer["seconds"], "own CPU us/row": 1e6 * answer["cpu"] / records}
        told.append({"API calls": calls, **speed, **memory})
    middle = statistics.median_low(one["MB at most"] for one in told)
    table = {f"{records:,} contacts": next(one for one in told if one["MB at most"] == middle)}
    return Results("pull: a Bulk query read row by row", table, rounds={"pull": told})


async def _pull(address: str, records: int) -> None:
    settings = SalesforceSettings(client_id="bench", client_secret="bench", login_url=address)
    async with open_salesforce(settings, now=lambda: time.time_ns() // 1_000_000) as salesforce:
        samples, began = Samples(records), time.perf_counter()
        queries = salesforce.bulk_queries
        job = await queries.start(f"SELECT Id, Email, LastName FROM Contact LIMIT {records}")
        async for batch in queries.read(job, {"SystemModstamp": "datetime"}):
            samples.add(len(batch.rows))
        await queries.discard(job)
        assert samples.done
        tell({**samples.told(), "seconds": time.perf_counter() - began, "cpu": own_cpu()})


if __name__ == "__main__":
    quiet()
    uvloop.run(_pull(sys.argv[1], int(sys.argv[2])))
