"""SOQL, built from typed parts: names are checked, every value is escaped by its type, and nothing is put together from
strings. `str()` of a `Select` is the statement.

Source: "SOQL SELECT Syntax", "Quoted String Escape Sequences", "Date Formats and Date Literals" and "SOQL and SOSL
Limits": a statement holds 100,000 characters, a text in WHERE 4,000; an address and its headers 16,384 bytes.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from adapters.salesforce.soql_values import (
    DateLiteral,
    Value,
    encoded_length,
    literal,
    name,
    pattern,
    plain_pattern,
    quote,
)

__all__ = [
    "AllOf",
    "AnyOf",
    "Compare",
    "Condition",
    "DateLiteral",
    "In",
    "InSelect",
    "Includes",
    "Like",
    "Matches",
    "Not",
    "Operator",
    "Order",
    "Select",
    "Value",
    "count",
    "encoded_length",
    "literal",
    "name",
    "quote",
    "select_where_in",
]

URI_BYTES: Final = 12_000
"""Room for a query's address; the other 4 KiB are left to the headers, an access token among them."""
STATEMENT_CHARACTERS: Final = 100_000
LARGEST_OFFSET: Final = 2_000
SYSTEM_TIMES: Final = frozenset({"SystemModstamp", "LastModifiedDate", "CreatedDate"})
"""Fields of every object that hold a moment, in whole seconds."""


class Operator(StrEnum):
    """How a field is compared with one value."""

    EQUAL = "="
    UNEQUAL = "!="
    BELOW = "<"
    AT_MOST = "<="
    ABOVE = ">"
    AT_LEAST = ">="


@dataclass(frozen=True, slots=True)
class Compare:
    """`field operator value`."""

    field: str
    operator: Operator
    value: Value

    def __str__(self) -> str:
        return f"{name(self.field)} {self.operator} {literal(self.value)}"


@dataclass(frozen=True, slots=True)
class Like:
    """Texts of a pattern without regard to cases. The parts are plain text: a `%` in one of them means itself."""

    field: str
    starts: str = ""
    holds: str = ""
    ends: str = ""

    def __str__(self) -> str:
        within = f"%{plain_pattern(self.holds)}" if self.holds else ""
        return f"{name(self.field)} LIKE '{plain_pattern(self.starts)}{within}%{plain_pattern(self.ends)}'"


@dataclass(frozen=True, slots=True)
class Matches:
    r"""Texts of a pattern without regard to cases: `%` and `_` are wildcards, `\%`, `\_` and `\\` are themselves."""

    field: str
    pattern: str

    def __str__(self) -> str:
        return f"{name(self.field)} LIKE {pattern(self.pattern)}"


@dataclass(frozen=True, slots=True)
class In:
    """The field holds one of these values, or none of them."""

    field: str
    values: tuple[Value, ...]
    negated: bool = False

    def __str__(self) -> str:
        if not self.values:
            raise ValueError("a list without values")
        listed = ",".join(literal(value) for value in self.values)
        return f"{name(self.field)} {'NOT IN' if self.negated else 'IN'} ({listed})"


@dataclass(frozen=True, slots=True)
class InSelect:
    """The field holds one of the values that a query of one field finds, or none of them."""

    field: str
    select: "Select"
    negated: bool = False

    def __str__(self) -> str:
        return f"{name(self.field)} {'NOT IN' if self.negated else 'IN'} ({self.select})"


@dataclass(frozen=True, slots=True)
class Includes:
    """A multi-select picklist holds one of these sets, or none of them. A value is of the picklist, without `;`."""

    field: str
    sets: tuple[tuple[str, ...], ...]
    negated: bool = False

    def __str__(self) -> str:
        if not self.sets or any(";" in value for one in self.sets for value in one):
            raise ValueError("not sets of picklist values")
        listed = ", ".join(quote(";".join(one)) for one in self.sets)
        return f"{name(self.field)} {'EXCLUDES' if self.negated else 'INCLUDES'} ({listed})"


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds."""

    parts: "tuple[Condition, ...]"

    def __str__(self) -> str:
        return f"({' AND '.join(map(str, self.parts))})"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds."""

    parts: "tuple[Condition, ...]"

    def __str__(self) -> str:
        return f"({' OR '.join(map(str, self.parts))})"


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: "Condition"

    def __str__(self) -> str:
        return f"(NOT {self.part})"


Condition = Compare | Like | Matches | In | InSelect | Includes | AllOf | AnyOf | Not
"""What follows WHERE. AND and OR never meet without parentheses, which Salesforce would refuse."""


@dataclass(frozen=True, slots=True)
class Order:
    """One part of ORDER BY. Empty values come first, downwards too, but for `nulls_last`."""

    field: str
    descending: bool = False
    nulls_last: bool = False

    def __str__(self) -> str:
        downwards, last = " DESC" if self.descending else "", " NULLS LAST" if self.nulls_last else ""
        return f"{name(self.field)}{downwards}{last}"


@dataclass(frozen=True, slots=True)
class Select:
    """A statement. Without `fields` it is `SELECT COUNT()`; `deleted_too` asks by `queryAll`, the recycle bin too."""

    fields: tuple[str, ...]
    sobject: str
    where: Condition | None = None
    order: tuple[Order, ...] = field(default=())
    limit: int | None = None
    offset: int | None = None
    deleted_too: bool = False

    def __str__(self) -> str:
        """The statement.

        Raises:
            ValueError: a name that is none, a value that has no literal, or a statement longer than it may be.
        """
        chosen = ", ".join(map(name, self.fields)) or "COUNT()"
        parts = [f"SELECT {chosen} FROM {name(self.sobject)}"]  # noqa: S608 - names are checked
        if self.where is not None:
            parts.append(f"WHERE {self.where}")
        if self.order:
            parts.append(f"ORDER BY {', '.join(map(str, self.order))}")
        for word, number, most in (("LIMIT", self.limit, None), ("OFFSET", self.offset, LARGEST_OFFSET)):
            if number is None:
                continue
            if number < 0 or (most is not None and number > most):
                raise ValueError(f"{word} out of its range")
            parts.append(f"{word} {number}")
        text = " ".join(parts)
        if len(text) > STATEMENT_CHARACTERS:
            raise ValueError(f"a statement of more than {STATEMENT_CHARACTERS} characters")
        return text

    def also(self, condition: Condition) -> "Select":
        """The same, of the rows of which this holds too."""
        return replace(self, where=condition if self.where is None else AllOf((self.where, condition)))

    def after(self, row: Mapping[str, Any]) -> "Select | None":
        """The same from the next row on; nothing where the order does not tell which that is.

        It does where rows come by `Id`, or by one of the system's times and then by `Id`, which no two share.
        """
        match self.order:
            case (Order("Id", False),) if "Id" in row and self.limit is None:
                return self.also(Compare("Id", Operator.ABOVE, str(row["Id"])))
            case (Order(moment, False), Order("Id", False)) if (
                moment in SYSTEM_TIMES and {moment, "Id"} <= row.keys() and self.limit is None
            ):
                at = datetime.fromisoformat(row[moment])
                same = AllOf((Compare(moment, Operator.EQUAL, at), Compare("Id", Operator.ABOVE, str(row["Id"]))))
                return self.also(AnyOf((Compare(moment, Operator.ABOVE, at), same)))
            case _:
                return None


def count(sobject: str, where: Condition | None = None) -> Select:
    """How many rows there are: `totalSize` of the answer."""
    return Select((), sobject, where)


def select_where_in(
    fields: Iterable[str],
    sobject: str,
    field: str,
    values: Iterable[str],
    *,
    only_if: str = "",
    deleted_too: bool = False,
    uri_bytes: int = URI_BYTES,
) -> Iterator[Select]:
    """Queries that together ask for every row whose `field` is one of `values`, each value in exactly one of them.

    `only_if` names a boolean field that must be true besides.

    Raises:
        ValueError: a name that is none, or a value that alone is too long for an address.
    """

    def of(listed: Iterable[str]) -> Select:
        made = Select(tuple(fields), sobject, In(field, tuple(listed)), deleted_too=deleted_too)
        return made.also(Compare(only_if, Operator.EQUAL, value=True)) if only_if else made

    fields = tuple(fields)
    fixed = encoded_length(str(of([""])))
    listed: list[str] = []
    length = fixed
    for value in values:
        cost = encoded_length(quote(value) + ",")
        if fixed + cost > uri_bytes:
            raise ValueError("a value is too long for a query")
        if listed and length + cost > uri_bytes:
            yield of(listed)
            listed, length = [], fixed
        listed.append(value)
        length += cost
    if listed:
        yield of(listed)
