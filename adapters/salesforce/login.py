"""Sessions for whoever calls the org: one login at a time, however many ask, whichever way it goes."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from adapters.salesforce.grants import Grant, hold
from adapters.salesforce.token_endpoint import TokenEndpoint
from adapters.salesforce.token_forms import Form
from schemas.session import LoginFailed, Session


class Logins(Protocol):
    """A way to sign in."""

    async def log_in(self, refused: Session | None) -> Grant:
        """A grant whose session is not `refused`, the one that the org has just answered with 401.

        Raises:
            LoginFailed: refused, or no answer.
        """

    async def close(self) -> None:
        """Finish what must not be left half done."""


class DirectLogins:
    """What the settings hold is enough: each login asks anew. For client credentials, JWT bearer and passwords."""

    def __init__(self, endpoint: TokenEndpoint, form: Callable[[], Form]) -> None:
        self._endpoint = endpoint
        self._form = form

    async def log_in(self, refused: Session | None) -> Grant:
        """As the port."""
        return await self._endpoint.ask(self._form())

    async def close(self) -> None:
        """Nothing is ever half done."""


class Login:
    """Sessions for REST and the change stream alike: the live one, and a new one for each that was refused."""

    def __init__(
        self,
        logins: Logins,
        *,
        clock: Callable[[], float] = time.monotonic,
        on_login: Callable[[LoginFailed | None], None] | None = None,
    ) -> None:
        """`clock` tells seconds that only go forward; `on_login` hears of each login tried, and how it failed."""
        self._logins = logins
        self._clock = clock
        self._on_login = on_login
        self._one_at_a_time = asyncio.Lock()
        self._grant: Grant | None = None
        self._failure: LoginFailed | None = None
        self._failed_at = 0.0

    @property
    def refusal(self) -> LoginFailed | None:
        """Why the last login failed, where only a person can help."""
        return self._failure if self._failure is not None and self._failure.terminal else None

    async def current(self) -> Session:
        """The live session, made if there is none.

        Raises:
            LoginFailed: refused, or no answer.
        """
        return (await self.grant()).session

    async def grant(self) -> Grant:
        """The live session with its time and org, made if there is none.

        Raises:
            LoginFailed: refused, or no answer.
        """
        return self._grant or await self._replace(None)

    async def renew(self, refused: Session) -> Session:
        """A new session after a 401 for `refused`; a caller who comes second gets the one already made.

        Raises:
            LoginFailed: refused, or no answer.
        """
        return (await self._replace(refused)).session

    def try_again(self) -> None:
        """A person has changed something: what was refused a moment ago may be granted now."""
        self._failure = None

    async def _replace(self, refused: Session | None) -> Grant:
        async with self._one_at_a_time:
            if self._grant is not None and self._grant.session != refused:
                return self._grant
            if self._failure is not None and self._clock() < self._failed_at + hold(self._failure):
                raise LoginFailed(str(self._failure), code=self._failure.code, terminal=self._failure.terminal)
            self._grant = None
            try:
                self._grant = await self._logins.log_in(refused)
            except LoginFailed as failure:
                self._failure, self._failed_at = failure, self._clock()
                self._told(failure)
                raise
            self._failure = None
            self._told(None)
            return self._grant

    def _told(self, failure: LoginFailed | None) -> None:
        if self._on_login is not None:
            self._on_login(failure)
