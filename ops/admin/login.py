"""In and out: the login form, and whose requests are taken."""

import asyncio
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from jinja2 import Environment

from adapters.encryption.passwords import is_password
from adapters.mongo.tries import MongoTries, key_of_address, key_of_name
from ops.admin.answers import Answer, Asked
from ops.admin.parts import AdminParts
from ops.admin.render import html
from ops.admin.sessions import OF_ADDRESS, OF_NAME, new_token, session_id
from schemas.operators import Session, User

NO_ONE: Final = "$argon2id$v=19$m=65536,t=3,p=4$bm9ib2R5aGFzdGhpcw$0000000000000000000000000000000000000000000"
"""Looked at where there is no such user, so that an answer takes as long either way."""
AT_ONCE: Final = 2
"""Passwords that are looked at side by side: each takes a core and 64 MiB for some tens of milliseconds."""
LOOKING: Final = 40
"""So many are looked at or wait for it; who comes then is sent away, and not kept waiting behind all of them."""
WRONG: Final = "This name and password do not go together."


class Doors:
    """The login. One answer for a wrong name and for a wrong password."""

    def __init__(self, parts: AdminParts, made: Environment, cookie: str) -> None:
        self._parts = parts
        self._made = made
        self._cookie = cookie
        self._tries = MongoTries(parts.database)
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._looking = 0

    async def show(self, request: web.Request) -> web.StreamResponse:
        """The form."""
        return self._form(local_path(request.query.get("next", "")))

    async def enter(self, request: web.Request) -> web.StreamResponse:
        """Sign somebody in, or say that it was not right."""
        from_ourselves(request)
        form = await request.post()
        name, password = str(form.get("name", "")).strip(), str(form.get("password", ""))
        to = local_path(str(form.get("next", "")))
        now, address = self._parts.now(), key_of_address(request.remote or "")
        # Counted before anything is looked at: of many at once no more get through than of one after the other.
        wait = await self._tries.claim(address, OF_ADDRESS, now) or await self._tries.claim(
            key_of_name(name), OF_NAME, now
        )
        if wait:
            return self._form(to, f"Too many wrong passwords: try again in {max(1, wait // 1000)} seconds.", 429)
        if self._looking >= LOOKING:
            return self._form(to, "Too many sign in at once: try again in a moment.", 503)
        user = await self._user(name, password)
        if user is None:
            return self._form(to, WRONG, 403)
        await self._tries.forget(key_of_name(name))
        await self._tries.give_back(address)
        token = new_token()
        lasting = self._parts.lasting
        session = Session(session_id(token), user.name, new_token(), now, now)
        await self._parts.sessions.begin(session, now + lasting.longest)
        await self._parts.users.came(user.name, now)
        response = web.HTTPSeeOther(to)
        response.set_cookie(
            self._cookie,
            token,
            max_age=lasting.longest // 1000,
            httponly=True,
            secure=self._parts.settings.secure_cookies,
            samesite="Lax",
            path="/",
        )
        raise response

    async def _user(self, name: str, password: str) -> User | None:
        """Who may come in by these; it takes as long where there is no such user."""
        self._looking += 1
        try:
            async with self._at_once:
                user = await self._parts.users.find(name)
                right = await is_password(password, user.password_hash if user else NO_ONE)
        finally:
            self._looking -= 1
        return user if right and user is not None and not user.disabled else None

    def _form(self, to: str, told: str = "", status: int = 200) -> web.Response:
        return html(self._made, "login.html", {"title": "Sign in", "next": to, "wrong": told}, status)


async def leave(asked: Asked) -> Answer:
    """Sign out."""
    await asked.parts.sessions.end(asked.session.id)
    raise web.HTTPSeeOther("/admin/login")


def from_ourselves(request: web.Request) -> None:
    """Refuse what another site's page has sent.

    Raises:
        HTTPForbidden: it comes from elsewhere, by what the browser says of it.
    """
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    origin = request.headers.get("Origin", "")
    if site not in ("same-origin", "none") or (origin and urlsplit(origin).netloc != request.host):
        raise web.HTTPForbidden(text="this form was sent by another site")


def local_path(given: str) -> str:
    """Where somebody goes after the login: only to a page of ours."""
    parts = urlsplit(given)
    fine = not parts.scheme and not parts.netloc and given.startswith("/admin") and "\\" not in given
    return given if fine else "/admin"
