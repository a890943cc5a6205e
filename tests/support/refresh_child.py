"""A process of its own that signs in from the store: for every line on its input it makes a call and prints the token.

Run as `python -m support.refresh_child <MongoDB URI> <database> <keys> <login URL> <consumer key> <consumer secret>`.
"""

import asyncio
import sys
import time

from adapters.encryption.settings import EncryptionSettings
from adapters.mongo.client import open_database
from adapters.mongo.settings import MongoSettings
from adapters.salesforce.flows import Flow
from adapters.salesforce.opening import open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from ops.logins import connection_store


async def main(uri: str, database: str, keys: str, login_url: str, client_id: str, client_secret: str) -> None:
    """Until the input ends."""
    settings = SalesforceSettings(
        client_id=client_id, client_secret=client_secret, login_url=login_url, flow=Flow.WEB_SERVER
    )
    mongo = MongoSettings(uri=uri, database=database)
    async with (
        open_database(mongo) as opened,
        open_salesforce(
            settings,
            now=lambda: time.time_ns() // 1_000_000,
            store=connection_store(opened, EncryptionSettings(keys=keys)),
        ) as salesforce,
    ):
        while await asyncio.to_thread(sys.stdin.readline):
            await salesforce.rest.limits()
            sys.stdout.write((await salesforce.login.current()).access_token + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
