"""What is said of a request that is not done: RFC 9457 problem details, for every error there is.

No text of these holds a value that was sent. `errors` names every wrong place of the request by a JSON Pointer (RFC
6901), or by the name of the parameter or header.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

MEDIA_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One sort of problem. The word is stable; the title is for people, and always the same."""

    word: str
    status: int
    title: str

    @property
    def uri(self) -> str:
        """What `type` holds: where docs/api.md tells of it."""
        return f"urn:tandem:problem:{self.word}"


MALFORMED: Final = ProblemType("malformed", 400, "The request is not well-formed")
UNAUTHENTICATED: Final = ProblemType("unauthenticated", 401, "A good API key is needed")
OUT_OF_SCOPE: Final = ProblemType("out_of_scope", 403, "The API key may not do this")
NO_ROUTE: Final = ProblemType("no_route", 404, "There is nothing at this address")
NOT_FOUND: Final = ProblemType("not_found", 404, "There is no such thing")
METHOD: Final = ProblemType("method", 405, "The address does not take this method")
TOO_SLOW: Final = ProblemType("too_slow", 408, "The body took too long to arrive")
CONFLICT: Final = ProblemType("conflict", 409, "It does not go with what is there")
ERASED: Final = ProblemType("erased", 409, "This person was erased: nothing is taken in of them any more")
TOO_LARGE: Final = ProblemType("too_large", 413, "The body is too long")
MEDIA: Final = ProblemType("media", 415, "The body must be JSON")
INVALID: Final = ProblemType("invalid", 422, "The request says something that cannot be")
KEY_REUSED: Final = ProblemType("idempotency_key_reused", 422, "The idempotency key belongs to another request")
KEY_IN_USE: Final = ProblemType("idempotency_key_in_use", 409, "The first request with this idempotency key still runs")
TOO_MANY: Final = ProblemType("too_many", 429, "Too many requests")
INTERNAL: Final = ProblemType("internal", 500, "Tandem has failed")
BUSY: Final = ProblemType("busy", 503, "Too many requests are under way at once")
UNAVAILABLE: Final = ProblemType("unavailable", 503, "Something that is needed does not answer")

OF_EVERY_ROUTE: Final = (MALFORMED, INTERNAL, BUSY, UNAVAILABLE)
OF_EVERY_KEY: Final = (UNAUTHENTICATED, OUT_OF_SCOPE, TOO_MANY)
OF_EVERY_BODY: Final = (TOO_SLOW, TOO_LARGE, MEDIA, INVALID)


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    detail: str
    """What is wrong, without the value."""
    pointer: str | None = None
    """Where in the body: a JSON Pointer."""
    parameter: str | None = None
    """Which parameter of the address, or header."""


class ProblemBody(BaseModel):
    """Problem details by RFC 9457."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    type: str
    """Which sort of problem: `urn:tandem:problem:<word>`."""
    title: str
    """The same in words."""
    status: int
    """The HTTP status."""
    detail: str | None = None
    """What is wrong here."""
    request_id: str | None = None
    """The request, as logs have it."""
    errors: tuple[Fault, ...] | None = Field(default=None)
    """Every wrong place of the request."""


@dataclass(eq=False)
class Problem(Exception):
    """Raised anywhere while a request is worked at: this is its answer.

    `headers` are added to it. `last` closes the connection after it.
    """

    type: ProblemType
    detail: str = ""
    errors: Sequence[Fault] = ()
    headers: dict[str, str] = field(default_factory=dict)
    last: bool = False


def answer(problem: Problem, request_id: str | None) -> web.Response:
    """The response that tells of it."""
    body = ProblemBody(
        type=problem.type.uri,
        title=problem.type.title,
        status=problem.type.status,
        detail=problem.detail or None,
        request_id=request_id,
        errors=tuple(problem.errors) or None,
    )
    headers = {**problem.headers, "Content-Type": MEDIA_TYPE, "Cache-Control": "no-store"}
    raw = orjson.dumps(body.model_dump(mode="json", exclude_none=True))
    response = web.Response(status=problem.type.status, body=raw, headers=headers)
    if problem.last:
        response.force_close()
    return response


def faults_of_body(error: ValidationError) -> list[Fault]:
    """Every wrong place of a body, by its JSON Pointer."""
    return [Fault(detail=text, pointer=pointer(place)) for place, text in _wrong(error)]


def faults_of_parameters(error: ValidationError) -> list[Fault]:
    """Every wrong parameter, by its name."""
    return [Fault(detail=text, parameter=str(place[0]) if place else None) for place, text in _wrong(error)]


def _wrong(error: ValidationError) -> list[tuple[tuple[int | str, ...], str]]:
    told = error.errors(include_input=False, include_url=False, include_context=False)
    return [(place["loc"], place["msg"].removeprefix("Value error, ")) for place in told]


def pointer(place: Sequence[int | str]) -> str:
    """The JSON Pointer of a place, without the words by which pydantic tells forms apart: they are not in the body."""
    parts = [str(part) for part in place if not (isinstance(part, str) and part.startswith("<"))]
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)
