"""`tandem export`: all that is held of one person, in both systems and beside, as JSON. Each is kept in the audit."""

import asyncio
import sys
import uuid
from typing import Any

from adapters.encryption.settings import EncryptionSettings
from adapters.mongo.client import Database, Refused, open_database
from adapters.mongo.mappings import MongoMappings
from adapters.mongo.operations import MongoOperations
from adapters.mongo.removal import MongoRemoval
from adapters.mongo.settings import MongoSettings
from adapters.salesforce.opening import open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from adapters.telemetry.logs import quiet_libraries
from consumers.catalog import Catalog
from ops.command_end import EXIT_FAILED, EXIT_WRONG_SETTINGS
from ops.held import NothingHeld, as_json, audit_row, held_of
from ops.logins import connection_store
from ops.mapping_source import MappingSettings
from ops.operator_name import operator_name
from ops.processes.parts import wall_ms
from ops.settings import WrongSettings, read_settings
from schemas.mapping_reading import InvalidMapping
from schemas.unavailable import Unavailable


def run(kind: str, document_id: str) -> int:
    """Print it; the exit code."""
    try:
        with quiet_libraries():
            held = asyncio.run(_held(kind, document_id))
    except WrongSettings as wrong:
        return _complain(str(wrong), EXIT_WRONG_SETTINGS)
    except (NothingHeld, Unavailable, Refused, InvalidMapping) as error:
        return _complain(str(error), EXIT_FAILED)
    sys.stdout.write(f"{as_json(held)}\n")
    return 0


async def held_by_settings(database: Database, catalog: Catalog, kind: str, document_id: str) -> dict[str, Any]:
    """All that is held of one person, here and in the org that the settings name.

    Raises:
        WrongSettings, NothingHeld, Unavailable.
    """
    salesforce_settings, encryption = read_settings(SalesforceSettings, EncryptionSettings)
    store = connection_store(database, encryption)
    async with open_salesforce(salesforce_settings, now=wall_ms, store=store) as salesforce:
        return await held_of(MongoRemoval(database), salesforce.records, catalog, kind, document_id)


async def _held(kind: str, document_id: str) -> dict[str, Any]:
    mongo, seed = read_settings(MongoSettings, MappingSettings)
    async with open_database(mongo) as database:
        catalog = Catalog(await MongoMappings(database).current() or seed.read())
        held = await held_by_settings(database, catalog, kind, document_id)
        told = audit_row(kind, document_id, by=operator_name(), at=wall_ms(), row_id=uuid.uuid4().hex)
        await MongoOperations(database).add([told])
        return held


def _complain(told: str, code: int) -> int:
    sys.stderr.write(f"{told}\n")
    return code
