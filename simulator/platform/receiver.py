"""The pretend platform's own URL: takes signed webhooks, knows doubles by their id, and keeps what it was told last."""

import hmac
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from schemas.mapping import Mapping as FieldsMapping
from simulator.platform.signing import signed_headers, signing_key


@dataclass(slots=True)
class Told:
    """What the platform was told: by kind, id and path the revision and the value of the newest telling."""

    values: dict[tuple[str, str, str], tuple[int, Any]] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    doubles: int = 0
    unverified: int = 0

    def take(self, event_id: str, body: Mapping[str, Any]) -> None:
        """One verified webhook."""
        if event_id in self.ids:
            self.doubles += 1
            return
        self.ids.add(event_id)
        data = body["data"]
        for path, value in data["fields"].items():
            key = (data["kind"], data["id"], path)
            if data["revision"] >= self.values.get(key, (-1, None))[0]:
                self.values[key] = (data["revision"], value)

    def untold(self, documents: Mapping[str, Sequence[Mapping[str, Any]]], mapping: FieldsMapping) -> list[str]:
        """Values of Salesforce's that documents show and that the platform does not know; a line each, no values.

        `documents` are by collection, as MongoDB holds them.
        """
        found = []
        for name, kind in mapping.kinds.items():
            for document in documents.get(kind.collection, ()):
                stored = document.get("_sync", {}).get("fields", {})
                for each in kind.fields:
                    now = orjson.loads(stored.get(each.salesforce, "{}")).get("now")
                    if now is None or now[0] != "salesforce":
                        continue
                    revision, value = self.values.get((name, document["_id"], each.platform), (-1, None))
                    if revision < now[3] or value != _at(document, each.platform):
                        found.append(f"{name} {document['_id']}: {each.platform} since revision {now[3]}")
        return found


@dataclass(frozen=True, slots=True)
class Receiver:
    """The URL, the secret that it verifies with, and what came."""

    url: str
    secret: str
    told: Told


@asynccontextmanager
async def open_receiver(secret: str) -> AsyncIterator[Receiver]:
    """Listen on the loopback for as long as the block runs."""
    told, key = Told(), signing_key(secret)

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        event_id = request.headers.get("webhook-id", "")
        sent_at = request.headers.get("webhook-timestamp", "")
        signatures = request.headers.get("webhook-signature", "").split()
        expected = signed_headers(key, event_id, int(sent_at or 0), body)["webhook-signature"]
        if not any(hmac.compare_digest(expected, each) for each in signatures):
            told.unverified += 1
            return web.Response(status=401)
        told.take(event_id, orjson.loads(body))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/told", take)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield Receiver(f"http://{host}:{port}/told", secret, told)
    finally:
        await runner.cleanup()


def _at(document: Mapping[str, Any], path: str) -> Any:
    value: Any = document
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
