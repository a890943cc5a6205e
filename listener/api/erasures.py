"""`/api/privacy/erasures`: have a person forgotten, and see the certificate. What works at it is `tandem schedule`."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from pydantic import BaseModel, ConfigDict, Field

from listener.api import problem
from listener.api.problem import Problem, ProblemType
from listener.api.routes import GET, POST, Answer, Call, Group, Route
from schemas.api_key import Scope
from schemas.platform_event import DocumentId

PREFIX: Final = "/api/privacy/erasures"
NOT_SET_UP: Final = ProblemType("erasure_not_set_up", 409, "ERASED_KEY is not set: nobody can be erased")


class ErasureDesk(Protocol):
    """Erasures. Every method raises `Unavailable` while the store does not answer."""

    @property
    def set_up(self) -> bool:
        """Whether anybody can be erased."""

    def knows(self, kind: str) -> bool:
        """Whether the mapping has this kind."""

    async def ask(self, kind: str, document_id: str, now: int, by: str) -> None:
        """Have a person forgotten: nothing more is taken in of them when this returns."""

    async def certificate(self, kind: str, document_id: str) -> Mapping[str, Any] | None:
        """What is known of an erasure; it names nobody."""


class ErasureWanted(BaseModel):
    """Who is to be forgotten."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"kind": "customer", "id": "cust-42"}]},
    )

    kind: str = Field(min_length=1, max_length=80)
    """A kind of the mapping."""
    id: DocumentId
    """The platform's id."""


class ErasurePath(BaseModel):
    """Whose."""

    kind: str = Field(min_length=1, max_length=80, description="A kind of the mapping.")
    id: DocumentId = Field(description="The platform's id.")


class ErasurePass(BaseModel):
    """What one pass has removed."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    at: int
    """Epoch milliseconds."""
    removed: dict[str, int]
    """How many, by where."""
    left: list[str]
    """What could not be removed."""


class ErasureShown(BaseModel):
    """The certificate."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    reference: str
    """Names the erasure, and nobody."""
    kind: str
    state: str
    """`asked`, `removed` (the second pass is still to come), or `done`."""
    asked_at: int
    """Epoch milliseconds."""
    done_at: int | None = None
    """Epoch milliseconds."""
    passes: list[ErasurePass]
    topics: dict[str, str]
    """Until when Kafka's topics hold what they were sent."""


class ErasureRoutes:
    """The routes."""

    def __init__(self, desk: ErasureDesk) -> None:
        self._desk = desk

    def group(self) -> Group:
        """As the app takes them."""
        return Group(
            "Privacy",
            PREFIX,
            (
                Route(
                    POST,
                    "",
                    self.ask,
                    scope=Scope.ERASE,
                    summary="Forget a person",
                    description="In both systems, for good. From the answer on nothing more is taken in of them.",
                    body=ErasureWanted,
                    answers={202: ErasureShown},
                    problems=(NOT_SET_UP, problem.NOT_FOUND),
                ),
                Route(
                    GET,
                    "/{kind}/{id}",
                    self.show,
                    scope=Scope.ERASE,
                    summary="The certificate of an erasure",
                    path=ErasurePath,
                    answers={200: ErasureShown},
                    problems=(NOT_SET_UP, problem.NOT_FOUND),
                ),
            ),
        )

    async def ask(self, call: Call) -> Answer:
        """202 with the certificate as it stands: the work is done beside."""
        wanted = call.body(ErasureWanted)
        self._check(wanted.kind)
        by = "" if call.key is None else f"api key {call.key.id}"
        await self._desk.ask(wanted.kind, wanted.id, call.now, by)
        return Answer(await self._shown(wanted.kind, wanted.id), 202)

    async def show(self, call: Call) -> Answer:
        """200 with the certificate."""
        asked = call.path(ErasurePath)
        self._check(asked.kind)
        return Answer(await self._shown(asked.kind, asked.id))

    def _check(self, kind: str) -> None:
        if not self._desk.set_up:
            raise Problem(NOT_SET_UP)
        if not self._desk.knows(kind):
            raise Problem(problem.NOT_FOUND, "the mapping has no such kind")

    async def _shown(self, kind: str, document_id: str) -> ErasureShown:
        found = await self._desk.certificate(kind, document_id)
        if found is None:
            raise Problem(problem.NOT_FOUND, "nobody has asked for this erasure")
        return ErasureShown(
            reference=found["_id"],
            kind=found["kind"],
            state=found["state"],
            asked_at=found["asked_at"],
            done_at=found.get("done_at"),
            passes=[ErasurePass(**each) for each in found.get("passes", ())],
            topics=dict(found.get("topics", {})),
        )
