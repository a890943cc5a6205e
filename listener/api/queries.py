"""`/query`: Salesforce asked by SOQL or by the query builder, within the mapping, in pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from listener.api import problem
from listener.api.paths import PREFIX
from listener.api.problem import Fault, Problem, ProblemType
from listener.api.routes import GET, POST, Answer, Call, Group, Route
from schemas.api_key import Scope
from schemas.record_query import RecordQuery

REFUSED: Final = ProblemType("query_refused", 422, "The query is not asked")
TOO_SLOW: Final = ProblemType("query_too_slow", 504, "Salesforce takes too long over the query")
NO_ANSWER: Final = ProblemType("salesforce_unavailable", 503, "Salesforce does not answer now")
_OF_ASKING: Final = (REFUSED, TOO_SLOW, NO_ANSWER)
RETRY_SECONDS: Final = 30


class QueryRefused(Exception):
    """A query that is not asked, by us or by Salesforce; `faults` has a line for everything that is wrong with it."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


class QueryTooSlow(Exception):
    """No answer within the time that a page may take."""


class NotAnswered(Exception):
    """Salesforce is away, logged out or over its limits: the word that says so."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A page of rows. `cursor` leads to the next one."""

    soql: str
    sobject: str
    total: int
    records: Sequence[dict[str, Any]]
    cursor: str | None = None


class Queries(Protocol):
    """Salesforce, asked within the mapping. `owner` is the key whose query it is: a cursor is good for it alone.

    Raises, but for `built`: QueryRefused, QueryTooSlow, NotAnswered, Unavailable.
    """

    async def soql(self, text: str, owner: str) -> Rows:
        """The first page of a caller's SELECT."""

    async def question(self, query: RecordQuery, owner: str) -> Rows:
        """The first page of what a question in JSON asks for."""

    def built(self, query: RecordQuery) -> str:
        """Its SOQL.

        Raises:
            QueryRefused: it has none.
        """

    async def following(self, cursor: str, owner: str) -> Rows | None:
        """The page that a cursor leads to; nothing where there is no such cursor, or it is over."""


class SoqlAsked(BaseModel):
    """One SELECT."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [{"query": "SELECT Id, Email, FirstName FROM Contact WHERE Email != null LIMIT 10"}]
        },
    )

    query: str = Field(min_length=1, max_length=100_000)
    """SOQL over mapped objects and fields. It is read, judged and written anew: no text of yours reaches Salesforce."""


class QueryAnswer(BaseModel):
    """A page of rows."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    soql: str
    """What Salesforce was asked: the query with its limit."""
    object: str
    total: int
    """How many rows there are on all pages; of a count, the count."""
    done: bool
    """Whether this is the last page."""
    records: tuple[dict[str, JsonValue], ...]
    """Rows by Salesforce's names."""
    next: str | None
    """The address of the next page, good for a quarter of an hour."""


class Built(BaseModel):
    """What a question would ask."""

    soql: str


class CursorPath(BaseModel):
    """Which page."""

    cursor: str = Field(min_length=1, max_length=100, description="From `next` of the page before.")


class QueryRoutes:
    """The handlers."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def group(self) -> Group:
        """Their routes."""
        return Group(
            "Queries",
            PREFIX,
            (
                Route(
                    POST,
                    "/query",
                    self.ask,
                    Scope.QUERY,
                    "Ask by SOQL",
                    {200: QueryAnswer},
                    "One SELECT over mapped objects and fields, and those of the records that mapped lookups name.",
                    body=SoqlAsked,
                    problems=_OF_ASKING,
                ),
                Route(
                    POST,
                    "/query/build",
                    self.ask_built,
                    Scope.QUERY,
                    "Ask by the query builder",
                    {200: QueryAnswer},
                    "Object, fields, conditions, order, limit, by the platform's names or Salesforce's.",
                    body=RecordQuery,
                    problems=_OF_ASKING,
                ),
                Route(
                    POST,
                    "/query/soql",
                    self.build,
                    Scope.QUERY,
                    "Only build the SOQL",
                    {200: Built},
                    "Asks Salesforce nothing.",
                    body=RecordQuery,
                    problems=(REFUSED,),
                ),
                Route(
                    GET,
                    "/query/pages/{cursor}",
                    self.page,
                    Scope.QUERY,
                    "The next page",
                    {200: QueryAnswer},
                    path=CursorPath,
                    problems=(*_OF_ASKING, problem.NOT_FOUND),
                ),
            ),
            "Salesforce's records, within the mapping.",
        )

    async def ask(self, call: Call) -> Answer:
        """A caller's own SELECT."""
        try:
            return Answer(_shown(await self._queries.soql(call.body(SoqlAsked).query, _owner(call))))
        except (QueryRefused, QueryTooSlow, NotAnswered) as failed:
            raise _problem(failed, "/query") from None

    async def ask_built(self, call: Call) -> Answer:
        """A question."""
        try:
            return Answer(_shown(await self._queries.question(call.body(RecordQuery), _owner(call))))
        except (QueryRefused, QueryTooSlow, NotAnswered) as failed:
            raise _problem(failed) from None

    async def build(self, call: Call) -> Answer:
        """Nothing is asked."""
        try:
            return Answer(Built(soql=self._queries.built(call.body(RecordQuery))))
        except QueryRefused as failed:
            raise _problem(failed) from None

    async def page(self, call: Call) -> Answer:
        """One more."""
        try:
            rows = await self._queries.following(call.path(CursorPath).cursor, _owner(call))
        except (QueryRefused, QueryTooSlow, NotAnswered) as failed:
            raise _problem(failed) from None
        if rows is None:
            raise Problem(problem.NOT_FOUND, "there is no such page, or its time is over: ask the query anew")
        return Answer(_shown(rows))


def _owner(call: Call) -> str:
    return "" if call.key is None else call.key.id


def _shown(rows: Rows) -> QueryAnswer:
    return QueryAnswer(
        soql=rows.soql,
        object=rows.sobject,
        total=rows.total,
        done=rows.cursor is None,
        records=tuple(rows.records),
        next=None if rows.cursor is None else f"{PREFIX}/query/pages/{quote(rows.cursor, safe='')}",
    )


def _problem(failed: Exception, pointer: str | None = None) -> Problem:
    match failed:
        case QueryRefused():
            return Problem(REFUSED, errors=[Fault(detail=line, pointer=pointer) for line in failed.faults])
        case QueryTooSlow():
            return Problem(TOO_SLOW, "ask for less at a time")
        case _:
            return Problem(NO_ANSWER, str(failed), headers={"Retry-After": str(RETRY_SECONDS)})
