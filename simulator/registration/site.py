"""The site: a form, and a server that posts what is in it to Tandem's API. Nothing but `visitor` reaches the page.

Whether a visitor is a customer the site shows only to who has followed a link that is sent to the address: before that
a stranger's page and a customer's are the same.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import aiohttp
from aiohttp import web
from jinja2 import Environment, select_autoescape

TITLE: Final = "Spring Hack: come and build"
AWAY: Final = "We could not take that just now. Nothing is lost: press Register once more."
_TEXT_BYTES: Final = 500


@dataclass(frozen=True, slots=True)
class Running:
    """Where the site listens."""

    url: str


class RegistrationSite:
    """Answers browsers. `key` is the site's API key, which no page ever holds."""

    def __init__(self, http: aiohttp.ClientSession, api_url: str, key: str) -> None:
        self._http = http
        self._api = api_url.rstrip("/")
        self._key = key
        self._secret = secrets.token_bytes(32)
        source = (files("simulator.registration") / "page.html").read_text(encoding="utf-8")
        self._page = Environment(autoescape=select_autoescape(default=True)).from_string(source)

    def app(self) -> web.Application:
        """Its routes."""
        app = web.Application(client_max_size=64 * 1024)
        app.router.add_get("/", self.form)
        app.router.add_post("/register", self.register)
        app.router.add_get("/confirm", self.confirm)
        return app

    async def form(self, _request: web.Request) -> web.Response:
        """An empty form."""
        return self._shown(form=secrets.token_urlsafe(16))

    async def register(self, request: web.Request) -> web.Response:
        """Register who filled the form in; the same form sent twice is one registration."""
        sent = {name: str(value)[:_TEXT_BYTES].strip() for name, value in (await request.post()).items()}
        form = sent.get("form") or secrets.token_urlsafe(16)
        body: dict[str, Any] = {"email": sent.get("email", ""), "name": sent.get("name", "")}
        if skills := [part.strip() for part in sent.get("skills", "").split(",") if part.strip()]:
            body["skills"] = skills
        if sent.get("consent"):
            body["consent"] = True
        status, told = await self._ask("/api/register", body, {"Idempotency-Key": form})
        kept = {"form": form, "name": body["name"], "email": body["email"], "skills": sent.get("skills", "")}
        if status == 422:
            wrong = [str(one.get("detail", "")) for one in told.get("errors", ())] or [str(told.get("title", ""))]
            return self._shown(422, wrong=wrong, **kept)
        if status not in (200, 201, 202):
            return self._shown(503, wrong=[AWAY], **kept)
        return self._shown(
            status if status == 200 else 201,
            said=f"Thank you, {body['name'] or 'friend'}: you are registered.",
            confirm=self._link(str(told["participant"]["id"])),
            email=body["email"],
        )

    async def confirm(self, request: web.Request) -> web.Response:
        """The link of the mail: the address is theirs, so they may be told who they are to sales."""
        id_, mark = request.query.get("participant", ""), request.query.get("mark", "")
        if not hmac.compare_digest(self._mark(id_), mark):
            return self._shown(400, said="This link is not one of ours.")
        status, told = await self._ask(f"/api/participants/{id_}/enrich", {"emailVerified": True}, {})
        if status != 200:
            return self._shown(503, said="We could not look just now. Follow the link again in a moment.")
        return self._shown(said=welcome(told.get("visitor") or {}))

    async def _ask(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[int, Any]:
        sent = {"Authorization": f"Bearer {self._key}", **headers}
        try:
            async with self._http.post(self._api + path, json=body, headers=sent) as answer:
                return answer.status, await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError):
            return 503, {}

    def _link(self, id_: str) -> str:
        return f"/confirm?participant={id_}&mark={self._mark(id_)}"

    def _mark(self, id_: str) -> str:
        digest = hmac.digest(self._secret, id_.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def _shown(self, status: int = 200, **words: Any) -> web.Response:
        nonce = secrets.token_urlsafe(12)
        text = self._page.render(**{"title": TITLE, "nonce": nonce, "wrong": (), "said": ""} | words)
        headers = {
            "Content-Security-Policy": f"default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'",
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        return web.Response(status=status, text=text, content_type="text/html", headers=headers)


def welcome(visitor: Mapping[str, Any]) -> str:
    """What somebody is told whose address is theirs."""
    name = visitor.get("welcomeBack")
    if not name:
        return "Thank you: your address is confirmed."
    tier = visitor.get("customerTier")
    customer = f" Your seat is with our {tier} customers." if tier and visitor.get("isExistingCustomer") else ""
    return f"Welcome back, {name}!{customer}"


@asynccontextmanager
async def running_site(api_url: str, key: str, port: int = 0) -> AsyncIterator[Running]:
    """Listen on loopback while the block runs.

    Raises:
        OSError: the port is taken.
    """
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as http:
        runner = web.AppRunner(RegistrationSite(http, api_url, key).app(), access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            yield Running(f"http://127.0.0.1:{runner.addresses[0][1]}")
        finally:
            await runner.cleanup()
