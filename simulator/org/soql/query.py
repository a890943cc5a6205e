"""A parsed query, as data. Columns count from 1 and are where a name or value stands in the text."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a literal is."""

    STRING = "string"
    NUMBER = "number"
    DATE = "date"
    DATETIME = "datetime"
    BOOLEAN = "boolean"
    NULL = "null"
    DATE_LITERAL = "date literal"


@dataclass(frozen=True, slots=True)
class Path:
    """A field, or a parent's: `Account.Owner.Name`."""

    names: tuple[str, ...]
    column: int


@dataclass(frozen=True, slots=True)
class Literal:
    """A value as written; of a string, what stands between the quotes."""

    kind: Kind
    text: str
    column: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """`path operator value`; the operator is one of `= != < <= > >= LIKE`."""

    path: Path
    operator: str
    value: Literal


@dataclass(frozen=True, slots=True)
class Membership:
    """`path [NOT] IN (values)`."""

    path: Path
    values: tuple[Literal, ...]
    excluded: bool


@dataclass(frozen=True, slots=True)
class Subselect:
    """`path [NOT] IN (SELECT field FROM …)`."""

    path: Path
    query: "Query"
    excluded: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """`path INCLUDES (values)` of a multi-select picklist, or EXCLUDES; `A;B` in a value is both at once."""

    path: Path
    values: tuple[Literal, ...]
    excluded: bool


@dataclass(frozen=True, slots=True)
class Negation:
    """`NOT term`."""

    term: "Condition"


@dataclass(frozen=True, slots=True)
class Chain:
    """Terms joined by AND (`all_of`) or OR."""

    terms: tuple["Condition", ...]
    all_of: bool


Condition = Comparison | Membership | Subselect | Choice | Negation | Chain


@dataclass(frozen=True, slots=True)
class Ordering:
    """One part of ORDER BY."""

    path: Path
    descending: bool
    nulls_last: bool


@dataclass(frozen=True, slots=True)
class Query:
    """A whole query. `fields` is empty for COUNT(); a macro such as FIELDS(ALL) is a path of its own name."""

    count: bool
    fields: tuple[Path, ...]
    macros: tuple[str, ...]
    children: tuple["Query", ...]
    """Queries of children, each FROM the name of a child relationship."""
    sobject: str
    alias: str
    where: Condition | None
    order: tuple[Ordering, ...]
    limit: int | None
    offset: int
