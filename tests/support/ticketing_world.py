"""The ticketing document against the whole of Tandem: an org with the preset's fields, and the API's caller."""

import base64
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapters.mongo.api_keys import MongoApiKeys
from ops.api_keys_command import new_key
from ops.metadata.simulated import schema_file
from schemas.api_key import Scope
from schemas.presets import preset
from simulator.org.connected_app import AppPolicy
from support.browser import Browser, redirected
from support.running import until
from support.whole import Whole

REDIRECT = "http://127.0.0.1:8899/api/integrations/salesforce/callback"
SALESFORCE = "/api/integrations/salesforce"


@dataclass
class Caller:
    """The platform's server, with a key that may do everything."""

    world: Whole
    url: str
    key: str

    async def call(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Status, body and headers of a request below `/api/integrations/salesforce`."""
        sent = {"Authorization": f"Bearer {self.key}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        async with self.world.http.request(method, self.url + SALESFORCE + path, json=body, headers=sent) as reply:
            is_json = reply.content_type.endswith("json")
            return reply.status, await (reply.json() if is_json else reply.text()), reply.headers

    async def connect(self) -> dict[str, Any]:
        """A person agrees, and the platform hands on what its page was given."""
        _, told, _ = await self.call("GET", "/auth")
        location = redirected(await Browser(self.world.http).consent(told["auth_url"]))
        status, connected, _ = await self.call(
            "POST", "/callback", {"code": location["code"], "state": location["state"]}
        )
        assert status == 200, connected
        return dict(connected)


@asynccontextmanager
async def ticketing(
    open_whole: Callable[..., AbstractAsyncContextManager[Whole]], folder: Path
) -> AsyncIterator[Caller]:
    """The API alone; the other stages are the caller's to start once somebody has agreed."""
    file = folder / "schema.yaml"
    file.write_text(schema_file(preset("ticketing")), encoding="utf-8")
    settings = {
        "MAPPING_PRESET": "ticketing",
        "API_PORT": "0",
        "API_WAIT_SECONDS": "20",
        "SALESFORCE_OAUTH_FLOW": "web_server",
        "SALESFORCE_REDIRECT_URI": REDIRECT,
        "ENCRYPTION_KEYS": f"k1:{base64.b64encode(os.urandom(32)).decode()}",
    }
    app = AppPolicy(callback_urls=(REDIRECT,))
    async with open_whole(start=("api",), settings=settings, schema_file=file, app=app) as world:
        notes = world.stages["api"].notes
        await until(lambda: notes.last("listening"), "the API listens")
        text, key = new_key("platform", tuple(Scope), by="tests", at=datetime.now(UTC))
        await MongoApiKeys(world.database).add(key)
        yield Caller(world, f"http://127.0.0.1:{(notes.last('listening') or {})['port']}", text)
