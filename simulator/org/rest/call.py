"""A REST call: its version, its user, its client mark; and how resources are served."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from simulator.org.errors import SalesforceError, not_found
from simulator.org.gate import invalid_session, over_limit
from simulator.org.oauth import bearer
from simulator.org.objects import ObjectDefinition
from simulator.org.org import Org
from simulator.org.replies import error_reply
from simulator.org.rest.subrequest import Request
from simulator.org.tokens import User
from simulator.org.transactions import Actor

OLDEST, NEWEST = 58, 67
_RETIRED = 30
_ALLOW_SAVE = re.compile(r"allowSave\s*=\s*true", re.IGNORECASE)
_CLIENT = re.compile(r"client=([^;,]*)")


@dataclass(frozen=True, slots=True)
class Call:
    """One authorised call. `version` is `60.0`."""

    org: Org
    request: Request
    user: User
    version: str
    client: str

    @property
    def root(self) -> str:
        """`/services/data/v60.0`."""
        return f"/services/data/v{self.version}"

    def sobject(self) -> ObjectDefinition:
        """The object that the path names.

        Raises:
            SalesforceError: there is none.
        """
        definition = self.org.objects.get(self.request.match_info["sobject"])
        if definition is None:
            raise not_found()
        return definition

    def actor(self, *, collections: bool = False) -> Actor:
        """Who the call's changes are made by."""
        told = self.org.settings.collections_keep_client if collections else True
        insists = _ALLOW_SAVE.search(self.request.headers.get("Sforce-Duplicate-Rule-Header", "")) is not None
        return self.org.api_actor(self.user, self.version, self.client, told_client=told, saves_duplicates=insists)


Resource = Callable[[Call], Awaitable[web.Response]]


class Resources:
    """Puts resources under `/services/data/vXX.0`, each call checked, authorised and counted."""

    def __init__(self, org: Org, router: web.UrlDispatcher) -> None:
        self._org = org
        self._router = router
        self._known: list[tuple[str, re.Pattern[str], Resource]] = []

    def add(self, verb: str, path: str, resource: Resource) -> None:
        """Serve a resource, its path with and without a slash at the end."""

        async def handle(request: web.Request) -> web.Response:
            return await self._serve(request, path, resource)

        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path))
        self._known.append((verb, re.compile(f"{pattern}/?"), resource))
        full = "/services/data/{version:v[^/]+}" + path
        self._router.add_route(verb, full, handle)
        self._router.add_route(verb, full + "/", handle)

    def find(self, verb: str, path: str) -> tuple[Resource, dict[str, str]] | None:
        """The resource below the version that a subrequest means, and the parts of its path."""
        for known, pattern, resource in self._known:
            found = pattern.fullmatch(path) if known == verb else None
            if found is not None:
                return resource, found.groupdict()
        return None

    async def _serve(self, request: web.Request, path: str, resource: Resource) -> web.Response:
        version = _version(request.match_info["version"])
        user = self._org.tokens.valid(bearer(request) or "")
        if user is None:
            raise invalid_session()
        client = client_mark(request.headers.get("Sforce-Call-Options", ""))
        if not self._org.usage.spend(request.method, path or "/", client):
            raise over_limit()
        try:
            reply = await resource(Call(self._org, request, user, version, client))
        except SalesforceError as error:
            reply = error_reply(error)
        reply.headers["Sforce-Limit-Info"] = self._org.usage.header()
        return reply


def client_mark(options: str) -> str:
    """The client of a `Sforce-Call-Options` header: `client=CRMSync; defaultNamespace=x`."""
    found = _CLIENT.search(options)
    return found[1].strip() if found else ""


def _version(text: str) -> str:
    found = re.fullmatch(r"v(\d{1,3})\.0", text)
    if found is None:
        raise not_found()
    number = int(found[1])
    if number <= _RETIRED:
        raise SalesforceError("GONE", "The requested API version has been retired", status=410)
    if not OLDEST <= number <= NEWEST:
        raise not_found()
    return f"{number}.0"
