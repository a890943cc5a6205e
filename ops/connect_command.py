"""`tandem connect`: a person agrees in the browser, and the connection is kept, sealed.

Between the question and the answer no connection to MongoDB is open: a person may take an hour.
"""

import asyncio
from collections.abc import Awaitable, Callable

import typer
from rich.console import Console
from rich.text import Text

from adapters.encryption.settings import EncryptionSettings
from adapters.mongo.client import Refused, open_database
from adapters.mongo.connections import MongoConnections
from adapters.mongo.settings import MongoSettings
from adapters.salesforce.authorization import Authorization, is_answer, new_authorization
from adapters.salesforce.connecting import connect, end_connection
from adapters.salesforce.flows import Flow
from adapters.salesforce.settings import SalesforceSettings
from adapters.telemetry.logs import quiet_libraries
from ops.command_end import EXIT_FAILED, EXIT_WRONG_SETTINGS
from ops.processes.parts import wall_ms
from ops.redirect import redirects
from ops.settings import WrongSettings, read_settings
from schemas.connection import CannotOpen, Connection
from schemas.session import LoginFailed
from schemas.unavailable import Unavailable


class CannotConnect(Exception):
    """Why there is no connection, in one line."""


def run(*, paste: bool, seconds: float) -> int:
    """Ask for consent and keep it; the exit code."""
    console = Console()
    try:
        with quiet_libraries():
            connection = asyncio.run(_connect(console, paste=paste, seconds=seconds))
    except WrongSettings as wrong:
        console.print(Text(str(wrong)))
        return EXIT_WRONG_SETTINGS
    except (CannotConnect, LoginFailed, Unavailable, Refused) as error:
        console.print(Text(str(error)))
        return EXIT_FAILED
    console.print(Text("\n".join(told(connection))))
    return 0


def told(connection: Connection) -> list[str]:
    """What a person wants to know of it. No token."""
    return [
        f"connected to {connection.instance_url}; org {connection.org_id}, user {connection.user_id}",
        f"it may: {', '.join(connection.scopes)}",
        "the tokens are kept sealed in salesforce_connections; running processes take them up within half a minute",
    ]


async def _connect(console: Console, *, paste: bool, seconds: float) -> Connection:
    settings, mongo, encryption = read_settings(SalesforceSettings, MongoSettings, EncryptionSettings)
    keyring = encryption.keyring()
    if settings.flow is not Flow.WEB_SERVER:
        raise CannotConnect(
            f"the settings tell the flow {settings.flow}, for which nobody has to agree: `tandem check` tries it. "
            "SALESFORCE_OAUTH_FLOW=web_server tells this one"
        )
    if keyring is None:
        raise CannotConnect("ENCRYPTION_KEYS is not set: tokens are kept sealed or not at all")
    async with open_database(mongo):
        pass  # better known before a person has agreed than after

    def show(url: str) -> None:
        # Not wrapped to the terminal's width: it has to be copied in one piece.
        console.print(Text("Open this address in a browser, sign in as the integration user, and agree:\n"))
        console.print(Text(url), soft_wrap=True)

    attempt = new_authorization(settings)
    by_hand = paste or not settings.redirects_here
    location = await (_pasted(attempt, show) if by_hand else _redirected(settings.redirect, attempt, show, seconds))
    connection = await connect(settings, attempt, location, now=wall_ms())
    async with open_database(mongo) as database:
        connections = MongoConnections(database, keyring)
        before = await _replaced(connections, settings.client_id)
        await connections.connect(connection)
    if before is not None and not before.refused and not await end_connection(settings, before):
        console.print(Text("the connection before it could not be ended: revoke it in Setup, OAuth Usage"))
    return connection


async def _replaced(connections: MongoConnections, name: str) -> Connection | None:
    """The connection there was, if it can still be opened."""
    try:
        return await connections.read(name)
    except CannotOpen:
        return None


async def _redirected(callback: str, attempt: Authorization, show: Callable[[str], None], seconds: float) -> str:
    try:
        async with redirects(callback, lambda location: is_answer(location, attempt.state)) as arrived:
            show(attempt.url)
            async with asyncio.timeout(seconds):
                return await arrived
    except TimeoutError:
        raise CannotConnect(f"nobody has agreed within {seconds:g} seconds; nothing was changed") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CannotConnect(f"cannot listen at {callback}: {reason}; --paste does without") from None


def _pasted(attempt: Authorization, show: Callable[[str], None]) -> Awaitable[str]:
    show(attempt.url)
    return asyncio.to_thread(
        typer.prompt, "Paste the address that the browser ends at, whether or not it shows a page", hide_input=True
    )
