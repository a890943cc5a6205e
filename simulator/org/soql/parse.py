"""Text to query."""

from importlib import resources
from typing import Any

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

from simulator.org.errors import SalesforceError
from simulator.org.soql.query import (
    Chain,
    Choice,
    Comparison,
    Condition,
    Kind,
    Literal,
    Membership,
    Negation,
    Ordering,
    Path,
    Query,
    Subselect,
)

LONGEST_STATEMENT = 100_000
_MOST_ROWS = 2**31 - 1

_KINDS = {
    "STRING": Kind.STRING,
    "NUMBER": Kind.NUMBER,
    "WHOLE": Kind.NUMBER,
    "DATE": Kind.DATE,
    "DATETIME": Kind.DATETIME,
    "BOOLEAN": Kind.BOOLEAN,
    "NULL": Kind.NULL,
    "DATE_LITERAL": Kind.DATE_LITERAL,
}


class SoqlParser:
    """A parser, made once for an org."""

    def __init__(self) -> None:
        grammar = resources.files(__package__).joinpath("grammar.lark").read_text(encoding="utf-8")
        self._lark = Lark(grammar, start="query", parser="lalr", maybe_placeholders=True)
        self._builder = _Builder()

    def parse(self, soql: str) -> Query:
        """The query.

        Raises:
            SalesforceError: MALFORMED_QUERY.
        """
        if len(soql) > LONGEST_STATEMENT:
            raise malformed(f"SOQL statements cannot be longer than {LONGEST_STATEMENT} characters.")
        try:
            tree = self._lark.parse(soql)
        except UnexpectedInput as problem:
            raise malformed(_told(soql, problem)) from problem
        query: Query = self._builder.transform(tree)
        return query


def malformed(message: str) -> SalesforceError:
    """400 MALFORMED_QUERY."""
    return SalesforceError("MALFORMED_QUERY", message)


def at(soql: str, column: int, message: str) -> str:
    """A message as Salesforce gives it: the text, a pointer, the place, what is wrong."""
    around = soql[max(0, column - 40) : column + 40].replace("\n", " ")
    pointer = " " * (min(column, 41) - 1) + "^"
    return f"\n{around}\n{pointer}\nERROR at Row:1:Column:{column}\n{message}"


def _told(soql: str, problem: UnexpectedInput) -> str:
    if isinstance(problem, UnexpectedToken) and problem.token.type == "$END":
        return "unexpected token: <EOF>"
    column = (problem.pos_in_stream or 0) + 1
    if isinstance(problem, UnexpectedEOF):
        return "unexpected token: <EOF>"
    if isinstance(problem, UnexpectedCharacters) and problem.char == "'":
        return at(soql, column, "line 1:" + str(column) + " mismatched character '<EOF>' expecting '''")
    token = problem.token if isinstance(problem, UnexpectedToken) else soql[column - 1 : column]
    return at(soql, column, f"unexpected token: '{token}'")


class _Builder(Transformer[Token, Any]):
    """Tree to query: a method for each rule of the grammar."""

    def query(self, parts: list[Any]) -> Query:
        select, sobject, alias, where, order, limit, offset = parts
        chosen = select if isinstance(select, list) else []
        return Query(
            count=select == "count",
            fields=tuple(one for one in chosen if isinstance(one, Path)),
            macros=tuple(one for one in chosen if isinstance(one, str)),
            children=tuple(one for one in chosen if isinstance(one, Query)),
            sobject=str(sobject),
            alias=str(alias or ""),
            where=where,
            order=tuple(order or ()),
            limit=limit,
            offset=offset or 0,
        )

    def count(self, _parts: list[Token]) -> str:
        return "count"

    def fields(self, parts: list[Path | str | Query]) -> list[Path | str | Query]:
        return parts

    def children(self, parts: list[Query]) -> Query:
        return parts[0]

    def macro(self, parts: list[Token]) -> str:
        return parts[1].upper()

    def where(self, parts: list[Condition]) -> Condition:
        return parts[0]

    def all_of(self, parts: list[Condition]) -> Chain:
        return Chain(tuple(parts), all_of=True)

    def any_of(self, parts: list[Condition]) -> Chain:
        return Chain(tuple(parts), all_of=False)

    def negation(self, parts: list[Condition]) -> Negation:
        return Negation(parts[0])

    def comparison(self, parts: list[Any]) -> Comparison:
        path, operator, value = parts
        told = operator.upper()
        return Comparison(path, "!=" if told == "<>" else told, value)

    def membership(self, parts: list[Any]) -> Membership:
        return Membership(parts[0], tuple(parts[1:]), excluded=False)

    def exclusion(self, parts: list[Any]) -> Membership:
        return Membership(parts[0], tuple(parts[1:]), excluded=True)

    def semi_join(self, parts: list[Any]) -> Subselect:
        return Subselect(parts[0], parts[1], excluded=False)

    def anti_join(self, parts: list[Any]) -> Subselect:
        return Subselect(parts[0], parts[1], excluded=True)

    def includes(self, parts: list[Any]) -> Choice:
        return Choice(parts[0], tuple(parts[1:]), excluded=False)

    def excludes(self, parts: list[Any]) -> Choice:
        return Choice(parts[0], tuple(parts[1:]), excluded=True)

    def order(self, parts: list[Ordering]) -> list[Ordering]:
        return parts

    def ordered(self, parts: list[Any]) -> Ordering:
        path, direction, place = parts
        return Ordering(path, (direction or "").upper() == "DESC", (place or "").upper() == "LAST")

    def limit(self, parts: list[Token]) -> int:
        return min(int(parts[0]), _MOST_ROWS)

    def offset(self, parts: list[Token]) -> int:
        return min(int(parts[0]), _MOST_ROWS)

    def path(self, parts: list[Token]) -> Path:
        return Path(tuple(str(part) for part in parts), parts[0].start_pos + 1 if parts[0].start_pos is not None else 1)

    def value(self, parts: list[Token]) -> Literal:
        token = parts[0]
        text = str(token)[1:-1] if token.type == "STRING" else str(token)
        return Literal(_KINDS[token.type], text, (token.start_pos or 0) + 1)
