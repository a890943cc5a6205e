"""Opens the database with the guarantees that the promises need: majority writes, journalled, and majority reads."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from pymongo import AsyncMongoClient, timeout
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ConfigurationError, ConnectionFailure, OperationFailure, PyMongoError

from adapters.mongo.settings import MongoSettings
from schemas.unavailable import Unavailable

Database = AsyncDatabase[dict[str, Any]]

CLOSE_SECONDS = 3.0


class Refused(Exception):
    """MongoDB answered and does not let us in: wrong credentials, or no right to use the database."""


@asynccontextmanager
async def open_database(settings: MongoSettings, *, retry_writes: bool = True) -> AsyncIterator[Database]:
    """The database, reached and logged in to; its connections are closed at the end.

    Dates come back in UTC, with their zone. With `retry_writes` the driver repeats a write once that was not answered,
    for which MongoDB keeps a record of each: a fourth of what an update costs it. Who repeats by itself, and whose
    writes are guarded, does without.

    Raises:
        Unavailable: no server answered within `connect_seconds`, or TLS failed.
        Refused: the credentials are wrong, or may not use the database.
    """
    try:
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(**_options(settings), retryWrites=retry_writes)
    except (ConfigurationError, OSError) as error:
        # OSError: a certificate file that cannot be read as one.
        raise Unavailable(f"MongoDB: {error}") from None
    try:
        database = client[settings.database]
        await ping(database, settings.connect_seconds)
        yield database
    finally:
        # To end its sessions the driver would ask a server that hangs for a quarter of a minute.
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await client.close()


async def ping(database: Database, seconds: float) -> None:
    """Return if the database can be reached and used within so many seconds.

    Raises:
        Unavailable, Refused: as `open_database`.
    """
    try:
        # Unlike `ping`, this asks for a login where the server wants one; any user may do it.
        with timeout(seconds):
            await database.command({"listCollections": 1, "nameOnly": True, "authorizedCollections": True})
    except OperationFailure as error:
        if error.timeout:
            raise Unavailable("MongoDB did not answer in time") from None
        raise Refused(f"MongoDB refused us: {_reason(error)}") from None
    except ConnectionFailure as error:
        raise Unavailable(f"MongoDB does not answer: {_first_line(error)}") from None


def _options(settings: MongoSettings) -> dict[str, Any]:
    """Keyword arguments of the client. They take precedence over the connection string's own options."""
    options: dict[str, Any] = {
        "host": settings.uri.get_secret_value(),
        "appname": "tandem",
        "w": "majority",
        "journal": True,
        # What a majority does not have yet may be rolled back, and with it what "duplicate" was decided by.
        "readConcernLevel": "majority",
        "readPreference": "primary",
        "retryReads": True,
        "tz_aware": True,
        "uuidRepresentation": "standard",
        "connectTimeoutMS": int(settings.connect_seconds * 1000),
        "timeoutMS": int(settings.operation_seconds * 1000),
    }
    if settings.username:
        options["username"] = settings.username
        options["password"] = settings.password.get_secret_value()
    if settings.tls:
        options["tls"] = True
    if settings.tls_ca_file:
        options["tlsCAFile"] = str(settings.tls_ca_file)
    if settings.tls_certificate_key_file:
        options["tlsCertificateKeyFile"] = str(settings.tls_certificate_key_file)
    return options


def _reason(error: OperationFailure) -> str:
    details = error.details or {}
    return f"{details.get('codeName', error.code)}: {details.get('errmsg', '')}".rstrip(": ")


def _first_line(error: PyMongoError) -> str:
    """The driver appends its timeouts and its whole view of the cluster, which belong in no one-line message."""
    return str(error).partition(", Timeout:")[0].partition(" (configured timeouts:")[0].partition("\n")[0]
