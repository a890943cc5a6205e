"""`tandem erase`: forget a person now, show the certificate, and forget everybody again after a restore."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import typer

from adapters.encryption.settings import EncryptionSettings
from adapters.kafka.settings import KafkaSettings
from adapters.mongo.client import Refused, open_database
from adapters.mongo.erased_settings import ErasedSettings
from adapters.mongo.erasures import MongoErasures, open_erasures
from adapters.mongo.mappings import MongoMappings
from adapters.mongo.settings import MongoSettings
from adapters.salesforce.opening import open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from adapters.telemetry.logs import quiet_libraries
from consumers.catalog import Catalog
from ops.command_end import EXIT_FAILED, EXIT_WRONG_SETTINGS
from ops.erasure.certificate import certificate, left, next_step
from ops.erasure.eraser import Eraser
from ops.erasure.opened import Opened, eraser_of
from ops.logins import connection_store
from ops.mapping_source import MappingSettings
from ops.operator_name import operator_name
from ops.processes.parts import wall_ms
from ops.settings import WrongSettings, read_settings
from schemas.mapping_reading import InvalidMapping
from schemas.unavailable import Unavailable


class CannotErase(Exception):
    """Why not, for the person who asked."""


@dataclass(frozen=True, slots=True)
class Office:
    """What the commands work with."""

    erasures: MongoErasures
    eraser: Eraser
    catalog: Catalog


def run_erase(kind: str, document_id: str, *, sure: bool) -> int:
    """Forget this person; the exit code."""
    if not sure and not typer.confirm(f"Forget {kind} {document_id} everywhere? Nothing of it can be brought back."):
        return _complain("nothing was changed", EXIT_FAILED)

    async def erase(office: Office) -> dict[str, Any]:
        if kind not in office.catalog.kinds:
            raise CannotErase(f"the mapping has no kind {kind}")
        await office.eraser.at_once(kind, document_id, operator_name())
        return await _certificate(office, kind, document_id)

    return _run(erase, _left)


def run_certificate(kind: str, document_id: str) -> int:
    """Print the certificate; the exit code."""
    return _run(lambda office: _certificate(office, kind, document_id), _left)


def run_apply() -> int:
    """Forget everybody again of whom a restore has brought something back; the exit code."""

    async def apply(office: Office) -> dict[str, Any]:
        back = await office.eraser.apply(operator_name())
        passes = await office.eraser.work()
        return {"found": len(back), "passes": passes}

    return _run(apply, lambda _told: False)


async def _certificate(office: Office, kind: str, document_id: str) -> dict[str, Any]:
    found = await office.erasures.certificate(kind, document_id)
    if found is None:
        raise CannotErase("nobody has asked for this erasure")
    if step := next_step(found, now=wall_ms()):
        sys.stderr.write(f"{step}\n")
    return certificate(found)


def _left(told: dict[str, Any]) -> bool:
    return bool(left(told))


def _run(ask: Callable[[Office], Awaitable[dict[str, Any]]], failed: Callable[[dict[str, Any]], bool]) -> int:
    async def asked() -> dict[str, Any]:
        async with open_office() as office:
            return await ask(office)

    try:
        with quiet_libraries():
            told = asyncio.run(asked())
    except WrongSettings as wrong:
        return _complain(str(wrong), EXIT_WRONG_SETTINGS)
    except (CannotErase, Unavailable, Refused, InvalidMapping) as error:
        return _complain(str(error), EXIT_FAILED)
    sys.stdout.write(f"{json.dumps(told, indent=2)}\n")
    return EXIT_FAILED if failed(told) else 0


def _complain(told: str, code: int) -> int:
    sys.stderr.write(f"{told}\n")
    return code


@asynccontextmanager
async def open_office() -> AsyncIterator[Office]:
    """What the commands need, of everything that the settings name.

    Raises:
        WrongSettings, Unavailable, Refused, InvalidMapping, CannotErase.
    """
    kafka, mongo, salesforce_settings, encryption, seed = read_settings(
        KafkaSettings, MongoSettings, SalesforceSettings, EncryptionSettings, MappingSettings
    )
    (erased,) = read_settings(ErasedSettings)
    async with open_database(mongo) as database, open_erasures(erased, mongo) as erasures:
        if erasures is None:
            raise CannotErase("ERASED_KEY is not set: the list of erased people could not be kept")
        catalog = Catalog(await MongoMappings(database).current() or seed.read())
        store = connection_store(database, encryption)
        async with open_salesforce(salesforce_settings, now=wall_ms, store=store) as salesforce:
            opened = Opened(database, erasures, salesforce, lambda: catalog, kafka)
            yield Office(erasures, eraser_of(opened, erased, wall_ms), catalog)
