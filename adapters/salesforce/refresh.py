"""The web-server flow from its second day on: a stored connection whose access token is refreshed when it is refused.

With rotation a refresh token is good once, and one that comes a second time ends the whole connection (failure case
24). So one process refreshes at a time, by a lease; it reads the stored tokens again once it has the lease; and the new
refresh token is stored before the access token beside it is used. Every other process takes that access token from the
store.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from adapters.salesforce.grants import Grant
from adapters.salesforce.hosts import may_follow
from adapters.salesforce.settings import SalesforceSettings
from adapters.salesforce.token_endpoint import TokenEndpoint
from adapters.salesforce.token_forms import refresh_form
from schemas.connection import CannotOpen, Connection
from schemas.session import LoginFailed, Session
from schemas.stream import Lease
from schemas.unavailable import Unavailable

FINAL: Final = "invalid_grant"
"""The refresh token is revoked, expired or used up: only a person can agree anew."""
LEASE_SECONDS: Final = 120.0
"""Beyond twice SALESFORCE_LOGIN_TIMEOUT_SECONDS: longer than a refresh and its storing may take. A process that is
killed in the middle holds the others up for as long, and its new refresh token is lost."""
LOOK_AGAIN_SECONDS: Final = 0.2


class Connections(Protocol):
    """Where connections are kept. Each method raises Unavailable where the store does not answer."""

    async def read(self, name: str) -> Connection | None:
        """The connection of this app.

        Raises:
            CannotOpen: its tokens are sealed with a key that we do not have.
        """

    async def renew(self, connection: Connection, *, since: int) -> bool:
        """Replace the tokens where the stored version is still `since`; whether it was."""

    async def refuse(self, name: str, code: str, at: int, *, since: int) -> None:
        """Keep that Salesforce has ended it, if it is still the version `since`."""


class Leases(Protocol):
    """One owner at a time. Each method raises Unavailable where the store does not answer."""

    async def acquire(self, name: str, owner: str, seconds: float) -> Lease | None:
        """The lease if it is free; nothing while another holds it."""

    async def release(self, lease: Lease) -> None:
        """Let it go if it is still ours."""


@dataclass(frozen=True, slots=True)
class ConnectionStore:
    """What a stored connection needs. `owner` names this process and no other."""

    connections: Connections
    leases: Leases
    owner: str


class RefreshedLogins:
    """Satisfies `adapters.salesforce.login.Logins` from a stored connection."""

    def __init__(
        self,
        endpoint: TokenEndpoint,
        settings: SalesforceSettings,
        store: ConnectionStore,
        *,
        now: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`now` is epoch milliseconds, `clock` seconds that only go forward."""
        self._endpoint = endpoint
        self._settings = settings
        self._store = store
        self._now = now
        self._clock = clock
        self._pause = pause
        self._closing = False
        self._work: asyncio.Task[Grant] | None = None
        self._unstored: Connection | None = None
        """Tokens that Salesforce has given and the store has not taken yet; their version is the one they follow."""

    async def log_in(self, refused: Session | None) -> Grant:
        """As the port. Who asks may be cancelled; a refresh that is under way goes on to its end all the same."""
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._obtain(refused))
            self._work.add_done_callback(_looked_at)
        return await asyncio.shield(self._work)

    async def close(self) -> None:
        """Finish a refresh that is under way: its refresh token would be lost."""
        self._closing = True
        if self._work is not None:
            await asyncio.wait([self._work])

    async def _obtain(self, refused: Session | None) -> Grant:
        try:
            return await self._taken(refused) or await self._in_turn(refused)
        except Unavailable as error:
            raise LoginFailed(f"the stored connection cannot be reached: {error}", code="store_away") from None
        except CannotOpen as error:
            raise LoginFailed(str(error), code="key_missing", terminal=True) from None

    async def _in_turn(self, refused: Session | None) -> Grant:
        """Refresh once it is our turn, unless somebody else's refresh has come first."""
        give_up_at = self._clock() + self._settings.login_timeout
        name, seconds = f"login:{self._settings.client_id}", LEASE_SECONDS + 2 * self._settings.login_timeout
        while True:
            asked_at = self._clock()
            lease = await self._store.leases.acquire(name, self._store.owner, seconds)
            if lease is not None:
                try:
                    return await self._taken(refused) or await self._refresh(asked_at + seconds / 2)
                finally:
                    await self._let_go(lease)
            if self._closing or self._clock() >= give_up_at:
                raise LoginFailed("another process has been refreshing the login for too long", code="busy")
            await self._pause(LOOK_AGAIN_SECONDS)
            if (grant := await self._taken(refused)) is not None:
                return grant

    async def _taken(self, refused: Session | None) -> Grant | None:
        """The stored access token, if it is another than the refused one."""
        await self._store_what_is_left()
        connection = await self._read()
        if not connection.access_token or (refused is not None and connection.access_token == refused.access_token):
            return None
        return _grant_of(connection)

    async def _read(self) -> Connection:
        connection = await self._store.connections.read(self._settings.client_id)
        if connection is None:
            raise LoginFailed("nobody has agreed to it yet: run `tandem connect`", code="not_connected", terminal=True)
        if connection.refused:
            message = f"Salesforce has ended the connection ({connection.refused}): run `tandem connect`"
            raise LoginFailed(message, code=connection.refused, terminal=True)
        if not may_follow(connection.instance_url, self._settings.login_url, self._settings.allowed_hosts):
            message = "the stored instance is neither Salesforce's nor allowed by SALESFORCE_ALLOWED_HOSTS"
            raise LoginFailed(message, code="bad_instance", terminal=True)
        return connection

    async def _refresh(self, until: float) -> Grant:
        """Refresh, unless we were held up so long that the lease may soon be another's."""
        connection = await self._read()
        if self._clock() >= until:
            raise LoginFailed("the turn to refresh the login is over", code="busy")
        try:
            grant = await self._endpoint.ask(refresh_form(self._settings, connection.refresh_token))
        except LoginFailed as failure:
            if failure.code == FINAL:
                await self._store.connections.refuse(
                    connection.name, failure.code, self._now(), since=connection.version
                )
                raise LoginFailed(f"{failure}; run `tandem connect`", code=FINAL, terminal=True) from None
            raise
        self._unstored = renewed(connection, grant, self._now())
        give_up_at = self._clock() + self._settings.login_timeout
        while True:
            try:
                await self._store_what_is_left()
            except Unavailable:
                if self._clock() >= give_up_at:
                    raise
                await self._pause(LOOK_AGAIN_SECONDS)
            else:
                # What the store holds now is ours, or of a person who has connected anew meanwhile.
                return _grant_of(await self._read())

    async def _store_what_is_left(self) -> None:
        if self._unstored is not None:
            await self._store.connections.renew(self._unstored, since=self._unstored.version)
            self._unstored = None

    async def _let_go(self, lease: Lease) -> None:
        if self._unstored is not None:
            return  # whoever came next would refresh with a token that is used up: it has to wait for the lease's end
        try:
            await self._store.leases.release(lease)
        except Unavailable:
            return  # it runs out by itself


def renewed(connection: Connection, grant: Grant, now: int) -> Connection:
    """The connection with the tokens of a refresh; without rotation the refresh token stays."""
    return replace(
        connection,
        access_token=grant.session.access_token,
        instance_url=grant.session.instance_url,
        refresh_token=grant.refresh_token or connection.refresh_token,
        scopes=grant.scopes or connection.scopes,
        org_id=grant.org_id or connection.org_id,
        user_id=grant.user_id or connection.user_id,
        refreshed_at=grant.issued_at or now,
    )


def _grant_of(connection: Connection) -> Grant:
    return Grant(
        session=Session(connection.instance_url, connection.access_token),
        issued_at=connection.refreshed_at,
        org_id=connection.org_id,
        user_id=connection.user_id,
        scopes=connection.scopes,
    )


def _looked_at(work: "asyncio.Task[Grant]") -> None:
    """Whoever asked may be gone; its failure is told to the next one who asks, by trying again."""
    if not work.cancelled():
        work.exception()
