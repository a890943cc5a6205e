"""Logging in to the org."""

import base64
import hashlib
import hmac

import aiohttp
import pytest
from support.org import OrgClient, org_client


class HandClock:
    """Time that moves when it is told to."""

    now = 1_735_787_045_250

    def __call__(self) -> int:
        return self.now


async def post(client: OrgClient, path: str, form: dict[str, str], **options: object) -> tuple[int, object]:
    """Status and JSON (or text) of an OAuth call."""
    async with client.http.post(f"{client.org.base_url}/services/oauth2/{path}", data=form, **options) as reply:  # type: ignore[arg-type]
        told = await reply.json() if reply.content_type == "application/json" else await reply.text()
        return reply.status, told


async def test_client_credentials_give_a_token() -> None:
    """As form fields; the signature is the documented one, the moment milliseconds as a text; no lifetime is told."""
    async with org_client(HandClock()) as client:
        org = client.org
        form = {"grant_type": "client_credentials", "client_id": org.client_id, "client_secret": org.client_secret}
        status, told = await post(client, "token", form)
        assert status == 200
        assert isinstance(told, dict)
        signed = hmac.new(org.client_secret.encode(), (told["id"] + told["issued_at"]).encode(), hashlib.sha256)
        assert told["signature"] == base64.b64encode(signed.digest()).decode()
        assert told["issued_at"] == "1735787045250"
        assert told["instance_url"] == org.base_url
        assert told["token_type"] == "Bearer"
        assert "expires_in" not in told
        assert "refresh_token" not in told
        assert told["access_token"].startswith(told["id"].split("/")[-2][:15] + "!")


async def test_client_credentials_may_come_as_basic_authentication() -> None:
    """What simple-salesforce sends."""
    async with org_client() as client:
        headers = {"Authorization": aiohttp.encode_basic_auth(client.org.client_id, client.org.client_secret)}
        status, told = await post(client, "token", {"grant_type": "client_credentials"}, headers=headers)
        assert status == 200, told


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"grant_type": "device"}, "unsupported_grant_type"),
        ({"client_id": "another"}, "invalid_client_id"),
        ({"client_secret": "another"}, "invalid_client"),
    ],
)
async def test_a_refused_login_says_why(change: dict[str, str], error: str) -> None:
    """400 with `error` and `error_description`."""
    async with org_client() as client:
        org = client.org
        form = {"grant_type": "client_credentials", "client_id": org.client_id, "client_secret": org.client_secret}
        status, told = await post(client, "token", form | change)
        assert status == 400
        assert isinstance(told, dict)
        assert told["error"] == error
        assert set(told) == {"error", "error_description"}


async def test_a_token_can_be_looked_at_and_revoked() -> None:
    """Introspection tells a live token's life, revocation ends it, and a dead one cannot be revoked."""
    clock = HandClock()
    async with org_client(clock) as client:
        secrets = {"client_id": client.org.client_id, "client_secret": client.org.client_secret}
        status, told = await post(client, "introspect", {"token": client.token, **secrets})
        assert status == 200
        assert isinstance(told, dict)
        assert told["active"] is True
        assert told["exp"] - told["iat"] == 7200
        assert (await client.call("GET", "/limits"))[0] == 200
        assert await post(client, "revoke", {"token": client.token}) == (200, "")
        assert (await client.call("GET", "/limits"))[0] == 401
        assert await post(client, "introspect", {"token": client.token, **secrets}) == (200, {"active": False})
        status, told = await post(client, "revoke", {"token": client.token})
        assert (status, told["error"] if isinstance(told, dict) else "") == (400, "invalid_token")
        status, _ = await post(client, "introspect", {"token": "x", "client_id": "y"})
        assert status == 400


@pytest.mark.parametrize(("expiry", "alive"), [("idle", True), ("fixed", False)])
async def test_a_token_lives_its_time(expiry: str, alive: bool) -> None:
    """From its last use at Salesforce; from its issue where the setting says so."""
    clock = HandClock()
    clock.now = HandClock.now
    async with org_client(clock, token_lifetime_seconds=10, token_expiry=expiry) as client:
        clock.now += 9_000
        assert (await client.call("GET", "/limits"))[0] == 200
        clock.now += 9_000
        assert ((await client.call("GET", "/limits"))[0] == 200) is alive
        clock.now += 10_000
        status, told = await client.call("GET", "/limits")
        assert (status, told) == (401, [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}])


async def test_revocation_is_told_to_those_who_listen() -> None:
    """Once for each token, expired ones when that is noticed; not after listening was stopped."""
    clock = HandClock()
    clock.now = HandClock.now
    async with org_client(clock, token_lifetime_seconds=10) as client:
        tokens = client.org.org.tokens
        user = client.org.org.api_user
        ended: list[str] = []
        stop = tokens.on_revoked(ended.append)
        first, second = tokens.issue(user, "app").token, tokens.issue(user, "app").token
        assert tokens.revoke(first)
        assert not tokens.revoke(first)
        assert tokens.user_of(second) == user.username
        clock.now += 10_001
        assert tokens.valid(second) is None
        assert ended == [first, second]
        stop()
        tokens.revoke_all()
        assert ended == [first, second]


async def test_userinfo_tells_who_the_bearer_is() -> None:
    """The members clients read, and 403 with a bad token."""
    async with org_client() as client:
        status, told = await client.call("GET", "/services/oauth2/userinfo")
        assert status == 200
        assert told["preferred_username"] == "integration@tandem.example"
        assert told["sub"].endswith(f"/{told['organization_id']}/{told['user_id']}")
        client.token = "dead"
        assert await client.call("GET", "/services/oauth2/userinfo") == (403, "Bad_OAuth_Token")
