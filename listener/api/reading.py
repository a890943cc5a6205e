"""What a request says, read into the models of its route; and what a handler gives, written."""

import hashlib
import re
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable

import orjson
from aiohttp import web
from pydantic import BaseModel, ValidationError

from listener.api import problem
from listener.api.problem import Fault, Problem
from listener.api.routes import Answer, Found, Route
from listener.api.settings import ApiSettings
from listener.webhook import body
from listener.webhook.answers import Refusal

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")
_IDEMPOTENCY_KEY: Final = re.compile(r"[!-~]{1,200}")
_ETAG: Final = re.compile(r'"(?P<tag>[^"]{1,100})"')
_OF_READING: Final = {408: problem.TOO_SLOW, 413: problem.TOO_LARGE}
_CSP: Final = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'"


@dataclass(frozen=True, slots=True)
class Made:
    """An answer in bytes."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    about: str = ""


@runtime_checkable
class Mendable(Protocol):
    """A body whose handler tells what is wrong with its shape together with all else."""

    @classmethod
    def mended(cls, values: Any, faults: Sequence[Fault]) -> BaseModel | None:
        """What can be read of it; nothing where that is nothing."""


def request_id(given: str | None) -> str:
    """The caller's name for the request, if it can be one; else a new one."""
    return given if given is not None and _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def idempotency_key(request: web.BaseRequest, route: Route) -> str | None:
    """The header, of a route that takes it.

    Raises:
        Problem: it cannot be one.
    """
    given = request.headers.get("Idempotency-Key")
    if given is None or not route.idempotent:
        return None
    if not _IDEMPOTENCY_KEY.fullmatch(given):
        wrong = Fault(detail="must be 1 to 200 visible ASCII characters", parameter="Idempotency-Key")
        raise Problem(problem.INVALID, errors=[wrong])
    return given


def etag(request: web.BaseRequest, route: Route) -> str | None:
    """`If-Match` without its quotes, of a route that takes it.

    Raises:
        Problem: it is not one entity tag.
    """
    given = request.headers.get("If-Match")
    if given is None or not route.versioned or given.strip() == "*":
        return None
    tag = _ETAG.fullmatch(given.strip())
    if tag is None:
        raise Problem(problem.INVALID, errors=[Fault(detail='must be one entity tag, "7"', parameter="If-Match")])
    return tag["tag"]


def fingerprint(request: web.BaseRequest, raw: bytes) -> str:
    """Two requests with the same one ask for the same."""
    parts = (request.method.encode(), request.rel_url.raw_path_qs.encode(), _canonical(raw))
    return hashlib.sha256(b"\n".join(parts)).hexdigest()


def _canonical(raw: bytes) -> bytes:
    return orjson.dumps(orjson.loads(raw), option=orjson.OPT_SORT_KEYS) if raw else b""


async def parts(
    request: web.BaseRequest, found: Found, settings: ApiSettings
) -> tuple[dict[type[BaseModel], BaseModel], bytes]:
    """Path, query and body by their models, and the body's bytes.

    Raises:
        Problem: with every wrong place of the first of them that is wrong.
    """
    route = found.route
    read: dict[type[BaseModel], BaseModel] = {}
    if route.path is not None:
        read[route.path] = _of_parameters(route.path, found.values)
    query = request.rel_url.query
    twice = [name for name, count in Counter(query.keys()).items() if count > 1]
    if twice:
        raise Problem(problem.INVALID, errors=[Fault(detail="is there twice", parameter=name) for name in twice])
    if route.query is not None:
        read[route.query] = _of_parameters(route.query, dict(query))
    elif query:
        raise Problem(problem.INVALID, errors=[Fault(detail="is not known here", parameter=name) for name in query])
    if route.body is None:
        return read, b""
    raw = await _body(request, settings)
    read[route.body] = _of_body(route.body, raw)
    return read, raw


def _of_parameters(model: type[BaseModel], values: Mapping[str, str]) -> BaseModel:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise Problem(problem.INVALID, errors=problem.faults_of_parameters(error)) from None


def _of_body(model: type[BaseModel], raw: bytes) -> BaseModel:
    try:
        # First by itself: pydantic's own reader takes what is no JSON, as NaN.
        orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Problem(problem.MALFORMED, f"the body is not JSON: position {error.pos}") from None
    try:
        return model.model_validate_json(raw, strict=True)
    except ValidationError as error:
        faults = problem.faults_of_body(error)
        mended = model.mended(orjson.loads(raw), faults) if issubclass(model, Mendable) else None
        if mended is None:
            raise Problem(problem.INVALID, errors=faults) from None
        return mended


async def _body(request: web.BaseRequest, settings: ApiSettings) -> bytes:
    if request.content_type != "application/json" or request.headers.get("Content-Encoding", "identity") != "identity":
        raise Problem(problem.MEDIA, "`Content-Type: application/json`, and not compressed")
    limit = settings.max_body_bytes
    try:
        if request.content_length is not None and request.content_length > limit:
            raise body.too_long(request, limit)
        return await body.read(request, limit=limit, seconds=settings.body_seconds)
    except Refusal as refusal:
        kind = _OF_READING.get(refusal.status, problem.MALFORMED)
        raise Problem(kind, refusal.detail, last=refusal.last) from None


async def discarded(request: web.BaseRequest, settings: ApiSettings) -> bool:
    """Read what is left of a body that nobody wants; whether the connection can be used again."""
    return await body.discard(request, limit=settings.max_body_bytes, seconds=settings.body_seconds)


def made(route: Route, answer: Answer) -> Made:
    """An answer in bytes, of the model that the route promises for its status.

    Raises:
        TypeError: it is of another.
    """
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **answer.headers}
    promised = route.answers.get(answer.status)
    if promised is None:
        raise TypeError(f"{route.at} promises nothing for {answer.status}")
    if isinstance(answer.body, str):
        html = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": _CSP}
        return Made(answer.status, answer.body.encode(), {**html, "Referrer-Policy": "no-referrer", **headers})
    if not isinstance(answer.body, promised):
        raise TypeError(f"{route.at} promises a {promised.__name__} for {answer.status}")
    content: Any = answer.body.model_dump(mode="json", by_alias=route.by_alias, exclude_none=route.exclude_none)
    headers.setdefault("Content-Type", "application/json")
    return Made(answer.status, orjson.dumps(content), headers, answer.about)
