"""The OAuth client credentials login: one at a time, and no secret in any text.

Source: "OAuth 2.0 Client Credentials Flow" in Salesforce Help. The token's life is not told (there is no `expires_in`),
so a 401 is what ends it.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import orjson

from adapters.salesforce.settings import SalesforceSettings, is_safe
from schemas.record_id import is_id, to_18
from schemas.session import LoginFailed, Session

TOKEN_PATH: Final = "/services/oauth2/token"  # noqa: S105 - a path
TRANSIENT: Final = frozenset(
    {
        "login_error",
        "rate_limit_exceeded",
        "server_error",
        "service_unavailable",
        "slow_down",
        "system_down",
        "temporarily_unavailable",
        "unknown_error",
    }
)
"""OAuth error codes that pass by themselves; every other one needs a person."""

NO_ANSWER: Final = "no_answer"
BAD_ANSWER: Final = "bad_answer"


@dataclass(frozen=True, slots=True)
class Grant:
    """What the token endpoint gave. `issued_at` is epoch milliseconds; `org_id` is empty where it was not told."""

    session: Session
    issued_at: int
    org_id: str


def is_terminal(status: int, code: str) -> bool:
    """True where the same login will be refused again until a person changes something."""
    return 400 <= status < 500 and status not in (408, 429) and code not in TRANSIENT


def hold(failure: LoginFailed) -> float:
    """Seconds for which a failed login is not tried again: everyone who asks meanwhile gets the same answer.

    An org allows 3,600 logins an hour and user, and wrong ones may lock the user out.
    """
    return 30.0 if failure.terminal or failure.code == "rate_limit_exceeded" else 1.0


def read_grant(status: int, body: bytes, *, hide: tuple[str, ...] = ()) -> Grant:
    """The grant in the token endpoint's reply.

    Raises:
        LoginFailed: refused, or not a reply of the token endpoint. Texts in `hide` never appear in the message.
    """
    parsed = _parse(body)
    if status != 200:
        raise _refusal(status, parsed, hide)
    token, address = parsed.get("access_token"), parsed.get("instance_url")
    if not isinstance(token, str) or not isinstance(address, str) or not token.isascii() or not token.isprintable():
        raise LoginFailed("the login's answer holds no usable token and address", code=BAD_ANSWER)
    if not token or not is_safe(address):
        raise LoginFailed("the login names an instance that is not https", code=BAD_ANSWER)
    issued_at = str(parsed.get("issued_at", ""))
    return Grant(
        session=Session(instance_url=address.rstrip("/"), access_token=token),
        issued_at=int(issued_at) if issued_at.isascii() and issued_at.isdigit() else 0,
        org_id=_org_id(parsed.get("id")),
    )


class Login:
    """Sessions for REST and the change stream alike: the live one, and a new one for each that was refused."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        settings: SalesforceSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._settings = settings
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._grant: Grant | None = None
        self._failure: LoginFailed | None = None
        self._failed_at = 0.0

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

    async def _replace(self, refused: Session | None) -> Grant:
        async with self._one_at_a_time:
            if self._grant is not None and self._grant.session != refused:
                return self._grant
            if self._failure is not None and self._clock() < self._failed_at + hold(self._failure):
                raise LoginFailed(str(self._failure), code=self._failure.code, terminal=self._failure.terminal)
            self._grant = None
            try:
                self._grant = await self._log_in()
            except LoginFailed as failure:
                self._failure, self._failed_at = failure, self._clock()
                raise
            self._failure = None
            return self._grant

    async def _log_in(self) -> Grant:
        client_id, secret = self._settings.client_id, self._settings.client_secret.get_secret_value()
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        try:
            async with self._http.post(
                self._settings.login_url + TOKEN_PATH,
                data=form,
                headers={"Accept": "application/json"},
                allow_redirects=False,  # a redirect would carry the secret elsewhere
                timeout=aiohttp.ClientTimeout(
                    total=self._settings.login_timeout, sock_connect=self._settings.connect_timeout
                ),
            ) as reply:
                return read_grant(reply.status, await reply.read(), hide=(secret, client_id))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            message = f"no answer from {self._settings.login_url}: {type(error).__name__}"
            raise LoginFailed(message, code=NO_ANSWER) from None


def _parse(body: bytes) -> dict[str, Any]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _refusal(status: int, parsed: dict[str, Any], hide: tuple[str, ...]) -> LoginFailed:
    told = parsed.get("error")
    if not isinstance(told, str) or not told:
        return LoginFailed(f"login refused: HTTP {status}", code=f"http_{status}", terminal=is_terminal(status, ""))
    text = f"{told}: {parsed.get('error_description', '')}"[:200]
    for secret in hide:
        text = text.replace(secret, "***")
    return LoginFailed(f"login refused: {text}", code=told[:80], terminal=is_terminal(status, told))


def _org_id(identity: object) -> str:
    parts = str(identity).split("/")
    return to_18(parts[-2]) if len(parts) > 2 and is_id(parts[-2]) else ""
