"""The org as a web application, and as one that runs in this process."""

import ssl as tls
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from simulator.org.admin import Admin
from simulator.org.bulk.ingest import LARGEST_UPLOAD, Ingest
from simulator.org.bulk.jobs import Jobs
from simulator.org.bulk.query import Query
from simulator.org.bulk.work import Work
from simulator.org.clock import Clock, system_clock
from simulator.org.cometd import Cometd
from simulator.org.cometd import add_routes as add_cometd_routes
from simulator.org.consent import ConsentPages
from simulator.org.gate import Gate, Handler
from simulator.org.oauth import OAuth
from simulator.org.org import Org
from simulator.org.rest import collections, rows, tooling, versions
from simulator.org.rest.call import Resources
from simulator.org.rest.composite import Composite
from simulator.org.rest.describe import Describe
from simulator.org.rest.query import Queries
from simulator.org.settings import OrgSettings
from simulator.org.soap import Soap

_LONGEST_LINE = 64 * 1024

ORG: web.AppKey[Org] = web.AppKey("org", Org)
COMETD: web.AppKey[Cometd] = web.AppKey("cometd", Cometd)


@dataclass(frozen=True, slots=True)
class RunningOrg:
    """An org that listens. `org` and `cometd` are its insides, for tests in the same process."""

    base_url: str
    client_id: str
    client_secret: str = field(repr=False)
    org: Org
    cometd: Cometd


def create_app(settings: OrgSettings, clock: Clock = system_clock) -> web.Application:
    """The whole org: OAuth, REST, the stream and `/admin`. It is closed when the application is cleaned up."""
    org = Org(settings, clock)
    gate = Gate(org)

    @web.middleware
    async def through_the_gate(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await gate.pass_through(request, handler)

    app = web.Application(middlewares=[through_the_gate], client_max_size=LARGEST_UPLOAD)
    app[ORG] = org
    OAuth(org).add_routes(app.router)
    ConsentPages(org).add_routes(app.router)
    Soap(org).add_routes(app.router)
    resources = Resources(org, app.router)
    versions.add_resources(resources, app.router)
    Describe(clock()).add_resources(resources)
    collections.add_resources(resources)
    rows.add_resources(resources)
    tooling.add_resources(resources)
    Queries().add_resources(resources)
    Composite(resources).add_resources()
    jobs = Jobs(org.store.connection, clock, settings.bulk_results_days)
    work = Work(org, jobs)
    Ingest(jobs, work).add_resources(resources)
    Query(jobs, work).add_resources(resources)
    Admin(org).add_routes(app.router)
    app[COMETD] = Cometd(settings.cometd, org.bus, org.tokens, seed=settings.seed)
    org.allocations["DailyDeliveredPlatformEvents"] = app[COMETD].allocation
    add_cometd_routes(app, app[COMETD])

    async def resume(_app: web.Application) -> None:
        work.resume()

    async def close(_app: web.Application) -> None:
        try:
            await work.close()
        finally:
            org.close()

    app.on_startup.append(resume)
    app.on_cleanup.append(close)
    return app


@asynccontextmanager
async def running_org(
    settings: OrgSettings | None = None,
    *,
    port: int = 0,
    ssl: tls.SSLContext | None = None,
    clock: Clock = system_clock,
) -> AsyncIterator[RunningOrg]:
    """Run an org on the loopback interface; port 0 picks a free one."""
    settings = settings or OrgSettings()
    app = create_app(settings, clock)
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=1.0,
        max_line_size=_LONGEST_LINE,
        max_field_size=_LONGEST_LINE,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=ssl).start()
        address = runner.addresses[0]
        scheme = "https" if ssl else "http"
        yield RunningOrg(
            base_url=f"{scheme}://{'localhost' if ssl else address[0]}:{address[1]}",
            client_id=settings.client_id,
            client_secret=settings.client_secret.get_secret_value(),
            org=app[ORG],
            cometd=app[COMETD],
        )
    finally:
        await runner.cleanup()
