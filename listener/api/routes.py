"""How a route is told: once, and from that come its address, its checks, its answers and its place in the OpenAPI.

To add one, write a handler and name it in a `Group`, which the composition (`ops/processes/api.py`) hands to the app:

    async def show(call: Call) -> Answer:
        person = await people.read(call.path(PersonPath).id)
        if person is None:
            raise Problem(NOT_FOUND, "no such person")
        return Answer(PersonShown(...))

    Group("People", "/api/people", (
        Route(GET, "/{id}", show, scope=Scope.READ, summary="One person", path=PersonPath,
              answers={200: PersonShown}, problems=(NOT_FOUND,)),
    ))

By the time the handler is called the key is known and may do this, the request is within its limits, and body, query
and path are of their models. What the handler raises is answered: `Problem` as it says, `Unavailable`
(`schemas.unavailable`) by 503, anything else by 500 and a line in the log. Bodies are read strictly: a text is no
number. A handler is an `async` method of a class that takes its ports in the constructor; it does no more than ask them
and put the answer into a model.
"""

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import unquote

from pydantic import BaseModel

from listener.api.problem import ProblemType
from schemas.api_key import ApiKey, Scope

GET: Final = "GET"
POST: Final = "POST"
PUT: Final = "PUT"
DELETE: Final = "DELETE"

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Call:
    """One request, checked."""

    request_id: str
    """Names it in logs; a header of the answer."""
    key: ApiKey | None
    """Whose request it is; nothing where the route needs no key."""
    now: int
    """When it came, epoch milliseconds."""
    idempotency_key: str | None = None
    """What the caller named it, where the route takes such names: the same name is the same request."""
    fingerprint: str = ""
    """Of what a request that has such a name asks for: one that was mended is another."""
    etag: str | None = None
    """`If-Match`, without its quotes: the version that the caller has seen."""
    traceparent: str = ""
    """The caller's trace (W3C Trace Context), as it was sent."""
    parts: Mapping[type[BaseModel], BaseModel] = field(default_factory=dict)

    def body(self, model: type[Model]) -> Model:
        """The body. The same for `query` and `path`: each is known by its model."""
        part = self.parts[model]
        if not isinstance(part, model):
            raise TypeError(f"not a {model.__name__}")
        return part

    query = body
    path = body

    @property
    def scopes(self) -> Collection[Scope]:
        """What the caller's key may do; nothing without one."""
        return () if self.key is None else self.key.scopes


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered. A body that is text is an HTML page."""

    body: BaseModel | str | None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    about: str = ""
    """Whom the body speaks of, `<kind>/<id>`, so that an answer kept for its idempotency key can be forgotten."""


Handler = Callable[[Call], Awaitable[Answer]]


class Page(BaseModel):
    """Stands in `Route.answers` for an HTML page."""


@dataclass(frozen=True, slots=True)
class Route:
    """One method at one address, below that of its group."""

    method: str
    at: str
    """`/contacts/{id}`: each name in braces is a field of `path`."""
    handler: Handler
    scope: Scope | None
    """What the key must allow; None where everybody may, without a key."""
    summary: str
    """A few words."""
    answers: Mapping[int, type[BaseModel]]
    """The model of each status that is a success; `Page` for HTML."""
    description: str = ""
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    path: type[BaseModel] | None = None
    problems: Sequence[ProblemType] = ()
    """Beside those that every route has."""
    idempotent: bool = False
    """Takes `Idempotency-Key`: what was answered first is kept for a day, and given again. For a POST that changes."""
    versioned: bool = False
    """Takes `If-Match`."""
    per_hour: int = 0
    """How often a key may ask this in an hour, beside its usual rate; 0 for a route without a limit of its own."""
    by_alias: bool = True
    """Whether answers go by the aliases of their fields."""
    exclude_none: bool = False
    """Leaves out what is null."""


@dataclass(frozen=True, slots=True)
class Group:
    """Routes that belong together."""

    name: str
    """As the OpenAPI document's tag."""
    prefix: str
    routes: Sequence[Route]
    description: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """The route of an address, with what stands in its braces."""

    route: Route
    template: str
    values: Mapping[str, str]


class Router:
    """From method and address to route."""

    def __init__(self, groups: Sequence[Group]) -> None:
        """ValueError where two routes have the same method and address, or a route's braces are not its model's."""
        self._by_template: dict[str, dict[str, Route]] = {}
        self._patterns: list[tuple[re.Pattern[str], str]] = []
        for group in groups:
            for route in group.routes:
                self._add(group.prefix + route.at, route)
        # Plain words go before names in braces: /runs/newest is no run called newest.
        self._patterns.sort(key=lambda each: each[1].replace("{", "\x7f"))

    def _add(self, template: str, route: Route) -> None:
        names = re.findall(r"\{(\w+)\}", template)
        if sorted(names) != sorted(route.path.model_fields if route.path is not None else ()):
            raise ValueError(f"{template}: its names are not the fields of its model")
        methods = self._by_template.setdefault(template, {})
        if route.method in methods:
            raise ValueError(f"{route.method} {template} is there twice")
        if not methods:
            pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template))
            self._patterns.append((re.compile(pattern), template))
        methods[route.method] = route

    def find(self, method: str, raw_path: str) -> "Found | tuple[str, ...] | None":
        """The route; the methods that the address takes, where this is none of them; nothing where there is no such
        address. `raw_path` is as it was sent: what stands in braces may hold an encoded slash."""
        for pattern, template in self._patterns:
            match = pattern.fullmatch(raw_path)
            if match is None:
                continue
            methods = self._by_template[template]
            route = methods.get(GET if method == "HEAD" else method)
            if route is None:
                return tuple(sorted({*methods, *(["HEAD"] if GET in methods else [])}))
            return Found(route, template, {name: unquote(value) for name, value in match.groupdict().items()})
        return None


def parameters(model: type[BaseModel]) -> dict[str, Any]:
    """The names of a model's fields as they stand in an address, each with its field."""
    return {field.alias or name: field for name, field in model.model_fields.items()}
