"""The stage of the chaos: Kafka, MongoDB and the org, behind proxies where there are any, and our processes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from ops.chaos.crew import Crew, Say, open_crew, part
from ops.chaos.troubles import OURS, Server, Wire
from ops.demo.cast import Cast, Part, open_cast, ready
from ops.demo.plan import KILL_SETTINGS, SOON_SETTINGS, SOURCE
from ops.demo.stage import Stage, deliver_settings, new_secret, org_settings, start_org
from schemas import topics
from schemas.mapping import Mapping as FieldsMapping
from simulator.observer.backlog import open_backlog
from simulator.platform.receiver import Receiver, open_receiver
from simulator.servers.kafka import start_kafka
from simulator.servers.local import Servers
from simulator.servers.mongod import start_mongod
from simulator.servers.process import LocalServer, free_ports
from simulator.servers.toxiproxy import Link, open_links

HOLD_SECONDS: Final = 8.0
"""How long the org holds a connect: it advises to wait so long for a reply."""
SLACK_SECONDS: Final = 10.0
"""How much longer than advised a subscriber waits (`CHANGES_POLL_SLACK_SECONDS`)."""
READY_SECONDS: Final = 180.0
"""How long our processes may take to be ready at first: they all begin at once, on servers that have just begun too."""
PAUSE_SECONDS: Final = 8.0
"""How long a process is stopped: longer than any lease here."""

SETTINGS: Final[Mapping[str, str]] = {
    **KILL_SETTINGS,
    **SOON_SETTINGS,
    "MERGE_LONGEST_CALL_SECONDS": "20",
    "REPAIR_LEASE_SECONDS": "5",
    "SCHEDULE_LEASE_SECONDS": "5",
    "REPAIR_LOOK_SECONDS": "2",
    "REPAIR_RETRY_CAP_SECONDS": "5",
    "REPAIR_OVERLAP_SECONDS": "60",
    "CHANGES_BUSY_SECONDS": "2",
    "CHANGES_BACKOFF_CAP_SECONDS": "5",
    "CHANGES_SENT_AWAY_SECONDS": "1",
    "CHANGES_POLL_SLACK_SECONDS": f"{SLACK_SECONDS:g}",
    "WRITER_LONGEST_WAIT_SECONDS": "15",
}
"""What is waited for minutes elsewhere is waited for seconds here, so that a run shows in minutes how it ends."""


@dataclass(frozen=True, slots=True)
class Chaos:
    """Everything that is up. `stage` is what the traffic needs: it reaches all of it past the proxies."""

    stage: Stage
    crew: Crew
    receiver: Receiver
    """The pretended platform's own URL."""
    servers: Mapping[Server, LocalServer]
    links: Mapping[Wire, Link]
    join: Callable[[str], Part]


@contextlib.asynccontextmanager
async def set_stage(
    environ: Mapping[str, str],
    folder: Path,
    run: str,
    seed: int,
    mapping: FieldsMapping,
    preset: str,
    toxiproxy: Path | None,
    kafka_options: Callable[[str], Mapping[str, Any]],
    say: Say,
) -> AsyncIterator[Chaos]:
    """Set it all up, on servers of its own; everything is stopped again at the end.

    Raises:
        DemoFailed, simulator.servers.errors.ServerError: something does not come up; the message says what and why.
    """
    async with contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)))
        links: Mapping[str, Link] = {}
        if toxiproxy is not None:
            names = [str(wire) for wire in Wire]
            links = await stack.enter_async_context(open_links(toxiproxy, folder / "toxiproxy", http, names))
        wires = {Wire(name): link for name, link in links.items()}
        say("starting a real kafka and a real mongodb")
        servers = await _start_servers(stack, environ, folder, wires)
        cast = await stack.enter_async_context(open_cast(folder))
        org_environment = {
            **environ,
            **org_settings(folder, mapping),
            "SIMULATED_ORG_COMETD__HOLD_SECONDS": str(HOLD_SECONDS),
        }
        org = await start_org(cast, org_environment, seed)
        addresses = await _lead(wires, servers, org["base_url"])
        receiver = await stack.enter_async_context(open_receiver(new_secret()))
        ports = new_ports()
        webhook_port = next(ports)
        stage = await _stage(stack, folder, run, http, cast, servers, org, receiver, webhook_port, kafka_options)
        own = {
            **addresses,
            "MONGODB_DATABASE": stage.database,
            "SALESFORCE_CLIENT_ID": org["client_id"],
            "SALESFORCE_CLIENT_SECRET": org["client_secret"],
            f"WEBHOOK_SECRETS_{SOURCE.upper()}": stage.secret,
            "WEBHOOK_PORT": str(webhook_port),
            "API_PORT": str(next(ports)),
            "ADMIN_PORT": str(next(ports)),
            "MAPPING_PRESET": preset,
            **deliver_settings(receiver),
            **SETTINGS,
        }
        crew = await stack.enter_async_context(open_crew(folder, say))

        def join(name: str) -> Part:
            return part(name, {**environ, **own, "OPS_PORT": str(next(ports))})

        say(f"starting {', '.join(OURS)}")
        await cast.unless_one_ends(_start_ours(crew, join, http))
        yield Chaos(stage, crew, receiver, servers, wires, join)


def new_ports() -> Iterator[int]:
    """Free ports, none of them twice: whose port it is may be down for a moment, and come back to it."""
    given: list[int] = []
    while True:
        given += free_ports(1, but=given)
        yield given[-1]


async def _start_servers(
    stack: contextlib.AsyncExitStack, environ: Mapping[str, str], folder: Path, wires: Mapping[Wire, Link]
) -> dict[Server, LocalServer]:
    proxy = wires[Wire.KAFKA].port if wires else None
    starts = (
        start_kafka(folder / "kafka", environ, temporary=True, proxy_port=proxy, logs=folder),
        start_mongod(folder / "mongod", environ, temporary=True, logs=folder),
    )
    servers = {}
    for name, start in zip((Server.KAFKA, Server.MONGOD), starts, strict=True):
        servers[name] = await start
        stack.push_async_callback(_stop, servers[name])
    return servers


async def _stop(server: LocalServer) -> None:
    await server.stop()


async def _lead(wires: Mapping[Wire, Link], servers: Mapping[Server, LocalServer], org_url: str) -> dict[str, str]:
    """The addresses for our own processes; by the proxies where there are any."""
    kafka, mongod = servers[Server.KAFKA], servers[Server.MONGOD]
    if not wires:
        return {
            "KAFKA_BOOTSTRAP_SERVERS": kafka.address,
            "MONGODB_URI": mongod.address,
            "SALESFORCE_LOGIN_URL": org_url,
        }
    await wires[Wire.KAFKA].lead_to(kafka.ports[2])
    await wires[Wire.MONGODB].lead_to(mongod.ports[0])
    await wires[Wire.SALESFORCE].lead_to(urlsplit(org_url).port or 80)
    return {
        "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{wires[Wire.KAFKA].port}",
        # A client that looks for the replica set goes where its members say they are, past the proxy.
        "MONGODB_URI": f"mongodb://127.0.0.1:{wires[Wire.MONGODB].port}/?directConnection=true",
        "SALESFORCE_LOGIN_URL": f"http://127.0.0.1:{wires[Wire.SALESFORCE].port}",
    }


async def _stage(
    stack: contextlib.AsyncExitStack,
    folder: Path,
    run: str,
    http: aiohttp.ClientSession,
    cast: Cast,
    servers: Mapping[Server, LocalServer],
    org: Mapping[str, str],
    receiver: Receiver,
    webhook_port: int,
    kafka_options: Callable[[str], Mapping[str, Any]],
) -> Stage:
    kafka, mongod = servers[Server.KAFKA], servers[Server.MONGOD]
    return Stage(
        folder=folder,
        run=run,
        cast=cast,
        http=http,
        backlog=await stack.enter_async_context(open_backlog(kafka_options(kafka.address), topics.ALL)),
        servers=Servers(kafka.address, mongod.address, folder),
        database=f"tandem_chaos_{run}",
        org_url=org["base_url"],
        webhook_url=f"http://127.0.0.1:{webhook_port}/webhooks/{SOURCE}",
        secret=new_secret(),
        receiver=receiver,
        ops_urls={},
        settings={},
    )


async def _start_ours(crew: Crew, join: Callable[[str], Part], http: aiohttp.ClientSession) -> None:
    parts = [join(name) for name in OURS]
    children = [await crew.start(each) for each in parts]
    urls = [f"http://127.0.0.1:{each.environment['OPS_PORT']}" for each in parts]
    await asyncio.gather(*(ready(child, http, url, READY_SECONDS) for child, url in zip(children, urls, strict=True)))
