"""An admin signs in to Salesforce from the Connection page: the web-server flow, to the simulated org's consent."""

import base64
import os
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from pymongo.asynchronous.database import AsyncDatabase
from support.admin_page import AdminWorld, Visitor, open_admin
from support.browser import Browser
from support.org import OrgClient, org_client

from adapters.mongo.collections import ATTEMPTS, OPERATIONS
from adapters.mongo.connections import CONNECTIONS
from ops.admin.app import application
from ops.admin.org import OrgOfSettings
from schemas.operators import Role
from simulator.org.connected_app import AppPolicy

pytestmark = pytest.mark.integration

Database = AsyncDatabase[dict[str, Any]]
CALLBACK = "https://tandem.example.org/admin/connection/callback"
SIGN_IN = "/admin/connection/sign-in"
SURE = {"sure": "yes", "why": "the user has changed"}


@pytest.fixture
async def org() -> AsyncIterator[OrgClient]:
    """Its app has the page among its callback URLs."""
    async with org_client(app=AppPolicy(callback_urls=(CALLBACK,))) as client:
        yield client


@pytest.fixture
async def admin(
    database: Database, org: OrgClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[AdminWorld]:
    """The page as `tandem admin` has it, by the settings of a person who wants this flow."""
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "SALESFORCE_LOGIN_URL": org.org.base_url,
        "SALESFORCE_CLIENT_ID": org.org.client_id,
        "SALESFORCE_CLIENT_SECRET": org.org.client_secret,
        "SALESFORCE_OAUTH_FLOW": "web_server",
        "ENCRYPTION_KEYS": f"k1:{base64.b64encode(os.urandom(32)).decode()}",
    }.items():
        monkeypatch.setenv(name, value)
    async with open_admin(database) as world:
        for name in ("grace", "linus"):
            await world.user(name, Role.ADMIN)
        asked = OrgOfSettings(database, lambda: world.operator.stage.catalog, CALLBACK)
        world.parts = replace(world.parts, org=asked)
        async with TestServer(application(world.parts)) as server:
            world.url = str(server.make_url("/"))
            yield world


async def begun(visitor: Visitor) -> str:
    """The address at which somebody agrees."""
    await visitor.get("/admin/connection")
    assert await visitor.post(SIGN_IN) == 200
    assert await visitor.post(SIGN_IN, SURE) == 200, visitor.last
    found = re.search(r'<a href="([^"]+/services/oauth2/authorize[^"]+)"', visitor.last)
    assert found is not None, visitor.last
    return unescape(found[1])


async def agreed(url: str, decision: str = "allow") -> str:
    """Where Salesforce sends the browser, on our own server."""
    async with aiohttp.ClientSession() as http:
        location = await Browser(http).consent(url, decision)
    assert location.startswith(CALLBACK)
    parts = urlsplit(location)
    return f"{parts.path}?{parts.query}"


async def test_an_admin_signs_in_and_the_page_shows_the_connection(
    admin: AdminWorld, org: OrgClient, database: Database
) -> None:
    """With a reason, kept in the audit; no code, state or token is on a page or in a row of it."""
    async with admin.visit("grace") as visitor:
        url = await begun(visitor)
        assert "code_challenge_method=S256" in url
        back = await agreed(url)
        assert await visitor.get(back) == 303
        assert visitor.sent_to == "/admin/connection"
        assert await visitor.get("/admin/connection") == 200
        assert "connected to" in visitor.last
        assert org.org.base_url in visitor.last
        (one,) = (await visitor.json("/admin/connection"))["connections"]
        assert one["instance_url"] == org.org.base_url
        audit = (await visitor.json("/admin/audit"))["rows"]
        assert sorted(row["note"] for row in audit) == ["the browser came back", SURE["why"]]
        assert {row["by"] for row in audit} == {"grace"}
        assert await visitor.get(back) == 409, "an answer is taken once"
    state, code = (re.search(rf"{name}=([^&]+)", back) for name in ("state", "code"))
    assert state is not None
    assert code is not None
    kept = str(await database[OPERATIONS].find({}).to_list())
    assert state[1] not in kept
    assert code[1] not in kept
    assert "refresh_token" not in visitor.last
    assert await database[CONNECTIONS].count_documents({}) == 1


async def test_an_answer_counts_only_in_the_visit_that_asked(admin: AdminWorld, database: Database) -> None:
    """Who has another admin open the address of an attempt of their own connects nothing, and it is over."""
    async with admin.visit("linus") as other:
        back = await agreed(await begun(other))
        async with admin.visit("grace") as visitor:
            assert await visitor.get(back) == 409
            assert "no attempt of this state is under way" in visitor.last
        assert await other.get(back) == 409
    assert await database[CONNECTIONS].count_documents({}) == 0


async def test_a_no_is_told_and_changes_nothing(admin: AdminWorld, database: Database) -> None:
    """In the words of Salesforce."""
    async with admin.visit("grace") as visitor:
        assert await visitor.get(await agreed(await begun(visitor), "deny")) == 409
        assert "access_denied" in visitor.last
        results = {row["result"] for row in (await visitor.json("/admin/audit"))["rows"]}
        assert results == {"asked for", "not connected"}
    assert await database[CONNECTIONS].count_documents({}) == 0
    assert await database[ATTEMPTS].count_documents({}) == 0


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("SALESFORCE_OAUTH_FLOW", "client_credentials", "the settings tell the flow client_credentials"),
        ("ENCRYPTION_KEYS", "", "ENCRYPTION_KEYS is not set"),
    ],
)
async def test_what_the_settings_lack_is_said_before_anybody_leaves(
    admin: AdminWorld, monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    """Nobody is sent to an org that will not take them back."""
    monkeypatch.setenv(name, value)
    async with admin.visit("grace") as visitor:
        await visitor.get("/admin/connection")
        assert await visitor.post(SIGN_IN, SURE) == 409
        assert told in visitor.last


async def test_without_a_callback_url_nobody_signs_in_from_the_page(database: Database) -> None:
    """And the setting that is missing is named."""
    async with open_admin(database) as world:
        await world.user("grace", Role.ADMIN)
        world.parts = replace(world.parts, org=OrgOfSettings(database, lambda: world.operator.stage.catalog))
        async with TestServer(application(world.parts)) as server:
            world.url = str(server.make_url("/"))
            async with world.visit("grace") as visitor:
                await visitor.get("/admin/connection")
                assert await visitor.post(SIGN_IN, SURE) == 409
                assert "ADMIN_CALLBACK_URL is not set" in visitor.last
