"""The connection to Salesforce: who we are signed in as, what we may, how old the credential is, what is left of a day.

All of it is told as the processes noted it. The page calls nobody, so it stands while Salesforce is away, unless
somebody has the connection tried. An admin signs in to Salesforce from here where the flow is the web server's.
"""

from collections.abc import Iterator
from typing import Final

from adapters.mongo.allocations import heard_by_all
from adapters.salesforce.credential import in_use_since, reminder
from adapters.salesforce.flows import PASSWORD_ENDS, Flow
from listener.api.connection import CannotAsk, CannotConnect
from ops.admin import runs
from ops.admin.answers import Answer, Asked, CannotDo, Done, Page, Question
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


async def sign_in(asked: Asked) -> Answer:
    """Where a person agrees that Tandem signs in. A link and no redirect: a form of this page leads nowhere else."""
    if not asked.is_sure:
        told = [
            "You sign in at Salesforce as the integration user, and agree; Salesforce sends you back here.",
            "The connection takes the place of the one there is, which is ended.",
            "Running processes take it up within half a minute.",
        ]
        return Question("Sign in to Salesforce", told, "Go on", "/admin/connection")
    async with asked.noted("sign in to Salesforce", "the connection", asked.why(), "asked for"):
        try:
            url = await asked.parts.org.begin_consent(asked.session.id)
        except CannotAsk as reason:
            raise CannotDo(str(reason)) from None
    return Page("consent.html", "Sign in to Salesforce", {"url": url})


async def come_back(asked: Asked) -> Answer:
    """The browser is back from Salesforce. The attempt's state, good once and in this visit alone, is its token."""
    async with asked.noted("sign in to Salesforce", "the connection", "the browser came back") as ending:
        ending.refused = "not connected"
        try:
            connection = await asked.parts.org.finish_consent(asked.request.query_string, asked.session.id)
        except CannotConnect as reason:
            raise CannotDo(str(reason)) from None
        ending.result = f"connected to {connection.instance_url}, org {connection.org_id}"
    return Done(ending.result, "/admin/connection")


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
        return "sign in below, or tandem connect: a person agrees anew; processes take it up within half a minute"
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
