"""The whole of Tandem, signed in another way than by client credentials, which every other world uses.

On a stored connection: before anybody has agreed, after Salesforce has ended it, and between.
"""

import base64
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.browser import Browser
from support.keys import certificate, new_key, pem
from support.running import until
from support.whole import Whole

from adapters.encryption.settings import EncryptionSettings
from adapters.mongo.connection_notes import ConnectionNotes
from adapters.mongo.connections import MongoConnections
from adapters.salesforce import login
from adapters.salesforce.authorization import new_authorization
from adapters.salesforce.connecting import connect
from adapters.salesforce.settings import SalesforceSettings
from ops import connection_notes
from ops.processes.parts import wall_ms
from schemas.unavailable import Unavailable
from simulator.org.connected_app import AppPolicy
from simulator.org.faults import FaultKind
from simulator.org.settings import OrgSettings

pytestmark = [pytest.mark.integration, pytest.mark.e2e]

OpenWhole = Callable[..., Any]
SIGNS_IN = ("subscribe", "write")


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> str:
    """ENCRYPTION_KEYS; and every wait of a refused login is short."""
    monkeypatch.setattr(login, "hold", lambda _failure: 0.2)
    monkeypatch.setattr(connection_notes, "NOTE_SECONDS", 0.1)
    return f"k1:{base64.b64encode(os.urandom(32)).decode()}"


async def agree(world: Whole, keys: str) -> None:
    """A person runs `tandem connect`."""
    settings = SalesforceSettings()
    attempt = new_authorization(settings)
    location = await Browser(world.http).consent(attempt.url)
    keyring = EncryptionSettings(keys=keys).keyring()
    assert keyring is not None
    connection = await connect(settings, attempt, location, now=wall_ms())
    await MongoConnections(world.database, keyring).connect(connection)


async def unready(world: Whole, name: str) -> str:
    """What the stage's ping says of its login."""
    ping = world.stages[name].frame.pings.get("salesforce_login")
    try:
        await (ping() if ping else _not_there())
    except Unavailable as error:
        return str(error)
    return ""


async def _not_there() -> None:
    raise Unavailable("not there yet")


async def refused(world: Whole, code: str) -> None:
    """Both stages that sign in say so, loudly and once, and neither has ended."""

    async def told() -> bool:
        return all([await unready(world, name) == f"login refused: {code}" for name in SIGNS_IN])

    await until(told, f"both stages say {code}")
    for name in SIGNS_IN:
        running = world.stages[name]
        lines = [
            details for level, event, details in running.notes.rows if (level, event) == ("critical", "login_refused")
        ]
        assert [line["code"] for line in lines].count(code) == 1
        assert "tandem_salesforce_login_refused 1.0" in running.frame.metrics.render().decode()
        assert not running.task.done()


def refusals(world: Whole, name: str) -> float:
    """How often the stage has met the refusal."""
    metrics = world.stages[name].frame.metrics.render().decode()
    return float(re.findall(r'^tandem_salesforce_logins_total\{outcome="refused"\} (\S+)$', metrics, re.MULTILINE)[0])


async def granted(world: Whole) -> None:
    """Both go on by themselves."""

    async def told() -> bool:
        return not any([await unready(world, name) for name in SIGNS_IN])

    await until(told, "both stages are signed in")


async def test_a_connection_that_begins_late_and_ends_in_the_middle(open_whole: OpenWhole, keys: str) -> None:
    """Nobody has agreed: webhooks are taken and wait. A person agrees: all is written, over many rotated tokens.

    Salesforce ends the connection while both sides are edited: nothing is lost, nobody crashes, nobody asks again; a
    person agrees anew, and both sides end equal.
    """
    settings = {"SALESFORCE_OAUTH_FLOW": "web_server", "ENCRYPTION_KEYS": keys}
    async with open_whole(settings=settings, app=AppPolicy(rotate_refresh_tokens=True)) as world:
        names = world.names(3)
        await world.post_new(names)
        await refused(world, "not_connected")
        assert world.calls() == 0
        await agree(world, keys)
        await granted(world)
        await world.clean()
        for place in range(4):
            world.org.org.tokens.revoke_all()
            await world.rename(names[0], title=f"Title {place}")
            world.edit(names[1], Title=f"Sold {place}")
        await world.clean()
        assert await world.both(names[1], "title") == "Sold 3"

        world.org.org.refresh_tokens.revoke_all()
        world.edit(names[1], Department="Heard later")
        await world.rename(names[2], title="Written later")
        await refused(world, "invalid_grant")
        asked = world.plant(FaultKind.DELAY, path="/services/oauth2/token")  # it does nothing, and counts
        tries = [refusals(world, name) for name in SIGNS_IN]
        await until(lambda: all(refusals(world, name) > was + 3 for name, was in zip(SIGNS_IN, tries, strict=True)), "")
        assert asked.taken == 0
        document = await world.document(names[2])
        assert document["salesforce"]["syncStatus"] == "pending"
        assert await world.parked() == []

        began = wall_ms()
        await agree(world, keys)
        await granted(world)
        await world.clean()
        assert await world.both(names[1], "department") == "Heard later"
        assert await world.both(names[2], "title") == "Written later"
        await until(lambda: _synced(world, began), "the last sync is noted")
        noted = await ConnectionNotes(world.database).read(world.org.client_id)
        assert noted is not None
        assert (noted.flow, noted.org_id[:3]) == ("web_server", "00D")
        assert noted.last_sync_at <= wall_ms()
        assert noted.credential_since > 0


async def _synced(world: Whole, since: int) -> bool:
    noted = await ConnectionNotes(world.database).read(world.org.client_id)
    return noted is not None and noted.last_sync_at >= since


@pytest.mark.parametrize("flow", ["jwt_bearer", "password"])
async def test_other_flows_carry_rest_and_stream(open_whole: OpenWhole, tmp_path: Path, flow: str) -> None:
    """Both sides are edited while every token dies again and again: they end equal."""
    org = OrgSettings(app=AppPolicy(certificate=certificate(new_key())))
    (tmp_path / "key.pem").write_bytes(pem(new_key()))
    by_flow = {
        "jwt_bearer": {"SALESFORCE_PRIVATE_KEY_PATH": str(tmp_path / "key.pem")},
        "password": {
            "SF_PASSWORD": org.password.get_secret_value(),
            "SF_SECURITY_TOKEN": org.security_token.get_secret_value(),
        },
    }
    settings = {"SF_USERNAME": org.username} | by_flow[flow]
    async with open_whole(settings=settings, app=org.app) as world:
        names = await world.new(2)
        for place in range(3):
            world.org.org.tokens.revoke_all()
            await world.rename(names[0], title=f"Title {place}")
            world.edit(names[1], Title=f"Sold {place}")
        await world.clean()
        assert await world.both(names[0], "title") == "Title 2"
        assert await world.both(names[1], "title") == "Sold 2"
        warned = world.stages["write"].notes.last("login_flow_ends")
        assert (warned is not None) is (flow == "password")
