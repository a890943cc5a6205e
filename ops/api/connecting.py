"""The connection as the API's routes ask for it."""

import asyncio
from typing import Final
from urllib.parse import parse_qs

from adapters.encryption.keyring import Keyring
from adapters.mongo.attempts import MongoAttempts
from adapters.mongo.client import Database
from adapters.mongo.connection_notes import ConnectionNotes
from adapters.mongo.connections import MongoConnections
from adapters.salesforce.authorization import Authorization, new_authorization
from adapters.salesforce.connecting import connect, end_connection
from adapters.salesforce.errors import CallFailed
from adapters.salesforce.flows import Flow
from adapters.salesforce.grants import Grant
from adapters.salesforce.opening import Salesforce
from adapters.salesforce.settings import SalesforceSettings
from adapters.salesforce.soql import Compare, Operator, Select
from listener.api.connection import CannotAsk, CannotConnect, State
from ops.processes.parts import wall_ms
from schemas.connection import CannotOpen, Connection
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
        self._keyring = keyring
        self._salesforce = salesforce
        self._named: tuple[str, str] = ("", "")
        """The user whose name was asked for last, by id."""

    async def begin(self) -> str:
        """As the port."""
        attempt = new_authorization(self._settings)
        await MongoAttempts(self._database, self._sealing()).add(attempt.state, attempt.verifier)
        return attempt.url

    async def finish(self, answer: str) -> State:
        """As the port."""
        try:
            keyring = self._sealing()
        except CannotAsk as reason:
            raise CannotConnect(str(reason)) from None
        state = parse_qs(answer).get("state", [""])[0]
        try:
            verifier = await MongoAttempts(self._database, keyring).take(state)
        except CannotOpen as error:
            raise CannotConnect(str(error)) from None
        if verifier is None:
            raise CannotConnect("no attempt of this state is under way: it was answered before, or is over")
        try:
            attempt = Authorization("", state, verifier)
            connection = await connect(self._settings, attempt, f"?{answer}", now=wall_ms())
        except LoginFailed as failure:
            raise CannotConnect(str(failure)) from None
        before = await self._kept(connection, keyring)
        self._salesforce.login.try_again()
        if before is not None and not before.refused:
            await end_connection(self._settings, before)
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

    async def _kept(self, connection: Connection, keyring: Keyring) -> Connection | None:
        """Stored in the place of another; that one, if it can still be opened."""
        connections = MongoConnections(self._database, keyring)
        try:
            before = await connections.read(connection.name)
        except CannotOpen:
            before = None
        await connections.connect(connection)
        return before

    def _sealing(self) -> Keyring:
        if self._settings.flow is not Flow.WEB_SERVER:
            raise CannotAsk(
                f"the settings tell the flow {self._settings.flow}, for which nobody has to agree; "
                "SALESFORCE_OAUTH_FLOW=web_server tells this one"
            )
        if self._keyring is None:
            raise CannotAsk("ENCRYPTION_KEYS is not set: tokens are kept sealed or not at all")
        return self._keyring
