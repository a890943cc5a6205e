"""Query to SQL: what is selected, from where, in which order; and rows back to records."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from simulator.org.errors import SalesforceError
from simulator.org.objects import FieldDefinition, ObjectDefinition, Objects
from simulator.org.rest.records import RecordView
from simulator.org.soql.conditions import ConditionCompiler
from simulator.org.soql.parse import at, malformed
from simulator.org.soql.query import Path, Query
from simulator.org.soql.sources import Source, Sources
from simulator.org.values import Stored

MOST_OFFSET = 2000
_MOST_WITH_ALL_FIELDS = 200
_NO_LIMIT = -1


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a table's part of a row becomes a record, its parents within it."""

    view: RecordView
    id_index: int
    columns: tuple[tuple[str, int], ...]
    parents: tuple[tuple[str, "_Shape"], ...]

    def render(self, row: Sequence[Stored]) -> dict[str, Any] | None:
        if row[self.id_index] is None:
            return None
        record = self.view.render({name: row[index] for name, index in self.columns})
        for relationship, shape in self.parents:
            record[relationship] = shape.render(row)
        return record


@dataclass(frozen=True, slots=True)
class CompiledQuery:
    """SQL in parts, so that the whole result can be numbered first and read page by page."""

    count: bool
    columns: str
    tables: str
    where: str
    order: str
    parameters: tuple[Stored, ...]
    limit: int
    offset: int
    shape: _Shape

    def counting(self) -> str:
        """SQL for the number of rows, limit and offset left out."""
        return f"SELECT count(*) FROM {self.tables} WHERE {self.where}"

    def numbering(self) -> str:
        """SQL for the table numbers of all rows, in order; limit and offset are two more parameters."""
        return f'SELECT "t".number FROM {self.tables} WHERE {self.where}{self.order} LIMIT ? OFFSET ?'

    def reading(self) -> str:
        """SQL for rows in order; limit and offset are two more parameters."""
        return f"SELECT {self.columns} FROM {self.tables} WHERE {self.where}{self.order} LIMIT ? OFFSET ?"

    def rereading(self) -> str:
        """SQL for the rows of given table numbers (a JSON list), each led by its number."""
        chosen = '"t".number IN (SELECT value FROM json_each(?))'
        return f'SELECT "t".number, {self.columns} FROM {self.tables} WHERE {chosen}'

    def record(self, row: Sequence[Stored]) -> dict[str, Any]:
        """A row as a record."""
        return self.shape.render(row) or {}


def compile_query(soql: str, query: Query, objects: Objects, *, now: int, root: str, deleted: bool) -> CompiledQuery:
    """SQL for a query. `now` is epoch milliseconds, `root` leads the records' addresses, `deleted` is queryAll.

    Raises:
        SalesforceError: the query asks for what the org does not have or does not do.
    """
    definition = objects.get(query.sobject)
    if definition is None:
        message = (
            f"sObject type '{query.sobject}' is not supported. If you are attempting to use a custom object, be sure to"
            " append the '__c' after the entity name. Please reference your WSDL or the describe call for the"
            " appropriate names."
        )
        column = soql.lower().find(query.sobject.lower(), soql.lower().find("from")) + 1
        raise SalesforceError("INVALID_TYPE", at(soql, column, message))
    _check_limits(query)
    sources = Sources(soql, objects, definition, query.alias)
    selection = _Selection(soql, sources, root)
    for path in _paths(query, definition):
        selection.add(path)
    conditions = ConditionCompiler(soql, sources, now)
    where = "1" if query.where is None else conditions.compile(query.where)
    if not deleted:
        where = f'"t"."IsDeleted" = 0 AND {where}'
    order = _order(query, sources)
    shape = selection.shape()
    return CompiledQuery(
        count=query.count,
        columns=", ".join(selection.columns),
        tables=" ".join([f'"{definition.name}" AS "t"', *sources.joins]),
        where=where,
        order=order,
        parameters=tuple(conditions.parameters),
        limit=_NO_LIMIT if query.limit is None else query.limit,
        offset=query.offset,
        shape=shape,
    )


def _order(query: Query, sources: Sources) -> str:
    """ORDER BY; empty where none is asked for, for then Salesforce promises none."""
    if not query.order:
        return ""
    parts = []
    for one in query.order:
        direction = "DESC" if one.descending else "ASC"
        parts.append(f"{sources.sortable(one.path)} {direction} NULLS {'LAST' if one.nulls_last else 'FIRST'}")
    return f' ORDER BY {", ".join(parts)}, "t".number'


class _Selection:
    """The selected columns, and which field of which table each is."""

    def __init__(self, soql: str, sources: Sources, root: str) -> None:
        self._soql = soql
        self._sources = sources
        self._root = root
        self._chosen: dict[str, list[FieldDefinition]] = {}
        self.columns: list[str] = []

    def add(self, path: Path) -> None:
        source, field = self._sources.resolve(path)
        chosen = self._chosen.setdefault(source.alias, [])
        if field in chosen:
            raise SalesforceError(
                "INVALID_FIELD", at(self._soql, path.column, f"duplicate field selected: {field.name}")
            )
        chosen.append(field)

    def shape(self) -> _Shape:
        return self._shape_of(self._sources.root)

    def _shape_of(self, source: Source) -> _Shape:
        chosen = self._chosen.get(source.alias, [])
        names = {"Id": None} | {
            one.name: None
            for field in chosen
            for one in ([field] if field.stored else [part for _, part in source.definition.parts(field.name)])
        }
        first = len(self.columns)
        self.columns += [f'"{source.alias}"."{name}"' for name in names]
        columns = tuple((name, first + place) for place, name in enumerate(names))
        view = RecordView(source.definition, chosen, self._root)
        # A parent named only in WHERE is joined, not shown.
        parents = tuple((name, self._shape_of(one)) for name, one in source.parents.items() if self._shown(one))
        return _Shape(view, first, columns, parents)

    def _shown(self, source: Source) -> bool:
        return source.alias in self._chosen or any(self._shown(one) for one in source.parents.values())


def _paths(query: Query, definition: ObjectDefinition) -> list[Path]:
    paths = list(query.fields)
    for macro in query.macros:
        if macro not in {"ALL", "STANDARD", "CUSTOM"}:
            raise malformed(f"FIELDS({macro}) is not known: it takes ALL, STANDARD or CUSTOM")
        if macro != "STANDARD" and (query.limit is None or query.limit > _MOST_WITH_ALL_FIELDS):
            raise malformed(f"The SOQL FIELDS function must have a LIMIT of at most {_MOST_WITH_ALL_FIELDS}")
        paths += [
            Path((field.name,), 1)
            for field in definition.fields
            if macro == "ALL" or field.custom == (macro == "CUSTOM")
        ]
    return paths


def _check_limits(query: Query) -> None:
    if query.offset > MOST_OFFSET:
        message = f"Maximum SOQL offset allowed is {MOST_OFFSET}"
        raise SalesforceError("NUMBER_OUTSIDE_VALID_RANGE", message)
    if query.offset < 0 or (query.limit is not None and query.limit < 0):
        raise malformed("LIMIT and OFFSET cannot be negative")
    if query.count and query.order:
        raise malformed("Ordered field is not allowed with COUNT()")
