"""Every way to sign in, by one suite, with connections in memory; and what only a stored connection has to promise."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from support.fakes_changes import FakeLeases, eventually
from support.fakes_connections import FakeConnections
from support.sign_in_behaviour import STORED, WAYS, Entry, SignInBehaviour, entry_by, works

from adapters.salesforce.errors import CallFailed
from adapters.salesforce.refresh import ConnectionStore, RefreshedLogins
from adapters.salesforce.token_endpoint import TokenEndpoint
from schemas.session import LoginFailed
from schemas.stream import Lease


class TestSignIn(SignInBehaviour):
    """The promises, in memory. `tests/integration/test_sign_in_on_mongodb.py` has them on MongoDB."""

    @pytest.fixture(params=WAYS)
    async def entry(self, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Entry]:
        async with entry_by(request.param, tmp_path, FakeConnections(), FakeLeases(time.monotonic)) as entry:
            yield entry


@pytest.fixture
def kept() -> FakeConnections:
    return FakeConnections()


@pytest.fixture
def leases() -> FakeLeases:
    return FakeLeases(time.monotonic)


@pytest.fixture(params=STORED)
async def stored(
    request: pytest.FixtureRequest, tmp_path: Path, kept: FakeConnections, leases: FakeLeases
) -> AsyncIterator[Entry]:
    """A stored connection, with and without rotation."""
    async with entry_by(request.param, tmp_path, kept, leases) as entry:
        yield entry


async def test_the_new_refresh_token_is_stored_before_its_access_token_is_used(
    stored: Entry, kept: FakeConnections
) -> None:
    """With rotation the old one is dead by then; what the store holds is what the org will take next."""
    process = await stored.process()
    await stored.org.admin("POST", "/tokens/revoke")
    assert await works(process)
    first, second = kept.history
    assert (await process.login.current()).access_token == second.access_token
    rotated = second.refresh_token != first.refresh_token
    assert rotated is (stored.way == "web_server_rotating")
    tokens = stored.org.org.org.refresh_tokens
    assert tokens.live(second.refresh_token) is not None
    assert (tokens.live(first.refresh_token) is None) is rotated


async def test_a_store_that_is_away_does_not_lose_the_new_refresh_token(
    stored: Entry, kept: FakeConnections, leases: FakeLeases
) -> None:
    """It is not used before it is stored, nobody else refreshes meanwhile, and it is stored when that can be done."""
    process, other = await stored.process(), await stored.process()
    await stored.org.admin("POST", "/tokens/revoke")
    renew = kept.renew

    async def away(*arguments: object, **options: object) -> bool:
        kept.away = True
        return await renew(*arguments, **options)  # type: ignore[arg-type]

    kept.renew = away  # type: ignore[method-assign]
    waiting = asyncio.create_task(works(process))
    await eventually(lambda: kept.away)
    given = stored.tokens_given()
    with pytest.raises(CallFailed) as failed:
        await other.rest.limits()
    assert failed.value.fault.code == "LOGIN:store_away"
    assert not waiting.done()
    kept.renew, kept.away = renew, False  # type: ignore[method-assign]
    assert await waiting
    assert given() == 0
    assert len(kept.history) == 2


async def test_a_refresh_goes_on_when_nobody_waits_for_it_any_more(stored: Entry, kept: FakeConnections) -> None:
    """The change stream gives up a login after its own time: a refresh token that comes late is stored all the same."""
    process = await stored.process()
    await stored.org.admin("POST", "/tokens/revoke")
    refused = await process.login.current()
    await stored.fault(kind="delay", delay_ms=300, count=1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await process.login.renew(refused)
    given = stored.tokens_given()
    assert await process.login.renew(refused) != refused
    assert given() == 1
    assert len(kept.history) == 2


async def test_a_process_that_stops_finishes_its_refresh(stored: Entry, kept: FakeConnections) -> None:
    """Closing waits for it."""
    process = await stored.process()
    refused = await process.login.current()
    await stored.org.admin("POST", "/tokens/revoke")
    await stored.fault(kind="delay", delay_ms=200, count=1)
    asking = asyncio.create_task(process.login.renew(refused))
    await asyncio.sleep(0)
    asking.cancel()
    await stored.opened.aclose()
    assert len(kept.history) in (1, 2)
    assert stored.org.org.org.refresh_tokens.live(kept.history[-1].refresh_token) is not None


async def test_before_anybody_agreed_the_process_waits(stored: Entry, kept: FakeConnections) -> None:
    """It says what to do, and is let in once that is done."""
    kept.rows.clear()
    process = await stored.process()
    with pytest.raises(LoginFailed, match="run `tandem connect`") as failed:
        await process.login.current()
    assert (failed.value.code, failed.value.terminal) == ("not_connected", True)
    await stored.agree()
    assert await works(await stored.process())


async def test_a_lost_reply_to_a_refresh(stored: Entry) -> None:
    """Without rotation the refresh is repeated. With it the new token is lost: the org ends all, and we say so."""
    process = await stored.process()
    refused = await process.login.current()
    await stored.org.admin("POST", "/tokens/revoke")
    await stored.fault(kind="reply_lost", count=1)
    with pytest.raises(LoginFailed) as failed:
        await process.login.renew(refused)
    assert (failed.value.code, failed.value.terminal) == ("no_answer", False)
    second = await stored.process()
    if stored.way == "web_server":
        assert await works(second)
        return
    with pytest.raises(CallFailed) as ended:
        await second.rest.limits()
    assert ended.value.fault.code == "LOGIN:invalid_grant"


async def test_a_stored_instance_elsewhere_is_not_followed(stored: Entry, kept: FakeConnections) -> None:
    """Whoever can write to the database cannot have our token sent to a host of theirs."""
    (row,) = kept.rows.values()
    kept.rows[row.name] = replace(row, instance_url="https://evil.example")
    with pytest.raises(LoginFailed) as failed:
        await (await stored.process()).login.current()
    assert (failed.value.code, failed.value.terminal) == ("bad_instance", True)


async def test_a_connection_made_anew_wins_over_a_refresh_under_way(stored: Entry, kept: FakeConnections) -> None:
    """A person connects while a process refreshes: the newer consent stays, and the process goes on with it."""
    process = await stored.process()
    refused = await process.login.current()
    await stored.org.admin("POST", "/tokens/revoke")
    await stored.fault(kind="delay", delay_ms=200, count=1)
    asking = asyncio.create_task(process.login.renew(refused))
    await eventually(lambda: stored.org.org.org.faults.planted() == [])
    await stored.agree()
    session = await asking
    (row,) = kept.rows.values()
    assert session.access_token == row.access_token == kept.history[-1].access_token
    assert len(kept.history) == 2


async def test_a_process_that_was_held_up_lets_its_turn_go(stored: Entry, kept: FakeConnections) -> None:
    """Its lease may be another's by now, who has used the refresh token: it does not ask."""
    seconds = [0.0]
    leases = FakeLeases(lambda: 0.0)
    acquire = leases.acquire

    async def held_up(name: str, owner: str, how_long: float) -> Lease | None:
        lease = await acquire(name, owner, how_long)
        seconds[0] += how_long / 2
        return lease

    leases.acquire = held_up  # type: ignore[method-assign]
    refused = await (await stored.process()).login.current()
    asked = await stored.org.admin("POST", "/faults", {"kind": "delay", "path": "/services/oauth2/token"})
    async with aiohttp.ClientSession() as http:
        logins = RefreshedLogins(
            TokenEndpoint(http, stored.settings),
            stored.settings,
            ConnectionStore(kept, leases, "slow"),
            now=stored.clock,
            clock=lambda: seconds[0],
        )
        with pytest.raises(LoginFailed) as failed:
            await logins.log_in(refused)
    assert (failed.value.code, failed.value.terminal) == ("busy", False)
    (fault,) = await stored.org.admin("GET", "/faults")
    assert (fault["id"], fault["taken"]) == (asked["id"], 0)
    assert leases.held == {}
