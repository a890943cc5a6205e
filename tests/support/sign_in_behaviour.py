"""What every way to sign in promises, against the simulated org. A subclass says where connections are kept.

The org checks signatures, expiry, PKCE, rotation and revocation by itself; these tests look at its side too.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest

from adapters.salesforce.authorization import new_authorization
from adapters.salesforce.connecting import connect
from adapters.salesforce.errors import CallFailed
from adapters.salesforce.opening import Salesforce, open_salesforce
from adapters.salesforce.refresh import ConnectionStore, Leases
from adapters.salesforce.settings import SalesforceSettings
from schemas.connection import Connection
from schemas.records import Failure
from schemas.session import LoginFailed
from support.browser import PASSWORD, USERNAME, Browser
from support.keys import certificate, new_key, pem
from support.org import OrgClient, org_client

WAYS = ("client_credentials", "jwt_bearer", "password", "web_server", "web_server_rotating")
STORED = tuple(way for way in WAYS if way.startswith("web_server"))


class Kept(Protocol):
    """Where connections are kept."""

    async def read(self, name: str) -> Connection | None: ...
    async def connect(self, connection: Connection) -> None: ...
    async def renew(self, connection: Connection, *, since: int) -> bool: ...
    async def refuse(self, name: str, code: str, at: int, *, since: int) -> None: ...


class Clock:
    """The org's time: it goes on, and can be moved."""

    ahead = 0

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead


@dataclass
class Entry:
    """One way into one org."""

    way: str
    org: OrgClient
    clock: Clock
    settings: SalesforceSettings
    kept: Kept
    leases: Leases
    opened: AsyncExitStack
    heard: list[LoginFailed | None] = field(default_factory=list)
    processes: int = 0

    async def process(self, settings: SalesforceSettings | None = None) -> Salesforce:
        """The org as one more process opens it, with nothing in common with the others but the store."""
        self.processes += 1
        store = ConnectionStore(self.kept, self.leases, f"process-{self.processes}")
        opening = open_salesforce(settings or self.settings, now=self.clock, store=store, on_login=self.heard.append)
        return await self.opened.enter_async_context(opening)

    async def agree(self) -> None:
        """A person agrees in the browser, where the way needs that."""
        if self.way in STORED:
            attempt = new_authorization(self.settings)
            location = await Browser(self.org.http).consent(attempt.url)
            await self.kept.connect(await connect(self.settings, attempt, location, now=self.clock()))

    def tokens_given(self) -> Callable[[], int]:
        """How many tokens the org gives from now on."""
        tokens, given = self.org.org.org.tokens, 0
        issue = tokens.issue

        def counted(*arguments: Any) -> Any:
            nonlocal given
            given += 1
            return issue(*arguments)

        tokens.issue = counted  # type: ignore[method-assign]
        return lambda: given

    async def fault(self, **fault: Any) -> None:
        """Something goes wrong at the token endpoint."""
        await self.org.admin("POST", "/faults", {"path": "/services/oauth2/token", **fault})

    def wrong(self, folder: Path) -> SalesforceSettings:
        """The same way in with a credential that is not the right one."""
        (folder / "theirs.pem").write_bytes(pem(new_key(name="theirs")))
        changes: dict[str, Any] = {
            "jwt_bearer": {"private_key_path": folder / "theirs.pem"},
            "password": {"password": "hunter2-wrong"},
        }.get(self.way, {"client_secret": "hunter2-wrong"})
        return SalesforceSettings(**(self.settings.model_dump(exclude_unset=True) | changes))


def settings_of(way: str, org: OrgClient, folder: Path) -> SalesforceSettings:
    """What a person would set."""
    running = org.org
    app: dict[str, Any] = {"client_id": running.client_id, "login_url": running.base_url}
    secret = {"client_secret": running.client_secret}
    match way:
        case "jwt_bearer":
            (folder / "key.pem").write_bytes(pem(new_key()))
            return SalesforceSettings(**app, username=USERNAME, private_key_path=folder / "key.pem")
        case "password":
            token = running.org.settings.security_token.get_secret_value()
            return SalesforceSettings(**app, **secret, username=USERNAME, password=PASSWORD, security_token=token)
        case "client_credentials":
            return SalesforceSettings(**app, **secret)
        case _:
            return SalesforceSettings(**app, **secret, flow="web_server")


@asynccontextmanager
async def entry_by(way: str, folder: Path, kept: Kept, leases: Leases) -> AsyncIterator[Entry]:
    """A way into an org of its own, agreed to where that is needed."""
    clock = Clock()
    async with org_client(clock) as org, AsyncExitStack() as opened:
        policy = {"certificate": certificate(new_key()), "rotate_refresh_tokens": way == "web_server_rotating"}
        await org.admin("POST", "/app", policy)
        entry = Entry(way, org, clock, settings_of(way, org, folder), kept, leases, opened)
        await entry.agree()
        yield entry


async def works(process: Salesforce) -> bool:
    """Whether a call gets through."""
    return "DailyApiRequests" in await process.rest.limits()


class SignInBehaviour:
    """The promises. `entry` is every way in turn."""

    async def test_a_session_names_org_and_user(self, entry: Entry) -> None:
        """And its token is taken."""
        process = await entry.process()
        grant = await process.login.grant()
        org = entry.org.org.org
        assert grant.session.instance_url == entry.org.org.base_url
        assert grant.org_id.startswith("00D")
        assert grant.user_id == org.api_user.id
        assert "api" in grant.scopes
        assert org.tokens.user_of(grant.session.access_token) == USERNAME
        assert grant.session.access_token not in repr(grant)
        assert await works(process)
        assert process.login.refusal is None

    async def test_a_401_brings_a_new_token_and_one_repeat(self, entry: Entry) -> None:
        """The token is revoked under a call: nobody notices; an org that refuses each token is asked twice."""
        process = await entry.process()
        before = await process.login.current()
        await entry.org.admin(
            "POST", "/faults", {"kind": "unauthorized", "revoke": True, "count": 1, "path": "/limits"}
        )
        assert await works(process)
        assert await process.login.current() != before
        await entry.org.admin("POST", "/faults", {"kind": "unauthorized", "path": "/limits"})
        with pytest.raises(CallFailed) as failed:
            await process.rest.limits()
        assert (failed.value.fault.failure, failed.value.fault.code) == (Failure.NOT_RUN, "INVALID_SESSION_ID")
        calls = (await entry.org.admin("GET", "/faults"))[0]["taken"]
        assert calls == 2

    async def test_a_token_that_has_run_out_is_replaced(self, entry: Entry) -> None:
        """Hours later the next call goes through."""
        process = await entry.process()
        assert await works(process)
        entry.clock.ahead += 3 * 3_600_000
        assert await works(process)

    async def test_thirty_calls_refused_at_once_ask_for_one_token(self, entry: Entry) -> None:
        """Whoever comes second gets the token already made (failure case 24)."""
        process = await entry.process()
        assert await works(process)
        given = entry.tokens_given()
        await entry.org.admin("POST", "/tokens/revoke")
        assert all(await asyncio.gather(*(works(process) for _ in range(30))))
        assert given() == 1

    async def test_processes_refused_at_once_all_go_on(self, entry: Entry) -> None:
        """Again and again. Those with a stored connection share one token, and one refresh makes it (case 24)."""
        processes = [await entry.process() for _ in range(4)]
        assert all([await works(process) for process in processes])
        for _round in range(3):
            given = entry.tokens_given()
            await entry.org.admin("POST", "/tokens/revoke")
            assert all(await asyncio.gather(*(works(process) for process in processes)))
            assert given() == (1 if entry.way in STORED else len(processes))
        if entry.way in STORED:
            assert len({await process.login.current() for process in processes}) == 1

    async def test_a_wrong_credential_is_final_and_shows_nothing(self, entry: Entry, tmp_path: Path) -> None:
        """Told by its code, not tried again at once, no row is to blame, and the right one still works."""
        settings = entry.wrong(tmp_path)
        if entry.way in STORED:
            await entry.org.admin("POST", "/tokens/revoke")
        process = await entry.process(settings)
        with pytest.raises(CallFailed) as failed:
            await process.rest.limits()
        assert failed.value.fault.failure is Failure.NOT_RUN
        assert failed.value.fault.org_wide
        code = {"jwt_bearer": "invalid_grant", "password": "invalid_grant"}.get(entry.way, "invalid_client")
        refusal = process.login.refusal
        assert refusal is not None
        assert (refusal.code, refusal.terminal) == (code, True)
        for secret in ("hunter2", entry.settings.client_id, USERNAME):
            assert secret not in str(refusal)
        with pytest.raises(LoginFailed):
            await process.login.current()
        assert [failure.code if failure else "" for failure in entry.heard].count(code) == 1
        assert await works(await entry.process())

    async def test_a_token_endpoint_in_trouble_passes(self, entry: Entry) -> None:
        """A login that did not run is no refusal, and the next try is let in."""
        if entry.way in STORED:
            await entry.org.admin("POST", "/tokens/revoke")
        await entry.fault(kind="server_error", status=503, count=1)
        process = await entry.process()
        told: list[bool] = []
        with pytest.raises(CallFailed) as failed:
            await process.rest.limits()
        assert failed.value.fault.code == "LOGIN:http_503"
        assert process.login.refusal is None
        async with asyncio.timeout(30):
            while True:
                try:
                    await process.login.current()
                    break
                except LoginFailed as failure:
                    told.append(failure.terminal)
                    await asyncio.sleep(0.05)  # a failed login is shared for a second
        assert not any(told)
        assert await works(process)

    async def test_everything_revoked_by_an_admin(self, entry: Entry) -> None:
        """Credentials of our own get a new token; a stored connection is over until a person agrees again."""
        process, other = await entry.process(), await entry.process()
        assert await works(process)
        await entry.org.admin("POST", "/tokens/revoke", {"refresh_tokens": True})
        if entry.way not in STORED:
            assert await works(process)
            return
        for each in (process, other):
            with pytest.raises(CallFailed) as failed:
                await each.rest.limits()
            assert failed.value.fault.code == "LOGIN:invalid_grant"
            assert each.login.refusal is not None
            assert "run `tandem connect`" in str(each.login.refusal)
        stored = await entry.kept.read(entry.settings.client_id)
        assert stored is not None
        assert stored.refused == "invalid_grant"
        await entry.fault(kind="delay")  # it does nothing, and counts
        assert (await self.refusal_of(await entry.process())).code == "invalid_grant"
        (asked,) = await entry.org.admin("GET", "/faults")
        assert asked["taken"] == 0, "what is final is not tried again, by no process"
        await entry.agree()
        assert await works(await entry.process())

    @staticmethod
    async def refusal_of(process: Salesforce) -> LoginFailed:
        with pytest.raises(LoginFailed) as failed:
            await process.login.current()
        assert failed.value.terminal
        return failed.value
