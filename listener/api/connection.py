"""`/auth`, `/callback` and `/connection`: a person agrees in the browser that Tandem signs in to an org."""

import html
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlencode

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from listener.api.paths import PREFIX
from listener.api.problem import Problem, ProblemType
from listener.api.routes import GET, POST, Answer, Call, Group, Page, Route
from schemas.api_key import Scope

NO_CONSENT_NEEDED: Final = ProblemType("no_consent_needed", 409, "Nobody has to agree")
NOT_CONNECTED: Final = ProblemType("not_connected", 422, "Salesforce did not connect")
_PAGE: Final = (
    "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Tandem</title></head>"
    "<body><p>{}</p></body></html>"
)


class CannotAsk(Exception):
    """Why nobody is asked to agree, in one line."""


class CannotConnect(Exception):
    """Why there is no connection, in one line without code, state or token."""


@dataclass(frozen=True, slots=True)
class State:
    """How the connection is."""

    connected: bool
    instance_url: str = ""
    user: str = ""
    org_id: str = ""
    last_sync_at: int = 0
    """Epoch milliseconds; 0: never."""
    reason: str = ""


class Connecting(Protocol):
    """The connection. Methods raise `Unavailable` while the store does not answer."""

    async def begin(self) -> str:
        """The address at which a person agrees; the attempt is kept for ten minutes.

        Raises:
            CannotAsk: the settings tell another way to sign in, or there is nothing to seal tokens with.
        """

    async def finish(self, answer: str) -> State:
        """Take what the browser brought back: the text behind the `?` of the redirect. An attempt ends with it.

        Raises:
            CannotConnect: it answers no attempt that is under way, or somebody said no.
        """

    async def state(self) -> State:
        """How it is now."""


class AuthUrl(BaseModel):
    """Where a person agrees."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    auth_url: str
    """To be opened in a browser, within ten minutes; good once."""


class Redirected(BaseModel):
    """What Salesforce put into the address to which it sent the browser."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    state: str = Field(min_length=1, max_length=200)
    """Names the attempt."""
    code: str | None = Field(default=None, min_length=1, max_length=2000)
    """What the connection is made with."""
    error: str | None = Field(default=None, max_length=200)
    """Why there is no code."""
    error_description: str | None = Field(default=None, max_length=2000)


class RedirectQuery(BaseModel):
    """The same as parameters of an address; others, such as Salesforce may add, are passed over."""

    state: str = Field(default="", max_length=200, description="Names the attempt.")
    code: str = Field(default="", max_length=2000, description="What the connection is made with.")
    error: str = Field(default="", max_length=200, description="Why there is no code.")
    error_description: str = Field(default="", max_length=2000, description="The same in words.")


class ConnectionShown(BaseModel):
    """The connection to Salesforce."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    connected: bool
    """Whether Tandem can sign in now."""
    instance_url: str | None
    """The org's address."""
    user: str | None
    """Whom Tandem signs in as."""
    org_id: str | None
    last_sync: AwareDatetime | None
    """When a record was last written or a change last received."""
    reason: str | None
    """Why it is not connected."""


class ConnectionRoutes:
    """The handlers."""

    def __init__(self, connecting: Connecting) -> None:
        self._connecting = connecting

    def group(self) -> Group:
        """Their routes."""
        return Group(
            "Connection",
            PREFIX,
            (
                Route(
                    GET,
                    "/auth",
                    self.begin,
                    Scope.CONNECT,
                    "Where a person agrees",
                    {200: AuthUrl},
                    "OAuth 2.0's web-server flow with PKCE. The attempt's verifier is kept sealed, for ten minutes.",
                    problems=(NO_CONSENT_NEEDED,),
                ),
                Route(
                    GET,
                    "/callback",
                    self.redirected,
                    None,
                    "Salesforce's redirect",
                    {200: Page, 400: Page},
                    "Where the browser ends. It carries no key: the attempt's state says whose it is, once.",
                    query=RedirectQuery,
                ),
                Route(
                    POST,
                    "/callback",
                    self.posted,
                    Scope.CONNECT,
                    "The redirect, handed on",
                    {200: ConnectionShown},
                    "For a platform whose own page is the callback URL.",
                    body=Redirected,
                    problems=(NOT_CONNECTED,),
                ),
                Route(GET, "/connection", self.show, Scope.READ, "The connection", {200: ConnectionShown}),
            ),
            "How Tandem signs in to Salesforce.",
        )

    async def begin(self, _call: Call) -> Answer:
        """An attempt."""
        try:
            return Answer(AuthUrl(auth_url=await self._connecting.begin()))
        except CannotAsk as reason:
            raise Problem(NO_CONSENT_NEEDED, str(reason)) from None

    async def redirected(self, call: Call) -> Answer:
        """The browser is here."""
        query = call.query(RedirectQuery).model_dump()
        try:
            await self._connecting.finish(urlencode({name: value for name, value in query.items() if value}))
        except CannotConnect as reason:
            return Answer(_PAGE.format(html.escape(str(reason))), 400)
        return Answer(_PAGE.format("Tandem is connected. You may close this window."))

    async def posted(self, call: Call) -> Answer:
        """The platform hands on what its own page was given."""
        told = call.body(Redirected).model_dump(exclude_none=True)
        try:
            return Answer(shown(await self._connecting.finish(urlencode(told))))
        except CannotConnect as reason:
            raise Problem(NOT_CONNECTED, str(reason)) from None

    async def show(self, _call: Call) -> Answer:
        """How it is."""
        return Answer(shown(await self._connecting.state()))


def shown(state: State) -> ConnectionShown:
    """The connection as it is shown."""
    return ConnectionShown.model_validate(
        {
            "connected": state.connected,
            "instance_url": state.instance_url or None,
            "user": state.user or None,
            "org_id": state.org_id or None,
            "last_sync": state.last_sync_at / 1000 if state.last_sync_at else None,
            "reason": state.reason or None,
        }
    )
