"""The connection to Salesforce: who we are signed in as, what we may, how old the credential is, what is left of a day.

All of it is told as the processes noted it. The page calls nobody, so it stands while Salesforce is away, unless
somebody has the connection tried.
"""

from collections.abc import Iterator
from typing import Final

from adapters.mongo.allocations import heard_by_all
from adapters.salesforce.credential import in_use_since, reminder
from adapters.salesforce.flows import PASSWORD_ENDS, Flow
from ops.admin import runs
from ops.admin.answers import Answer, Asked, Page
from ops.admin.health import forecast
from schemas.allocation import AllocationHeard
from schemas.connection import Connection

DAY: Final = 86_400_000
SHARES: Final = (("ill", 0.9), ("look", 0.8))
"""From which share of the day's calls on the page says so; the alerts have the same."""


async def show(asked: Asked) -> Answer:
    """Each connection that was noted, the org's allocations, and who owns the stream."""
    return Page("connection.html", "Connection", {**await _told(asked), "findings": None})


async def try_it(asked: Asked) -> Answer:
    """Sign in, and look what is missing in the org. That changes nothing and costs some API calls."""
    found = await asked.parts.org.findings(asked.parts.mapping())
    return Page("connection.html", "Connection", {**await _told(asked), "findings": found})


async def _told(asked: Asked) -> dict[str, object]:
    seen, now = asked.parts.overview, asked.parts.now()
    heard = await heard_by_all(asked.parts.database)
    return {
        "connections": [shown(each, now) for each in await seen.connections()],
        "allocations": list(allocations(heard)),
        "exceeded_until": heard.exceeded_until,
        "owners": await seen.owners(),
        "positions": await seen.positions(),
        "runs": [runs.shown(run) for run in await asked.parts.runs.newest(runs.LIMIT) if run.state in runs.AT_WORK],
    }


def shown(connection: Connection, now: int) -> dict[str, object]:
    """One, as the page has it: no token, and no credential."""
    since = in_use_since(connection)
    warnings = [PASSWORD_ENDS] if connection.flow == Flow.PASSWORD else []
    if old := reminder(connection, now):
        warnings.append(old)
    return {
        "org_id": connection.org_id,
        "instance_url": connection.instance_url,
        "login_url": connection.login_url,
        "user_id": connection.user_id,
        "flow": connection.flow,
        "scopes": list(connection.scopes),
        "signed_in_at": connection.refreshed_at,
        "connected_at": connection.connected_at,
        "credential_since": since,
        "credential_days": (now - since) // DAY if since else None,
        "refused": connection.refused,
        "refused_at": connection.refused_at,
        "last_sync_at": connection.last_sync_at,
        "warnings": warnings,
        "remedy": remedy(connection),
    }


def remedy(connection: Connection) -> str:
    """What a person does about a connection that Salesforce has ended; empty where it stands."""
    if not connection.refused:
        return ""
    if connection.flow == Flow.WEB_SERVER:
        return "tandem connect: a person agrees anew, and running processes take it up within half a minute"
    return "give the settings SALESFORCE_* a credential that is good, and see it tried by tandem check"


def allocations(heard: AllocationHeard) -> Iterator[dict[str, object]]:
    """Calls, deliveries of change events, and Bulk jobs: those that Salesforce has told."""
    told = {"API calls": heard.allocation, "deliveries of change events": heard.deliveries, **heard.jobs}
    for name, one in told.items():
        if one is not None and one.limit > 0:
            yield {
                "name": name,
                "used": one.used,
                "limit": one.limit,
                "left": one.left,
                "heard_at": one.seen_at,
                "forecast": forecast(one.used, one.seen_at),
                "level": next((level for level, share in SHARES if one.used >= share * one.limit), "well"),
            }
