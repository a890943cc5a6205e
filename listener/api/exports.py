"""`/api/privacy/exports`: all that is held of one person, for one who asks what that is. Each is kept in the audit."""

from typing import Any, Final, Protocol

from pydantic import BaseModel, ConfigDict, Field

from listener.api import problem
from listener.api.problem import Problem
from listener.api.routes import GET, Answer, Call, Group, Route
from schemas.api_key import Scope
from schemas.platform_event import DocumentId

PREFIX: Final = "/api/privacy/exports"


class NothingHeld(Exception):
    """Nothing of that person is held, or the mapping has no such kind; the message says which."""


class ExportDesk(Protocol):
    """What is held of people."""

    async def held(self, kind: str, document_id: str, now: int, by: str) -> dict[str, Any]:
        """All of it, as JSON has it, once it is kept who was told: what cannot be audited is not told.

        Raises:
            NothingHeld, Unavailable.
        """


class ExportPath(BaseModel):
    """Whose."""

    kind: str = Field(min_length=1, max_length=80, description="A kind of the mapping.")
    id: DocumentId = Field(description="The platform's id.")


class HeldShown(BaseModel):
    """All that is held of a person. Beside what is named here: rows of each collection, by its name."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)

    documents: dict[str, dict[str, Any]]
    """The person's, and those that cannot be without them, by `<kind>:<id>`, with all that is kept in them."""
    salesforce: dict[str, dict[str, Any]]
    """The mapped fields of their records, by `<kind>:<record id>`."""


class ExportRoutes:
    """The route."""

    def __init__(self, desk: ExportDesk, *, per_hour: int) -> None:
        """`per_hour`: how many one key may have."""
        self._desk = desk
        self._per_hour = per_hour

    def group(self) -> Group:
        """As the app takes it."""
        return Group(
            "Exports",
            PREFIX,
            (
                Route(
                    GET,
                    "/{kind}/{id}",
                    self.show,
                    scope=Scope.EXPORT,
                    summary="All that is held of a person",
                    description="In both systems and beside: what an erasure would remove. Each is kept in the audit.",
                    path=ExportPath,
                    answers={200: HeldShown},
                    problems=(problem.NOT_FOUND,),
                    per_hour=self._per_hour,
                ),
            ),
            "What is held of somebody.",
        )

    async def show(self, call: Call) -> Answer:
        """200 with all of it."""
        asked = call.path(ExportPath)
        by = "" if call.key is None else f"api key {call.key.id}"
        try:
            held = await self._desk.held(asked.kind, asked.id, call.now, by)
        except NothingHeld as nothing:
            raise Problem(problem.NOT_FOUND, str(nothing)) from None
        return Answer(HeldShown(**held))
