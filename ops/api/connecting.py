"""The connection as the API's routes ask for it."""

import asyncio
from typing import Final

from adapters.encryption.keyring import Keyring
from adapters.mongo.client import Database
from adapters.mongo.connection_notes import ConnectionNotes
from adapters.salesforce.errors import CallFailed
from adapters.salesforce.grants import Grant
from adapters.salesforce.opening import Salesforce
from adapters.salesforce.settings import SalesforceSettings
from adapters.salesforce.soql import Compare, Operator, Select
from listener.api.connection import State
from ops.consent import Consent
from schemas.session import LoginFailed

LOGIN_SECONDS: Final = 5.0
"""How long the state of the connection waits for a login."""


class OrgConnection:
    """Satisfies `listener.api.connection.Connecting`."""

    def __init__(
        self, settings: SalesforceSettings, database: Database, keyring: Keyring | None, salesforce: Salesforce
    ) -> None:
        self._settings = settings
        self._database = database
        self._consent = Consent(settings, database, keyring)
        self._salesforce = salesforce
        self._named: tuple[str, str] = ("", "")
        """The user whose name was asked for last, by id."""

    async def begin(self) -> str:
        """As the port."""
        return await self._consent.begin()

    async def finish(self, answer: str) -> State:
        """As the port."""
        connection, before = await self._consent.finish(answer)
        self._salesforce.login.try_again()
        return State(
            connected=True,
            instance_url=connection.instance_url,
            org_id=connection.org_id,
            last_sync_at=0 if before is None else before.last_sync_at,
        )

    async def state(self) -> State:
        """As the port."""
        noted = await ConnectionNotes(self._database).read(self._settings.client_id)
        last_sync_at = 0 if noted is None else noted.last_sync_at
        try:
            async with asyncio.timeout(LOGIN_SECONDS):
                grant = await self._salesforce.login.grant()
                return State(
                    connected=True,
                    instance_url=grant.session.instance_url,
                    user=await self._username(grant),
                    org_id=grant.org_id,
                    last_sync_at=last_sync_at,
                )
        except LoginFailed as failure:
            reason = failure.code or "login_failed"
        except CallFailed as failed:
            reason = failed.fault.code
        except TimeoutError:
            reason = "no_answer"
        known = "" if noted is None else noted.instance_url
        return State(connected=False, instance_url=known, last_sync_at=last_sync_at, reason=reason)

    async def _username(self, grant: Grant) -> str:
        """Asked for once a login."""
        if self._named[0] != grant.user_id:
            asked = Select(("Username",), "User", Compare("Id", Operator.EQUAL, grant.user_id), limit=1)
            rows = [row async for row in self._salesforce.rest.query(asked)]
            self._named = grant.user_id, str(rows[0]["Username"]) if rows else ""
        return self._named[1]
