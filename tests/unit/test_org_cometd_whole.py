"""The stream within the whole org: a real login, a real edit, and the faults through the admin routes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from support.bayeux import CHANNEL, HANDSHAKE, Frames, replay_ids

from simulator.org.app import RunningOrg, running_org
from simulator.org.cometd import CometdSettings
from simulator.org.settings import OrgSettings


class Subscriber:
    """A client that has logged in by OAuth."""

    def __init__(self, http: aiohttp.ClientSession, org: RunningOrg) -> None:
        self.http = http
        self.org = org
        self.client_id = ""
        self.token = ""

    async def login(self) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.org.client_id,
            "client_secret": self.org.client_secret,
        }
        async with self.http.post(f"{self.org.base_url}/services/oauth2/token", data=form) as response:
            assert response.status == 200
            self.token = (await response.json())["access_token"]

    async def post(self, **message: Any) -> Frames:
        if self.client_id:
            message["clientId"] = self.client_id
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.http.post(f"{self.org.base_url}/cometd/66.0", json=[message], headers=headers) as response:
            assert response.status == 200, await response.text()
            frames: Frames = await response.json()
            return frames

    async def connect(self) -> Frames:
        return await self.post(channel="/meta/connect", connectionType="long-polling")

    async def open(self, replay: int = -1) -> Frames:
        self.client_id = ""
        self.client_id = (await self.post(**HANDSHAKE))[0]["clientId"]
        await self.connect()
        return await self.post(channel="/meta/subscribe", subscription=CHANNEL, ext={"replay": {CHANNEL: replay}})

    async def admin(self, path: str, body: Any) -> Any:
        async with self.http.post(self.org.base_url + path, json=body) as response:
            assert response.status == 200, await response.text()
            return await response.json()


@asynccontextmanager
async def subscriber(**settings: Any) -> AsyncIterator[Subscriber]:
    """A subscriber to the changes of Contact in an org of its own."""
    stream = CometdSettings(hold_seconds=5, token_check_seconds=0.05)
    jar = aiohttp.CookieJar(unsafe=True)
    async with (
        running_org(OrgSettings(cometd=stream, **settings)) as org,
        aiohttp.ClientSession(cookie_jar=jar, timeout=aiohttp.ClientTimeout(total=20)) as http,
    ):
        one = Subscriber(http, org)
        await one.login()
        yield one


async def test_an_edit_in_the_org_arrives() -> None:
    """A user's create and update come as change events, the update with the changed field alone."""
    async with subscriber() as one:
        await one.open()
        (created,) = await one.admin("/admin/edits", {"action": "create", "fields": {"LastName": "Arvensen"}})
        (event, reply) = await one.connect()
        assert reply["successful"]
        header = event["data"]["payload"]["ChangeEventHeader"]
        assert (header["changeType"], header["recordIds"]) == ("CREATE", [created["id"]])
        await one.admin("/admin/edits", {"id": created["id"], "fields": {"Title": "Buyer"}})
        (event, _) = await one.connect()
        payload = event["data"]["payload"]
        assert payload.keys() == {"ChangeEventHeader", "Title", "LastModifiedDate", "LastModifiedById"} & payload.keys()
        assert payload["Title"] == "Buyer"
        assert payload["ChangeEventHeader"]["changeType"] == "UPDATE"


async def test_an_event_comes_when_its_delay_is_over() -> None:
    """The bus shows an event late by a setting, and a held connect wakes for it."""
    async with subscriber(event_delay_ms=300) as one:
        await one.open()
        began = asyncio.get_running_loop().time()
        await one.admin("/admin/edits", {"action": "create", "fields": {"LastName": "Arvensen"}})
        assert len(replay_ids(await one.connect())) == 1
        assert 0.2 < asyncio.get_running_loop().time() - began < 4


async def test_a_revoked_token_ends_the_held_connect() -> None:
    """Revocation by the administrator is a 401 at once, and a new login goes on from the last event."""
    async with subscriber() as one:
        await one.open()
        await one.admin("/admin/edits", {"action": "create", "fields": {"LastName": "Arvensen"}})
        (last,) = replay_ids(await one.connect())
        held = asyncio.create_task(one.connect())
        async with asyncio.timeout(30):
            while not any(session.hold for session in one.org.cometd.sessions.live()):  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        assert await one.admin("/admin/tokens/revoke", {}) == {"revoked": 1}
        (reply,) = await asyncio.wait_for(held, 30)
        assert reply["error"] == "401::Authentication invalid"
        await one.admin("/admin/edits", {"action": "create", "fields": {"LastName": "Brandulf"}})
        await one.login()
        assert len(replay_ids(await one.open(last))) == 1


async def test_stream_faults_pass_the_orgs_gate() -> None:
    """Armed through the admin route of the whole org, a lost reply closes the connection."""
    async with subscriber() as one:
        await one.open()
        await one.admin("/admin/edits", {"action": "create", "fields": {"LastName": "Arvensen"}})
        fault = {"kind": "lose", "with_events": True}
        assert await one.admin("/admin/stream", {"action": "arm", "fault": fault}) == {"affected": 1}
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await one.connect()
        assert one.org.cometd.faults.lost_events == 1
