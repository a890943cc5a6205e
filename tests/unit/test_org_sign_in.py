"""The ways to sign in to the simulated org besides client credentials, and everything that it refuses."""

import base64
import hashlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from support.browser import PASSWORD, USERNAME, Browser, redirected
from support.keys import certificate, new_key, pem
from support.org import OrgClient, org_client

from simulator.org.connected_app import public_key

CALLBACK = "http://localhost:8719/callback"
SECURITY_TOKEN = "9kWq3VbTz7XrN1mP5cYdHs2L"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class HandClock:
    """Time that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1_735_787_045_250

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def org(clock: HandClock) -> AsyncIterator[OrgClient]:
    """An org whose app has a certificate."""
    async with org_client(clock) as client:
        await client.admin("POST", "/app", {"certificate": certificate(new_key())})
        yield client


async def post(client: OrgClient, path: str, **form: str) -> tuple[int, Any]:
    """Status and JSON (or text) of an OAuth call."""
    async with client.http.post(f"{client.org.base_url}/services/oauth2/{path}", data=form) as reply:
        told = await reply.json() if reply.content_type == "application/json" else await reply.text()
        return reply.status, told


def app(client: OrgClient) -> dict[str, str]:
    return {"client_id": client.org.client_id, "client_secret": client.org.client_secret}


def authorize(client: OrgClient, **changes: str) -> str:
    """The address that the app sends a browser to."""
    query = {
        "response_type": "code",
        "client_id": client.org.client_id,
        "redirect_uri": CALLBACK,
        "state": "s/1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    kept = {name: value for name, value in (query | changes).items() if value}
    return f"{client.org.base_url}/services/oauth2/authorize?{urlencode(kept)}"


async def consented(client: OrgClient, **changes: str) -> str:
    """A code."""
    location = await Browser(client.http).consent(authorize(client, **changes))
    return str(redirected(location)["code"])


async def exchanged(client: OrgClient, code: str, **changes: str) -> tuple[int, Any]:
    form = {"code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER} | app(client) | changes
    return await post(client, "token", grant_type="authorization_code", **form)


async def refreshed(client: OrgClient, refresh_token: str, **changes: str) -> tuple[int, Any]:
    form = {"refresh_token": refresh_token} | app(client) | changes
    return await post(client, "token", grant_type="refresh_token", **form)


async def asserted(client: OrgClient, clock: HandClock, *, key: Any = None, **changes: Any) -> tuple[int, Any]:
    """Sign in by JWT; a claim of None is left out."""
    algorithm = changes.pop("algorithm", "RS256")
    claims = {
        "iss": client.org.client_id,
        "sub": USERNAME,
        "aud": "https://login.salesforce.com",
        "exp": clock.now // 1000 + 180,
    } | changes
    kept = {name: value for name, value in claims.items() if value is not None}
    signed = jwt.encode(kept, new_key() if key is None else key, algorithm=algorithm)
    return await post(client, "token", grant_type=JWT_BEARER, assertion=signed)


async def works(client: OrgClient, token: str) -> bool:
    """Whether the org's API takes this token."""
    client.token = token
    return (await client.call("GET", "/limits"))[0] == 200


async def test_a_signed_jwt_gives_a_token_and_no_refresh_token(org: OrgClient, clock: HandClock) -> None:
    """Without any secret, for the user that it names."""
    status, told = await asserted(org, clock)
    assert status == 200, told
    assert "refresh_token" not in told
    assert await works(org, told["access_token"])
    assert (await org.call("GET", "/services/oauth2/userinfo"))[1]["preferred_username"] == USERNAME
    assert (await asserted(org, clock, aud=org.org.base_url))[0] == 200


@pytest.mark.parametrize(
    ("changes", "error", "description"),
    [
        ({"key": new_key(name="theirs")}, "invalid_grant", "invalid assertion"),
        ({"key": "a shared secret that is long enough", "algorithm": "HS256"}, "invalid_grant", "invalid assertion"),
        ({"iss": "another"}, "invalid_client_id", "client identifier invalid"),
        ({"iss": None}, "invalid_client_id", "client identifier invalid"),
        ({"aud": "https://evil.example"}, "invalid_grant", "audience is invalid"),
        ({"sub": "stranger@tandem.example"}, "invalid_grant", "user hasn't approved this consumer"),
        ({"sub": None}, "invalid_grant", "user hasn't approved this consumer"),
        ({"exp": 1_735_787_045 - 181}, "invalid_grant", "invalid assertion"),
        ({"exp": 1_735_787_045 + 3_600}, "invalid_grant", "invalid assertion"),
        ({"exp": None}, "invalid_grant", "invalid assertion"),
    ],
)
async def test_a_jwt_is_checked(
    org: OrgClient, clock: HandClock, changes: dict[str, Any], error: str, description: str
) -> None:
    """Signature, issuer, audience, user and time: any of them wrong, and there is no token."""
    status, told = await asserted(org, clock, **changes)
    assert (status, told) == (400, {"error": error, "error_description": description})


async def test_a_jwt_may_come_a_little_late_and_not_be_bent(org: OrgClient, clock: HandClock) -> None:
    """Three minutes are forgiven; one changed character of the claims is not."""
    assert (await asserted(org, clock, exp=clock.now // 1000 - 170))[0] == 200
    claims = {"iss": org.org.client_id, "sub": USERNAME, "aud": org.org.base_url, "exp": clock.now // 1000 + 180}
    header, body, signature = jwt.encode(claims, new_key(), algorithm="RS256").split(".")
    for bent in (f"{header}.{body[:-3]}AAA.{signature}", f"{header}.{body}.", f"{header}.{body}", "x", "é.é.é"):
        status, told = await post(org, "token", grant_type=JWT_BEARER, assertion=bent)
        assert (status, told["error_description"]) in ((400, "invalid assertion"), (400, "client identifier invalid"))


async def test_the_admin_changes_key_and_approval(org: OrgClient, clock: HandClock) -> None:
    """A new certificate ends the old key's time; a user not approved stays out; a private key is no certificate."""
    theirs = new_key(name="theirs")
    await org.admin("POST", "/app", {"certificate": certificate(theirs)})
    assert (await asserted(org, clock))[0] == 400
    assert (await asserted(org, clock, key=theirs))[0] == 200
    await org.admin("POST", "/app", {"approved_users": []})
    assert (await asserted(org, clock, key=theirs))[1]["error_description"] == "user hasn't approved this consumer"
    async with org.http.post(f"{org.org.base_url}/admin/app", json={"certificate": pem(theirs).decode()}) as reply:
        assert reply.status == 400
    assert (await org.admin("GET", "/app"))["approved_users"] == []
    assert public_key(certificate(theirs)).key_size == 2048


async def test_the_consent_page_names_the_app_and_what_it_asks_for(org: OrgClient) -> None:
    """Escaped, and with the hint as user name."""
    hint = '"><script>alert(1)</script>'
    status, page = await Browser(org.http).open(authorize(org, scope="api refresh_token", login_hint=hint))
    assert status == 200
    assert "<b>Tandem</b> is asking to:" in page
    assert "Perform requests at any time (refresh_token)" in page
    assert "<script>" not in page


async def test_a_consent_leads_to_a_code_and_a_code_to_tokens(org: OrgClient) -> None:
    """State comes back as it was, the code needs decoding, and the scopes are those that were asked for."""
    location = await Browser(org.http).consent(authorize(org, scope="api refresh_token"))
    assert location.startswith(f"{CALLBACK}?")
    assert "%3D%3D" in location
    back = redirected(location)
    assert back["state"] == "s/1"
    status, told = await exchanged(org, back["code"])
    assert status == 200, told
    assert told["scope"] == "api refresh_token"
    assert await works(org, told["access_token"])
    status, again = await refreshed(org, told["refresh_token"])
    assert status == 200
    assert again["access_token"] != told["access_token"]
    assert "refresh_token" not in again


async def test_without_the_scope_there_is_no_refresh_token(org: OrgClient) -> None:
    """It is given only where the consent named it."""
    assert "refresh_token" not in (await exchanged(org, await consented(org, scope="api")))[1]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_id": "another"}, "invalid_client_id"),
        ({"redirect_uri": "https://evil.example/callback"}, "redirect_uri_mismatch"),
        ({"redirect_uri": ""}, "redirect_uri_missing"),
    ],
)
async def test_a_browser_is_never_sent_to_an_address_that_is_not_registered(
    org: OrgClient, changes: dict[str, str], error: str
) -> None:
    """The org shows a page of its own."""
    status, page = await Browser(org.http).open(authorize(org, **changes))
    assert (status, f"error={error}" in page) == (400, True)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "api full"}, "invalid_scope"),
        ({"immediate": "true"}, "immediate_unsuccessful"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "", "code_challenge_method": ""}, "invalid_request"),
    ],
)
async def test_what_cannot_be_granted_goes_back_to_the_app(org: OrgClient, changes: dict[str, str], error: str) -> None:
    """With its state; the last one where the app must use PKCE."""
    await org.admin("POST", "/app", {"require_pkce": True})
    status, location = await Browser(org.http).open(authorize(org, **changes))
    assert status == 302
    assert (redirected(location)["error"], redirected(location)["state"]) == (error, "s/1")


async def test_a_person_may_say_no_or_mistype(org: OrgClient) -> None:
    """A no goes back; a wrong password shows the page again; a page is used once."""
    browser = Browser(org.http)
    denied = redirected(await browser.consent(authorize(org), "deny"))
    assert (denied["error"], denied["error_description"]) == ("access_denied", "end-user denied authorization")
    _, page = await browser.open(authorize(org))
    status, again = await browser.decide(authorize(org), page, password="wrong")
    assert (status, "check your username" in again) == (200, True)
    assert (await browser.decide(authorize(org), page))[0] == 403
    assert (await browser.decide(authorize(org), again, username="stranger@tandem.example"))[0] == 200


async def test_a_code_is_good_once_and_not_for_long(org: OrgClient, clock: HandClock) -> None:
    """Used or late is `expired`, never given out is `invalid`."""
    code = await consented(org)
    assert (await exchanged(org, code))[0] == 200
    refusals = [(await exchanged(org, code))[1], (await exchanged(org, "aPrxnothing=="))[1]]
    late = await consented(org)
    clock.now += 900_001
    refusals.append((await exchanged(org, late))[1])
    assert [(told["error"], told["error_description"]) for told in refusals] == [
        ("invalid_grant", "expired authorization code"),
        ("invalid_grant", "invalid authorization code"),
        ("invalid_grant", "expired authorization code"),
    ]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "w" * 43}, "invalid_request"),
        ({"code_verifier": "short"}, "invalid_request"),
        ({"code_verifier": ""}, "invalid_grant"),
        ({"redirect_uri": "http://localhost:1/callback"}, "redirect_uri_mismatch"),
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"client_secret": ""}, "invalid_client"),
        ({"client_id": "another"}, "invalid_client_id"),
    ],
)
async def test_a_stolen_code_is_worth_nothing(org: OrgClient, changes: dict[str, str], error: str) -> None:
    """Without the verifier, the secret and the address that belong to it."""
    status, told = await exchanged(org, await consented(org), **changes)
    assert (status, told["error"]) == (400, error)


async def test_a_public_app_needs_no_secret(org: OrgClient) -> None:
    """Where the admin has said so; a wrong secret is refused all the same."""
    await org.admin("POST", "/app", {"require_secret": False})
    status, told = await exchanged(org, await consented(org), client_secret="")
    assert status == 200, told
    assert (await refreshed(org, told["refresh_token"], client_secret=""))[0] == 200
    assert (await refreshed(org, told["refresh_token"], client_secret="wrong"))[1]["error"] == "invalid_client"


async def test_with_rotation_a_refresh_token_is_good_once(org: OrgClient) -> None:
    """The next one comes with the answer; the old one, used again, ends them all, access tokens too."""
    await org.admin("POST", "/app", {"rotate_refresh_tokens": True})
    _, first = await exchanged(org, await consented(org))
    _, second = await refreshed(org, first["refresh_token"])
    assert second["refresh_token"] != first["refresh_token"]
    _, third = await refreshed(org, second["refresh_token"])
    assert await works(org, third["access_token"])
    status, told = await refreshed(org, first["refresh_token"])
    assert (status, told) == (400, {"error": "invalid_grant", "error_description": "expired access/refresh token"})
    assert not await works(org, third["access_token"])
    assert (await refreshed(org, third["refresh_token"]))[1]["error"] == "invalid_grant"


async def test_a_sixth_refresh_token_ends_the_oldest(org: OrgClient) -> None:
    """Of one app and user; with the access tokens that came of it."""
    given = [(await exchanged(org, await consented(org)))[1] for _ in range(6)]
    assert (await refreshed(org, given[0]["refresh_token"]))[1]["error"] == "invalid_grant"
    assert not await works(org, given[0]["access_token"])
    assert (await refreshed(org, given[1]["refresh_token"]))[0] == 200


async def test_revoking_a_refresh_token_ends_its_access_tokens(org: OrgClient) -> None:
    """Revoking an access token ends that alone; introspection tells both."""
    _, told = await exchanged(org, await consented(org))
    looked = await post(org, "introspect", token=told["refresh_token"], token_type_hint="refresh_token", **app(org))
    assert (looked[1]["active"], looked[1]["token_type"]) == (True, "refresh_token")
    assert (await post(org, "revoke", token=told["access_token"]))[0] == 200
    assert not await works(org, told["access_token"])
    _, again = await refreshed(org, told["refresh_token"])
    assert (await post(org, "revoke", token=told["refresh_token"]))[0] == 200
    assert not await works(org, again["access_token"])
    assert await post(org, "introspect", token=told["refresh_token"], **app(org)) == (200, {"active": False})
    assert (await post(org, "revoke", token=told["refresh_token"]))[1]["error"] == "invalid_token"


async def test_the_admin_ends_every_token(org: OrgClient) -> None:
    """As *Revoke* in Setup does."""
    _, told = await exchanged(org, await consented(org))
    assert (await org.admin("POST", "/tokens/revoke", {"refresh_tokens": True}))["revoked"] >= 2
    assert (await refreshed(org, told["refresh_token"]))[1]["error"] == "invalid_grant"


async def test_a_password_and_its_security_token_give_a_token(org: OrgClient) -> None:
    """No refresh token; any part wrong, or the flow switched off, is one and the same refusal."""
    form = {"grant_type": "password", "username": USERNAME, "password": PASSWORD + SECURITY_TOKEN} | app(org)
    status, told = await post(org, "token", **form)
    assert status == 200, told
    assert "refresh_token" not in told
    assert await works(org, told["access_token"])
    wrong = [{"password": PASSWORD}, {"username": "stranger@tandem.example"}, {"password": ""}]
    refused = [await post(org, "token", **(form | change)) for change in wrong]
    await org.admin("POST", "/app", {"password_flow": False})
    refused.append(await post(org, "token", **form))
    assert refused == [(400, {"error": "invalid_grant", "error_description": "authentication failure"})] * 4
    assert (await post(org, "token", **(form | {"client_secret": "x"})))[1]["error"] == "invalid_client"
