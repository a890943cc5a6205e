"""What `tandem check` says of the way we sign in: a flow that will end, a credential that has grown old."""

from collections.abc import Mapping

from pydantic_settings import BaseSettings

from adapters.mongo.client import Refused, open_database
from adapters.mongo.connection_notes import ConnectionNotes
from adapters.mongo.settings import MongoSettings
from adapters.salesforce.credential import reminder
from adapters.salesforce.flows import PASSWORD_ENDS, Flow
from adapters.salesforce.settings import SalesforceSettings
from ops.processes.parts import wall_ms
from schemas.unavailable import Unavailable


async def login_warnings(settings: SalesforceSettings, read: Mapping[type[BaseSettings], BaseSettings]) -> list[str]:
    """One line each. Where MongoDB is away nothing is known of the credential's age, and its own finding says so."""
    found = [PASSWORD_ENDS] if settings.flow is Flow.PASSWORD else []
    mongo = read.get(MongoSettings)
    if isinstance(mongo, MongoSettings):
        try:
            async with open_database(mongo) as database:
                connection = await ConnectionNotes(database).read(settings.client_id)
        except (Unavailable, Refused):
            return found
        if connection is not None and (text := reminder(connection, wall_ms())):
            found.append(text)
    return found
