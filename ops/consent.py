"""A person agrees in a browser that Tandem signs in to an org: begun, and ended with what the browser brought back."""

from urllib.parse import parse_qs

from adapters.encryption.keyring import Keyring
from adapters.mongo.attempts import MongoAttempts
from adapters.mongo.client import Database
from adapters.mongo.connections import MongoConnections
from adapters.salesforce.authorization import Authorization, new_authorization
from adapters.salesforce.connecting import connect, end_connection
from adapters.salesforce.flows import Flow
from adapters.salesforce.settings import SalesforceSettings
from listener.api.connection import CannotAsk, CannotConnect
from ops.processes.parts import wall_ms
from schemas.connection import CannotOpen, Connection
from schemas.session import LoginFailed


class Consent:
    """OAuth 2.0's web-server flow with PKCE. Methods raise `Unavailable` while the store does not answer."""

    def __init__(self, settings: SalesforceSettings, database: Database, keyring: Keyring | None) -> None:
        self._settings = settings
        self._database = database
        self._keyring = keyring

    async def begin(self, owner: str = "") -> str:
        """The address at which a person agrees, good once and for ten minutes; `owner` is whose attempt it is.

        Raises:
            CannotAsk: the settings tell another way to sign in, or there is nothing to seal tokens with.
        """
        attempt = new_authorization(self._settings)
        kept = f"{attempt.verifier} {owner}"
        await MongoAttempts(self._database, self._sealing()).add(attempt.state, kept)
        return attempt.url

    async def finish(self, answer: str, owner: str = "") -> tuple[Connection, Connection | None]:
        """Take what stands behind the `?` of the redirect; the connection, and the one whose place it has taken.

        Raises:
            CannotConnect: it answers no attempt of this owner's that is under way, or somebody said no.
        """
        try:
            keyring = self._sealing()
        except CannotAsk as reason:
            raise CannotConnect(str(reason)) from None
        state = parse_qs(answer).get("state", [""])[0]
        try:
            kept = await MongoAttempts(self._database, keyring).take(state)
        except CannotOpen as error:
            raise CannotConnect(str(error)) from None
        verifier, _, begun_by = (kept or "").partition(" ")
        if kept is None or begun_by != owner:
            raise CannotConnect("no attempt of this state is under way: it was answered before, or is over")
        try:
            attempt = Authorization("", state, verifier)
            connection = await connect(self._settings, attempt, f"?{answer}", now=wall_ms())
        except LoginFailed as failure:
            raise CannotConnect(str(failure)) from None
        before = await self._kept(connection, keyring)
        if before is not None and not before.refused:
            await end_connection(self._settings, before)
        return connection, before

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
