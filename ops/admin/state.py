"""`/admin/salesforce`: synced and not synced by kind, the connection, the quota, who owns what, and the newest runs."""

import asyncio
from collections.abc import Mapping

from adapters.mongo.overview import MOST, KindCounts
from adapters.mongo.parked import Wanted
from ops.admin.answers import Answer, Asked, Page
from ops.admin.health import forecast
from ops.admin.process_signs import alive, at_work
from ops.admin.waiting import MOST_COUNTED
from ops.admin.waiting import seen as seen_by
from schemas import topics
from schemas.process import ProcessSeen

ERRORS = 20


async def show(asked: Asked) -> Answer:
    """How the connection and each kind are."""
    parts, seen = asked.parts, asked.parts.overview
    of_kinds, until = parts.catalog().kinds.values(), parts.now() + 1
    of_writes = Wanted(topic=topics.SALESFORCE_WRITES)
    kinds, not_synced, refused = await asyncio.gather(
        asyncio.gather(*(seen.counts(kind.name, kind.collection) for kind in of_kinds)),
        asyncio.gather(*(seen.not_synced(kind.collection) for kind in of_kinds)),
        parts.parking().find(of_writes, ERRORS, MOST_COUNTED, newest=True),
    )
    allocation, owners, positions, connected, processes, runs = await asyncio.gather(
        seen.allocation(), seen.owners(), seen.positions(), seen.connections(), parts.processes.all(), seen.runs(10)
    )
    connections = [
        {
            "org_id": each.org_id,
            "instance_url": each.instance_url,
            "login_url": each.login_url,
            "user_id": each.user_id,
            "flow": each.flow,
            "refused": each.refused,
            "last_sync_at": each.last_sync_at,
        }
        for each in connected
    ]
    shows = {
        "kinds": [{**_counts(kind), **synced(kind, told)} for kind, told in zip(kinds, not_synced, strict=True)],
        "counted_to": MOST,
        "used": allocation[0] if allocation else None,
        "limit": allocation[1] if allocation else None,
        "left": max(0, allocation[1] - allocation[0]) if allocation else None,
        "forecast": forecast(allocation[0], allocation[2]) if allocation else None,
        "connections": connections,
        "owners": owners,
        "positions": positions,
        "processes": [_process(each) for each in processes],
        "errors": seen_by(asked, refused.items),
        "errors_in_all": refused.number,
        "errors_more": refused.more,
        "topic": topics.SALESFORCE_WRITES,
        "until": str(until),
        "counts": [
            {"reason": reason, "number": count.number} for (reason, _topic), count in sorted(refused.counts.items())
        ],
        "runs": [
            {
                "id": row["_id"],
                "state": row.get("state", ""),
                "asked_at": row.get("asked_at", 0),
            }
            for row in runs
        ],
    }
    return Page("salesforce.html", "Salesforce", shows)


def synced(kind: KindCounts, not_synced: Mapping[str, int]) -> dict[str, object]:
    """How many documents are synced by what the platform is told, and how many of each other word.

    Where one of those was not counted to its end, `synced` is at most so many: `or_fewer`.
    """
    return {
        "synced": max(0, kind.documents - sum(not_synced.values())),
        "or_fewer": any(number >= MOST for number in not_synced.values()),
        "not_synced": dict(not_synced),
    }


def _counts(kind: KindCounts) -> dict[str, object]:
    return {
        "kind": kind.kind,
        "documents": kind.documents,
        "due": kind.due,
        "refused": kind.refused,
        "reviews": kind.reviews,
        "oldest_due": kind.oldest_due,
    }


def _process(seen: ProcessSeen) -> dict[str, object]:
    state = "stopped" if seen.stopped else "at work" if at_work(seen) else "starting" if alive(seen) else "gone"
    return {
        "name": seen.name,
        "process": seen.process,
        "stages": seen.stages,
        "state": state,
        "told": seen.told,
        "away": sorted(seen.away),
    }
