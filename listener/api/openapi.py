"""The OpenAPI 3.1 document, made from the routes and their models: what is checked is what is told."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from listener.api import problem
from listener.api.problem import ProblemBody, ProblemType
from listener.api.routes import DELETE, Group, Page, Route
from schemas.api_key import Scope

_REFERENCE: Final = "#/components/schemas/{model}"
_ABOUT: Final = (
    "What the platform asks of Tandem: connection, runs, contacts, queries and the mapping. Every error is a problem "
    "detail by RFC 9457. Requests carry a key, `Authorization: Bearer tdm_…`, made by `tandem api-keys add`."
)
_REQUEST_ID: Final = {
    "name": "X-Request-Id",
    "in": "header",
    "required": False,
    "description": "Names the request in our logs; one is made where there is none. The answer has it too.",
    "schema": {"type": "string"},
}
_IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Names the request: sent again under the same name it is done once, and answered the same.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
}
_IF_MATCH: Final = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The version that the caller has seen, as `ETag` had it.",
    "schema": {"type": "string", "pattern": '^("[^"]{1,100}"|[*])$'},
}


def document(groups: Sequence[Group]) -> dict[str, Any]:
    """The whole document, as JSON has it."""
    routes = [(group, route) for group in groups for route in group.routes]
    schemas = _Schemas(route for _group, route in routes)
    paths: dict[str, dict[str, Any]] = {}
    for group, route in routes:
        paths.setdefault(group.prefix + route.at, {})[route.method.lower()] = _operation(group, route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tandem",
            "version": "1",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": group.name, "description": group.description} for group in groups],
        "paths": paths,
        "components": {
            "schemas": schemas.definitions,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "bearerFormat": "tdm_<id>_<secret>"}},
        },
    }


class _Schemas:
    """The schemas of all models: of what comes in as it is validated, of what goes out as it is written."""

    def __init__(self, routes: Iterable[Route]) -> None:
        asked: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(ProblemBody, "serialization"): None}
        for route in routes:
            asked |= {(model, "validation"): None for model in (route.body,) if model is not None}
            asked |= {(model, "serialization"): None for model in route.answers.values() if model is not Page}
        references, whole = models_json_schema(list(asked), ref_template=_REFERENCE)
        self._references = references
        self.definitions: dict[str, Any] = whole.get("$defs", {})

    def of(self, model: type[BaseModel], mode: JsonSchemaMode) -> dict[str, Any]:
        """A reference to the model's schema."""
        return self._references[model, mode]


def _operation(group: Group, route: Route, schemas: _Schemas) -> dict[str, Any]:
    told: dict[str, Any] = {
        "tags": [group.name],
        "operationId": _operation_id(group, route),
        "summary": route.summary,
        "parameters": list(_parameters(route)),
        "responses": _responses(route, schemas),
        "security": [] if route.scope is None else [{"key": []}],
    }
    needs = "" if route.scope is None else f"Needs the scope `{route.scope}`: {_of_scope(route.scope)}"
    if about := "\n\n".join(part for part in (route.description, needs) if part):
        told["description"] = about
    if route.scope is not None:
        told["x-scope"] = str(route.scope)
    if route.body is not None:
        content = {"application/json": {"schema": schemas.of(route.body, "validation")}}
        told["requestBody"] = {"required": True, "content": content}
    return told


def _operation_id(group: Group, route: Route) -> str:
    words = re.findall(r"[a-z0-9]+", (group.prefix.rpartition("/")[2] + route.at).lower())
    return route.method.lower() + "".join(word.capitalize() for word in words)


def _of_scope(scope: Scope) -> str:
    match scope:
        case Scope.EVENTS:
            return "say what the platform knows."
        case Scope.READ:
            return "see what there is."
        case Scope.SYNC:
            return "ask for runs."
        case Scope.QUERY:
            return "ask Salesforce, within the mapping."
        case Scope.MAPPINGS:
            return "change the mapping."
        case Scope.ENRICH:
            return "register people, and hear what Salesforce knows of them."
        case Scope.DELIVERIES:
            return "have the platform's webhooks posted again."
        case Scope.EXPORT:
            return "see all that is held of a person."
        case Scope.ERASE:
            return "have people forgotten for good."
        case Scope.CONNECT:
            return "say which org Tandem signs in to."


def _parameters(route: Route) -> Iterable[dict[str, Any]]:
    for model, place in ((route.path, "path"), (route.query, "query")):
        if model is None:
            continue
        schema = model.model_json_schema(ref_template=_REFERENCE)
        inner = schema.get("$defs", {})
        for name, told in schema["properties"].items():
            shown = _inlined(told, inner)
            about = shown.pop("description", "")
            shown.pop("title", None)
            required = place == "path" or name in schema.get("required", ())
            yield {"name": name, "in": place, "required": required, "description": about, "schema": shown}
    yield _REQUEST_ID
    if route.idempotent:
        yield _IDEMPOTENCY_KEY
    if route.versioned:
        yield _IF_MATCH


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """A parameter's schema with what it refers to in its place; null is no text of an address."""
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        found = definitions[schema["$ref"].rpartition("/")[2]]
        return {**_inlined(found, definitions), **{name: one for name, one in schema.items() if name != "$ref"}}
    if "anyOf" in schema:
        kept = [_inlined(one, definitions) for one in schema["anyOf"] if one != {"type": "null"}]
        rest = {name: one for name, one in schema.items() if name not in ("anyOf", "default")}
        return {**kept[0], **rest} if len(kept) == 1 else {"anyOf": kept, **rest}
    return dict(schema)


def _responses(route: Route, schemas: _Schemas) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for status, model in route.answers.items():
        if model is Page:
            told[str(status)] = {"description": "A page.", "content": {"text/html": {"schema": {"type": "string"}}}}
            continue
        content = {"application/json": {"schema": schemas.of(model, "serialization")}}
        about = (model.__doc__ or "").strip().partition("\n")[0]
        told[str(status)] = {"description": about or "Done.", "content": content}
    shape = {problem.MEDIA_TYPE: {"schema": schemas.of(ProblemBody, "serialization")}}
    by_status: dict[int, list[ProblemType]] = {}
    for each in dict.fromkeys(problems_of(route)):
        by_status.setdefault(each.status, []).append(each)
    for status in sorted(by_status):
        about = "; ".join(f"`{each.word}`: {each.title}" for each in by_status[status])
        before = told.get(str(status), {})
        text = " ".join(part for part in (before.get("description"), f"{about}.") if part)
        told[str(status)] = {"description": text, "content": {**before.get("content", {}), **shape}}
    return told


def problems_of(route: Route) -> list[ProblemType]:
    """Every problem that a route may answer with."""
    found = [*problem.OF_EVERY_ROUTE, *route.problems]
    if route.scope is not None:
        found += problem.OF_EVERY_KEY
    if route.body is not None:
        found += problem.OF_EVERY_BODY
    found.append(problem.INVALID)
    if route.idempotent:
        found += [problem.KEY_REUSED, problem.KEY_IN_USE]
    if route.method == DELETE:
        found.append(problem.NOT_FOUND)
    return found
