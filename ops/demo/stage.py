"""The stage of the demo: real Kafka and MongoDB, the simulated org, and the five processes, all up and ready."""

import asyncio
import base64
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from ops.demo.cast import Cast, Child, DemoFailed, Part, open_cast, ready, told
from ops.demo.plan import READY_SECONDS, SOURCE
from ops.metadata.simulated import schema_file
from schemas import topics
from schemas.mapping import Mapping as FieldsMapping
from simulator.observer.backlog import Backlog, open_backlog
from simulator.platform.receiver import Receiver, open_receiver
from simulator.servers.local import KAFKA, MONGODB, SETTINGS, Servers, servers_or_start
from simulator.servers.process import free_ports

PROCESSES = ("subscribe", "reconcile", "write", "deliver", "webhook")
"""In the order of their names in `tandem`'s help, what listens last."""

KafkaOptions = Callable[[str], Mapping[str, Any]]
"""The options of an aiokafka client for these brokers."""

Say = Callable[[str], None]
"""Tells the person what is being done."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that is up, and how to reach it. `settings` are those that every process was started with."""

    folder: Path
    run: str
    cast: Cast
    http: aiohttp.ClientSession
    backlog: Backlog
    servers: Servers
    database: str
    org_url: str
    webhook_url: str
    secret: str
    ops_urls: Mapping[str, str]
    settings: Mapping[str, str]
    children: dict[str, Child] = field(default_factory=dict)
    """Our own processes as they run now, by name."""
    receiver: Receiver | None = None
    """The pretend platform's own URL, at which it is told of Salesforce's changes."""

    @property
    def journal(self) -> Path:
        """The pretend platform's own log."""
        return self.folder / "journal.jsonl"


@contextlib.asynccontextmanager
async def set_stage(
    environ: Mapping[str, str],
    folder: Path,
    run: str,
    seed: int,
    kafka_options: KafkaOptions,
    say: Say,
    extra: Mapping[str, str] | None = None,
    mapping: FieldsMapping | None = None,
) -> AsyncIterator[Stage]:
    """Set it all up; everything is stopped again at the end.

    `run` names this run: its database and its customers are its own, also on servers that others use. `extra` are
    settings of our own processes beside the addresses. The org has the objects and fields of the `mapping`, and tells
    of their changes; without one it is as it comes.

    Raises:
        DemoFailed, simulator.servers.errors.ServerError: something does not come up; the message says what and why.
    """
    for need, setting in SETTINGS.items():
        where = f"using the {need} that {setting} names" if environ.get(setting) else f"starting a real {need}"
        say(where)
    database = f"tandem_demo_{run}"
    async with contextlib.AsyncExitStack() as stack:
        servers = await stack.enter_async_context(servers_or_start(environ, None, (KAFKA, MONGODB)))
        backlog = await stack.enter_async_context(open_backlog(kafka_options(servers.kafka_bootstrap), topics.ALL))
        await _check_backlog(backlog)
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)))
        cast = await stack.enter_async_context(open_cast(folder))
        say("starting a simulated Salesforce org")
        org = await start_org(cast, {**environ, **org_settings(folder, mapping)}, seed)
        secret = new_secret()
        receiver = await stack.enter_async_context(open_receiver(new_secret()))
        webhook_port, *ops_ports = free_ports(1 + len(PROCESSES))
        settings = {
            "KAFKA_BOOTSTRAP_SERVERS": servers.kafka_bootstrap,
            "MONGODB_URI": servers.mongodb_uri,
            "MONGODB_DATABASE": database,
            "SALESFORCE_CLIENT_ID": org["client_id"],
            "SALESFORCE_CLIENT_SECRET": org["client_secret"],
            "SALESFORCE_LOGIN_URL": org["base_url"],
            f"WEBHOOK_SECRETS_{SOURCE.upper()}": secret,
            "WEBHOOK_PORT": str(webhook_port),
            **deliver_settings(receiver),
            **(extra or {}),
        }
        stage = Stage(
            folder=folder,
            run=run,
            cast=cast,
            http=http,
            backlog=backlog,
            servers=servers,
            database=database,
            org_url=org["base_url"],
            webhook_url=f"http://127.0.0.1:{webhook_port}/webhooks/{SOURCE}",
            secret=secret,
            receiver=receiver,
            ops_urls={name: f"http://127.0.0.1:{port}" for name, port in zip(PROCESSES, ops_ports, strict=True)},
            settings=settings,
        )
        say(f"starting {', '.join(f'tandem {name}' for name in PROCESSES)}")
        await cast.unless_one_ends(_start_processes(stage, environ, ops_ports))
        yield stage


def deliver_settings(receiver: Receiver) -> Mapping[str, str]:
    """The settings by which `tandem deliver` tells the pretended platform."""
    return {
        "DELIVER_URL": receiver.url,
        "DELIVER_SECRETS": receiver.secret,
        "DELIVER_ALLOWED_NETWORKS": "127.0.0.0/8",
    }


def new_secret() -> str:
    """What webhooks are signed with, as Standard Webhooks has it."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(24)).decode()}"


async def _check_backlog(backlog: Backlog) -> None:
    """Topics that others have filled and not worked off would be worked off into this run's documents."""
    left = {topic: state.unfinished for topic, state in (await backlog.read()).items() if state.unfinished}
    if left:
        told_topics = ", ".join(f"{topic}: {count}" for topic, count in left.items())
        raise DemoFailed(
            f"Kafka holds records that nobody has worked off ({told_topics}); name a Kafka of its own for the demo in "
            "KAFKA_BOOTSTRAP_SERVERS, or none at all to have one started"
        )


def org_settings(folder: Path, mapping: FieldsMapping | None) -> Mapping[str, str]:
    """Settings of an org that has the mapping's objects and fields, and tells of their changes; `folder` keeps them."""
    if mapping is None:
        return {}
    schema = folder / "org_schema.yaml"
    schema.write_text(schema_file(mapping), encoding="utf-8")
    entities = sorted(mapping.objects())
    return {
        "SIMULATED_ORG_SCHEMA_FILE": str(schema),
        "SIMULATED_ORG_COMETD__ENTITIES": orjson.dumps(entities).decode(),
    }


async def start_org(cast: Cast, environ: Mapping[str, str], seed: int) -> Mapping[str, str]:
    """Start a simulated org; `base_url`, `client_id` and `client_secret`.

    Raises:
        DemoFailed: it does not come up.
    """
    environment = {**environ, "SIMULATED_ORG_SEED": str(seed)}
    child = await cast.start(Part("org", ("-P", "-m", "simulator", "org", "--port", "0"), environment))
    return await cast.unless_one_ends(told(child, READY_SECONDS))


async def _start_processes(stage: Stage, environ: Mapping[str, str], ops_ports: list[int]) -> None:
    for name, port in zip(PROCESSES, ops_ports, strict=True):
        part = Part.tandem(name, {**environ, **stage.settings, "OPS_PORT": str(port)})
        stage.children[name] = await stage.cast.start(part)
    await asyncio.gather(
        *(ready(child, stage.http, stage.ops_urls[name], READY_SECONDS) for name, child in stage.children.items())
    )
