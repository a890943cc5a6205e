"""Where a login's tokens are kept, put together from the settings; and what is told of logins that fail."""

import asyncio
import os
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from adapters.encryption.settings import EncryptionSettings
from adapters.mongo.client import Database, open_database
from adapters.mongo.connections import MongoConnections
from adapters.mongo.leases import MongoLeases
from adapters.mongo.settings import MongoSettings
from adapters.salesforce.flows import PASSWORD_ENDS, Flow
from adapters.salesforce.opening import Salesforce, open_salesforce
from adapters.salesforce.refresh import ConnectionStore
from adapters.salesforce.settings import SalesforceSettings
from ops.processes.frame import Frame
from ops.processes.parts import wall_ms
from ops.server import Ping
from ops.settings import ENV_FILE, WrongSettings, read_settings
from ops.settings_groups import NO_KEYS
from schemas.session import LoginFailed
from schemas.unavailable import Unavailable

LOGIN_AGAIN_SECONDS = 5.0


def process_name() -> str:
    """Names this process and no other, nor one before it."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def connection_store(database: Database, encryption: EncryptionSettings) -> ConnectionStore | None:
    """Where connections are kept; nothing without keys, with which every flow but web_server does."""
    keyring = encryption.keyring()
    if keyring is None:
        return None
    return ConnectionStore(MongoConnections(database, keyring), MongoLeases(database), process_name())


@asynccontextmanager
async def open_signed_in(settings: SalesforceSettings, *, env_file: Path = ENV_FILE) -> AsyncIterator[Salesforce]:
    """The org for a command; the database is opened too where the tokens are kept there.

    Raises:
        WrongSettings: those of the database or of the keys are wrong.
        Unavailable, Refused: the database cannot be used.
    """
    async with AsyncExitStack() as opened:
        store = None
        if settings.flow is Flow.WEB_SERVER:
            mongo, encryption = read_settings(MongoSettings, EncryptionSettings, env_file=env_file)
            if encryption.keyring() is None:
                raise WrongSettings([NO_KEYS])
            store = connection_store(await opened.enter_async_context(open_database(mongo)), encryption)
        yield await opened.enter_async_context(open_salesforce(settings, now=wall_ms, store=store))


async def org_id_of(salesforce: Salesforce, stop: asyncio.Event) -> str:
    """The org's id, by which positions, leases and gaps go: asked for until it is told, or `stop` is set."""
    while not stop.is_set():
        try:
            grant = await salesforce.login.grant()
        except LoginFailed:  # `login_told` says so, and `login_ping`
            with suppress(TimeoutError):
                async with asyncio.timeout(LOGIN_AGAIN_SECONDS):
                    await stop.wait()
        else:
            return grant.org_id
    return ""


def login_told(frame: Frame) -> Callable[[LoginFailed | None], None]:
    """Counts logins; a refusal that only a person can help with is a critical line, once until it is over."""
    refused = ""

    def told(failure: LoginFailed | None) -> None:
        nonlocal refused
        terminal = failure is not None and failure.terminal
        outcome = "granted" if failure is None else "refused" if terminal else "failed"
        frame.metrics.logged_in(outcome, refused=terminal)
        if failure is None:
            if refused:
                frame.log.info("login_granted_again", code=refused)
            refused = ""
        elif terminal and failure.code != refused:
            refused = failure.code
            frame.log.critical("login_refused", code=failure.code, reason=str(failure))
        elif not terminal:
            frame.log.warning("login_failed", code=failure.code, reason=str(failure))

    return told


def login_ping(salesforce: Salesforce) -> Ping:
    """Not ready while a person is needed: the process goes on, and what it holds is deferred."""

    async def ping() -> None:
        refusal = salesforce.login.refusal
        if refusal is not None:
            raise Unavailable(f"login refused: {refusal.code}")

    return ping


def warn_of_flow(frame: Frame, settings: SalesforceSettings) -> None:
    """A flow that will end is told of at every start."""
    if settings.flow is Flow.PASSWORD:
        frame.log.warning("login_flow_ends", flow=str(settings.flow), reason=PASSWORD_ENDS)
