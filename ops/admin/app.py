"""The application: who may ask what, what every answer carries, and how an answer becomes a page."""

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web
from jinja2 import Environment

from ops.admin import login
from ops.admin.answers import Answer, Asked, CannotDo, Done, Page, Question, Route
from ops.admin.parts import AdminParts
from ops.admin.render import environment, html, json, wants_json
from ops.admin.routes import NAVIGATION, ROUTES
from ops.admin.sessions import SEEN_EVERY, session_id
from ops.parked import CannotDo as CannotPark
from ops.reviews import CannotChoose
from schemas.operators import Role, Session, User
from schemas.unavailable import Unavailable

COOKIE: Final = "tandem_session"
LONGEST_FORM: Final = 262_144
NOT_ASKED_AGAIN: Final = ("csrf", "sure", "why", "id", "password", "fresh")
"""Fields that a question does not hand on as they came: its own, and passwords, which no page ever holds."""
STATIC: Final = {
    "tandem.css": "text/css",
    "tandem.js": "text/javascript",
    "charts.js": "text/javascript",
    "uplot.css": "text/css",
    "uplot.js": "text/javascript",
    "uplot.license.txt": "text/plain",
}
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}

Next = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serve(parts: AdminParts) -> AsyncIterator[tuple[str, int]]:
    """Listen while the block runs; gives host and port.

    Raises:
        OSError: the address is taken or is not ours.
    """
    runner = web.AppRunner(application(parts), access_log=None, shutdown_timeout=2)
    await runner.setup()
    try:
        await web.TCPSite(runner, parts.settings.host, parts.settings.port).start()
        yield runner.addresses[0][:2]
    finally:
        await runner.cleanup()


def application(parts: AdminParts) -> web.Application:
    """Every route of `ROUTES`, the login, and the files that pages load."""
    made = environment()
    app = web.Application(middlewares=[_headers, _errors(made)], client_max_size=LONGEST_FORM)
    for route in ROUTES:
        app.router.add_route(route.method, route.path, _guarded(route, parts, made))
    doors = login.Doors(parts, made, COOKIE)
    app.router.add_get("/", _to_overview)
    app.router.add_get("/admin/login", doors.show)
    app.router.add_post("/admin/login", doors.enter)
    app.router.add_get("/admin/static/{name}", _static)
    return app


def _guarded(route: Route, parts: AdminParts, made: Environment) -> Next:
    def render(template: str, values: Mapping[str, Any]) -> str:
        return made.get_template(template).render(values)

    async def handle(request: web.Request) -> web.StreamResponse:
        found = await _visit(request, parts)
        if found is None:
            if wants_json(request):
                raise web.HTTPUnauthorized(text="sign in first")
            back = quote(request.rel_url.path_qs if request.method == "GET" else "/admin", safe="/")
            raise web.HTTPSeeOther(f"/admin/login?next={back}")
        user, session = found
        if not user.role.may(route.role):
            raise web.HTTPForbidden(text=f"this is for the role {route.role}, and you are {user.role}")
        form: dict[str, str] = {}
        chosen: list[str] = []
        if request.method == "POST":
            login.from_ourselves(request)
            posted = await request.post()
            form = {name: str(value) for name, value in posted.items()}
            chosen = [str(value) for value in posted.getall("id", [])]
            if not hmac.compare_digest(form.get("csrf", "").encode(), session.csrf.encode()):
                raise web.HTTPForbidden(text="the form is not of this visit: go back, load the page again")
        asked = Asked(request, user, session, parts, form, chosen, render)
        return await _respond(await route.handler(asked), asked, made)

    return handle


async def _visit(request: web.Request, parts: AdminParts) -> tuple[User, Session] | None:
    token = request.cookies.get(COOKIE)
    session = await parts.sessions.find(session_id(token)) if token else None
    if session is None:
        return None
    now = parts.now()
    user = None if parts.lasting.is_over(session, now) else await parts.users.find(session.user)
    if user is None or user.disabled:
        await parts.sessions.end(session.id)
        return None
    if now - session.seen_at > SEEN_EVERY:
        await parts.sessions.seen(session.id, now)
    return user, session


async def _respond(answer: Answer, asked: Asked, made: Environment) -> web.StreamResponse:
    match answer:
        case Page(template, title, shows, status):
            if wants_json(asked.request):
                return json(shows, status)
            told = await asked.parts.sessions.told(asked.session.id)
            return html(made, template, {**_around(asked, title), "page": shows, "told": told}, status)
        case Question():
            asked_with = [(name, value) for name, value in asked.form.items() if name not in NOT_ASKED_AGAIN]
            asked_with += [("id", value) for value in asked.chosen]
            kept = asked_with if answer.carried is None else answer.carried
            if wants_json(asked.request):
                return json(_in_json(answer, kept, asked.request.path))
            return html(
                made,
                "question.html",
                {**_around(asked, answer.title), "question": answer, "kept": kept, "told": []},
            )
        case Done(told, to):
            if wants_json(asked.request):
                return json({"told": told})
            await asked.parts.sessions.tell(asked.session.id, told)
            raise web.HTTPSeeOther(to)
        case web.StreamResponse():
            return answer


def _in_json(question: Question, kept: Sequence[tuple[str, str]], path: str) -> dict[str, Any]:
    """What is asked, and the form that answers it; what only a person can say is named under `say`."""
    send: dict[str, list[str]] = {"sure": ["yes"]}
    for name, value in kept:
        send.setdefault(name, []).append(value)
    return {
        "question": question.title,
        "lines": question.lines,
        "dangerous": question.dangerous,
        "to": path,
        "send": send,
        "say": ["why", "password"] if question.password else ["why"],
    }


def _around(asked: Asked, title: str) -> dict[str, Any]:
    """What every page shows around its own."""
    path = asked.request.path
    here = [link for link in NAVIGATION if asked.user.role.may(link.role)]
    current = max(
        (
            link.path
            for link in here
            if path == link.path or (link.path != "/admin" and path.startswith(f"{link.path}/"))
        ),
        default="",
    )
    return {
        "title": title,
        "user": asked.user,
        "csrf": asked.session.csrf,
        "links": here,
        "current": current,
        "path": path,
        "as_json": str(asked.request.rel_url.update_query(format="json")),
        "now": asked.parts.now(),
        "operator": asked.user.role.may(Role.OPERATOR),
        "admin": asked.user.role.may(Role.ADMIN),
    }


@web.middleware
async def _headers(request: web.Request, handler: Next) -> web.StreamResponse:
    try:
        response = await handler(request)
    except web.HTTPException as error:
        error.headers.update(HEADERS)
        raise
    if not response.prepared:
        response.headers.update({name: value for name, value in HEADERS.items() if name not in response.headers})
    return response


def _errors(made: Environment) -> Any:
    """What went wrong, as a page that says what to do, or as problem details (RFC 9457)."""

    @web.middleware
    async def look(request: web.Request, handler: Next) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return _problem(made, request, error.status, error.reason, error.text or "")
        except (CannotDo, CannotPark, CannotChoose) as error:
            return _problem(made, request, 409, "Not done", str(error))
        except Unavailable as error:
            return _problem(made, request, 503, "Away", f"{error}. Nothing is lost; load the page again in a moment.")

    return look


def _problem(made: Environment, request: web.Request, status: int, title: str, detail: str) -> web.Response:
    if wants_json(request):
        answer = json({"type": "about:blank", "title": title, "status": status, "detail": detail}, status)
        answer.content_type = "application/problem+json"
        return answer
    return html(made, "problem.html", {"title": title, "status": status, "detail": detail}, status)


async def _to_overview(_request: web.Request) -> web.StreamResponse:
    raise web.HTTPSeeOther("/admin")


async def _static(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    if name not in STATIC:
        raise web.HTTPNotFound(text="there is no such file")
    body = files("ops.admin").joinpath("static", name).read_bytes()
    return web.Response(
        body=body, content_type=STATIC[name], charset="utf-8", headers={"Cache-Control": "public, max-age=300"}
    )
